"""Outputs that wait for release do not wait for the next run of the records' path: micro-batches of what is new."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from afterpilot.decide.pulling import UNREADABLE
from afterpilot.decide.releasing import KINDS, troubled
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.gating import decided, reach_of
from afterpilot.pipeline.records import pull
from afterpilot.pipeline.releasing import release
from afterpilot.pipeline.services import Services

LOOKED_BACK = timedelta(
    minutes=10
)  # for rows that are committed after the time they bear; later ones come with the next pull
SAID_AGAIN = timedelta(hours=1)  # a gate that cannot run for the same reason still
_AT_ONCE = 500


def gate_waiting(
    services: Services, workflow: Workflow, *, until: datetime, trigger: Trigger, said_again: timedelta = SAID_AGAIN
) -> Run | None:
    """Pull what is new, decide on it and tell production; do again what production did not take.

    Returns the gate's run; None where there was nothing to decide on and nothing to say, and then nothing stands in the run
    history. While the gate cannot decide, that is said when it begins, when the reason changes, and each ``said_again``.
    What comes late or changes at its source is seen by the next run of the records' path.
    """
    if (done := finished(services, workflow, Stage.GATE, trigger)) is not None:
        return done
    until = min(until, services.now())
    if _has_news(services, workflow, until):
        pull(services, workflow, until=until, trigger=trigger)
    window = Window(until - LOOKED_BACK, until)
    with services.ops.begin() as unit:
        decides = unit.records.count_undecided(workflow.slug, reach_of(workflow, window)) > 0
    told = {} if decides else release(services, workflow)
    with services.ops.begin() as unit:
        now = troubled(unit.releases.standing(workflow.slug))
        before = {one.kind for one in unit.incidents.unresolved(workflow.slug)} & set(KINDS.values())
    if not decides and not told and now == before:
        return None
    started = services.now()
    result = decided(services, workflow, window=window, trigger=trigger, started=started, told=told)
    if _said_already(services, workflow, result, since=started - said_again):
        return None
    return concluded(services, result, workflow, window, trigger, started)


def _said_already(services: Services, workflow: Workflow, result: StageResult, *, since: datetime) -> bool:
    """Whether the gate could do nothing at all, for the reason that its last run gave after ``since``."""
    if not result.evidence["error"] or result.checked or set(result.evidence.get("releases", ())) - {"pending"}:
        return False
    with services.ops.begin() as unit:
        last = unit.runs.latest_ran(workflow.slug, Stage.GATE)
        if last is None or last.started_at <= since or last.evidence.get("error") != result.evidence["error"]:
            return False
        return unit.runs.kinds_found(last.id) == sorted(f"{one.kind} {one.about}".strip() for one in result.findings)


def _has_news(services: Services, workflow: Workflow, until: datetime) -> bool:
    """Whether the source holds a row that was never pulled, or cannot be read and nobody was told of it yet."""
    with services.ops.begin() as unit:
        watermark = unit.records.pulled_to(workflow.slug)
        known_bad = UNREADABLE in {one.kind for one in unit.incidents.unresolved(workflow.slug)}
    if watermark is None:
        return True
    back = min(workflow.source.late_by, LOOKED_BACK)
    try:
        rows = services.source(workflow).records(Window(min(watermark, until) - back, until))
        while keys := [record.key for record in islice(rows, _AT_ONCE)]:
            with services.ops.begin() as unit:
                if unit.gate.unseen(workflow.slug, keys):
                    return True
    except (SourceError, ConfigurationError):
        return not known_bad
    return False
