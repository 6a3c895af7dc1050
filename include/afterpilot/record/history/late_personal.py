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

# Whether anything of a workflow's ledger of some days, or a document that it vouches for, has a pattern in it.
_NAMED = sa.text(
    "SELECT EXISTS (SELECT FROM runs WHERE workflow = :workflow AND finished_at >= :since AND finished_at < :until "
    "  AND concat_ws(' ', summary, reasons, evidence) ~* :pattern) "
    "OR EXISTS (SELECT FROM runs r JOIN findings f ON f.run_id = r.id AND f.at = r.finished_at WHERE r.workflow = :workflow "
    "  AND r.finished_at >= :since AND r.finished_at < :until AND concat_ws(' ', f.about, f.title, f.detail, f.evidence) ~* :pattern) "
    "OR EXISTS (SELECT FROM ledger l LEFT JOIN outbox o ON l.subject = 'message:' || o.id WHERE l.workflow = :workflow "
    "  AND l.at >= :since AND l.at < :until AND concat_ws(' ', l.payload, o.message) ~* :pattern)"
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
    """Whether what is recorded of a workflow in a span, its end not included, names any of the fields, as a name or in words."""
    spelled = "|".join(
        r"[_\s]+".join(re.escape(part) for part in one.split("_") if part) or re.escape(one) for one in fields
    )
    given = {"workflow": workflow, "since": span[0], "until": span[1], "pattern": rf"\m({spelled})\M"}
    return bool(connection.scalar(_NAMED, given))
