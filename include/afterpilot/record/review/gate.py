"""What the gate decided, and what waits for a person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert

from afterpilot.domain.record import ChangedReleases, GateDecision, GateTally
from afterpilot.record.tables import gate_decisions, records, review_items, seen_columns

_NAMED = 20  # outputs that changed after their release


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

    def changed_after_release(self, run_id: uuid.UUID) -> ChangedReleases:
        """The outputs that a run decided on again; those that are held now are named first."""
        here = gate_decisions.c
        again = (here.run_id == run_id, sa.func.jsonb_array_length(here.earlier) > 0)
        count = sa.func.count
        total = sa.select(count(), count().filter(~here.released)).select_from(gate_decisions).where(*again)
        outputs, taken_back = self._connection.execute(total).one()
        named = sa.select(here.key).where(*again).order_by(here.released, here.at, here.key).limit(_NAMED)
        return ChangedReleases(outputs, taken_back, tuple(self._connection.scalars(named)))

    def of_run(self, run_id: uuid.UUID) -> GateTally:
        """What a run decided, also in an attempt that was cut off; counted by the database, however many they are."""
        here, item = gate_decisions.c, review_items.c
        count = sa.func.count
        spot = sa.and_(here.released, here.reason == "spot_check")
        totals = sa.select(count(), count().filter(here.released), count().filter(spot)).where(here.run_id == run_id)
        decided, released, spot_checked = self._connection.execute(totals.select_from(gate_decisions)).one()
        found = sa.func.jsonb_array_elements(item.discrepancies).table_valued("value").render_derived().lateral()
        check, failed = (sa.cast(found.c.value, JSONB)[name].astext for name in ("check", "field"))
        each = (
            sa.select(item.key, check.label("check"), failed.label("field"))
            .distinct()
            .select_from(gate_decisions)
            .join(review_items, sa.and_(item.workflow == here.workflow, item.key == here.key))
            .join(found, sa.true())
            .where(here.run_id == run_id, ~here.released)
            .subquery()
        )
        by = (each.c.check, each.c.field)
        counted = sa.select(*by, count()).group_by(*by).order_by(count().desc(), *by)
        routed_by = {(row[0], row[1]): row[2] for row in self._connection.execute(counted)}
        return GateTally(decided, released, spot_checked, routed_by)


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
