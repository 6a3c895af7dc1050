"""Holds a run against the approved baseline: gathers what is comparable, asks suspicious cases again, names the cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from afterpilot.decide.against import Against
from afterpilot.decide.alarm import (
    Alarm,
    AlarmSettings,
    Flaky,
    RunOutcome,
    State,
    answerer,
    confirmed,
    e_value,
    flaky,
    judge,
    suspicious,
)
from afterpilot.decide.alarm.fleet import QUARTER, stop_for
from afterpilot.decide.causes import causes, undone
from afterpilot.decide.eval_figures import Measured, outcomes
from afterpilot.decide.regressions import broken_cases
from afterpilot.domain.evals import Sample
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.evals import judges
from afterpilot.pipeline.evals.alarming import terms_changed, terms_held
from afterpilot.pipeline.evals.fingerprinting import deciding_judges
from afterpilot.pipeline.evals.knowing import Known
from afterpilot.pipeline.evals.suites import Suite
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.results import EvalResult

MOST_ROUNDS = 4  # of same-day re-runs
_GOOD_RUNS = 5  # whose answering servers are known as good
Counts = Mapping[str, tuple[int, int]]
Again = Callable[[Sequence[str], int], Sequence[Sample]]  # ask these cases once more, in a round from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it: None in ``against`` without an approval; the rounds of re-runs, as they are kept."""

    against: Against | None
    rounds: tuple[Counts, ...] = ()
    flaky: tuple[Flaky, ...] = ()


def compare(
    services: Services,
    workflow: Workflow,
    measured: Measured,
    before: Known,
    *,
    suite: Suite,
    fingerprint: Mapping[str, Any],
    began: datetime,
    again: Again,
) -> Comparison:
    """Hold a valid run against what was recorded before it."""
    wavering = _flaky(before, measured, suite, fingerprint)
    if before.baseline is None:
        return Comparison(against=None, flaky=wavering)
    waived = set(measured.waived)
    comparable = [before.comparable(result, suite) - waived for result in before.approved]
    approved = [_outcome(result, cases) for result, cases in zip(before.approved, comparable, strict=True)]
    common = {case for run in approved for case, (_, scored) in run.outcomes.items() if scored}
    held = Against(
        run=str(before.baseline.run_id),
        at=before.baseline.approved_at,
        by=before.baseline.approved_by,
        cases=len(suite.digests) - len(waived),
        common=len(common),
        scorers_changed=bool(before.approved)
        and all(before.suites.get(one.suite, ("", {}))[0] != suite.scorers for one in before.approved),
    )
    today = began.astimezone(UTC).date()
    if not common or today < max(run.day for run in approved):
        return Comparison(against=held, flaky=wavering)
    since = [_outcome(result, before.comparable(result, suite) - waived) for result in before.since]
    newest = max(run.day for run in approved)
    runs = [run for run in since if run.outcomes and run.day >= newest]
    terms = terms_held(services, workflow, measured.evals, before.baseline)
    alarm, rounds, cost = _confirmed_today(approved, runs, measured, today, terms.settings, again)
    held = replace(
        held,
        alarm=alarm,
        passed_then=_passed(before.approved, comparable),
        rounds=len(rounds),
        reruns=sum(scored for one in rounds for _, scored in one.values()),
        rerun_cost=cost,
        wobble=terms.settings.wobble,
        wobble_measured=terms.measured,
        smallest_drop=terms.settings.smallest_drop,
        terms_changed=terms_changed(services, workflow, measured.evals, terms),
    )
    if alarm.state is State.ALARM:
        held = _explained(services, workflow, measured, before, held, fingerprint=fingerprint, suite=suite)
    return Comparison(against=held, rounds=tuple(rounds), flaky=wavering)


def _outcome(result: EvalResult, cases: frozenset[str]) -> RunOutcome:
    counts = {case: count for case, count in result.whole.items() if case in cases}
    return RunOutcome(result.at.astimezone(UTC).date(), counts)


def _passed(approved: Sequence[EvalResult], comparable: Sequence[frozenset[str]]) -> dict[str, bool]:
    """How each case stood in the newest approved run that has it, by the suite's reducer."""
    passed: dict[str, bool] = {}
    for result, cases in zip(approved, comparable, strict=True):
        passed |= {case: good for case, good in result.passes.items() if case in cases}
    return passed


def _confirmed_today(
    approved: Sequence[RunOutcome],
    runs: Sequence[RunOutcome],
    measured: Measured,
    today: date,
    settings: AlarmSettings,
    again: Again,
) -> tuple[Alarm, list[Counts], Decimal | None]:
    """The alarm with today's run, and with re-runs of suspicious cases until it is sure, the rounds are used up, or the money."""
    held = [*runs, RunOutcome(today, measured.outcomes)]
    alarm = judge(approved, held, settings)
    rounds: list[Counts] = []
    costs: list[Decimal | None] = []
    while len(rounds) < MOST_ROUNDS and (cases := [case for case in suspicious(alarm) if case in measured.outcomes]):
        samples = again(cases, len(rounds) + 1)
        counts = outcomes(samples, without=measured.waived)
        if not counts:
            break
        costs += [sample.cost for sample in samples if sample.attempts]
        rounds.append(counts)
        held.append(RunOutcome(today, counts))
        alarm = judge(approved, held, settings)
    return alarm, rounds, None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


def _explained(
    services: Services,
    workflow: Workflow,
    measured: Measured,
    before: Known,
    held: Against,
    *,
    fingerprint: Mapping[str, Any],
    suite: Suite,
) -> Against:
    """The same with cause, answers before and after, and whether it holds over the fleet."""
    alarm = held.alarm
    if alarm is None or alarm.since is None:  # pragma: no cover - an alarm has a start
        return held
    good = [
        result
        for result in (*before.approved, *before.since)
        if result.at.astimezone(UTC).date() < alarm.since and result.alarm in {"", str(State.NONE)}
    ] or list(before.approved)
    last = good[-1]
    with services.ops.begin() as unit:
        moved = judges.drifted(unit, workflow, deciding=deciding_judges(fingerprint))
    marks = [result.fingerprint for result in good[-_GOOD_RUNS:]]
    first, begun = _first(before.since, alarm.since), _first(before.since, alarm.latest or alarm.since)
    changed = _cases_changed(before, last, suite)
    found = causes(fingerprint, marks, cases=changed, also=moved, begun=begun.fingerprint if begun else None)
    if first is not None and not moved:
        found = undone(causes(first.fingerprint, marks), found)
    broken = broken_cases(measured, held)
    today = alarm.history[-1][0]
    with services.ops.begin() as unit:
        answers = unit.samples.answers(last.run_id, broken)
        fleet = unit.eval_results.fleet_evidence(_quarter(alarm))
    own = [evidence for day, evidence in alarm.history if day >= _quarter(alarm)]
    evidence = {**fleet, workflow.slug: own}
    stop = stop_for(len(evidence))
    sure = confirmed({name: e_value(values[-QUARTER:], stop=stop) for name, values in evidence.items()})
    return replace(
        held,
        causes=found,
        good_run=str(last.run_id),
        passing_since={
            case: _passing_since(before.since, case, today) for case, good in measured.passed.items() if good
        },
        good_day=last.at.astimezone(UTC).date(),
        before=answers,
        after={one.case_id: one.output or "" for one in reversed(measured.scored) if not one.passed},
        confirmed=workflow.slug in sure,
        fleet=len(evidence),
    )


def _first(results: Sequence[EvalResult], day: date) -> EvalResult | None:
    """The first result of that day or later."""
    return next((result for result in results if result.at.astimezone(UTC).date() >= day), None)


def _passing_since(results: Sequence[EvalResult], case: str, today: date) -> date:
    """The first day of the newest runs in all of which the case passed, today's included; runs that do not know it are skipped."""
    since = today
    for result in reversed(results):
        passed = result.passes.get(case)
        if passed is False:
            break
        since = result.at.astimezone(UTC).date() if passed else since
    return since


def _quarter(alarm: Alarm) -> date:
    """The first day of the quarter of the alarm's newest day."""
    newest = alarm.history[-1][0]
    return newest.replace(month=(newest.month - 1) // 3 * 3 + 1, day=1)


def _cases_changed(before: Known, good: EvalResult, suite: Suite) -> str:
    """How many cases were added, taken out or changed since a run; empty where none was or it is not known."""
    if good.suite not in before.suites:
        return ""
    then = before.suites[good.suite][1]
    both = then.keys() & suite.digests.keys()
    counts = {
        "added": len(suite.digests.keys() - then.keys()),
        "taken out": len(then.keys() - suite.digests.keys()),
        "changed": sum(then[case] != suite.digests[case] for case in both),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _flaky(before: Known, measured: Measured, suite: Suite, fingerprint: Mapping[str, Any]) -> tuple[Flaky, ...]:
    """The cases that waver while nothing that we record has changed; re-runs are left out: they were chosen for failing."""
    same = [result for result in before.earlier if answerer(result.fingerprint) == answerer(fingerprint)]
    history: dict[str, list[tuple[int, int]]] = {case: [] for case in measured.outcomes}
    for result in same:
        for case in before.comparable(result, suite):
            if case in history and case in result.outcomes:
                history[case].append(result.outcomes[case])
    for case, counts in measured.outcomes.items():
        history[case].append(counts)
    return flaky(history)
