"""The chances of spot checks, and what people found in them and in everything else that they decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.sampling import Overrides, Reviewing, Stratum
from afterpilot.domain.window import Window
from afterpilot.record.tables import gate_decisions, human_decisions, records, spot_check_rates

_LETTERS_IN_A_WORD = 6  # a blank with them
_AT_THE_SOURCE = "the production system"
_LATEST, _BEFORE = timedelta(days=7), timedelta(days=28)


class SpotChecks:
    """Spot checks of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def rates(self, workflow: str, period: date) -> dict[str, Decimal]:
        """The chance of each stratum in a period; empty where none was set yet."""
        statement = sa.select(spot_check_rates.c.stratum, spot_check_rates.c.rate).where(
            spot_check_rates.c.workflow == workflow, spot_check_rates.c.period == period
        )
        return {row.stratum: row.rate for row in self._connection.execute(statement)}

    def set_rates(
        self, workflow: str, period: date, rates: Mapping[str, Decimal], *, since: datetime | None = None
    ) -> None:
        """Set them, unless somebody else has: they never change within a period.

        ``since`` counts where the gate has never decided on an output of the workflow: what was made before has no chance.
        """
        first = {"since": since} if since and not self._began(workflow) else {"since": None}
        rows = [{"workflow": workflow, "period": period, "stratum": name, "rate": rate} for name, rate in rates.items()]
        if rows:
            self._connection.execute(insert(spot_check_rates).on_conflict_do_nothing(), [row | first for row in rows])

    def since(self, workflow: str) -> datetime | None:
        """From when on outputs have a chance to be picked; None where all have."""
        earliest = sa.select(sa.func.min(spot_check_rates.c.since)).where(spot_check_rates.c.workflow == workflow)
        found: datetime | None = self._connection.scalar(earliest)
        return found

    def first_picked(self, workflow: str, window: Window) -> datetime | None:
        """The time of the earliest output of the window that was picked."""
        given = gate_decisions.c
        earliest = sa.select(sa.func.min(given.at)).where(given.workflow == workflow, given.reason == "spot_check")
        inside = (given.at >= window.start, given.at < window.end)
        found: datetime | None = self._connection.scalar(earliest.where(*inside))
        return found

    def _began(self, workflow: str) -> bool:
        known = (table.c.workflow == workflow for table in (gate_decisions, spot_check_rates))
        return bool(self._connection.scalar(sa.select(sa.or_(*(sa.exists().where(one) for one in known)))))

    def strata(self, workflow: str, window: Window, *, by: str) -> Sequence[Stratum]:
        """The released outputs of the window (by the record's time) that had a chance to be picked, by the values of a field; all
        as one where it is empty.

        ``checked`` counts spot checks alone: what people came to look at for a reason says nothing about the rest.
        """
        given = gate_decisions.c
        stratum = sa.func.coalesce(records.c.data[by].astext, "") if by else sa.literal("")
        picked = given.reason == "spot_check"
        people = _people(workflow)
        start = max(window.start, self.since(workflow) or window.start)
        count = sa.func.count
        statement = (
            sa.select(
                stratum.label("name"),
                count().label("population"),
                count().filter(picked).label("picked"),
                count(people.c.key).filter(picked).label("checked"),
                count().filter(sa.and_(picked, people.c.overridden)).label("errors"),
            )
            .outerjoin(people, people.c.key == given.key)
            .where(given.workflow == workflow, given.at >= start, given.at < window.end, given.released)
            .group_by(sa.text("1"))
            .order_by(sa.text("1"))
        )
        if by:
            same = sa.and_(records.c.workflow == given.workflow, records.c.key == given.key, records.c.at == given.at)
            statement = statement.outerjoin(records, same)
        return [
            Stratum(row.name, row.population, row.picked, row.checked, row.errors)
            for row in self._connection.execute(statement)
        ]

    def overrides(self, workflow: str, now: datetime) -> Overrides:
        """Released outputs that people decided on in the last 7 days, and in the 28 days before, and how many they changed."""
        people = _people(workflow)
        given = gate_decisions.c
        latest = people.c.decided_at >= now - _LATEST
        count = sa.func.count
        row = self._connection.execute(
            sa.select(
                count().filter(latest).label("judged"),
                count().filter(sa.and_(latest, people.c.overridden)).label("overridden"),
                count().filter(~latest).label("judged_before"),
                count().filter(sa.and_(~latest, people.c.overridden)).label("overridden_before"),
            )
            .join(people, people.c.key == given.key)
            .where(given.workflow == workflow, given.released, people.c.decided_at >= now - _LATEST - _BEFORE)
            .where(people.c.decided_at < now)
        ).one()
        return Overrides(row.judged, row.overridden, row.judged_before, row.overridden_before)

    def reviewers(self, workflow: str, window: Window, *, source_field: str, words_a_minute: int) -> list[Reviewing]:
        """What each person decided in the window. A decision is timed where its seconds and the length of the text are known."""
        mine = human_decisions.c
        newest = (  # a key may stand twice where two pulls met
            sa.select(sa.func.length(records.c.data[source_field].astext).label("letters"))
            .where(records.c.workflow == mine.workflow, records.c.key == mine.key)
            .order_by(records.c.at.desc())
            .limit(1)
            .lateral("newest")
        )
        words = newest.c.letters / _LETTERS_IN_A_WORD if source_field else sa.null()
        seconds = sa.func.coalesce(mine.seconds, mine.minutes * 60)
        timed = sa.and_(seconds.is_not(None), words.is_not(None))
        reviewer = sa.case((mine.decided_by != "", mine.decided_by), else_=_AT_THE_SOURCE)
        count = sa.func.count
        statement = (
            sa.select(
                reviewer.label("reviewer"),
                count().label("decided"),
                count().filter(mine.decision == "accepted").label("accepted"),
                count().filter(timed).label("timed"),
                count().filter(sa.and_(timed, seconds < words * 60.0 / words_a_minute)).label("too_fast"),
            )
            .select_from(human_decisions.outerjoin(newest, sa.true()))
            .where(mine.workflow == workflow, mine.decided_at >= window.start, mine.decided_at < window.end)
            .group_by(sa.text("1"))
            .order_by(sa.text("1"))
        )
        return [
            Reviewing(row.reviewer, window.start, row.decided, row.accepted, row.timed, row.too_fast)
            for row in self._connection.execute(statement)
        ]


def _people(workflow: str) -> sa.Subquery:
    """By key: whether people have changed the output, and when they first decided on it."""
    return (
        sa.select(
            human_decisions.c.key,
            sa.func.bool_or(human_decisions.c.decision != "accepted").label("overridden"),
            sa.func.min(human_decisions.c.decided_at).label("decided_at"),
        )
        .where(human_decisions.c.workflow == workflow)
        .group_by(human_decisions.c.key)
        .subquery("people")
    )
