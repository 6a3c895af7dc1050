"""The stages over production records: pull and check."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from afterpilot.decide.pulling import judge_pull, with_repeated
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.ports import RecordSource
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.corrections import offer_cases
from afterpilot.pipeline.services import Services
from afterpilot.pull.redact import redact
from afterpilot.record.ops import Unit

BATCH = 500
T = TypeVar("T")


def pull(services: Services, workflow: Workflow, *, until: datetime, trigger: Trigger) -> Run:
    """Bring the records from the last watermark (less the lateness allowance) to ``until`` into the ops database."""
    if (done := finished(services, workflow, Stage.PULL, trigger)) is not None:
        return done
    started = services.now()
    until = min(until, started)  # nothing of the future was written yet: a watermark there would hide what will be
    with services.ops.begin() as unit:
        watermark = unit.records.pulled_to(workflow.slug)
    window = Window(min(watermark or until - workflow.source.history, until), until)
    reading = window.reaching_back(workflow.source.late_by if watermark else timedelta(0))
    run_id = Run.identity(workflow.slug, Stage.PULL, trigger)
    error: SourceError | ConfigurationError | None = None
    pulled = late = decided = repeated = 0
    source: RecordSource | None = None
    try:
        source = services.source(workflow)
        for batch in _batches(source.records(reading), BATCH):
            redacted = [redact(record, workflow.source) for record in batch]
            with services.ops.begin() as unit:
                new, twice = unit.records.write(redacted, run_id)
            pulled += len(new)
            repeated += twice
            late += len({one.key for one in batch if one.key in new and one.at < window.start}) if watermark else 0
        for decisions in _batches(source.decisions(reading), BATCH):
            with services.ops.begin() as unit:
                decided += unit.records.write_decisions(decisions)
    except (SourceError, ConfigurationError) as failure:  # a connection that is missing is a source that cannot be read
        error = failure
    result = judge_pull(
        workflow,
        window=window,
        pulled=pulled,
        late=late,
        decisions=decided,
        skipped=with_repeated(source.skipped if source else {}, workflow, repeated),
        noted=source.noted if source else {},
        error=error,
    )

    def move_watermark(unit: Unit, _run_id: uuid.UUID) -> None:
        if error is None:
            unit.records.set_pulled_to(workflow.slug, until)

    run = concluded(services, result, workflow, window, trigger, started, also=move_watermark)
    if decided:
        offer_cases(services, workflow)
    return run


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
