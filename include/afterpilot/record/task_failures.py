"""Airflow's own tasks that failed for good, and until when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from afterpilot.domain.storable import storable
from afterpilot.domain.watching import TaskFailure
from afterpilot.record.tables import task_failures

_LONGEST_ERROR = 500  # characters

# A workflow is hidden while no run of the stage stands for it: neither of that DAG run nor of any time after it.
_HIDDEN = """
SELECT failed.slug FROM jsonb_array_elements_text(CAST(:slugs AS jsonb)) AS failed(slug)
WHERE NOT EXISTS (
  SELECT FROM runs WHERE runs.workflow = failed.slug AND runs.stage = :stage
    AND (runs.finished_at > :at OR (runs.finished_at > :at - interval '2 days' AND runs.trigger->>'run_id' = :run_id)))
"""


class TaskFailures:
    """What the listener writes and the watchdog reads."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def failed(self, one: TaskFailure) -> None:
        """It failed for good; once more of the same run is the same failure."""
        values = {
            "at": one.at,
            "label": storable(one.label),
            "error": storable(one.error)[:_LONGEST_ERROR],
            "workflows": list(one.workflows),
            "over_at": None,
        }
        keys = {"dag_id": one.dag_id, "task_id": one.task_id, "run_id": one.run_id, "map_index": one.map_index}
        statement = insert(task_failures).values(**keys, **values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))

    def succeeded(self, dag_id: str, task_id: str, workflows: Sequence[str], *, at: datetime) -> None:
        """The same task has ended well: it hides nothing any more, or, of a batch, nothing of what the batch held."""
        open_ones = (
            task_failures.c.dag_id == dag_id,
            task_failures.c.task_id == task_id,
            task_failures.c.over_at.is_(None),
            task_failures.c.at <= at,
        )
        left = task_failures.c.workflows.op("-", return_type=JSONB)(sa.cast(list(workflows), ARRAY(sa.Text)))
        over = sa.case((sa.func.jsonb_array_length(left) == 0, at), else_=None)
        self._connection.execute(sa.update(task_failures).where(*open_ones).values(workflows=left, over_at=over))

    def open(self) -> Sequence[TaskFailure]:
        """Those that are not over, oldest first, each with the workflows that it still hides; one that hides none of its batch any
        more is left out.
        """
        rows = self._connection.execute(
            sa.select(task_failures).where(task_failures.c.over_at.is_(None)).order_by(task_failures.c.at)
        )
        kept = [_failure(row) for row in rows]
        return [shown for one in kept if (shown := self._hiding(one)) is not None]

    def _hiding(self, one: TaskFailure) -> TaskFailure | None:
        if not one.workflows or one.stage is None:
            return one
        given = {"slugs": json.dumps(list(one.workflows)), "stage": str(one.stage), "at": one.at, "run_id": one.run_id}
        hidden = tuple(self._connection.scalars(sa.text(_HIDDEN), given))
        if not hidden:
            return None
        return replace(one, workflows=hidden)


def _failure(row: sa.Row[Any]) -> TaskFailure:
    return TaskFailure(
        row.dag_id, row.task_id, row.run_id, row.map_index, row.at, row.label, row.error, tuple(row.workflows)
    )
