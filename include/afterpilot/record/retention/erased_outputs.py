"""Takes an output's data out of the ops database; its key stays, with what was decided on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

_WAITING = sa.text(
    "SELECT key FROM review_items WHERE workflow = :workflow AND key = ANY(:keys) AND decided_at IS NULL "
    "UNION SELECT key FROM releases WHERE workflow = :workflow AND key = ANY(:keys) AND state IN ('pending', 'failed') "
    "UNION SELECT key FROM write_backs WHERE workflow = :workflow AND key = ANY(:keys) AND state <> 'done' ORDER BY 1"
)
_OF = "workflow = :workflow AND key = ANY(:keys)"
_SAID = '{"said": "erased", "expected": "erased", "text": "erased"}'
_DISCREPANCIES = (
    "UPDATE review_items SET discrepancies = coalesce((SELECT jsonb_agg(one || CAST(:said AS jsonb)) "
    "FROM jsonb_array_elements(discrepancies) AS one), '[]') WHERE {of} AND discrepancies <> '[]'"
)
# What becomes of each place, and how many of them there are; in this order.
_STEPS: Mapping[str, tuple[str, str]] = {
    "records.data": ("DELETE FROM records WHERE {of}", "FROM records WHERE {of}"),
    "seen_values": ("DELETE FROM seen_values WHERE {of}", "FROM seen_values WHERE {of}"),
    "case_offers.case": ("DELETE FROM case_offers WHERE {of}", "FROM case_offers WHERE {of}"),
    "review_items.discrepancies": (
        _DISCREPANCIES,
        "FROM review_items WHERE {of} AND discrepancies <> '[]'",
    ),
    "human_decisions.corrected": (
        "UPDATE human_decisions SET corrected = '{{}}', note = '' WHERE {of} AND (corrected <> '{{}}' OR note <> '')",
        "FROM human_decisions WHERE {of} AND (corrected <> '{{}}' OR note <> '')",
    ),
    "judgements.reason": (
        "UPDATE judgements SET reason = '', error = '' WHERE workflow = :workflow AND subject = ANY(:subjects) AND (reason <> '' OR error <> '')",
        "FROM judgements WHERE workflow = :workflow AND subject = ANY(:subjects) AND (reason <> '' OR error <> '')",
    ),
}
_DIGEST = "left(encode(sha256(convert_to(workflow, 'UTF8') || '\\x00'::bytea || convert_to(key, 'UTF8')), 'hex'), 32)"
_BACK = sa.text(
    f"SELECT key FROM records WHERE workflow = :workflow AND {_DIGEST} = ANY(:digests) "  # noqa: S608 - text of this module
    f"UNION SELECT key FROM human_decisions WHERE workflow = :workflow AND {_DIGEST} = ANY(:digests) "
    "  AND (corrected <> '{}' OR note <> '')"
)


def waiting(connection: sa.Connection, workflow: str, keys: Sequence[str]) -> Sequence[str]:
    """Those of the outputs that somebody still has to decide on, or that production is not told of yet."""
    return connection.scalars(_WAITING, {"workflow": workflow, "keys": list(keys)}).all()


def counted(connection: sa.Connection, workflow: str, keys: Sequence[str]) -> Mapping[str, int]:
    """How many values would go from where."""
    given = _given(workflow, keys)
    found = {
        name: connection.scalar(sa.text(f"SELECT count(*) {counting.format(of=_OF)}"), given) or 0
        for name, (_, counting) in _STEPS.items()
    }
    return {name: rows for name, rows in found.items() if rows}


def erase(connection: sa.Connection, workflow: str, keys: Sequence[str]) -> Mapping[str, int]:
    """Remove the data of outputs, what people wrote and corrected, and what judges said; how many values went from where."""
    given = _given(workflow, keys)
    done = {
        name: connection.execute(sa.text(doing.format(of=_OF)), given).rowcount for name, (doing, _) in _STEPS.items()
    }
    return {name: rows for name, rows in done.items() if rows}


def back(connection: sa.Connection, workflow: str, digests: Collection[str]) -> Sequence[str]:
    """The keys of erased outputs that are on record again, by the digests with which the ledger names them."""
    return connection.scalars(_BACK, {"workflow": workflow, "digests": list(digests)}).all()


def _given(workflow: str, keys: Sequence[str]) -> dict[str, object]:
    return {"workflow": workflow, "keys": list(keys), "said": _SAID, "subjects": [f"record:{key}" for key in keys]}
