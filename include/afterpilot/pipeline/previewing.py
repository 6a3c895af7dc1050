"""What a declaration would have found: its checks over the last windows of its own source, without any trace.

The services must be those of a trial (:func:`afterpilot.record.scratch.scratch`): records are pulled into it as in production,
and nothing is released, told or kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from afterpilot.domain.errors import CheckError, SourceError
from afterpilot.domain.ports import Judged
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.gating import undecided
from afterpilot.pipeline.records import pull
from afterpilot.pipeline.reopening import unhidden
from afterpilot.pipeline.services import Services
from afterpilot.record.tables import records

_PAST = timedelta(weeks=8)  # that checks against a workflow's own past look at
_LOOK_BACK = {"like_weekdays", "reference"}  # parameters of such checks


@dataclass(frozen=True, slots=True)
class Previewed:
    """One window: what each expectation says, and how many outputs would have gone to people, by check and field.

    ``error`` says why the expectations, ``gate_error`` why the outputs could not be judged; ``noticed`` what is wrong with
    the source itself, the same for all windows.
    """

    window: Window
    records: int
    judged: Sequence[Judged] = ()
    error: str = ""
    routed: int = 0
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)
    gate_error: str = ""
    noticed: Sequence[str] = ()


def preview(services: Services, workflow: Workflow, *, count: int, every: timedelta) -> Iterator[Previewed]:
    """The last ``count`` windows, oldest first. They end with the newest record, or now where that is younger than one window.

    Raises:
        SourceError: the source cannot be read, or holds nothing in that time.
    """
    now = services.now()
    past = _PAST if any(_LOOK_BACK & set(check.params) for check in workflow.quality) else timedelta(0)
    trial = replace(
        workflow, source=replace(workflow.source, history=max(workflow.source.history, every * count + past))
    )
    run = pull(services, trial, until=now, trigger=Trigger(origin="cli", run_id="preview"))
    if run.verdict is Verdict.UNKNOWN or run.evidence.get("error"):
        raise SourceError(str(run.evidence.get("error") or run.summary))
    newest = _newest(services, workflow)
    if newest is None:
        raise SourceError(
            f"{workflow.source.table or workflow.source.connection} holds no record of the last {trial.source.history}"
        )
    end = now if now - newest < every else newest + timedelta(microseconds=1)
    for number in range(count, 0, -1):
        found = _previewed(services, trial, Window(end - every * number, end - every * (number - 1)))
        yield replace(found, noticed=run.reasons)


def _previewed(services: Services, workflow: Workflow, window: Window) -> Previewed:
    found = services.checker.judge([(workflow, window)])[workflow.slug]
    judged, error = ((), str(found)) if isinstance(found, CheckError) else (found, "")
    judged = unhidden(services, workflow, judged, window)
    total = routed = 0
    reasons: Counter[tuple[str, str]] = Counter()
    gate_error = ""
    try:
        for waiting in undecided(services, workflow, window):
            batch = [one.record for one in waiting]
            total += len(batch)
            for _, discrepancies in services.gate.judge(workflow, batch):
                routed += bool(discrepancies)
                reasons.update({(one.check, one.field) for one in discrepancies})
    except CheckError as failure:
        gate_error = str(failure)
        total = _count(services, workflow, window)
    return Previewed(window, total, judged, error, routed, dict(reasons.most_common()), gate_error)


def _newest(services: Services, workflow: Workflow) -> datetime | None:
    with services.ops.begin() as unit:
        newest: datetime | None = unit.connection.scalar(
            sa.select(sa.func.max(records.c.at)).where(records.c.workflow == workflow.slug)
        )
    return newest


def _count(services: Services, workflow: Workflow, window: Window) -> int:
    with services.ops.begin() as unit:
        return unit.records.count_undecided(workflow.slug, window)
