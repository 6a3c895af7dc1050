"""Eval samples, written one by one as they come, and the approved baselines."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.evals import Sample, Score
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable
from afterpilot.record import partitions
from afterpilot.record.runs import plain
from afterpilot.record.tables import baselines, samples


class Samples:
    """The samples of eval runs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, sample: Sample, *, workflow: str, run_id: uuid.UUID, began_at: datetime) -> None:
        """Keep one sample; a scored one replaces an earlier error of the same case and epoch, never the reverse."""
        partitions.ensure(self._connection, "samples", [began_at])
        statement = insert(samples).values(
            run_id=run_id,
            case_id=sample.case_id,
            epoch=sample.epoch,
            at=began_at,
            workflow=workflow,
            output=None if sample.output is None else storable(sample.output),
            error=storable(sample.error),
            passed=sample.passed if sample.scored else None,
            scores=plain([asdict(score) for score in sample.scores]),
            usage=plain(asdict(sample.usage)) if sample.usage else {},
            cost=sample.cost,
            latency_ms=sample.latency_ms,
            attempts=sample.attempts,
            request=plain(sample.request),
            response=plain(sample.response),
        )
        kept = {column: getattr(statement.excluded, column) for column in _REPLACED}
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["run_id", "case_id", "epoch", "at"], set_=kept, where=samples.c.error != ""
            )
        )

    def began_at(self, run_id: uuid.UUID) -> datetime | None:
        """When an unfinished run of this id began, None where it has no sample yet."""
        moment: datetime | None = self._connection.scalar(
            sa.select(sa.func.min(samples.c.at)).where(samples.c.run_id == run_id)
        )
        return moment

    def scored(self, run_id: uuid.UUID) -> dict[tuple[str, int], Sample]:
        """The samples of a run that need not be asked again, by case and epoch."""
        statement = sa.select(samples).where(samples.c.run_id == run_id, samples.c.error == "")
        return {
            (row.case_id, row.epoch): Sample(
                case_id=row.case_id,
                epoch=row.epoch,
                output=row.output,
                scores=tuple(Score(**score) for score in row.scores),
                usage=Usage(**row.usage) if row.usage else None,
                cost=row.cost,
                latency_ms=row.latency_ms,
                attempts=row.attempts,
            )
            for row in self._connection.execute(statement)
        }

    def failed(self, run_id: uuid.UUID) -> Sequence[Sample]:
        """The samples of a run that cost something and could not be scored, as the latest attempt left them."""
        statement = sa.select(samples).where(samples.c.run_id == run_id, samples.c.error != "", samples.c.attempts > 0)
        return [
            Sample(
                row.case_id,
                row.epoch,
                None,
                (),
                error=row.error,
                usage=Usage(**row.usage) if row.usage else None,
                cost=row.cost,
                attempts=row.attempts,
            )
            for row in self._connection.execute(statement)
        ]

    def approve_baseline(self, workflow: str, run_id: uuid.UUID, *, by: str, note: str = "") -> None:
        """Make a run the one that later ones are compared with; the earlier approvals stay on record."""
        self._connection.execute(
            sa.insert(baselines).values(workflow=workflow, run_id=run_id, approved_by=by, note=note)
        )

    def baseline(self, workflow: str) -> tuple[uuid.UUID, Mapping[str, bool]] | None:
        """The newest approved baseline: its run and whether each case passed in every scored epoch; None without one."""
        run_id = self._connection.scalar(
            sa.select(baselines.c.run_id)
            .where(baselines.c.workflow == workflow)
            .order_by(baselines.c.id.desc())
            .limit(1)
        )
        if run_id is None:
            return None
        statement = (
            sa.select(samples.c.case_id, sa.func.bool_and(samples.c.passed))
            .where(samples.c.run_id == run_id, samples.c.error == "")
            .group_by(samples.c.case_id)
        )
        return run_id, {case: bool(passed) for case, passed in self._connection.execute(statement)}


_REPLACED = ("output", "error", "passed", "scores", "usage", "cost", "latency_ms", "attempts", "request", "response")
