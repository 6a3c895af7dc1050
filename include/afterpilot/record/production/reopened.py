"""Windows that were judged already when rows of them came late or changed: open until they are judged again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from afterpilot.domain.window import Window
from afterpilot.record.tables import gate_decisions, human_decisions, records, reopened_windows, runs


@dataclass(frozen=True, slots=True)
class Reopening:
    """A window that has to be judged again: the check whose verdict is in question, and how many rows came or changed."""

    window: Window
    judged_by: uuid.UUID
    rows: int


class Reopened:
    """The reopened windows of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def note(
        self,
        workflow: str,
        run_id: uuid.UUID,
        *,
        since: datetime,
        before: datetime,
        at: datetime,
        left: Sequence[datetime] = (),
    ) -> int:
        """Open the windows again in which a pull has written rows older than its watermark; returns how many windows.

        The rows are those between ``since`` and ``before`` that the run wrote, and those that stood at the moments ``left``
        until their time was corrected. One statement, however many there are. A check whose whole window a later one has
        judged again is left out: its verdict does not stand any more.
        """
        later = runs.alias("later")
        replaced = sa.exists().where(
            *_judging(later, workflow),
            later.c.finished_at > runs.c.finished_at,
            later.c.window_start <= runs.c.window_start,
            later.c.window_end >= runs.c.window_end,
        )
        touched = sa.union_all(
            sa.select(records.c.at).where(
                records.c.workflow == workflow,
                records.c.run_id == run_id,
                records.c.at >= since,
                records.c.at < before,
            ),
            sa.select(sa.func.unnest(sa.cast(list(left), ARRAY(sa.DateTime(timezone=True))))),
        ).subquery("touched")
        found = (
            sa.select(
                sa.literal(workflow),
                runs.c.window_start,
                runs.c.window_end,
                sa.func.count(),
                sa.literal(at, sa.DateTime(timezone=True)),
                sa.literal(run_id, sa.UUID()),
                runs.c.id,
            )
            .join(touched, sa.and_(touched.c[0] >= runs.c.window_start, touched.c[0] < runs.c.window_end))
            .where(*_judging(runs, workflow), ~replaced)
            .group_by(runs.c.id, runs.c.window_start, runs.c.window_end)
        )
        names = ["workflow", "window_start", "window_end", "rows", "noticed_at", "run_id", "judged_by"]
        statement = sa.insert(reopened_windows).from_select(names, found).returning(reopened_windows.c.id)
        return len(self._connection.execute(statement).all())

    def in_no_window(self, workflow: str, pulls: Collection[uuid.UUID], *, before: datetime) -> Sequence[datetime]:
        """The oldest time of what the pulls have written and no check has a window for; empty where there is none."""
        judged = sa.exists().where(
            *_judging(runs, workflow), runs.c.window_start <= records.c.at, runs.c.window_end > records.c.at
        )
        oldest = self._connection.scalar(
            sa.select(sa.func.min(records.c.at)).where(
                records.c.workflow == workflow, records.c.run_id.in_(pulls), records.c.at < before, ~judged
            )
        )
        return [oldest] if oldest is not None else []

    def waiting(self, workflows: Sequence[str]) -> Mapping[str, Sequence[Reopening]]:
        """The windows that wait to be judged again by workflow, oldest first, each once; a workflow without any is not there."""
        open_ones = reopened_windows
        statement = (
            sa.select(
                open_ones.c.workflow,
                open_ones.c.window_start,
                open_ones.c.window_end,
                open_ones.c.judged_by,
                sa.func.sum(open_ones.c.rows).label("rows"),
            )
            .where(open_ones.c.workflow.in_(workflows), open_ones.c.corrected_by.is_(None))
            .group_by(open_ones.c.workflow, open_ones.c.window_start, open_ones.c.window_end, open_ones.c.judged_by)
            .order_by(open_ones.c.window_start)
        )
        found: dict[str, list[Reopening]] = {}
        for row in self._connection.execute(statement):
            reopening = Reopening(Window(row.window_start, row.window_end), row.judged_by, row.rows)
            found.setdefault(row.workflow, []).append(reopening)
        return found

    def close(self, judged_by: uuid.UUID, *, noticed_before: datetime, by: uuid.UUID) -> None:
        """Its window was judged again over all rows that had been noticed by then."""
        self._connection.execute(
            sa.update(reopened_windows)
            .where(
                reopened_windows.c.judged_by == judged_by,
                reopened_windows.c.corrected_by.is_(None),
                reopened_windows.c.noticed_at <= noticed_before,
            )
            .values(corrected_by=by)
        )

    def windows(self, workflow: str, *, noticed_since: datetime) -> Sequence[Window]:
        """The windows that pulls have opened again since then."""
        rows = self._connection.execute(
            sa.select(reopened_windows.c.window_start, reopened_windows.c.window_end).where(
                reopened_windows.c.workflow == workflow, reopened_windows.c.noticed_at >= noticed_since
            )
        )
        return [Window(row.window_start, row.window_end) for row in rows]

    def weeks_decided_on(self, workflow: str, decided: Window) -> Sequence[date]:
        """The weeks (their Mondays) of the outputs that people decided on in the window."""
        week = sa.cast(sa.func.date_trunc("week", gate_decisions.c.at, "UTC"), sa.Date)
        people = (human_decisions.c.workflow == gate_decisions.c.workflow) & (
            human_decisions.c.key == gate_decisions.c.key
        )
        statement = (
            sa.select(week)
            .distinct()
            .join(human_decisions, people)
            .where(
                gate_decisions.c.workflow == workflow,
                human_decisions.c.decided_at >= decided.start,
                human_decisions.c.decided_at < decided.end,
            )
        )
        return list(self._connection.scalars(statement))


def _judging(table: Any, workflow: str) -> tuple[sa.ColumnElement[bool], ...]:  # noqa: ANN401 - runs or an alias of it
    """Checks that really looked, and whose verdict is their own and no correction."""
    return (
        table.c.workflow == workflow,
        table.c.stage == "check",
        table.c.corrects.is_(None),
        table.c.evidence["ran"].astext.is_distinct_from("false"),
    )
