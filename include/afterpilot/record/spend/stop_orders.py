"""Orders to stop and to go on: given in the transaction that decides on it, carried out later, tried until they are.

An order is claimed with a lease. A later one to the same receiver replaces an earlier one that was not carried out, but waits
for an attempt that is under way: receivers hear of them in their order.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.allowance import stop_as_data, stop_of
from afterpilot.domain.ledger import Entry
from afterpilot.domain.spend import Stop
from afterpilot.domain.stop_orders import LEASE, OVERDUE, Budget, Carried, StopOrder, StopTrouble
from afterpilot.domain.storable import storable
from afterpilot.record.leasing import after, back_off, due, ended, free, held, leased
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.tables import stop_orders

_ABOUT_BUDGET = sa.func.coalesce(stop_orders.c.target["budget"].as_boolean(), sa.false())


class StopOrders:
    """The orders of all workflows, within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def newest(self, workflow: str, *, budget: bool = False) -> StopOrder | None:
        """The last order that stands, or that its receiver may have heard of: of those about a gateway's budget, or of the others."""
        heard = sa.or_(stop_orders.c.state != "overtaken", stop_orders.c.attempts > 0)
        statement = sa.select(stop_orders).where(stop_orders.c.workflow == workflow, heard, _ABOUT_BUDGET.is_(budget))
        row = self._connection.execute(statement.order_by(stop_orders.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else _order(row)

    def withdraw(self, workflow: str, *, budget: bool = False) -> int:
        """Take back what no attempt was made at, of the same kind; returns how many."""
        untried = sa.and_(stop_orders.c.state == "pending", stop_orders.c.attempts == 0)
        statement = (
            sa.update(stop_orders)
            .where(stop_orders.c.workflow == workflow, untried, _ABOUT_BUDGET.is_(budget))
            .values(state="overtaken", done_at=sa.func.now())
            .returning(stop_orders)
        )
        return self._note("withdrawn", self._connection.execute(statement).all())

    def give(self, orders: Sequence[StopOrder]) -> None:
        """Queue them, in this order."""
        rows: list[sa.Row[Any]] = []
        for one in orders:
            rows += self._connection.execute(
                sa.insert(stop_orders)
                .values(
                    id=one.id,
                    workflow=one.workflow,
                    action=one.action,
                    target=stop_as_data(one.target),
                    said={
                        "reason": storable(one.reason),
                        "until": one.until.isoformat() if one.until else None,
                        "models": list(one.models),
                        "ordered_at": one.created_at.isoformat(),
                        "budget": [str(one.budget.limit), one.budget.every] if one.budget else None,
                    },
                )
                .returning(stop_orders)
            )
        self._note("ordered", rows)

    def claim(self, limit: int) -> Sequence[StopOrder]:
        """Lease up to ``limit`` orders that are due, the oldest first. One waits for earlier ones of its receiver until they are over,
        and for its workflow's others until an attempt was made at them: two names may lead to one gateway.
        """
        self._replace()
        earlier = stop_orders.alias("earlier")
        waits = sa.exists().where(
            earlier.c.workflow == stop_orders.c.workflow,
            sa.or_(
                earlier.c.target == stop_orders.c.target,
                earlier.c.attempts == 0,
                earlier.c.leased_until > sa.func.now(),
            ),
            earlier.c.state == "pending",
            earlier.c.number < stop_orders.c.number,
        )
        ready = (
            sa.select(stop_orders.c.id)
            .where(*due(stop_orders), ~waits)
            .order_by(stop_orders.c.number)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("ready")
        )
        claimed = (
            sa.update(stop_orders)
            .where(stop_orders.c.id == ready.c.id)
            .values(leased(stop_orders, uuid.uuid4(), LEASE))
            .returning(stop_orders)
        )
        return [_order(row) for row in self._connection.execute(claimed)]

    def settle(self, carried: Carried) -> None:
        """Note what became of an attempt; one whose lease was lost belongs to who holds it now."""
        order, done = carried.order, carried.state == "done"
        wait = 0.0 if done else max(carried.wait or 0.0, back_off(order.attempts))
        noted = self._connection.execute(
            sa.update(stop_orders)
            .where(*held(stop_orders, order.id, order.lease))
            .values(
                state="done" if done else "pending",
                error=storable(carried.error)[:500],
                refused=carried.state == "refused",
                not_before=after(wait),
                done_at=sa.func.now() if done else None,
                **ended(),
            )
            .returning(stop_orders)
        )
        if done:
            self._note("done", noted.all())

    def trouble(self, workflow: str) -> StopTrouble | None:
        """The oldest order that should be carried out and is not: refused, or tried for too long."""
        late = sa.and_(stop_orders.c.attempts > 0, stop_orders.c.created_at < sa.func.now() - OVERDUE)
        statement = sa.select(stop_orders).where(
            stop_orders.c.workflow == workflow,
            stop_orders.c.state == "pending",
            sa.or_(stop_orders.c.refused, late),
        )
        graver = statement.order_by(_ABOUT_BUDGET, stop_orders.c.number)  # a stop before a budget
        row = self._connection.execute(graver.limit(1)).one_or_none()
        return None if row is None else StopTrouble(_order(row), row.error, row.refused)

    def _replace(self) -> None:
        later = stop_orders.alias("later")
        newer = sa.exists().where(
            later.c.workflow == stop_orders.c.workflow,
            later.c.target == stop_orders.c.target,
            later.c.number > stop_orders.c.number,
            sa.or_(later.c.state != "overtaken", later.c.attempts > 0),  # one that was taken back replaces nothing
        )
        replaced = self._connection.execute(
            sa.update(stop_orders)
            .where(*free(stop_orders), newer)
            .values(state="overtaken", done_at=sa.func.now(), **ended())
            .returning(stop_orders)
        )
        self._note("overtaken", replaced.all())

    def _note(self, word: str, rows: Sequence[sa.Row[Any]]) -> int:
        """The entries of what became of orders; returns how many."""
        Ledger(self._connection).append_many(
            [
                Entry(
                    f"spend:stop:{word}",
                    f"stop:{row.id}",
                    row.done_at or row.created_at,
                    row.workflow,
                    payload={
                        "action": row.action,
                        "target": {name: row.target[name] for name in ("kind", "connection")},
                        "said": row.said,
                        "attempts": row.attempts,
                    },
                )
                for row in rows
            ]
        )
        return len(rows)


def _order(row: sa.Row[Any]) -> StopOrder:
    said = row.said
    target: Stop | None = stop_of(row.target)
    if target is None:  # pragma: no cover - the column is never empty
        raise LookupError("an order without a receiver")
    return StopOrder(
        id=row.id,
        workflow=row.workflow,
        action=row.action,
        target=target,
        reason=said["reason"],
        created_at=datetime.fromisoformat(said["ordered_at"]),
        until=datetime.fromisoformat(said["until"]) if said["until"] else None,
        models=tuple(said["models"]),
        budget=Budget(Decimal(said["budget"][0]), said["budget"][1]) if said.get("budget") else None,
        attempts=row.attempts,
        lease=row.lease,
    )
