"""One workflow's alarm: its approved runs, the runs since, and what they say in words that a person can act on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from afterpilot.decide.alarm.outcomes import RERUN_FROM, Alarm, AlarmSettings, Kind, RunOutcome, State

if TYPE_CHECKING:
    from afterpilot.decide.alarm.reference import Floats, Reference
    from afterpilot.decide.alarm.sequential import Belief

_LARGEST = 1e300
_TOLD = 0.5


@dataclass(slots=True)
class _Replay:
    """The days as they were judged: day → counts, and when an alarm was raised or over."""

    days: list[date] = field(default_factory=list)
    evidence: list[float] = field(default_factory=list)
    counts: list[tuple[Any, Any]] = field(default_factory=list)
    begun: int = 0  # index of the first day since the approval or the last recovery
    raised: date | None = None
    recovered: date | None = None
    rising: bool = False  # whether the last day made it worse


def judge(baseline: Sequence[RunOutcome], since: Sequence[RunOutcome], settings: AlarmSettings) -> Alarm:
    """The alarm after the runs ``since`` the approval, in any order, against the approved runs of ``baseline``.

    Runs of one day are counted together, so that a confirming re-run shares the day's wobble; they may hold a part of the
    cases. Cases that the baseline does not know are ignored. An open alarm is over (``recovered``) when "back at the baseline"
    explains the days after it 100 times better than "still dropped"; the test then starts anew from the same baseline.

    Raises:
        ValueError: the baseline has no scored sample, or a run is older than the newest approved one.
    """
    from afterpilot.decide.alarm.reference import refer
    from afterpilot.decide.alarm.sequential import begin, recover, step, watching

    cases, passed, scored = counted(baseline)
    newest = max(run.day for run in baseline)
    if early := [run.day for run in since if run.day < newest]:
        raise ValueError(f"a run of {min(early)} is older than the baseline, whose newest run is of {newest}")
    place = {case: at for at, case in enumerate(cases)}
    reference = refer(passed, scored, len({run.day for run in baseline}), settings)
    belief, replay = begin(reference), _Replay()
    for day, runs in _by_day(since):
        counts = _counted(runs, place)
        if not counts[1].any():
            continue
        before, belief = belief, step(reference, belief, *counts, threshold=settings.threshold)
        replay.rising = bool(watching(before, belief, settings.watch)[0])
        replay.days.append(day)
        replay.evidence.append(_bounded(belief.evidence[0]))
        replay.counts.append(counts)
        if belief.open[0] and not before.open[0]:
            replay.raised = day
        if recover(reference, belief)[0]:
            replay.recovered, replay.raised, replay.begun = day, None, len(replay.days)
    return _told(cases, reference, belief, replay, settings)


def suspicious(alarm: Alarm) -> tuple[str, ...]:
    """The cases to run again today; none where nothing is to be confirmed.

    All cases where a drop of the whole suite is suspected, otherwise those that may have broken.
    """
    return alarm.rerun if alarm.state is State.WATCH else ()


def counted(baseline: Sequence[RunOutcome]) -> tuple[list[str], Floats, Floats]:
    """The cases of the approved runs, in order, with their passed and scored samples (1, C).

    Raises:
        ValueError: no sample was scored.
    """
    cases = sorted({case for run in baseline for case, (_, scored) in run.outcomes.items() if scored})
    if not cases:
        raise ValueError("the baseline has no scored case: approve at least one valid run")
    return cases, *_counted(baseline, {case: at for at, case in enumerate(cases)})


def _by_day(runs: Iterable[RunOutcome]) -> list[tuple[date, list[RunOutcome]]]:
    days: dict[date, list[RunOutcome]] = defaultdict(list)
    for run in runs:
        days[run.day].append(run)
    return sorted(days.items())


def _counted(runs: Iterable[RunOutcome], place: dict[str, int]) -> tuple[Floats, Floats]:
    """Passed and scored samples (1, C) over the runs."""
    import numpy as np

    passed_of, scored_of = [0] * len(place), [0] * len(place)
    for run in runs:
        for case, (passed, scored) in run.outcomes.items():
            at = place.get(case)
            if at is not None:
                passed_of[at] += passed
                scored_of[at] += scored
    return np.array([passed_of], dtype=float), np.array([scored_of], dtype=float)


def _bounded(log: float) -> float:
    return _LARGEST if log > math.log(_LARGEST) else math.exp(log)


def _told(cases: list[str], reference: Reference, belief: Belief, replay: _Replay, settings: AlarmSettings) -> Alarm:
    """The belief in words; start, drop and cases only where something is suspected."""
    from afterpilot.decide.alarm import estimates

    evidence = _bounded(belief.evidence[0])
    quiet = Alarm(
        state=State.NONE,
        evidence=evidence,
        threshold=settings.threshold,
        false_alarms_per_year=settings.run_days / settings.threshold,
        recovered=replay.recovered,
        cases=len(cases),
        days=len(replay.days),
        history=tuple(zip(replay.days, replay.evidence, strict=True)),
    )
    raised = bool(belief.open[0])
    if not raised and not replay.rising:
        return quiet
    kind = Kind.SLICE if estimates.slice_share(belief) > _TOLD else Kind.UNIFORM
    probable = estimates.broken(belief)
    days = replay.days[replay.begun :]
    newest = days.index(replay.raised) if replay.raised else len(days) - 1
    start = estimates.start(reference, belief, replay.counts[replay.begun :], newest=newest)
    drop = estimates.drop(reference, replay.counts[replay.begun + start.likely :])
    named = sorted(
        ((case, float(p)) for case, p in zip(cases, probable, strict=True) if p > _TOLD), key=lambda it: -it[1]
    )
    part = tuple(case for case, p in zip(cases, probable, strict=True) if p > RERUN_FROM)
    return replace(
        quiet,
        state=State.ALARM if raised else State.WATCH,
        kind=kind,
        drop=drop.value,
        low=drop.low,
        high=drop.high,
        since=days[start.likely],
        earliest=days[start.earliest],
        latest=days[start.latest],
        broken=tuple(named) if kind is Kind.SLICE else (),
        rerun=part if kind is Kind.SLICE and part else tuple(cases),
        raised=replay.raised,
    )
