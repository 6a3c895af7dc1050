"""What people did and what became of it, as the tables say it, held against the entries: pages read the tables, heads vouch for entries.

A name that was erased, and words in which one stood, are no longer what they were: they are left out once an entry says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import ITSELF, person
from afterpilot.record.canonical import canonical
from afterpilot.record.ledger_audit import OUTPUT
from afterpilot.record.ledger_removed import Removed
from afterpilot.record.ledger_standing import Flaws
from afterpilot.record.personal import SEALED, opened
from afterpilot.record.plain import plain

_MOST = 100  # of each table
# Of each table: its rows as (subject, action, at, by, said, words). ``said`` are values of the payload, ``words`` those it seals.
_ACTS: Mapping[str, str] = {
    "human_decisions": (
        f"SELECT {OUTPUT} AS subject, 'review\\:decision\\:made' AS action, decided_at AS at, decided_by AS by, "  # noqa: S608 - constants
        "json_build_object('decision', decision, 'minutes', minutes, 'seconds', seconds) AS said, "
        "json_build_object('note', note, 'corrected', corrected) AS words FROM human_decisions WHERE origin = 'review'"
    ),
    "incident_events": (
        "SELECT 'incident:' || incident_id AS subject, 'alerts\\:incident\\:' || what AS action, at, actor AS by, "
        "json_build_object('run', run_id) AS said, json_build_object('note', note) AS words FROM incident_events WHERE what <> 'seen'"
    ),
    "baselines": (
        "SELECT 'run:' || run_id AS subject, 'evals\\:baseline\\:approved' AS action, approved_at AS at, approved_by AS by, "
        "json_build_object('runs', runs, 'terms', terms) AS said, json_build_object('note', note) AS words FROM baselines"
    ),
    "cap_raises": (
        "SELECT 'raise:' || id AS subject, 'spend\\:raise\\:' || state AS action, coalesce(decided_at, asked_at) AS at, "
        "coalesce(nullif(second_by, ''), asked_by) AS by, json_build_object('cap', cap, 'limit', amount, 'currency', currency) AS said, "
        "CAST('{}' AS json) AS words FROM cap_raises WHERE state <> 'pending'"
    ),
    "silences": (
        "SELECT 'silence:' || id AS subject, 'alerts\\:silence\\:set' AS action, starts_at AS at, by, "
        "json_build_object('workflow', workflow, 'kind', kind) AS said, json_build_object('reason', reason) AS words FROM silences"
    ),
}
_ENTRIES: Mapping[str, str] = {
    "human_decisions": "l.action = 'review\\:decision\\:made'",
    "incident_events": "starts_with(l.action, 'alerts\\:incident\\:')",
    "baselines": "l.action = 'evals\\:baseline\\:approved'",
    "cap_raises": "l.action IN ('spend\\:raise\\:approved', 'spend\\:raise\\:refused')",
    "silences": "l.action = 'alerts\\:silence\\:set'",
}
_WITH = {"incident_events": "incidents"}  # what goes with the rows of another table
_TOLD = (
    "SELECT w.*, l.payload, l.actor, s.name, s.erased_at FROM ({rows}) AS w "
    "JOIN ledger l ON l.subject = w.subject AND l.action = w.action AND l.at = w.at "
    "LEFT JOIN subjects s ON s.id = CASE WHEN starts_with(l.actor, 'person\\:') THEN CAST(substr(l.actor, 8) AS uuid) END "
    "ORDER BY w.subject, w.at"
)
_LOST = (
    "SELECT l.subject, l.at, l.workflow, CAST(l.payload AS json) ->> 'workflow' AS whose FROM ledger l LEFT JOIN ({rows}) AS w "
    "ON w.subject = l.subject AND w.action = l.action AND w.at = l.at WHERE {which} AND w.subject IS NULL ORDER BY l.id"
)
_KEY = sa.text("SELECT key FROM subjects WHERE id = CAST(:id AS uuid)")
_ERASED = sa.text(
    "SELECT EXISTS (SELECT FROM ledger WHERE subject = :subject AND action = 'retention:output:erased') AS output, "
    "EXISTS (SELECT FROM subjects WHERE kind = 'person' AND erased_at IS NOT NULL) AS anybody"
)
_LABEL = "erased person "  # of afterpilot.domain.personal_places.label_of
_Place = tuple[str, str, datetime]  # subject, action, time


def look(connection: sa.Connection) -> Flaws:
    """Hold each row against its entry, and each entry against its row."""
    flaws, removed = Flaws(), Removed(connection)
    for table, rows in _ACTS.items():
        flaws.problems += _changed(connection, table, rows)
        flaws.problems += _lost(connection, removed, table, rows)
    return flaws


def _changed(connection: sa.Connection, table: str, rows: str) -> Sequence[str]:
    """Rows that say something else than each entry of their subject, action and time."""
    found: dict[_Place, str] = {}
    good: set[_Place] = set()
    for row in connection.execute(sa.text(_TOLD.format(rows=rows))).all():
        place = (row.subject, row.action, row.at)
        if wrong := _difference(connection, row):
            found.setdefault(place, wrong)
        else:
            good.add(place)
    return [
        f"{table}: {place[0]} of {place[2]:%Y-%m-%d %H:%M} UTC has another {wrong} than its entry {place[1]}"
        for place, wrong in found.items()
        if place not in good
    ][:_MOST]


def _lost(connection: sa.Connection, removed: Removed, table: str, rows: str) -> Sequence[str]:
    """Entries whose row is gone, and no entry says that retention has removed it."""
    lost = connection.execute(sa.text(_LOST.format(rows=rows, which=_ENTRIES[table]))).all()
    return [
        f"{table}: what {row.subject} of {row.workflow} tells of {row.at:%Y-%m-%d %H:%M} UTC is not there any more"
        for row in lost
        if not removed.rows(_WITH.get(table, table), row.whose or row.workflow, row.at)
    ][:_MOST]


def _difference(connection: sa.Connection, row: Any) -> str:  # noqa: ANN401 - a row
    """What the row says differently from the entry, of which it is the first; empty where nothing is."""
    payload = json.loads(row.payload)
    by = ITSELF if row.by in {"", ITSELF} else person(row.by).name
    if not row.erased_at and by != (row.name or row.actor):
        return "name"
    said: Mapping[str, Any] = row.said
    words: Mapping[str, Any] = row.words
    for name, value in said.items():
        if name in payload and not _same(payload[name], value):
            return name
    for name, value in words.items():
        if name not in payload:
            if value and not row.action.endswith(":opened"):  # whose entry has the title instead
                return name
        elif not _worded(connection, row.subject, payload[name], value):
            return name
    return ""


def _same(told: object, value: object) -> bool:
    """Whether two values are the same, be numbers written as numbers or as text."""
    if told == value or None in (told, value):
        return told == value
    try:
        return Decimal(str(told)) == Decimal(str(value))
    except ArithmeticError:
        return False


def _worded(connection: sa.Connection, subject: str, told: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether words are those that were recorded, as far as there is a key, or had to give way to an erasure."""
    if not isinstance(told, dict) or SEALED not in told:
        return bool(told == value or not (told or value))
    box = told[SEALED]
    key = connection.scalar(_KEY, {"id": box["about"].partition(":")[2]})
    if key is None:
        return True
    try:
        if opened(box, bytes(key)) == canonical(plain(value)):
            return True
    except ValueError:
        return False
    erased = connection.execute(_ERASED, {"subject": subject}).one()
    return bool(erased.output or (erased.anybody and _LABEL in json.dumps(value)))
