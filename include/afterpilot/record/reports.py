"""Weekly reports, with the figures they were made from; and the counts that fill them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.window import Window
from afterpilot.record.plain import plain
from afterpilot.record.run_lookup import is_run
from afterpilot.record.tables import gate_decisions, human_decisions, reports, review_items, runs


@dataclass(frozen=True, slots=True)
class Reported:
    """A week's report as it was kept last: its figures, the run that reported the week first, and as of when it did;
    ``corrected_at`` says since when it is a correction.
    """

    week: date
    figures: Mapping[str, Any]
    first_run: uuid.UUID
    as_of: datetime
    corrected_at: datetime | None


class Reports:
    """The weekly reports."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(
        self, *, workflow: str, week: date, figures: Mapping[str, Any], chart: bytes | None, run_id: uuid.UUID
    ) -> uuid.UUID:
        """Keep a report; the same run keeps one report for a week."""
        statement = insert(reports).values(
            workflow=workflow, week=week, figures=plain(figures), chart=chart, run_id=run_id
        )
        statement = statement.on_conflict_do_update(
            index_elements=["workflow", "week", "run_id"],
            set_={"figures": statement.excluded.figures, "chart": statement.excluded.chart},
        )
        report_id: uuid.UUID = self._connection.execute(statement.returning(reports.c.id)).scalar_one()
        return report_id

    def newest(self, workflow: str, *, limit: int) -> Sequence[Reported]:
        """What stands of the last reported weeks, newest week first: the report that was kept last for each."""
        statement = (
            sa.select(
                reports.c.week,
                reports.c.figures,
                sa.func.coalesce(runs.c.corrects, runs.c.id).label("first_run"),
                sa.case((runs.c.corrects.is_not(None), runs.c.finished_at)).label("corrected_at"),
            )
            .select_from(reports)
            .distinct(reports.c.week)
            .join(runs, is_run(reports.c.run_id))
            .where(reports.c.workflow == workflow)
            .order_by(reports.c.week.desc(), reports.c.created_at.desc(), reports.c.id)
            .limit(limit)
        )
        return [
            Reported(
                row.week,
                row.figures,
                row.first_run,
                datetime.fromisoformat(row.figures["facts"]["as_of"]),
                row.corrected_at,
            )
            for row in self._connection.execute(statement)
        ]

    def weekly_counts(self, workflow: str, window: Window) -> Sequence[sa.Row[Any]]:
        """By ISO week (``week``: its Monday) of the records' time: outputs, released, routed, spot_checked; and of the
        released ones ``judged`` by people and ``overridden`` (corrected or rejected) by them.
        """
        decided = sa.func.bool_or(human_decisions.c.decision != "accepted")
        people = (
            sa.select(human_decisions.c.key, decided.label("overridden"))
            .where(human_decisions.c.workflow == workflow)
            .group_by(human_decisions.c.key)
            .subquery("people")
        )
        week = sa.cast(sa.func.date_trunc("week", gate_decisions.c.at, "UTC"), sa.Date).label("week")
        released = gate_decisions.c.released
        count = sa.func.count
        statement = (
            sa.select(
                week,
                count().label("outputs"),
                count().filter(released).label("released"),
                count().filter(~released).label("routed"),
                count().filter(gate_decisions.c.reason == "spot_check").label("spot_checked"),
                count(people.c.key).filter(released).label("judged"),
                count().filter(sa.and_(released, people.c.overridden)).label("overridden"),
            )
            .outerjoin(people, people.c.key == gate_decisions.c.key)
            .where(
                gate_decisions.c.workflow == workflow,
                gate_decisions.c.at >= window.start,
                gate_decisions.c.at < window.end,
            )
            .group_by(week)
            .order_by(week)
        )
        return list(self._connection.execute(statement))

    def waiting(self, workflow: str, *, now: datetime, older_than: timedelta = timedelta(0)) -> int:
        """How many failing outputs wait for a person for longer than that."""
        done = sa.select(human_decisions.c.key).where(
            human_decisions.c.workflow == review_items.c.workflow, human_decisions.c.key == review_items.c.key
        )
        statement = (
            sa.select(sa.func.count())
            .select_from(review_items)
            .where(
                review_items.c.workflow == workflow,
                review_items.c.reason == "failed_check",
                review_items.c.at < now - older_than,
                ~done.exists(),
            )
        )
        return self._connection.execute(statement).scalar_one()
