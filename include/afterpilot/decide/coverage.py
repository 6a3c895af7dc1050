"""Which verdicts were due in a span of days, by what was declared at the time, and which of them came. Pure: everything is given."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeVar

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.watching import DAGS, STAGES, Tick

Standing = Literal["in force", "broken", "retired", "gone", "not declared"]
Ticks = Callable[[str, datetime], Iterator[datetime]]
"""(cron expression, moment) → when it falls due after the moment, soonest first."""

CONFIRMED = "0 */2 * * *"  # the verdict on a declaration and on spend is written when it changes, and each hour anew
_RHYTHMS: Mapping[Stage, tuple[str, str]] = {
    Stage.DECLARE: (CONFIRMED, "at least every two hours"),
    Stage.SPEND: (CONFIRMED, "at least every two hours"),
    Stage.REVIEW: (DAGS["spot_checks"], "once a day"),
}
_OF_THE_FLEET: Mapping[Stage, tuple[str, str]] = {
    Stage.DECLARE: (CONFIRMED, "at least every two hours"),
    Stage.SPEND: (CONFIRMED, "at least every two hours"),
    Stage.BILLS: (DAGS["provider_bills"], "once a day"),
}
_WATCHED = frozenset({"in force", "broken"})  # a broken declaration promises what the last usable one did


@dataclass(frozen=True, slots=True)
class Era:
    """From when on a declaration said what it says: ``promises`` is kind of schedule → its name, ``version`` a SHA-256."""

    start: datetime
    standing: Standing
    promises: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """From when on the named schedules of the fleet (``records.hourly``) had these cron expressions."""

    start: datetime
    crons: Mapping[str, str]


_Part = TypeVar("_Part", Era, Rhythm)
Span = tuple[datetime, datetime]  # from, until before


@dataclass(frozen=True, slots=True)
class Ran:
    """A run: ``verdict`` is what stands of it, its correction's where it has one; ``scheduled``: a schedule began it, nobody by hand."""

    stage: Stage
    verdict: Verdict
    started: datetime
    finished: datetime
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A verdict that was promised: due by ``schedule`` at ``at``, and late once ``late_at`` has passed. ``in_turn``: each time of
    the schedule begins one run, so that two after one another may be those of two times.
    """

    stage: Stage
    schedule: str
    at: datetime
    late_at: datetime
    standing: Standing = "in force"
    in_turn: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a verdict that was due: the gravest of its runs; None: no run, which is ``pending`` until it is late."""

    due: Due
    verdict: Verdict | None
    pending: bool = False

    @property
    def missed(self) -> bool:
        """Whether it did not run."""
        return self.verdict is None and not self.pending


@dataclass(frozen=True, slots=True)
class Cell:
    """One stage on one day. All but ``expected``, ``missed``, ``pending`` count verdicts that were due, by what they said;
    ``more`` are runs that no schedule asked for.
    """

    expected: int = 0
    passed: int = 0
    warned: int = 0
    failed: int = 0
    unknown: int = 0
    missed: int = 0
    pending: int = 0
    more: int = 0
    standing: Standing = "in force"

    @property
    def ran(self) -> int:
        """How many of those that were due ran, whatever they said."""
        return self.passed + self.warned + self.failed + self.unknown

    @property
    def word(self) -> str:
        """How it stands, the worst first: what did not run and what is UNKNOWN are never good."""
        for count, word in ((self.missed, "missed"), (self.unknown, "unknown"), (self.pending, "pending")):
            if count:
                return word
        if self.expected:
            return "ran"
        return "none due" if self.standing in _WATCHED else self.standing


def promised(
    eras: Sequence[Era], rhythms: Sequence[Rhythm], span: Span, ticks: Ticks, *, fleet: bool = False
) -> tuple[Due, ...]:
    """Every verdict that was due from ``span[0]`` until before ``span[1]``, oldest first, by what was declared when it was due.

    ``eras`` and ``rhythms`` are in the order of their time. A schedule whose rhythm is not on record promises nothing.
    """
    by_itself = _OF_THE_FLEET if fleet else _RHYTHMS
    found = [
        due
        for since, until, era in _pieces(eras, span)
        if era.standing in _WATCHED
        for due in _within(era, rhythms, (since, until), ticks, by_itself)
    ]
    return tuple(sorted(found, key=lambda due: due.at))


def _within(
    era: Era, rhythms: Sequence[Rhythm], span: Span, ticks: Ticks, by_itself: Mapping[Stage, tuple[str, str]]
) -> Iterator[Due]:
    for stage, (cron, words) in by_itself.items():
        yield from _dues(era, (stage,), words, cron, span, ticks)
    for since, until, rhythm in _pieces(rhythms, span):
        for kind, stages in STAGES.items():
            name = f"{kind}.{era.promises.get(kind)}"
            if name in rhythm.crons:
                yield from _dues(era, stages, name, rhythm.crons[name], (since, until), ticks)


def _dues(era: Era, stages: Sequence[Stage], name: str, cron: str, span: Span, ticks: Ticks) -> Iterator[Due]:
    since, until = span
    for at, later in itertools.pairwise(ticks(cron, since - timedelta(seconds=1))):
        if at >= until:
            return
        late_at = later if cron == CONFIRMED else Tick(at, later - at).late_at
        for stage in stages:
            yield Due(stage, name, at, late_at, era.standing, in_turn=cron != CONFIRMED)


def _pieces(parts: Sequence[_Part], span: Span) -> Iterator[tuple[datetime, datetime, _Part]]:
    """The parts of a span in which one of them holds each."""
    for place, part in enumerate(parts):
        end = parts[place + 1].start if place + 1 < len(parts) else span[1]
        since, until = max(part.start, span[0]), min(end, span[1])
        if since < until:
            yield since, until, part


def answered(dues: Sequence[Due], runs: Sequence[Ran], now: datetime) -> tuple[tuple[Answer, ...], tuple[Ran, ...]]:
    """What came of each verdict that was due, and the runs that none of them asked for.

    A run answers what was due last when it began; where that has its run already, and what was due before it has none, a run that a
    schedule began is that one's, late: what somebody runs again by hand makes up for nothing. Several runs of one are one answer,
    the gravest.
    """
    of: defaultdict[Stage, list[Due]] = defaultdict(list)
    for due in dues:
        of[due.stage].append(due)
    times = {stage: [due.at for due in those] for stage, those in of.items()}
    runs_of: defaultdict[Due, list[Ran]] = defaultdict(list)
    others: list[Ran] = []
    for run in sorted(runs, key=lambda one: one.started):
        place = bisect_right(times.get(run.stage, []), run.started) - 1
        if place < 0:
            others.append(run)
            continue
        due = of[run.stage][place]
        before = of[run.stage][place - 1] if place and due.in_turn and run.scheduled else due
        if runs_of[due] and not runs_of[before]:
            due = before
        if runs_of[due]:
            others.append(run)
        runs_of[due].append(run)
    return tuple(_answer(due, runs_of[due], now) for due in dues), tuple(others)


def _answer(due: Due, runs: Sequence[Ran], now: datetime) -> Answer:
    if not runs:
        return Answer(due, None, pending=now < due.late_at)
    return Answer(due, Verdict.worst(run.verdict for run in runs))


def grid(answers: Sequence[Answer], more: Sequence[Ran]) -> Mapping[tuple[date, Stage], Cell]:
    """What was due and what came, by day (UTC) and stage; a pair without either is not there."""
    told: defaultdict[tuple[date, Stage], list[Answer]] = defaultdict(list)
    besides: defaultdict[tuple[date, Stage], int] = defaultdict(int)
    for answer in answers:
        told[answer.due.at.date(), answer.due.stage].append(answer)
    for run in more:
        besides[run.finished.astimezone(UTC).date(), run.stage] += 1
    return {key: cell(told[key], besides[key]) for key in {*told, *besides}}


def cell(answers: Sequence[Answer], more: int = 0, *, standing: Standing = "in force") -> Cell:
    """Count what was due and what came."""
    said = [answer.verdict for answer in answers]
    return Cell(
        expected=len(answers),
        passed=said.count(Verdict.PASS),
        warned=said.count(Verdict.WARN),
        failed=said.count(Verdict.FAIL),
        unknown=said.count(Verdict.UNKNOWN),
        missed=sum(answer.missed for answer in answers),
        pending=sum(answer.pending for answer in answers),
        more=more,
        standing=standing,
    )


def standing_on(eras: Sequence[Era], since: datetime, until: datetime) -> Standing:
    """How the declaration stood in a time: the last word of it; where it came into being within, that one."""
    stood = [era for _, _, era in _pieces(eras, (since, until))]
    return stood[-1].standing if stood else "not declared"
