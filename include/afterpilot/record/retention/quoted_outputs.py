"""Where texts of a workflow quote what an output said: incidents, messages, reports. There it gives way; runs and findings cannot be changed.

Only values that tell this output from others are looked for: one that other outputs hold too, a plain word, a time or a short number may
stand in any text without being a quotation.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.personal_places import QUOTING, STAYING, Place
from afterpilot.domain.run import FLEET
from afterpilot.record.retention.erasure import spelled
from afterpilot.record.tables import metadata

_NOT_VALUES = frozenset({"[redacted]", "erased"})
_SHORTEST, _SHORTEST_NUMBER = 3, 5  # characters of what is looked for
_CUT = 40  # characters of a long value that every text shows which quotes it cut off
_LEFT_OF_CUT = 80  # characters that may stand after them
_MOST = 500  # values of one output
_MOST_STAYING = 1000  # runs and findings are counted up to here
_PLAIN = re.compile(r"[a-z_]*")
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*")
_SAID = sa.text(
    "SELECT records.key, one.value FROM records, jsonb_each(data) AS one WHERE workflow = :workflow AND records.key = ANY(:keys) "
    "UNION ALL SELECT human_decisions.key, one.value FROM human_decisions, jsonb_each(corrected) AS one "
    "  WHERE workflow = :workflow AND human_decisions.key = ANY(:keys) "
    "UNION ALL SELECT review_items.key, said.value FROM review_items, jsonb_array_elements(discrepancies) AS one, "
    "  jsonb_each(one) AS said WHERE workflow = :workflow AND review_items.key = ANY(:keys) AND said.key IN ('said', 'expected')"
)
_SHARED = sa.text(
    "SELECT DISTINCT one.value FROM records, jsonb_each_text(data) AS one "
    "WHERE workflow = :workflow AND records.key <> ALL(:keys) AND one.value = ANY(:values)"
)


@dataclass(frozen=True, slots=True)
class Quotable:
    """What is looked for, by output, and how many values are not, by the reason."""

    values: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]

    @property
    def all(self) -> tuple[str, ...]:
        """The values of all of them."""
        return tuple(sorted({value for those in self.values.values() for value in those}))


def quotable(connection: sa.Connection, workflow: str, keys: Sequence[str]) -> Quotable:
    """What outputs say, as far as it tells them from others. One look through the workflow's records."""
    given = {"workflow": workflow, "keys": list(keys)}
    said: dict[str, dict[str, None]] = {key: {} for key in keys}
    left: dict[str, set[tuple[str, str]]] = {}
    for row in connection.execute(_SAID, given):
        for text in _leaves(row.value):
            if reason := _not_telling(text, keys):
                left.setdefault(reason, set()).add((row.key, text))
            elif text not in _NOT_VALUES and text not in keys:
                said[row.key][text] = None
    values = sorted({text for those in said.values() for text in those})
    shared = set(connection.scalars(_SHARED, given | {"values": values})) if values else set()
    for key, those in said.items():
        left.setdefault("stand in other outputs too", set()).update((key, text) for text in those if text in shared)
        left.setdefault(f"are more than {_MOST} of one output", set()).update((key, text) for text in [*those][_MOST:])
    found = {key: tuple(text for text in [*those][:_MOST] if text not in shared) for key, those in said.items()}
    return Quotable(found, {reason: len(those) for reason, those in left.items() if those})


def counted(connection: sa.Connection, workflow: str, values: Collection[str]) -> Mapping[str, int]:
    """How many rows of each place quote any of the values."""
    return _counts(connection, workflow, values, QUOTING) if values else {}


def staying(connection: sa.Connection, workflow: str, values: Collection[str]) -> Mapping[str, int]:
    """How many rows quote them that nobody can change; counted up to a thousand."""
    return _counts(connection, workflow, values, STAYING, most=_MOST_STAYING) if values else {}


def letters(connection: sa.Connection, workflow: str, values: Collection[str]) -> Sequence[tuple[object, str]]:
    """The messages that quote them: id and workflow."""
    if not values:
        return ()
    outbox = metadata.tables["outbox"]
    where = _where(Place("outbox", "message", "json"), workflow, values)
    return [
        (row.id, row.workflow) for row in connection.execute(sa.select(outbox.c.id, outbox.c.workflow).where(where))
    ]


def replace(connection: sa.Connection, workflow: str, values: Collection[str], label: str) -> Mapping[str, int]:
    """Put the label where the values stand; how many rows of each place were changed."""
    counts: Counter[str] = Counter()
    for place in QUOTING if values else ():
        table = metadata.tables[place.table]
        column = table.c[place.column]
        text = sa.func.regexp_replace(sa.cast(column, sa.Text), _pattern(values, place), label, "g")
        changed = sa.cast(text, column.type) if place.holds == "json" else text
        where = _where(place, workflow, values)
        if rows := connection.execute(sa.update(table).where(where).values({column: changed})).rowcount:
            counts[place.name] = rows
    return counts


def _counts(
    connection: sa.Connection,
    workflow: str,
    values: Collection[str],
    places: Sequence[Place],
    *,
    most: int | None = None,
) -> Mapping[str, int]:
    found = {}
    for place in places:
        rows = sa.select(sa.literal(1)).select_from(metadata.tables[place.table]).where(_where(place, workflow, values))
        found[place.name] = connection.scalar(sa.select(sa.func.count()).select_from(rows.limit(most).subquery())) or 0
    return {name: rows for name, rows in found.items() if rows}


def _where(place: Place, workflow: str, values: Collection[str]) -> sa.ColumnElement[bool]:
    """Rows of the workflow that quote any of them; those of the fleet may, where they tell of several workflows."""
    table = metadata.tables[place.table]
    whose = [workflow, FLEET]
    if place.table == "incident_events":
        incidents = metadata.tables["incidents"]
        mine: sa.ColumnElement[bool] = table.c.incident_id.in_(
            sa.select(incidents.c.id).where(incidents.c.workflow.in_(whose))
        )
    else:
        mine = table.c.workflow.in_(whose)
    if place.table == "ledger":
        mine = sa.and_(
            mine, table.c.action.startswith("alerts:incident:")
        )  # of others the words are sealed, or are numbers
    return sa.and_(mine, sa.cast(table.c[place.column], sa.Text).regexp_match(_pattern(values, place)))


def _pattern(values: Collection[str], place: Place) -> str:
    """A regular expression of PostgreSQL's: any of the values, whole or as a text shows the beginning of a long one."""
    in_json = place.holds == "json"
    cut = [value[:_CUT].rstrip() for value in values if len(value) > 2 * _CUT]
    whole = spelled(values, in_json=in_json)
    return whole if not cut else f'{whole}|{spelled(cut, in_json=in_json, whole=False)}[^"\\\\\\n]{{0,{_LEFT_OF_CUT}}}'


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """The texts and numbers within a value; a text that is JSON itself is taken apart, too."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str):
        yield " ".join(value.split())
        if value[:1] in {"{", "["}:
            try:
                yield from _leaves(json.loads(value))
            except (ValueError, RecursionError):
                return
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _not_telling(text: str, keys: Collection[str]) -> str:
    """Why a value is not looked for; empty where it is."""
    if not text or text in keys or text in _NOT_VALUES:
        return ""
    if _NUMBER.fullmatch(text):
        return "are short numbers" if len(text) < _SHORTEST_NUMBER else ""
    if len(text) < _SHORTEST or _PLAIN.fullmatch(text):
        return "are plain words or too short"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    return "are times"
