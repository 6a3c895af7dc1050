"""What looks after the review queue: items get their due time, overdue ones go to the deputy, decisions are written back to
the source, and corrections are offered as cases of the suite.

Each step is a transaction of its own: one that is cut off is taken up by the next sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from afterpilot.decide.writing_back import FAILED, not_written
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.notify.review import overdue_message
from afterpilot.pipeline.corrections import offer_cases
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.telling import tell
from afterpilot.record.ops import Unit

MOST_WRITTEN = 200  # of one workflow in one sweep
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
TOLD_EVERY = timedelta(hours=1)  # the deputy, of what has become overdue in one workflow
_OFFERED_WITHIN = timedelta(hours=1)
_MOST_FAILURES = 3  # of one workflow in one sweep: a source that is down need not be asked for every item
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: decisions written back, those that failed, items that went to a deputy, workflows that broke it."""

    written: int = 0
    failed: int = 0
    escalated: int = 0
    broken: tuple[str, ...] = ()


def sweep_reviews(services: Services, workflows: Mapping[str, Workflow]) -> Swept:
    """Look after every workflow with something that waits; one that breaks holds up no other."""
    with services.ops.begin() as unit:
        waiting = unit.review.waiting_workflows()
    done, broken = Swept(), []
    for slug in waiting:
        if (workflow := workflows.get(slug)) is None:
            continue  # its folder is broken or gone, which has an incident of its own; what waits stays
        try:
            one = _sweep(services, workflow)
        except Exception:
            log.exception("%s: the review queue could not be looked after", slug)
            broken.append(slug)
            continue
        done = Swept(done.written + one.written, done.failed + one.failed, done.escalated + one.escalated)
    return replace(done, broken=tuple(broken))


def _sweep(services: Services, workflow: Workflow) -> Swept:
    escalated = _look_after_items(services, workflow)
    written, failed = _write_back(services, workflow)
    with services.ops.begin() as unit:
        corrected = unit.review.new_corrections(workflow.slug, since=services.now() - _OFFERED_WITHIN)
    if corrected:
        offer_cases(services, workflow)
    return Swept(written, failed, escalated)


def _look_after_items(services: Services, workflow: Workflow) -> int:
    """Close what was decided at the source, set due times, and take what is overdue to the deputy with one message.

    The deputy hears of a workflow at most once an hour: what has become overdue since goes with the next message.
    """
    at = services.now()
    with services.ops.begin() as unit:
        unit.review.settle(workflow.slug)
        unit.review.set_due(workflow.slug, workflow.review.due_within)
        last = unit.review.escalated_last(workflow.slug)
        if last is not None and at - last < TOLD_EVERY:
            return 0
        overdue = unit.review.escalate(workflow.slug, to=workflow.deputy.name, at=at)
        if overdue:
            message = overdue_message(
                workflow, [(one.key, one.due_at) for one in overdue], at=at, url=services.messages.review_url
            )
            unit.outbox.put(
                message,
                dedupe_key=f"review/{workflow.slug}/overdue/{at.isoformat()}",
                workflow=workflow.slug,
                kind="review",
                channel=workflow.channel,
            )
    return len(overdue)


def _write_back(services: Services, workflow: Workflow) -> tuple[int, int]:
    """Write what is due; returns how many got through and how many failed. After a failure the rest waits for its turn."""
    with services.ops.begin() as unit:
        due = unit.write_backs.due(workflow.slug, at=services.now(), limit=MOST_WRITTEN)
    written = failed = 0
    for key, decided_at in due:
        done = _write_one(services, workflow, key, decided_at)
        written, failed = written + (done is True), failed + (done is False)
        if failed >= _MOST_FAILURES:
            break
    if due:
        with services.ops.begin() as unit:
            _tell(services, unit, workflow)
    return written, failed


def _write_one(services: Services, workflow: Workflow, key: str, decided_at: datetime) -> bool | None:
    """One decision; None where another sweep has it. The row stays locked until the source has answered."""
    with services.ops.begin() as unit:
        taken = unit.write_backs.take(workflow.slug, key, decided_at)
        if taken is None:
            return None
        try:
            services.write_back(workflow).write(taken.decision, taken.data)
        except (SourceError, ConfigurationError) as error:
            wait = min(FIRST_WAIT * 2 ** min(taken.attempts, 10), LONGEST_WAIT)
            at = services.now() + wait
            unit.write_backs.later(workflow.slug, key, decided_at, not_before=at, error=str(error))
            return False
        unit.write_backs.done(workflow.slug, key, decided_at, at=services.now())
        return True


def _tell(services: Services, unit: Unit, workflow: Workflow) -> None:
    """Open, renew or end the incident of decisions that do not reach the source."""
    failing = unit.write_backs.failing(workflow.slug)
    found = (not_written(workflow, [(one.key, one.error) for one in failing]),) if failing else ()
    tell(services, unit, workflow, StageResult(workflow.slug, Stage.REVIEW, "", findings=found, covered=(FAILED,)))
