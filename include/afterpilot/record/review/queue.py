"""The review queue: who has an item, when it is due, and the one decision on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry, Personal, output, output_subject, person
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.storable import storable
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import actor, note_of
from afterpilot.record.plain import plain
from afterpilot.record.tables import gate_decisions, human_decisions, review_items, write_backs

_ITEM = review_items.c


@dataclass(frozen=True, slots=True)
class Overdue:
    """An item that nobody decided in time, and when it was due."""

    key: str
    due_at: datetime


class ReviewQueue:
    """Items that people decide on, within a transaction. Times come from the caller's clock."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def reserve(self, workflow: str, key: str, *, by: str, at: datetime, until: datetime) -> bool:
        """Hold an item for a person; holding it again holds it longer. False where it is decided, gone, or held by another."""
        return self._held(workflow, key, by, at, reserved_by=by, reserved_until=until)

    def free(self, workflow: str, key: str, *, by: str) -> None:
        """Give an item back; nothing happens to one that another person holds."""
        self._connection.execute(
            sa.update(review_items)
            .where(_ITEM.workflow == workflow, _ITEM.key == key, _ITEM.reserved_by == by)
            .values(reserved_by="", reserved_until=None)
        )

    def decide(self, decision: HumanDecision, *, write_back: bool) -> bool:
        """Keep the one decision on an item, and that it has to flow back to the source.

        False, and nothing is kept, where somebody decided before or holds the item: of any number of transactions at once, the
        first one wins, since all of them update the same row while it is undecided.
        """
        at, by = decision.decided_at, decision.decided_by
        done = {"decided_at": at, "decided_by": by, "reserved_by": "", "reserved_until": None}
        if not self._held(decision.workflow, decision.key, by, at, **done):
            return False
        self._connection.execute(sa.insert(human_decisions).values(_row(decision)))
        if write_back:
            self._connection.execute(
                sa.insert(write_backs).values(
                    workflow=decision.workflow, key=decision.key, decided_at=at, not_before=at
                )
            )
        Ledger(self._connection).append(_made(decision))
        return True

    def set_due(self, workflow: str, due_within: timedelta) -> None:
        """Give items that have no due time theirs, counted from when they were opened."""
        self._connection.execute(
            sa.update(review_items)
            .where(_ITEM.workflow == workflow, _ITEM.decided_at.is_(None), _ITEM.due_at.is_(None))
            .values(due_at=_ITEM.opened_at + due_within)
        )

    def escalate(self, workflow: str, *, to: str, at: datetime) -> Sequence[Overdue]:
        """Assign what is overdue to the deputy, each item once; returns those of this call, the longest overdue first."""
        statement = (
            sa.update(review_items)
            .where(
                _ITEM.workflow == workflow,
                _ITEM.decided_at.is_(None),
                _ITEM.escalated_at.is_(None),
                _ITEM.due_at < at,
            )
            .values(escalated_at=at, assigned_to=to)
            .returning(_ITEM.key, _ITEM.due_at)
        )
        found = [Overdue(row.key, row.due_at) for row in self._connection.execute(statement)]
        if found:
            said = {"outputs": len(found), "to": Personal(to, person(to))}
            Ledger(self._connection).append(
                Entry("review:queue:escalated", f"workflow:{workflow}", at, workflow, payload=said)
            )
        return sorted(found, key=lambda one: (one.due_at, one.key))

    def escalated_last(self, workflow: str) -> datetime | None:
        """When items of the workflow were last given to the deputy; None before the first time."""
        statement = sa.select(_ITEM.escalated_at).where(_ITEM.workflow == workflow, _ITEM.escalated_at.is_not(None))
        return self._connection.scalar(statement.order_by(_ITEM.escalated_at.desc()).limit(1))

    def settle(self, workflow: str, keys: Collection[str] | None = None) -> None:
        """Close items that people have decided on at the source; of these keys, or all that wait.

        Where the gate has decided anew, since the output had changed, what people said before was about another output: it says
        nothing of the one that is there now.
        """
        made, gate = human_decisions.c, gate_decisions.c
        first_of_gate = sa.or_(gate.key.is_(None), sa.func.jsonb_array_length(gate.earlier) == 0)
        of_item = sa.and_(gate.workflow == made.workflow, gate.key == made.key)
        first = (
            sa.select(sa.func.min(made.decided_at))
            .select_from(human_decisions.outerjoin(gate_decisions, of_item))
            .where(
                made.workflow == _ITEM.workflow,
                made.key == _ITEM.key,
                sa.or_(first_of_gate, made.decided_at >= gate.decided_at),
            )
            .correlate(review_items)
            .scalar_subquery()
        )
        statement = sa.update(review_items).where(
            _ITEM.workflow == workflow, _ITEM.decided_at.is_(None), first.is_not(None)
        )
        if keys is not None:
            statement = statement.where(_ITEM.key.in_(list(keys)))
        self._connection.execute(statement.values(decided_at=first, reserved_by="", reserved_until=None))

    def waiting_workflows(self) -> Sequence[str]:
        """Workflows with items or write-backs that wait, by name."""
        items = sa.select(_ITEM.workflow).where(_ITEM.decided_at.is_(None))
        back = sa.select(write_backs.c.workflow).where(write_backs.c.state == "pending")
        return sorted(self._connection.scalars(items.union(back)))

    def new_corrections(self, workflow: str, *, since: datetime) -> bool:
        """Whether the review queue has corrected an output of the workflow since then."""
        here = human_decisions.c
        found = sa.select(here.key).where(
            here.workflow == workflow,
            here.decided_at >= since,
            here.origin == "review",
            here.decision == "corrected",
        )
        return self._connection.scalar(found.limit(1)) is not None

    def _held(self, workflow: str, key: str, by: str, at: datetime, **values: object) -> bool:
        """Change an undecided item that nobody else holds; whether there was one."""
        statement = (
            sa.update(review_items)
            .where(
                _ITEM.workflow == workflow,
                _ITEM.key == key,
                _ITEM.decided_at.is_(None),
                sa.or_(_ITEM.reserved_by.in_(["", by]), _ITEM.reserved_until <= at),
            )
            .values(**values)
            .returning(_ITEM.key)
        )
        return self._connection.execute(statement).first() is not None


def without_own(connection: sa.Connection, batch: Sequence[HumanDecision]) -> list[HumanDecision]:
    """Decisions of the source, less those that the review queue has written there itself.

    The source's row of a decision of ours has its key, and its word or its time to the second: columns may hold less than the
    microseconds that we keep, and words may be fewer there.
    """
    if not batch:
        return []
    given = sa.values(sa.column("key", sa.Text), name="given").data([(one.key,) for one in batch])
    ours = human_decisions.c
    known = connection.execute(
        sa.select(ours.key, ours.decision, ours.decided_at).where(
            ours.workflow == batch[0].workflow, ours.key == given.c.key, ours.origin == "review"
        )
    )
    own: dict[str, list[tuple[str, datetime]]] = {}
    for row in known:
        own.setdefault(row.key, []).append((row.decision, row.decided_at))
    return [one for one in batch if not any(_same(one, *kept) for kept in own.get(one.key, ()))]


def _same(one: HumanDecision, decision: str, decided_at: datetime) -> bool:
    return one.decision == decision or abs(one.decided_at - decided_at) <= timedelta(seconds=1)


def _made(decision: HumanDecision) -> Entry:
    """The entry of a decision. What it says of the output is sealed under the output's key, what the reviewer wrote under theirs."""
    about = output(decision.workflow, decision.key)
    said = {
        "decision": decision.decision,
        "seconds": decision.seconds,
        "minutes": decision.minutes,
        "key": Personal(decision.key, about),
        "corrected": Personal(dict(decision.corrected), about) if decision.corrected else None,
        **note_of(decision.decided_by, decision.note),
    }
    subject = output_subject(decision.workflow, decision.key)
    who = actor(decision.decided_by)
    return Entry("review:decision:made", subject, decision.decided_at, decision.workflow, who, said)


def _row(decision: HumanDecision) -> dict[str, Any]:
    return {
        "workflow": decision.workflow,
        "key": decision.key,
        "decided_at": decision.decided_at,
        "decision": decision.decision,
        "minutes": decision.minutes,
        "note": storable(decision.note),
        "corrected": plain(dict(decision.corrected)),
        "origin": decision.origin,
        "decided_by": decision.decided_by,
        "seconds": decision.seconds,
    }
