"""Corrections that are offered as new cases, and what became of each offer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.ledger import Entry, Personal, output, output_subject
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.storable import storable
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import actor, note_of
from afterpilot.record.plain import plain
from afterpilot.record.tables import case_offers, human_decisions, records

State = Literal["offered", "accepted", "declined", "duplicate"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A case that a person's correction of the record ``key`` would make; ``case`` is as a line of cases.

    ``note`` names the case or record that a duplicate equals, or says why it was declined.
    """

    key: str
    decided_at: datetime
    case: Mapping[str, Any]
    digest: str
    state: State = "offered"
    note: str = ""
    decided_by: str = ""
    answered_at: datetime | None = None


class CaseOffers:
    """The offers of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, workflow: str) -> None:
        """Let no other transaction make or answer offers of this workflow until this one ends."""
        statement = sa.text("SELECT pg_advisory_xact_lock(hashtext('case_offers'), hashtext(:workflow))")
        self._connection.execute(statement, {"workflow": workflow})

    def corrections(self, workflow: str, *, limit: int) -> Sequence[tuple[Record, HumanDecision]]:
        """Records whose newest decision is a correction with right values, and that is not offered yet, newest first.

        One whose offer nobody has answered and that was corrected anew since is there again.
        """
        made, later = human_decisions.alias("made"), human_decisions.alias("later")
        offer = case_offers.alias("offer")
        overruled = sa.select(later.c.key).where(
            later.c.workflow == workflow, later.c.key == made.c.key, later.c.decided_at > made.c.decided_at
        )
        statement = (
            sa.select(records.c.key, records.c.at, records.c.data, made.c.decided_at, made.c.corrected)
            .join(made, sa.and_(made.c.workflow == workflow, made.c.key == records.c.key))
            .outerjoin(offer, sa.and_(offer.c.workflow == workflow, offer.c.key == made.c.key))
            .where(
                records.c.workflow == workflow,
                made.c.decision == "corrected",
                made.c.corrected != sa.text("'{}'::jsonb"),
                ~overruled.exists(),
                sa.or_(
                    offer.c.key.is_(None),
                    sa.and_(offer.c.state == "offered", offer.c.decided_at < made.c.decided_at),
                ),
            )
            .order_by(made.c.decided_at.desc(), records.c.key)
            .limit(limit)
        )
        return [
            (
                Record(workflow, row.key, row.at, row.data),
                HumanDecision(workflow, row.key, row.decided_at, "corrected", corrected=row.corrected),
            )
            for row in self._connection.execute(statement)
        ]

    def add(self, workflow: str, offers: Sequence[Offer], *, at: datetime) -> None:
        """Make offers; one that nobody has answered yet gives way to a newer correction of its record."""
        if not offers:
            return
        given = insert(case_offers)
        statement = given.on_conflict_do_update(
            index_elements=["workflow", "key"],
            set_={
                name: given.excluded[name] for name in ("decided_at", "case", "digest", "state", "note", "offered_at")
            },
            where=case_offers.c.state == "offered",
        )
        rows = [
            {
                "workflow": workflow,
                "key": one.key,
                "decided_at": one.decided_at,
                "case": plain(one.case),
                "digest": one.digest,
                "state": one.state,
                "note": storable(one.note),
                "offered_at": at,
            }
            for one in offers
        ]
        self._connection.execute(statement, rows)

    def all(self, workflow: str, *, states: Collection[State] = ()) -> Sequence[Offer]:
        """The offers in these states, or in any, those of the newest corrections first."""
        statement = sa.select(case_offers).where(case_offers.c.workflow == workflow)
        if states:
            statement = statement.where(case_offers.c.state.in_(states))
        statement = statement.order_by(case_offers.c.decided_at.desc(), case_offers.c.key)
        return [
            Offer(row.key, row.decided_at, row.case, row.digest, row.state, row.note, row.decided_by, row.answered_at)
            for row in self._connection.execute(statement)
        ]

    def waiting(self, workflow: str) -> int:
        """How many offers wait for an answer."""
        statement = sa.select(sa.func.count()).where(
            case_offers.c.workflow == workflow, case_offers.c.state == "offered"
        )
        return self._connection.execute(statement).scalar_one()

    def answer(self, workflow: str, key: str, state: State, *, by: str, note: str, at: datetime) -> None:
        """Keep what became of an offer, and who said so."""
        self._connection.execute(
            sa.update(case_offers)
            .where(case_offers.c.workflow == workflow, case_offers.c.key == key)
            .values(state=state, decided_by=storable(by), note=storable(note), answered_at=at)
        )
        said = {"key": Personal(key, output(workflow, key)), **note_of(by, note)}
        Ledger(self._connection).append(
            Entry(f"evals:case:{state}", output_subject(workflow, key), at, workflow, actor(by), said)
        )
