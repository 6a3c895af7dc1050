"""Spot checks: with which chance outputs go to people, and what their decisions say of everything that was released alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from afterpilot.decide.error_rate import error_rate
from afterpilot.decide.reviewing import judge_reviews
from afterpilot.domain.record import Record
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.sampling import ErrorRate
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit
from afterpilot.review.sampling import EVERYTHING_ELSE, is_picked, period_of, rates, stratum_of

_LOOKED_BACK = 4  # periods from which the next one's sample is planned
_REVIEWED = timedelta(days=7)  # of each person's decisions that are looked at together


def picker(services: Services, workflow: Workflow, at: datetime) -> Callable[[Record], bool]:
    """Whether a released output goes to people all the same, with the chances of the period that it is decided in.

    Of what lay there when the workflow was looked at first, the outputs of one period have their chance: people get as many
    spot checks as in any other period, and none on what is long past.
    """
    period = period_of(at, workflow.spot_check)
    with services.ops.begin() as unit:
        chances = _chances(unit, workflow, period, first=at - workflow.spot_check.period)
        since = unit.spot_checks.since(workflow.slug)
    by = workflow.spot_check.by

    def picked(record: Record) -> bool:
        if since is not None and record.at < since:
            return False
        stratum = stratum_of(record.data.get(by)) if by else EVERYTHING_ELSE
        return is_picked(workflow.slug, record.key, chances.get(stratum, chances[EVERYTHING_ELSE]))

    return picked


def error_rate_of(unit: Unit, workflow: Workflow, window: Window) -> ErrorRate | None:
    """The true error rate of what was released alone in a window; None where no spot check of it was looked at."""
    return error_rate(unit.spot_checks.strata(workflow.slug, window, by=workflow.spot_check.by))


def judge_review(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Look at the reviewers' work: blind acceptance, rising overrides, spot checks that nobody does."""
    if (done := finished(services, workflow, Stage.REVIEW, trigger)) is not None:
        return done
    started = services.now()
    window = Window(started - _REVIEWED, started)
    terms, period = workflow.spot_check, period_of(started, workflow.spot_check)
    last = Window(_begin(period) - terms.period, _begin(period))
    with services.ops.begin() as unit:
        reviewers = unit.spot_checks.reviewers(
            workflow.slug,
            window,
            source_field=workflow.review.source_field,
            words_a_minute=workflow.review.reading_speed,
        )
        overrides = unit.spot_checks.overrides(workflow.slug, started)
        strata = unit.spot_checks.strata(workflow.slug, last, by=terms.by)
        expected = _time_was_given(unit, workflow, last, now=started)
    picked = sum(stratum.picked for stratum in strata)
    result = judge_reviews(
        workflow,
        reviewers,
        overrides,
        error_rate(strata),
        picked=picked,
        released=sum(stratum.population for stratum in strata),
        expected=expected,
    )
    return concluded(services, result, workflow, window, trigger, started)


def _time_was_given(unit: Unit, workflow: Workflow, last: Window, *, now: datetime) -> bool:
    """Whether people have had a whole period for the first spot check of the last one: nobody is told before of none done."""
    period, first = workflow.spot_check.period, unit.spot_checks.first_picked(workflow.slug, last)
    since = unit.spot_checks.since(workflow.slug)
    if first is None:
        return False
    asked = max(first, since + period) if since else first  # those of the first period were all asked for when it ended
    return now - asked >= period


def _chances(unit: Unit, workflow: Workflow, period: date, *, first: datetime) -> dict[str, Decimal]:
    """Those of the period, set from what earlier ones have found by the first run in it; in a workflow's first one for outputs
    made from ``first`` on.
    """
    known = unit.spot_checks.rates(workflow.slug, period)
    if known:
        return known
    terms = workflow.spot_check
    end = _begin(period)
    history = [
        Window(end - terms.period * number, end - terms.period * (number - 1)) for number in range(1, _LOOKED_BACK + 1)
    ]
    found = [unit.spot_checks.strata(workflow.slug, window, by=terms.by) for window in history]
    expected = {stratum.name: stratum.population for stratum in found[0]}
    before = [stratum for strata in found for stratum in strata]
    unit.spot_checks.set_rates(workflow.slug, period, rates(terms, before, expected), since=first)
    return unit.spot_checks.rates(workflow.slug, period)


def _begin(period: date) -> datetime:
    return datetime.combine(period, time(), UTC)
