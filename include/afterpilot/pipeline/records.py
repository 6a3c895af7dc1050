"""The stage that pulls production records."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TypeVar

from afterpilot.decide.pulling import judge_pull
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.ports import LineSource, RecordSource
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline import noticing
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.corrections import offer_cases
from afterpilot.pipeline.services import Services
from afterpilot.pull.ahead import ahead
from afterpilot.pull.redact import redact
from afterpilot.record.ops import Unit
from afterpilot.record.production.displaced import Displaced
from afterpilot.record.spend.pricing import Pricing

BATCH = 20_000  # records of one transaction, where they come as lines
ONE_BY_ONE = 2_000  # where each of them is an object
MOST_CHARACTERS = 16_000_000  # of their texts together
T = TypeVar("T")


def pull(services: Services, workflow: Workflow, *, until: datetime, trigger: Trigger) -> Run:
    """Bring the records from the last watermark (less the lateness allowance) to ``until`` into the ops database."""
    if (done := finished(services, workflow, Stage.PULL, trigger)) is not None:
        return done
    started = services.now()
    until = min(until, started)  # nothing of the future was written yet: a watermark there would hide what will be
    with services.ops.begin() as unit:
        watermark = unit.records.pulled_to(workflow.slug)
    kept = _kept(workflow, started)
    window = Window(max(min(watermark or until - workflow.source.history, until), min(kept, until)), until)
    reading = _since(kept, window.reaching_back(workflow.source.late_by if watermark else timedelta(0)))
    run_id = Run.identity(workflow.slug, Stage.PULL, trigger)
    error: SourceError | ConfigurationError | None = None
    source: RecordSource | None = None
    seen: noticing.Seen | None = None
    left: list[datetime] = []
    pricing, displaced = Pricing(services.prices), Displaced()
    try:
        source = services.source(workflow)
        seen = noticing.before(services, workflow, source, reading, now=started)
        seen = replace(seen, spans=tuple(_since(kept, span) for span in seen.spans if span.end > kept) or (reading,))
        for batch in chain.from_iterable(_read(source, span, workflow) for span in seen.spans):
            with services.ops.begin() as unit:
                made = unit.records.write(
                    batch,
                    run_id,
                    since=watermark and window.start,
                    lost=seen.lost,
                    spans=seen.spans,
                    pricing=pricing,
                    displaced=displaced,
                )
                unit.source_states.add(
                    run_id, pulled=made.new, late=made.late, changed=made.changed, repeated=made.repeated
                )
            left += made.left
        for decisions in _batches(_decisions(services, workflow, source, reading, seen.decided), BATCH):
            with services.ops.begin() as unit:
                unit.source_states.add(run_id, decisions=unit.records.write_decisions(decisions, run_id))
        seen = noticing.after(services, workflow, source, seen, watermark=watermark, now=started)
    except (SourceError, ConfigurationError) as failure:  # a connection that is missing is a source that cannot be read
        error = failure
    left += displaced.left()
    since = min([reading.start, *(span.start for span in seen.spans)]) if seen else reading.start
    with services.ops.begin() as unit:
        counts = unit.source_states.added(run_id)
    result = judge_pull(
        workflow,
        window=window,
        pulled=counts["pulled"],
        late=counts["late"],
        changed=counts["changed"],
        decisions=counts["decisions"],
        repeated=counts["repeated"],
        skipped=source.skipped if source else {},
        noted=source.noted if source else {},
        error=error,
        look=seen.look if seen else None,
        again=seen.again if seen else (),
    )

    def also(unit: Unit, run_id: uuid.UUID) -> None:
        if watermark:
            unit.reopened.note(workflow.slug, run_id, since=since, before=window.start, at=services.now(), left=left)
        unit.source_states.forget_counts(run_id)
        if error is None and seen is not None:
            unit.source_states.keep(workflow.slug, seen.state)
            unit.records.set_pulled_to(workflow.slug, until)

    run = concluded(services, result, workflow, window, trigger, started, also=also)
    if counts["decisions"]:
        offer_cases(services, workflow)
    return run


def _kept(workflow: Workflow, now: datetime) -> datetime:
    """From when on records are kept: what is older would be removed with the next pass, and pulled again."""
    days = workflow.governance.get("retention_days")
    return now - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)


def _since(kept: datetime, span: Window) -> Window:
    return Window(min(max(span.start, kept), span.end), span.end)


def _read(source: RecordSource, window: Window, workflow: Workflow) -> Iterator[Sequence[Record] | RecordLines]:
    """Batches as they may be kept: lines where the source can give them, else its records one by one."""
    lines = source.lines(window, rows=BATCH) if isinstance(source, LineSource) else None
    if lines is None:
        yield from _records(redact(record, workflow.source) for record in source.records(window))
        return
    with ahead(lines) as read:
        yield from read


def _records(records: Iterator[Record]) -> Iterator[list[Record]]:
    """So many records in a batch, or fewer where they are long: memory grows with neither."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += sum(len(value) for value in record.data.values() if isinstance(value, str))
        if len(batch) >= min(BATCH, ONE_BY_ONE) or size >= MOST_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decisions(
    services: Services, workflow: Workflow, source: RecordSource, reading: Window, earlier: Window | None
) -> Iterator[HumanDecision]:
    """What people decided, also what was entered later than rows may come."""
    yield from source.decisions(reading)
    if earlier is not None:  # what cannot be taken of it was counted when it was new
        yield from services.source(workflow).decisions(earlier)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
