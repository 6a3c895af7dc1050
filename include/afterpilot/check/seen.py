"""Was the same thing seen before?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check.window import records
from afterpilot.check.words import as_text, either, is_missing, label, missing, phrase, shown
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.workflow import Check

# Everything that looks like nothing, also between words: a blank more must not make a duplicate a new invoice.
_POINTS = (*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0xAD, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029)
_BLANKS = "".join(map(chr, (*_POINTS, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)))
_WITHOUT = {ord(blank): None for blank in _BLANKS}


@dataclass(frozen=True, slots=True)
class Earlier:
    """The record that was there first."""

    key: str
    at: datetime


class Seen(Protocol):
    """Finds earlier records with the same values; letters' case and blanks around a value do not matter."""

    def __call__(self, workflow: str, columns: Sequence[str], batch: Sequence[Record]) -> Mapping[str, Earlier]:
        """For each record that is a repetition, by its key, the first one with the same values in all columns. Records
        that lack one of the values are never a repetition. Raises CheckError.
        """
        ...


_gate_decisions = sa.table("gate_decisions", sa.column("workflow", sa.Text()), sa.column("key", sa.Text()))


class SeenInRecords:
    """Looks among the records in the ops database: those that are older, and those that were decided on already (a record
    that comes late does not pass because it is older than its double).
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __call__(self, workflow: str, columns: Sequence[str], batch: Sequence[Record]) -> Mapping[str, Earlier]:
        """See :class:`Seen`. One query for the whole batch.

        Raises:
            CheckError: the ops database cannot be read.
        """
        given = [
            (record.key, record.at, *(as_text(record.data.get(column)) for column in columns))
            for record in batch
            if _complete(record, columns)
        ]
        if not given:
            return {}
        statement = _statement(workflow, columns, given)
        try:
            with self._engine.connect() as connection:
                return {row.given_key: Earlier(row.key, row.at) for row in connection.execute(statement)}
        except SQLAlchemyError as error:
            raise CheckError(f"earlier records cannot be read: {' '.join(str(error.args[0]).split())[:300]}") from error


def not_seen_before(
    check: Check, batch: Sequence[Record], seen: Seen, workflow: str
) -> Callable[[Record], Iterator[Discrepancy]]:
    """No earlier record, in the batch or before it, has the same values in these columns."""
    columns = [str(column) for column in check.params["columns"]]
    first: dict[tuple[str, ...], Record] = {}
    repeated = dict(seen(workflow, columns, batch))
    for record in batch:
        if _complete(record, columns):
            earlier = first.setdefault(_values(record, columns), record)
            if earlier.key != record.key and record.key not in repeated:
                repeated[record.key] = Earlier(earlier.key, earlier.at)

    def judge(record: Record) -> Iterator[Discrepancy]:
        for column in columns:
            if is_missing(record.data.get(column)):
                yield missing(check, column)
        earlier = repeated.get(record.key)
        if earlier is not None:
            names = either([phrase(column) for column in columns], "and")
            said = ", ".join(shown(record.data.get(column)) for column in columns)
            source = f"record {shown(earlier.key)} of {earlier.at.astimezone(UTC):%Y-%m-%d}"
            text = f"{label(columns[0])}: {source} has the same {names} ({said})"
            yield Discrepancy(check.expect, columns[0], said, "not seen before", source, text)

    return judge


def _statement(workflow: str, columns: Sequence[str], given: Sequence[tuple[Any, ...]]) -> sa.Select[Any]:
    names = [f"value_{index}" for index in range(len(columns))]
    current = sa.values(
        sa.column("given_key", sa.Text()),
        sa.column("given_at", sa.DateTime(timezone=True)),
        *(sa.column(name, sa.Text()) for name in names),
        name="given",
    ).data(list(given))
    same = [
        _plain(records.c.data[column].astext) == _plain(current.c[name])
        for column, name in zip(columns, names, strict=True)
    ]
    decided = sa.exists().where(_gate_decisions.c.workflow == workflow, _gate_decisions.c.key == records.c.key)
    older = sa.tuple_(records.c.at, records.c.key) < sa.tuple_(current.c.given_at, current.c.given_key)
    return (
        sa.select(current.c.given_key, records.c.key, records.c.at)
        .select_from(current.join(records, sa.and_(records.c.workflow == workflow, *same)))
        .where(records.c.key != current.c.given_key, sa.or_(older, decided))
        .distinct(current.c.given_key)
        .order_by(current.c.given_key, records.c.at, records.c.key)
    )


def _plain(text: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.lower(sa.func.translate(text, _BLANKS, ""))


def _complete(record: Record, columns: Sequence[str]) -> bool:
    return not any(is_missing(record.data.get(column)) for column in columns)


def _values(record: Record, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple((as_text(record.data.get(column)) or "").translate(_WITHOUT).lower() for column in columns)
