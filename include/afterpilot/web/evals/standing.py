"""How a workflow's evals stand, in one sentence that a hurried owner understands. UNKNOWN is never green."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from afterpilot.decide.eval_words import points
from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import Interval, percent
from afterpilot.record.history.paging import Row
from afterpilot.web.evals.answering import Event
from afterpilot.web.evals.reading import MINUS, passed_share, rate_of, share
from afterpilot.web.reading import day, listed, mapping, number

Tone = Literal["PASS", "WARN", "FAIL", "UNKNOWN"]
_Z95 = 1.959963984540054
_POINTS = 100


@dataclass(frozen=True, slots=True)
class Drop:
    """How much of the pass rate was lost against the approved baseline, 0 to 1, as the mean of the runs since the drop began, with
    its 95 % interval; which cases broke.
    """

    value: float
    low: float
    high: float
    broken: tuple[str, ...] = ()

    @property
    def points(self) -> str:
        """``about 6 points``, as the incident says it."""
        return f"about {points(self.value)}".replace("-", MINUS)

    def __str__(self) -> str:
        low, high = (str(round(part * _POINTS)).replace("-", MINUS) for part in (self.low, self.high))
        return f"worse than the approved baseline by {self.points} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the evals stand: ``state`` in a few plain words, ``rank`` by what needs attention, the graver the lower."""

    tone: Tone
    state: str
    rank: int
    since: datetime | None = None


_ALARM, _UNKNOWN, _BELOW, _NEVER, _WATCH, _NO_BASELINE, _WARNED, _GOOD = range(8)
_SILENT = "the newest run could not say"
STALE, UNKNOWN_RANK = "stale", _UNKNOWN


def stand(rows: Sequence[Row], bar: float | None, *, approved: bool) -> Standing:
    """How the last results (oldest first) stand."""
    valid = [row for row in rows if row["valid"]]
    if valid and valid[-1]["alarm"] == "alarm":
        return Standing("FAIL", "alarm", _ALARM, alarm_since(rows))
    rate = rate_of(rows[-1]) if rows else None
    if rate is None:
        return (
            Standing("UNKNOWN", "too little was scored", _UNKNOWN)
            if rows
            else Standing("UNKNOWN", "no result yet", _NEVER)
        )
    if bar is not None and rate.value < bar:
        return Standing("FAIL", "below its bar", _BELOW)
    return _compared(str(rows[-1]["alarm"]), approved=approved)


def heeding(standing: Standing, last: Row | None) -> Standing:
    """The standing by the results, with how the newest run of all ended: one that could not begin left no result, and is not
    passed over for an older one that was good.
    """
    verdict = str(last["last_verdict"] or "") if last else ""
    if verdict == "UNKNOWN" and standing.tone != "FAIL" and standing.rank != _UNKNOWN:
        return Standing("UNKNOWN", _SILENT, _UNKNOWN)
    if verdict == "WARN" and standing.rank == _GOOD:
        return Standing("WARN", "good, with a warning", _WARNED)
    return standing


def _compared(alarm: str, *, approved: bool) -> Standing:
    """How a run stands that could say something, and reaches its bar."""
    if alarm == "watch":
        return Standing("WARN", "watching", _WATCH)
    if alarm == "none" and approved:
        return Standing("PASS", "as the baseline", _GOOD)
    return Standing("UNKNOWN", "not compared yet" if approved else "no baseline", _NO_BASELINE)


def alarm_since(rows: Sequence[Row]) -> datetime | None:
    """When the alarm that is open now was raised; runs that could not say are passed over."""
    since: datetime | None = None
    for row in reversed([row for row in rows if row["valid"]]):
        if row["alarm"] != "alarm":
            break
        since = row["at"]
    return since


def headline(
    standing: Standing,
    newest: Row | None,
    *,
    bar: float | None,
    drop: Drop | None = None,
    cause: str = "",
    workflow: str = "",
    last: str = "",
) -> str:
    """The sentence at the top of a workflow's page; ``last`` is what the newest run of all says."""
    if standing.state == _SILENT:
        return f"Unknown: {_SILENT} ({last.rstrip('.')}). {_before(newest)}".strip()
    if standing.state == STALE and standing.since:
        return f"Unknown: stale since {short_day(standing.since)}, for no run came since. {_before(newest)}".strip()
    if newest is None:
        return "No eval run yet: nothing is known about this workflow's answers."
    rate = rate_of(newest)
    pass_now = _passing(newest, rate, bar)
    if standing.rank == _ALARM:
        since = f" since {short_day(standing.since)}" if standing.since else ""
        broke = f", {_cases(drop.broken)} broke" if drop and drop.broken else ""
        lost = f": {drop}{broke}" if drop else ""
        return f"Alarm{since}{lost}; {cause or 'nothing that is recorded changed'}. {pass_now}".strip()
    if rate is None:
        return (
            f"Unknown: of {newest['cases']} cases only {newest['scored']} could be scored on {short_day(newest['at'])}, "
            "so that run says nothing about the model."
        )
    return _compared_in_words(standing, pass_now, workflow)


def read_drop(regression: object, broken: Sequence[str]) -> Drop | None:
    """What the alarm itself has recorded of the drop."""
    found = mapping(mapping(regression).get("drop"))
    value, low, high = (number(found.get(name)) for name in ("value", "low", "high"))
    return None if value is None or low is None or high is None else Drop(value, low, high, tuple(broken))


def named_broken(findings: Sequence[Row]) -> tuple[str, ...]:
    """The cases that the finding of a regression names."""
    named = [mapping(item).get("case") for row in findings for item in listed(mapping(row["evidence"]).get("broken"))]
    return tuple(dict.fromkeys(str(case) for case in named if case))


def paired_drop(before: Mapping[str, float], after: Mapping[str, float], broken: Sequence[str]) -> Drop | None:
    """The mean difference of cases that both have, with its 95 % interval by the central limit theorem over cases
    (paired, E. Miller, 2024, arXiv 2411.00640); None for fewer than two cases.
    """
    lost = [before[case] - after[case] for case in before if case in after]
    if len(lost) < 2:  # noqa: PLR2004 - the variance needs two
        return None
    mean = sum(lost) / len(lost)
    error = math.sqrt(sum((one - mean) ** 2 for one in lost) / (len(lost) - 1) / len(lost))
    return Drop(mean, mean - _Z95 * error, mean + _Z95 * error, tuple(broken))


def why(events: Sequence[Event], rows: Sequence[Row], regression: object) -> str:
    """Which change of what answers lies between the last good run and the alarm, or an empty text for none."""
    raised = alarm_since(rows)
    if raised is None:
        return ""
    recorded = mapping(regression)
    earliest = next((found for at in listed(recorded.get("since_between")) if (found := day(at))), None)
    earliest = min(earliest or raised.date(), _last_good(rows, raised))
    near = [event for event in events if earliest <= event.at.date() and event.at <= raised]
    dated = "; ".join(f"{event.words} on {short_day(event.at)}" for event in near)
    cause = recorded.get("cause")
    return dated or (cause.partition(":")[0] if isinstance(cause, str) else "")


def short_day(at: datetime | date) -> str:
    """``12 Nov``."""
    return f"{at.day} {at:%b}"


def declared_bar(evals: object) -> float | None:
    """The least share of cases that must pass, as declared."""
    return share(mapping(evals).get("pass_rate"))


def threshold(regression: object, evals: object) -> float:
    """The evidence that raises the alarm: as recorded, else run-days between two false alarms as declared."""
    recorded = number(mapping(regression).get("alarm_at"))
    terms = mapping(mapping(evals).get("alarm"))
    often = number(terms.get("false_alarms_per_year", 0.1)) or 0.1
    return recorded if recorded and recorded > 0 else max(365.0 / often, 20.0)


def passes(outcome: object) -> bool | None:
    """Whether a case passed in every epoch; None where it was not scored."""
    found = passed_share(outcome)
    return None if found is None else found >= 1.0


def _last_good(rows: Sequence[Row], raised: datetime) -> date:
    good = [row["at"] for row in rows if row["at"] < raised and row["valid"] and row["alarm"] == "none"]
    return good[-1].date() if good else raised.date()


def _passing(newest: Row, rate: Interval | None, bar: float | None) -> str:
    if rate is None:
        return ""
    span = f"{percent(rate.low)} to {percent(rate.high)}"
    short = f", but {percent(bar)} must" if bar is not None and rate.value < bar else ""
    return f"{newest['passed']} of {newest['scored']} cases pass ({span}){short}."


def _before(newest: Row | None) -> str:
    rate = rate_of(newest) if newest else None
    if newest is None or rate is None:
        return ""
    return f"The last that is known is of {short_day(newest['at'])}: {_passing(newest, rate, None)}"


def _compared_in_words(standing: Standing, pass_now: str, workflow: str) -> str:
    """How many pass, and what the comparison with the baseline says."""
    if standing.rank == _WATCH:
        return f"{pass_now} Something may have changed: suspicious cases are run again before anybody is called."
    if standing.rank == _NO_BASELINE:
        return f"{pass_now} {_without_comparison(standing, workflow)}"
    if standing.rank == _BELOW:
        return pass_now
    warning = ", with a warning that the newest run explains" if standing.rank == _WARNED else ""
    return f"{pass_now.removesuffix('.')}: as the approved baseline{warning}."


def _without_comparison(standing: Standing, workflow: str) -> str:
    if standing.state == "no baseline":
        hint = f"approve one with: afterpilot baseline approve {workflow} --by NAME"
        return f"There is no approved baseline, so a regression would go unnoticed; {hint}"
    return "The newest run was not compared with the baseline: its suite is another one, or it is the baseline itself."


def _cases(cases: Sequence[Any]) -> str:
    return plural(len(cases), "case")
