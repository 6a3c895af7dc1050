"""Whether the sources that answers were built on are in the index, and up to date."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from afterpilot.check.custom.outcome import Counted, by_value
from afterpilot.check.custom.parameters import length, needs
from afterpilot.check.custom.reading import Bounds, Texts
from afterpilot.check.custom.scope import Scope
from afterpilot.check.window import MOST_KEYS
from afterpilot.check.words import moment
from afterpilot.domain.errors import AfterpilotError, CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check

BOUNDS = Bounds(rows=200_000, characters=20_000)
MOST_SOURCES = 100_000
_LONGEST = 500
_NAMED = 20
_APART = re.compile(r"[\s,;|]+")

Row = Mapping[str, Any]


def sources_fresh(check: Check, scope: Scope) -> Judged:
    """Whether every source that a record names is a row of the index table, was updated at most ``max_age`` before the window
    ends, and has an accepted ``status``. The column holds a JSON list of ids (or of objects with an ``id``), or ids apart by
    commas or blanks. A record that names none, `[]`, fails: its answer was built on nothing.

    Raises:
        CheckError: the table cannot be read, a parameter is wrong, or too much was not judged.
    """
    texts = Texts(scope, check.column, BOUNDS)
    named: list[tuple[str | None, tuple[str, ...]]] = []
    different: set[str] = set()
    unjudged = 0
    for value in texts:
        sources = sources_of(value.text) if value.whole else None
        if sources is None or len(different) + len(sources) > MOST_SOURCES:
            unjudged += 1
            continue
        different.update(sources)
        named.append((value.key, sources))
    faults = _faults(check, scope, sorted(different))
    wrong = [(key, sources) for key, sources in named if not sources or any(one in faults for one in sources)]
    examples = [(key, _said(sources, faults)) for key, sources in wrong[:MOST_KEYS]]
    times = Counter(source for _, sources in wrong for source in set(sources) if source in faults)
    why = f"they are no list of ids, or there are more than {MOST_SOURCES:,} sources" if unjudged else str(BOUNDS)
    return by_value(
        check,
        Counted(texts.rows, texts.missing, len(wrong), examples, unjudged + texts.left, why),
        distinct_sources=len(different),
        without_sources=sum(not sources for _, sources in wrong),
        sources={source: f"{faults[source]} ({count} records)" for source, count in times.most_common(_NAMED)},
        **{f"{kind}_sources": sum(fault.startswith(kind) for fault in faults.values()) for kind in _KINDS},
    )


_KINDS = ("missing", "stale", "not in use")


def sources_of(text: str) -> tuple[str, ...] | None:
    """The ids that a text names, each once; None where it holds no list of them."""
    bare = text.strip()
    if not bare.startswith(("[", "{", '"')):
        return tuple(dict.fromkeys(one for one in _APART.split(storable(bare)) if one))
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    found = []
    for one in value if isinstance(value, list) else [value]:
        source = one.get("id") if isinstance(one, dict) else one
        if isinstance(source, bool) or not isinstance(source, str | int):
            return None
        found.append(storable(str(source)).strip()[:_LONGEST])
    return tuple(dict.fromkeys(found))


def _faults(check: Check, scope: Scope, sources: Sequence[str]) -> dict[str, str]:
    """What is wrong with each source, for those with which something is."""
    if scope.references is None:
        raise CheckError("other tables cannot be read from here")
    table, key = str(needs(check, "table")), str(needs(check, "key"))
    updated, status = str(check.params.get("updated") or ""), check.params.get("status") or {}
    allowed = length(needs(check, "max_age"), "max_age") if updated else None
    state = str(status.get("column", ""))
    columns = [name for name in (updated, state) if name]
    try:
        rows = scope.references.rows(str(check.params.get("connection", "")), table, key, sources, columns or [key])
    except AfterpilotError as error:
        raise CheckError(f"{table} cannot be looked up: {error}") from error
    by_key = {str(value): row for value, row in rows.items()}
    accepted = {str(one) for one in status.get("accept", ())}
    faults: dict[str, str] = {}
    for source in sources:
        fault = _fault(by_key.get(source), scope, updated=updated, allowed=allowed, state=state, accepted=accepted)
        if fault:
            faults[source] = fault
    return faults


def _fault(
    row: Row | None, scope: Scope, *, updated: str, allowed: timedelta | None, state: str, accepted: set[str]
) -> str:
    if row is None:
        return "missing"
    if state and str(row[state]) not in accepted:
        return f"not in use: {str(row[state])[:50]}"
    if allowed is None:
        return ""
    at = moment(row[updated])
    if at is None:
        return "stale: never updated"
    old = scope.end - at
    return f"stale: {old.days} days old" if old > allowed else ""


def _said(sources: Sequence[str], faults: Mapping[str, str]) -> str:
    if not sources:
        return "names no source"
    return ", ".join(f"{source} {faults[source]}" for source in sources if source in faults)[:200]
