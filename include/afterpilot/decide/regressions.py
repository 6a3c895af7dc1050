"""What is said of a run against its approved baseline: a regression with its cause, or that nothing can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from afterpilot.decide.against import Against
from afterpilot.decide.alarm import Alarm, Kind, State
from afterpilot.decide.eval_figures import Measured
from afterpilot.decide.eval_findings import waived_line
from afterpilot.decide.eval_words import NAMED, at_this_rate, names, points, reasons, short
from afterpilot.domain.causation import AS_BEFORE, cause_sentence
from afterpilot.domain.intervals import Interval
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Workflow

REGRESSED, NO_BASELINE, BASELINE_DUE = "evals.regressed", "evals.no_baseline", "evals.baseline_due"
_ANSWER = 300  # characters of an answer that are shown
_LISTED = 20
_UNDO = "Undo what the cause line names, and run the suite again; or approve the new state as the baseline."
_UNDONE = "See in the next runs that the drop ends: what the cause line names is undone."


def no_baseline(workflow: Workflow) -> Finding:
    """A note that a regression cannot be seen yet."""
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=NO_BASELINE,
        severity=Severity.INFO,
        title="No baseline is approved: a regression would not be seen",
        detail=f"`afterpilot baseline approve {workflow.slug} --by NAME` makes a good run the one to compare with.",
    )


def baseline_due(workflow: Workflow, against: Against) -> Finding:
    """The suite, or what the alarm is told, is not the approved one any more: a note while most can be compared, a warning where
    too little can.
    """
    approve = (
        f"`afterpilot baseline approve {workflow.slug} --by NAME` makes a run of the new suite the one to compare with."
    )
    if against.scorers_changed:
        title = "What decides has changed since the baseline was approved: nothing can be compared"
        why = "Scorers, thresholds or who may judge are not what they were."
    elif not against.common:
        title = "Nothing can be compared with the approved baseline"
        why = "No case is as it was then, or its results are not kept."
    elif against.common == against.cases:
        title = "The alarm's terms have changed since the baseline was approved: those of the approval hold"
        why = _terms_changed(against)
    else:
        title = (
            f"The cases have changed since the baseline was approved: {against.common} of {against.cases} are compared"
        )
        why = "The others are new or not what they were."
        why += f" {_terms_changed(against)}" if against.terms_changed else ""
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=BASELINE_DUE,
        severity=Severity.WARNING if against.too_little else Severity.INFO,
        title=title,
        detail=f"{why} {approve}",
        evidence={
            "certainty": "certain: the cases and scorers were compared",
            "cost": "a regression in what cannot be compared would not be seen",
            "to_do": "Look at the newest run, and approve it as the baseline where it is as good as it should be.",
            "examples": [],
        },
    )


def _terms_changed(against: Against) -> str:
    return f"Declared anew: {', '.join(against.terms_changed)}. Approve anew to use it."


def regressed(workflow: Workflow, measured: Measured, against: Against, rate: Interval) -> Finding | None:
    """The finding of an open alarm; None where there is none.

    FAIL where the fleet's test confirms it or the drop is as large as the smallest that matters, else WARN: it is real by the
    alarm's own promise, and smaller than what the team said it looks for.
    """
    alarm = against.alarm
    if alarm is None or alarm.state is not State.ALARM or alarm.drop is None:
        return None
    declared = float(measured.evals.alarm.smallest_drop)
    smallest = declared if against.smallest_drop is None else against.smallest_drop
    grave = against.confirmed or alarm.drop >= smallest
    broken = broken_cases(measured, against)
    cause = against.causes.line if against.causes else ""
    size = "" if grave else f" It is smaller than the {points(smallest)} that the suite looks for."
    again = passing_again(measured, against)
    said = [
        cause_sentence(cause),
        f"Broken: {names(broken)}." if broken else "",
        _again_line(again, alarm),
        waived_line(measured),
    ]
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=REGRESSED,
        severity=Severity.CRITICAL if grave else Severity.WARNING,
        title=f"Worse than the approved baseline by about {points(alarm.drop)} since {alarm.since}",
        detail=" ".join(part for part in said if part) + size,
        evidence={
            "certainty": _certainty(alarm, against),
            "cost": at_this_rate(workflow, rate.value),
            "to_do": _UNDONE if AS_BEFORE in cause else _UNDO,
            "examples": [*_examples(broken, measured, against), *_examples_again(again)][:NAMED],
            **as_evidence(alarm, against),
            "run_cost": measured.figures["cost"],
            "broken": _broken_as_data(broken, measured, against),
            "passing_again": [{"case": case, "since": _day(since)} for case, since in list(again.items())[:_LISTED]],
        },
    )


def broken_cases(measured: Measured, against: Against) -> list[str]:
    """Cases that fail now: those that broke by the alarm's own word first, then those that passed at the approval."""
    now = [case for case, good in measured.passed.items() if not good and against.passed_then.get(case)]
    return [*dict.fromkeys([*(case for case in _by_word(against) if measured.passed.get(case) is False), *now])]


def passing_again(measured: Measured, against: Against) -> dict[str, date | None]:
    """Cases that broke by the alarm's own word and pass now, with the day since which they do where it is after the drop began."""
    began = against.alarm.since if against.alarm else None
    again = {case: against.passing_since.get(case) for case in _by_word(against) if measured.passed.get(case)}
    return {case: since if since and began and since > began else None for case, since in again.items()}


def _by_word(against: Against) -> list[str]:
    alarm = against.alarm
    return [case for case, _ in alarm.broken] if alarm and alarm.kind is Kind.SLICE else []


def _again_line(again: Mapping[str, date | None], alarm: Alarm) -> str:
    """``Broke on 11 November, pass again since 13 November: hard-20, hard-21.``, a sentence for each day."""
    began = f"Broke on {_spoken(alarm.since)}, pass " if alarm.since else "Pass "
    by_day: dict[date | None, list[str]] = {}
    for case, since in again.items():
        by_day.setdefault(since, []).append(case)
    return " ".join(
        f"{began}{f'again since {_spoken(since)}' if since else 'in this run'}: {names(cases)}."
        for since, cases in by_day.items()
    )


def _examples_again(again: Mapping[str, date | None]) -> list[str]:
    return [
        short(f"passes again: {case}{f' (since {_spoken(since)})' if since else ''}") for case, since in again.items()
    ]


def _spoken(day: date) -> str:
    return f"{day.day} {day:%B}"


def as_evidence(alarm: Alarm, against: Against) -> dict[str, Any]:
    """The alarm's figures as evidence, JSON-serialisable."""
    cost = against.rerun_cost
    return {
        "alarm": str(alarm.state),
        "evidence": alarm.evidence,
        "alarm_at": alarm.threshold,
        "false_alarms_per_year": alarm.false_alarms_per_year,
        "wobble": against.wobble,
        "wobble_measured": against.wobble_measured,
        "kind": str(alarm.kind) if alarm.kind else None,
        "drop": None if alarm.drop is None else {"value": alarm.drop, "low": alarm.low, "high": alarm.high},
        "since": _day(alarm.since),
        "since_between": [_day(alarm.earliest), _day(alarm.latest)],
        "recovered": _day(alarm.recovered),
        "confirmed_over_fleet_of": against.fleet if against.confirmed else None,
        "cause": against.causes.line if against.causes else None,
        "changed": list(against.causes.changed) if against.causes else None,
        "last_good_run": against.good_run or None,
        "runs_compared": alarm.days,
        "rounds": against.rounds,
        "rerun_samples": against.reruns,
        "rerun_cost": None if cost is None else str(cost),
    }


def _certainty(alarm: Alarm, against: Against) -> str:
    between = "" if alarm.earliest == alarm.latest else f" (80 %: {alarm.earliest} to {alarm.latest})"
    fleet = (
        f"; confirmed over the fleet of {against.fleet} workflows" if against.confirmed and against.fleet > 1 else ""
    )
    return (
        f"{alarm.false_alarms_per_year:.2g} false alarms a year at most (evidence {min(alarm.evidence, 1e9):,.0f}, the alarm is at "
        f"{alarm.threshold:,.0f}){fleet}; the drop is the mean of the runs since it began, its 95 % interval "
        f"{100 * (alarm.low or 0.0):.0f} to {points(alarm.high or 0.0)}; began about {alarm.since}{between}"
    )


def _examples(broken: list[str], measured: Measured, against: Against) -> list[str]:
    why = reasons(measured.scored)
    told = []
    for case in broken[:NAMED]:
        reason = f": {why[case]}" if case in why else ""
        before = against.before.get(case)
        then = f" (before: {short(before, 60)})" if before and not reason else ""
        told.append(short(f"broke: {case}{reason}{then}"))
    return told


def _broken_as_data(broken: list[str], measured: Measured, against: Against) -> list[dict[str, Any]]:
    why = reasons(measured.scored)
    chance = dict(against.alarm.broken) if against.alarm else {}
    return [
        {
            "case": case,
            "probability": chance.get(case),
            "reason": short(why.get(case, ""), _ANSWER),
            "before": short(against.before.get(case, ""), _ANSWER),
            "after": short(against.after.get(case, ""), _ANSWER),
        }
        for case in broken[:_LISTED]
    ]


def _day(value: Any) -> str | None:  # noqa: ANN401 - a date or nothing
    return None if value is None else value.isoformat()
