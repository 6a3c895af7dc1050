"""What the gate decided, and what waits for a person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert

from afterpilot.domain.record import Discrepancy, GateDecision
from afterpilot.record.tables import gate_decisions, records, review_items, seen_columns


class GateDecisions:
    """Decisions on outputs, each made once for the data that was judged."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def write(
        self, decisions: Sequence[GateDecision], run_id: uuid.UUID, *, data_md5: Mapping[str, str] | None = None
    ) -> Sequence[GateDecision]:
        """Keep decisions, and open a review item for each output that a person has to look at. Returns those that stand: an
        output that another gate has decided on meanwhile is not among them.

        ``data_md5`` holds the hash of the judged data by key. A decision on the same data changes nothing. One on other data
        replaces a release, which is kept under ``earlier``; what went to a person stays with that person.
        """
        if not decisions:
            return []
        hashes = data_md5 or {}
        decisions = list({d.key: d for d in decisions}.values())  # two pulls at once may have left a key twice
        stand = self._connection.scalars(
            _decide().returning(gate_decisions.c.key),
            [
                {
                    "workflow": d.workflow,
                    "key": d.key,
                    "at": d.at,
                    "released": d.released,
                    "reason": d.reason,
                    "run_id": run_id,
                    "data_md5": hashes.get(d.key, ""),
                }
                for d in decisions
            ],
        )
        standing = set(stand)
        waiting = [
            {
                "workflow": d.workflow,
                "key": d.key,
                "at": d.at,
                "reason": d.reason,
                "discrepancies": [asdict(discrepancy) for discrepancy in d.discrepancies],
                "run_id": run_id,
            }
            for d in decisions
            if d.reason != "passed" and d.key in standing
        ]
        if waiting:
            self._connection.execute(_send(), waiting)
        return [d for d in decisions if d.key in standing]

    def forget_columns_seen(self, workflow: str, declared: Sequence[Sequence[str]]) -> None:
        """Forget that earlier values are known of columns that no check names now: what is decided on meanwhile is not added."""
        kept = [sa.cast(sa.literal(list(columns), sa.ARRAY(sa.Text)), sa.ARRAY(sa.Text)) for columns in declared]
        statement = sa.delete(seen_columns).where(seen_columns.c.workflow == workflow)
        self._connection.execute(statement.where(*(seen_columns.c.columns != columns for columns in kept)))

    def unseen(self, workflow: str, keys: Sequence[str]) -> bool:
        """Whether one of these outputs was neither decided on nor pulled."""
        open_keys = list(keys)
        for table in (gate_decisions, records):
            if not open_keys:
                return False
            given = sa.values(sa.column("key", sa.Text), name="given").data([(key,) for key in open_keys])
            statement = sa.select(table.c.key).where(table.c.workflow == workflow, table.c.key == given.c.key)
            known = set(self._connection.scalars(statement))
            open_keys = [key for key in open_keys if key not in known]
        return bool(open_keys)

    def changed_after_release(self, run_id: uuid.UUID) -> Mapping[str, bool]:
        """The outputs that a run decided on again, by key: whether they are released now."""
        statement = (
            sa.select(gate_decisions.c.key, gate_decisions.c.released)
            .where(gate_decisions.c.run_id == run_id, sa.func.jsonb_array_length(gate_decisions.c.earlier) > 0)
            .order_by(gate_decisions.c.at, gate_decisions.c.key)
        )
        return {row.key: row.released for row in self._connection.execute(statement)}

    def of_run(self, run_id: uuid.UUID) -> Sequence[GateDecision]:
        """All decisions of a run, those of an attempt that was cut off included."""
        statement = (
            sa.select(gate_decisions, review_items.c.discrepancies)
            .outerjoin(
                review_items,
                sa.and_(
                    review_items.c.workflow == gate_decisions.c.workflow, review_items.c.key == gate_decisions.c.key
                ),
            )
            .where(gate_decisions.c.run_id == run_id)
            .order_by(gate_decisions.c.at, gate_decisions.c.key)
        )
        return [
            GateDecision(
                workflow=row.workflow,
                key=row.key,
                at=row.at,
                released=row.released,
                reason=row.reason,
                discrepancies=tuple(Discrepancy(**found) for found in row.discrepancies or ()),
            )
            for row in self._connection.execute(statement)
        ]


def _decide() -> Insert:
    """A first decision, or one that replaces a release of other data."""
    statement = insert(gate_decisions)
    new, old = statement.excluded, gate_decisions.c
    kept = ("released", "reason", "decided_at", "run_id", "data_md5")
    pairs = [part for name in kept for part in (sa.literal(name, sa.Text), old[name])]
    replaced = sa.func.jsonb_build_array(sa.func.jsonb_build_object(*pairs), type_=JSONB)
    return statement.on_conflict_do_update(
        index_elements=["workflow", "key"],
        set_={
            **{name: new[name] for name in ("at", "released", "reason", "run_id", "data_md5")},
            "decided_at": sa.func.now(),
            "earlier": old.earlier.op("||")(replaced),
        },
        where=sa.and_(old.released, old.data_md5 != new.data_md5),
    )


def _send() -> Insert:
    """A review item; the spot check of a release that was replaced is opened anew, for what is there now."""
    statement = insert(review_items)
    new = {name: statement.excluded[name] for name in ("at", "reason", "discrepancies", "run_id")}
    anew: dict[str, Any] = dict.fromkeys(("due_at", "escalated_at", "reserved_until", "decided_at"))
    anew |= dict.fromkeys(("assigned_to", "reserved_by", "decided_by"), "")
    return statement.on_conflict_do_update(
        index_elements=["workflow", "key"], set_={**new, **anew, "opened_at": sa.func.now()}
    )
