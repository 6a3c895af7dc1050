"""Fields that are personal now and were kept as they are before: what was written of them may quote their values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

# The personal fields of every workflow's last usable declaration, where there are any.
_NOW = sa.text(
    "SELECT c.workflow, d.sha256 FROM current_declarations c JOIN declarations d "
    "ON d.workflow = c.workflow AND d.sha256 = COALESCE(c.usable_sha256, c.sha256) "
    "WHERE jsonb_typeof(d.document #> '{source,personal}') = 'array' AND d.document #> '{source,personal}' <> '[]'"
)
# Of some versions: the fields that another version of the workflow kept and did not call personal.
_LATE = sa.text(
    "SELECT DISTINCT now.workflow, field.name FROM unnest(CAST(:workflows AS text[]), CAST(:versions AS text[])) AS now(workflow, sha256) "
    "JOIN declarations d ON d.workflow = now.workflow AND d.sha256 = now.sha256 "
    "CROSS JOIN LATERAL jsonb_array_elements_text(d.document #> '{source,personal}') AS field(name) "
    "JOIN declarations other ON other.workflow = d.workflow AND other.usable "
    "AND other.document #> '{source,fields}' ? field.name "
    "AND NOT COALESCE(other.document #> '{source,personal}', '[]') ? field.name"
)

# Whether anything that happened to a workflow in some days, or was recorded in them, or stands in the ledger between what was, has a
# pattern in it, or a document that such an entry vouches for. A bundle holds what was recorded, which may have happened before.
_NAMED = sa.text(
    "WITH near AS (SELECT id FROM ledger WHERE workflow = :workflow AND recorded_at >= :since AND recorded_at < :until), "
    "span AS (SELECT min(s.number) AS first, max(s.number) AS last FROM near JOIN ledger_leaves s ON s.entry_id = near.id), "
    "entries AS MATERIALIZED (SELECT l.subject, l.payload FROM ledger l WHERE l.workflow = :workflow "
    "  AND (l.recorded_at >= :since AND l.recorded_at < :until OR l.at >= :since AND l.at < :until) "
    "UNION ALL SELECT l.subject, l.payload FROM span JOIN ledger_leaves s ON s.workflow = :workflow "
    "  AND s.number BETWEEN span.first AND span.last JOIN ledger l ON l.id = s.entry_id "
    "  WHERE NOT (l.recorded_at >= :since AND l.recorded_at < :until)), "
    "told AS (SELECT payload, split_part(subject, ':', 1) AS kind, "
    "  CASE WHEN subject ~ '^(run|message):[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' "
    "  THEN CAST(split_part(subject, ':', 2) AS uuid) END AS id FROM entries) "
    "SELECT EXISTS (SELECT FROM entries WHERE CAST(payload AS text) ~* :pattern) "
    "OR EXISTS (SELECT FROM told JOIN outbox o ON o.id = told.id AND told.kind = 'message' WHERE CAST(o.message AS text) ~* :pattern) "
    "OR EXISTS (SELECT FROM told JOIN run_ids i ON i.id = told.id AND told.kind = 'run' "
    "  JOIN runs r ON r.finished_at = i.finished_at AND r.id = i.id "
    "  WHERE concat_ws(' ', r.summary, r.reasons, r.evidence) ~* :pattern) "
    "OR EXISTS (SELECT FROM told JOIN run_ids i ON i.id = told.id AND told.kind = 'run' "
    "  JOIN findings f ON f.at = i.finished_at AND f.run_id = i.id "
    "  WHERE concat_ws(' ', f.about, f.title, f.detail, f.evidence) ~* :pattern)"
)

Version = tuple[str, str]  # workflow, SHA-256


def versions(connection: sa.Connection) -> frozenset[Version]:
    """The versions in force that call a field personal."""
    return frozenset((row.workflow, row.sha256) for row in connection.execute(_NOW))


def late(connection: sa.Connection, of: Collection[Version]) -> Mapping[Version, frozenset[str]]:
    """By version, its personal fields that were kept as they are at some time."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    given = {"workflows": [workflow for workflow, _ in of], "versions": [sha256 for _, sha256 in of]}
    for row in connection.execute(_LATE, given) if of else ():
        found[row.workflow].add(row.name)
    return {one: frozenset(found[one[0]]) for one in of}


def named(connection: sa.Connection, workflow: str, fields: Collection[str], span: tuple[datetime, datetime]) -> bool:
    """Whether what happened to a workflow or was recorded of it in a span, its end not included, names any of the fields, as a name or in
    words.
    """
    given = {"workflow": workflow, "since": span[0], "until": span[1], "pattern": rf"\m({spelled(fields)})\M"}
    return bool(connection.scalar(_NAMED, given))


def spelled(fields: Collection[str]) -> str:
    """A regular expression, of Python and PostgreSQL alike: any of the names, or the words that a sentence makes of it: ``po_number`` is
    "PO number".
    """
    return "|".join(
        r"[_\s]+".join(re.escape(part) for part in one.split("_") if part) or re.escape(one) for one in sorted(fields)
    )
