"""Looks often and cheaply whether something has changed that calls for the suite at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.decide.eval_findings import OUT_OF_REACH
from afterpilot.decide.evals import judge_out_of_reach
from afterpilot.domain.errors import CheckError, ConfigurationError
from afterpilot.domain.ports import Probed
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.evals.budgets import budget_of
from afterpilot.pipeline.evals.fingerprinting import looked_at, note
from afterpilot.pipeline.evals.keeping import keep_probe
from afterpilot.pipeline.evals.locking import under_way
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

OUT_OF_REACH_AFTER = 3  # probes in a row without an answer
RETRY_AFTER = timedelta(hours=1)  # where the suite that a change started could not run
_NOT_ASKED = "not asked"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Probing:
    """What a probe found: whether the suite must start, and why; ``run`` is set where it had to be told that nothing answers."""

    starts: bool
    why: tuple[str, ...] = ()
    run: Run | None = None


def probe(services: Services, workflow: Workflow, *, trigger: Trigger) -> Probing:
    """Compare prompt, cases, declaration, model, judges and data with what was seen last, and ask one short question to see what
    answers.

    The suite must start where something differs and no run that did its work has begun since, and where the target answers
    again after it was out of reach. One that crashed, or was refused for the budget, is tried again an hour later; not while a run is under way: then the next probe sees to it. A suite that has never run is left to its
    schedule. A probe writes no run, but one that finds the target out of reach for the third time. It asks nothing where the
    eval budget is spent.
    """
    evals = workflow.evals
    if evals is None:
        raise CheckError(f"{workflow.slug} declares no evals")
    at = services.now()
    looked = looked_at(services, evals)
    probed = _asked(services, workflow, evals)
    keep_probe(services, workflow, probed, at=at)
    with services.ops.begin() as unit:
        before = unit.fingerprints.newest(workflow.slug)
        tried = unit.runs.latest(workflow.slug, Stage.EVALUATE)
        ran = unit.runs.latest_ran(workflow.slug, Stage.EVALUATE)
        answered = {what: [value] for what, value in probed.fingerprint.items()}
        # What is seen for the first time beside runs of an older version is no change.
        since = ran.window.start if before is None and ran is not None else at
        why = note(unit, workflow.slug, {**looked, "answered": answered}, at=since, probing=True)
        if probed.error:
            failures = _failed(unit, workflow.slug, probed.error)
            told = any(one.kind == OUT_OF_REACH for one in unit.incidents.unresolved(workflow.slug))
        newest = unit.fingerprints.newest(workflow.slug)
    if probed.error:
        log.warning("%s: the probe had no answer (%d in a row): %s", workflow.slug, failures, probed.error)
        if failures < OUT_OF_REACH_AFTER or told:
            return Probing(starts=False, why=why)
        result = judge_out_of_reach(workflow, probed.error, times=failures)
        return Probing(
            starts=False,
            why=why,
            run=concluded(services, result, workflow, Window(at, services.now()), trigger, at, ran=False),
        )
    back = before is not None and before.failures >= OUT_OF_REACH_AFTER
    pending = (
        ran is not None
        and newest is not None
        and newest.first_seen_at > ran.window.start
        and not _tried_lately(tried, ran, since=newest.first_seen_at, at=at)
    )
    if not (back or pending) or under_way(services.ops, workflow.slug):
        return Probing(starts=False, why=why)
    reasons = (*why, *(["the model answers again"] if back else [])) or ("a change was not evaluated yet",)
    log.info("%s: the suite starts: %s", workflow.slug, "; ".join(reasons))
    return Probing(starts=True, why=reasons)


def _tried_lately(tried: Run | None, ran: Run, *, since: datetime, at: datetime) -> bool:
    """Whether a run that could not do its work ended since the change, less than an hour ago: what is broken is not hammered."""
    return (
        tried is not None and tried.id != ran.id and tried.finished_at >= since and at - tried.finished_at < RETRY_AFTER
    )


def _asked(services: Services, workflow: Workflow, evals: Evals) -> Probed:
    """The answer to the shortest question, or why there is none; without a word of it where the budget is spent."""
    try:
        budget = budget_of(services, workflow, at=services.now())
        if budget is not None and not budget.left.amount:
            log.info("%s: the eval budget is spent: only what is declared is looked at", workflow.slug)
            return Probed({})
        probed = services.runner(workflow).probe(evals)
    except ConfigurationError as error:
        return Probed({}, error=str(error))
    if probed.error.startswith(_NOT_ASKED):  # no word on the target; a run would say the same as UNKNOWN
        log.warning("%s: %s", workflow.slug, probed.error)
        return Probed({})
    return probed


def _failed(unit: Unit, workflow: str, error: str) -> int:
    """Count a probe without an answer; returns how many there are in a row."""
    newest = unit.fingerprints.newest(workflow)
    if newest is None:  # pragma: no cover - what is declared was noted before
        return 1
    unit.fingerprints.failed(newest, error)
    return newest.failures + 1
