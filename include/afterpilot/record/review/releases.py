"""Releases: what production is to learn of each decision, written in the decision's own transaction, done later, each once.

An effect is claimed with a lease. A later decision on the same output replaces what of an earlier one was not done yet, but
waits for an attempt that is under way: production hears of them in their order.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry
from afterpilot.domain.record import GateDecision, HumanDecision
from afterpilot.domain.releasing import LEASE, Effect, Performed, Standing, Trouble, reaches_production
from afterpilot.domain.review import Release
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Workflow
from afterpilot.record.leasing import back_off, due, ended, free, leased
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.tables import gate_decisions, human_decisions, releases

OVERDUE = timedelta(minutes=15)
FAILED_FOR = timedelta(days=7)  # failures of that time are told; older ones stand on the output's own page
OVERTAKEN_FOR = timedelta(days=1)
_RELEASING = ("accepted", "corrected")
_NAMED = 10


class Releases:
    """The queue of what production is to learn, within the transaction of the decisions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def after_gate(self, workflow: Workflow, decisions: Sequence[GateDecision], data_md5: Mapping[str, str]) -> int:
        """Queue the effects of decisions that stand and were written in this transaction; returns how many."""
        if not decisions or not reaches_production(workflow.release, released=True):
            return 0
        numbers = self._numbers(workflow.slug, [one.key for one in decisions])
        # What is held replaces a release that production has not heard of yet, also where there is no word for it.
        told = [
            one
            for one in decisions
            if one.key in numbers or reaches_production(workflow.release, released=one.released)
        ]
        if not told:
            return 0
        self._connection.execute(
            sa.insert(releases),
            [
                {
                    "workflow": workflow.slug,
                    "key": one.key,
                    "number": numbers.get(one.key, 0) + 1,
                    "data_md5": data_md5.get(one.key, ""),
                    "at": one.at,
                    "effect": "released" if one.released else "held",
                    "reason": one.reason,
                }
                for one in told
            ],
        )
        return len(told)

    def after_decision(self, decision: HumanDecision, release: Release | None) -> bool:
        """Queue the release of an output that the gate held and a person has now accepted or corrected, in the transaction
        that keeps the decision; ``release`` is the workflow's. Returns whether there is an effect.

        A rejected one stays held, and one that was released before a person looked stays released. What people decide in
        production itself has none: production knows.
        """
        if decision.decision not in _RELEASING or not reaches_production(release, released=True):
            return False
        workflow, key = decision.workflow, decision.key
        asked = sa.select(gate_decisions).where(
            gate_decisions.c.workflow == workflow, gate_decisions.c.key == key, ~gate_decisions.c.released
        )
        gate = self._connection.execute(asked.with_for_update()).one_or_none()
        if gate is None or self._latest(workflow, key) == ("released", gate.data_md5):
            return False
        self._connection.execute(
            sa.insert(releases).values(
                workflow=workflow,
                key=key,
                number=self._numbers(workflow, [key]).get(key, 0) + 1,
                data_md5=gate.data_md5,
                at=gate.at,
                effect="released",
                reason=decision.decision,
                decided_at=decision.decided_at,
            )
        )
        return True

    def claim(self, workflow: str, limit: int) -> Sequence[Effect]:
        """Lease up to ``limit`` effects of a workflow that are due, oldest decision first."""
        self._replace(workflow)
        other = releases.alias("other")
        earlier = sa.exists().where(
            other.c.workflow == releases.c.workflow,
            other.c.key == releases.c.key,
            other.c.state == "pending",
            other.c.number < releases.c.number,
        )
        ready = (
            sa.select(releases.c.key, releases.c.number)
            .where(releases.c.workflow == workflow, *due(releases), ~earlier)
            .order_by(releases.c.not_before, releases.c.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("ready")
        )
        claimed = (
            sa.update(releases)
            .where(releases.c.workflow == workflow, releases.c.key == ready.c.key, releases.c.number == ready.c.number)
            .values(
                **leased(releases, uuid.uuid4(), LEASE),
                unsure=sa.or_(
                    releases.c.unsure, releases.c.lease.is_not(None)
                ),  # nobody noted how the attempt before ended
            )
            .returning(releases)
        )
        return [_effect(row) for row in self._connection.execute(claimed)]

    def settle(self, performed: Sequence[Performed]) -> None:
        """Note what became of attempts; one whose lease was lost belongs to who holds it now."""
        if not performed:
            return
        given = sa.bindparam
        statement = (
            sa.update(releases)
            .where(
                releases.c.workflow == given("b_workflow"),
                releases.c.key == given("b_key"),
                releases.c.number == given("b_number"),
                releases.c.lease == given("b_lease"),
                releases.c.state == "pending",
            )
            .values(
                state=given("b_state"),
                error=given("b_error"),
                refused=given("b_refused"),
                unsure=sa.or_(releases.c.unsure, given("b_unsure", type_=sa.Boolean)),
                not_before=sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, given("b_wait", type_=sa.Float)),
                done_at=sa.case((given("b_state", type_=sa.Text) == "pending", None), else_=sa.func.now()),
                **ended(),
            )
        )
        self._connection.execute(statement, [_settled(one) for one in performed])

    def again(self, workflow: str) -> int:
        """Try once more what was given up and has no later decision; returns how many."""
        later = releases.alias("later")
        newer = sa.exists().where(
            later.c.workflow == releases.c.workflow,
            later.c.key == releases.c.key,
            later.c.number > releases.c.number,
        )
        statement = (
            sa.update(releases)
            .where(releases.c.workflow == workflow, releases.c.state == "failed", ~newer)
            .values(state="pending", not_before=sa.func.now(), done_at=None)
        )
        count = self._connection.execute(statement).rowcount
        if count:
            at, said = datetime.now(UTC), {"outputs": count}
            Ledger(self._connection).append(
                Entry("gate:release:retried", f"workflow:{workflow}", at, workflow, "cli", said)
            )
        return count

    def standing(self, workflow: str) -> Standing:
        """What is pending, and what is in trouble: overdue or refused, given up, or overtaken by production."""
        decided = sa.exists().where(
            human_decisions.c.workflow == releases.c.workflow, human_decisions.c.key == releases.c.key
        )
        now = sa.func.now()
        waits = sa.and_(releases.c.state == "pending", ~releases.c.refused, releases.c.decided_at < now - OVERDUE)
        kinds = {
            "waiting": waits,
            "refused": sa.and_(releases.c.state == "pending", releases.c.refused),
            "failed": sa.and_(releases.c.state == "failed", releases.c.done_at > now - FAILED_FOR),
            "overtaken": sa.and_(
                releases.c.state == "overtaken", releases.c.done_at > now - OVERTAKEN_FOR, ~decided
            ),  # where a person has decided in production, that is why it moved on
        }
        pending = sa.select(sa.func.count()).where(releases.c.workflow == workflow, releases.c.state == "pending")
        troubles = (self._trouble(workflow, kind, where) for kind, where in kinds.items())
        return Standing(self._connection.execute(pending).scalar_one(), tuple(one for one in troubles if one))

    def _trouble(self, workflow: str, kind: Any, where: sa.ColumnElement[bool]) -> Trouble | None:  # noqa: ANN401
        found = (releases.c.workflow == workflow, where)
        total = sa.select(sa.func.count(), sa.func.min(releases.c.decided_at)).where(*found)
        outputs, since = self._connection.execute(total).one()
        if not outputs:
            return None
        named = sa.select(releases.c.key, releases.c.error).where(*found)
        rows = self._connection.execute(named.order_by(releases.c.decided_at, releases.c.key).limit(_NAMED)).all()
        return Trouble(
            kind, outputs, since, next((row.error for row in rows if row.error), ""), tuple(r.key for r in rows)
        )

    def _numbers(self, workflow: str, keys: Sequence[str]) -> Mapping[str, int]:
        """The latest number of each output. The caller holds the rows of their gate decisions, so that none is given twice."""
        given = sa.values(sa.column("key", sa.Text), name="given").data([(key,) for key in keys])
        statement = (
            sa.select(releases.c.key, sa.func.max(releases.c.number).label("number"))
            .where(releases.c.workflow == workflow, releases.c.key == given.c.key)
            .group_by(releases.c.key)
        )
        return {row.key: row.number for row in self._connection.execute(statement)}

    def _latest(self, workflow: str, key: str) -> tuple[str, str] | None:
        """The latest effect on an output, and the hash of the data it is about."""
        columns = (releases.c.effect, releases.c.data_md5)
        statement = sa.select(*columns).where(releases.c.workflow == workflow, releases.c.key == key)
        row = self._connection.execute(statement.order_by(releases.c.number.desc()).limit(1)).one_or_none()
        return (row.effect, row.data_md5) if row else None

    def _replace(self, workflow: str) -> None:
        later = releases.alias("later")
        newer = sa.exists().where(
            later.c.workflow == releases.c.workflow,
            later.c.key == releases.c.key,
            later.c.number > releases.c.number,
        )
        self._connection.execute(
            sa.update(releases)
            .where(releases.c.workflow == workflow, *free(releases), newer)
            .values(state="superseded", done_at=sa.func.now())
        )


def _effect(row: sa.Row[Any]) -> Effect:
    released = row.effect == "released"
    moment: datetime = row.decided_at
    return Effect(
        workflow=row.workflow,
        key=row.key,
        number=row.number,
        at=row.at,
        data_md5=row.data_md5,
        released=released,
        reason=row.reason,
        decided_at=moment,
        attempts=row.attempts,
        lease=row.lease,
        unsure=row.unsure,
    )


def _settled(one: Performed) -> dict[str, Any]:
    effect = one.effect
    again = one.state in {"later", "refused"}
    return {
        "b_workflow": effect.workflow,
        "b_key": effect.key,
        "b_number": effect.number,
        "b_lease": effect.lease,
        "b_state": "pending" if again else one.state,
        "b_error": storable(one.error)[:500],
        "b_refused": one.state == "refused",
        "b_unsure": one.unsure,
        "b_wait": max(one.wait or 0.0, back_off(effect.attempts)) if again else 0.0,
    }
