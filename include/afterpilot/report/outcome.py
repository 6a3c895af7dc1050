"""The outcome of a workflow's week: each figure with its interval, or UNKNOWN with the reason."""

from __future__ import annotations

from decimal import Decimal

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import Interval
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.report import stages
from afterpilot.report.facts import Figure, WeekCounts, WeekFacts, WeeklyOutcome
from afterpilot.report.needs import needs_owner, worse
from afterpilot.report.numbers import fine_percent, mean_interval, minutes, number, part, percent, wilson
from afterpilot.report.whole_life import cost_words, projection_words

_WEEKS_FOR_INTERVAL = 4
_WEEKS_LOOKED_AT = 8
_WORST = 2  # slices with the most errors that are named
_MINUTES = (["min"], ["mins"], ["minute"], ["minutes"])
_NOTHING = Figure("UNKNOWN: no output came through the checks this week")


def weekly_outcome(workflow: Workflow, facts: WeekFacts) -> WeeklyOutcome:
    """What the week achieved. Pure: the same facts give the same outcome at any later time."""
    counts = facts.this_week
    kpi, cost, overrides = _kpi(workflow, facts), _cost(facts), _overrides(counts)
    unknown = [Verdict.UNKNOWN for figure in (kpi, cost) if figure.value is None]
    return WeeklyOutcome(
        workflow=workflow.slug,
        purpose=workflow.purpose,
        week=facts.week,
        verdict=Verdict.worst([*stages.verdicts(workflow, facts), *unknown]),
        kpi_name=workflow.kpi.name.replace("_", " "),
        kpi_unit=workflow.kpi.unit,
        baseline=workflow.kpi.baseline,
        target=workflow.kpi.target,
        kpi=kpi,
        trend=_trend(workflow, facts),
        alone=_alone(counts),
        people=_people(facts, counts),
        overrides=overrides,
        errors=_errors(workflow, facts),
        cost=cost,
        month=_month(facts),
        saved=_saved(workflow, kpi, counts),
        stages=stages.words(workflow, facts),
        needs=needs_owner(workflow, facts, kpi=kpi, cost=cost, overrides=overrides),
        facts=facts,
    )


def _kpi(workflow: Workflow, facts: WeekFacts) -> Figure:
    """The week's value against target and baseline, with how much of the way between them is done."""
    value = dict(facts.kpi).get(facts.week)
    if value is None:
        return Figure(f"UNKNOWN: {facts.kpi_error or 'not measured this week'}")
    kpi = workflow.kpi
    gained, whole = kpi.baseline - value, kpi.baseline - kpi.target
    if worse(value, kpi.baseline, kpi.better):
        way = "worse than the baseline"
    elif not worse(value, kpi.target, kpi.better):
        way = "target reached"
    else:
        way = f"{percent(gained / whole)} of the way there" if whole else "target not reached"
    return Figure(
        f"{number(value)} {kpi.unit}; target {number(kpi.target)}, baseline {number(kpi.baseline)}: {way}", value
    )


def _trend(workflow: Workflow, facts: WeekFacts) -> Figure:
    """Against the measured week before, and the mean of the last weeks with its interval where there are enough."""
    values = [value for week, value in facts.kpi if week <= facts.week]
    if facts.week not in dict(facts.kpi) or not values:
        return Figure("UNKNOWN: not measured this week")
    parts: list[str] = []
    if len(values) > 1:
        parts.append(_against(values[-1], values[-2], workflow.kpi.better))
    else:
        parts.append("first measured week")
    recent = values[-_WEEKS_LOOKED_AT:]
    first = [week for week, _ in facts.kpi if week <= facts.week][-len(recent)]
    if len(recent) < _WEEKS_FOR_INTERVAL:
        parts.append(f"no interval yet ({plural(len(recent), 'week')} measured, {_WEEKS_FOR_INTERVAL} needed)")
        return Figure("; ".join(parts), values[-1])
    mean, interval = mean_interval(recent)
    parts.append(
        f"{len(recent)} weeks since {first.day} {first:%B} on average {number(mean)} "
        f"(95 % interval {number(interval.low)} to {number(interval.high)})"
    )
    return Figure("; ".join(parts), mean, interval.low, interval.high)


def _against(value: Decimal, before: Decimal, better: str) -> str:
    if value == before:
        return f"as the week before ({number(before)})"
    word = "worse" if worse(value, before, better) else "better"
    return f"{word} than the week before ({number(before)})"


def _alone(counts: WeekCounts | None) -> Figure:
    if counts is None or not counts.outputs:
        return _NOTHING
    return Figure(part(counts.alone, counts.outputs), Decimal(counts.alone) / counts.outputs)


def _people(facts: WeekFacts, counts: WeekCounts | None) -> Figure:
    if counts is None:
        return _NOTHING
    open_ones = f"{facts.waiting:,} still wait" if facts.waiting else "none waits"
    old = f", {facts.waiting_old:,} of them for over two days" if facts.waiting_old else ""
    return Figure(
        f"{counts.routed:,} routed ({open_ones}{old}); {counts.spot_checked:,} spot checks", Decimal(counts.routed)
    )


def _overrides(counts: WeekCounts | None) -> Figure:
    """Of the outputs that were handled alone and that people looked at: how many they changed."""
    if counts is None:
        return _NOTHING
    if not counts.judged:
        return Figure("UNKNOWN: nobody has looked at an output that was handled alone")
    interval = wilson(counts.overridden, counts.judged)
    rate = Decimal(counts.overridden) / counts.judged
    ends = f"95 % interval {_points(interval.low)} to {percent(interval.high)}"
    return Figure(
        f"{counts.overridden:,} of {counts.judged:,} that people looked at ({percent(rate)}; {ends})",
        rate,
        interval.low,
        interval.high,
    )


def _errors(workflow: Workflow, facts: WeekFacts) -> Figure:
    """How often the workflow is wrong when nobody looks, from the spot checks; with the slices that are worst."""
    rate = facts.error_rate
    if rate is None:
        return Figure("UNKNOWN: no spot check of the week was looked at")
    words = f"{fine_percent(rate.whole.value)} ({_ends(rate.whole)}; {rate.checked:,} of {rate.population:,} looked at)"
    worst = sorted(rate.slices.items(), key=lambda item: (-item[1].value, item[0]))[:_WORST]
    if len(rate.slices) > 1 and worst[0][1].value:
        words += "; most in " + ", ".join(f"{name} ({fine_percent(one.value)})" for name, one in worst if one.value)
    if rate.covered < 1:
        words += f"; nothing is known of {fine_percent(1 - rate.covered)} of the outputs"
    wanted = workflow.spot_check.precision
    if wanted is not None and rate.half_width > float(wanted):
        words += f"; less precise than the ±{float(wanted) * 100:g} points that were asked for"
    return Figure(
        words,
        *(Decimal(repr(round(end, 6))) for end in (rate.whole.value, rate.whole.low, rate.whole.high)),
    )


def _ends(interval: Interval) -> str:
    return f"95 % interval {fine_percent(interval.low)} to {fine_percent(interval.high)}"


def _cost(facts: WeekFacts) -> Figure:
    """What an output cost, with all that belongs to it."""
    if facts.life is None:
        return Figure("UNKNOWN: no usage was recorded this week")
    of_one = facts.life.each[0].cost
    return Figure(cost_words(facts.life), None if of_one is None else of_one.amount)


def _month(facts: WeekFacts) -> Figure | None:
    """What a month costs at the declared volume: models alone, as the cap is over them; people's time is in the words."""
    projection = facts.life.projection if facts.life else None
    if projection is None:
        return None
    ends = (projection.calls, projection.calls_low, projection.calls_high)
    basis = f"; from {projection.basis}" if projection.basis else ""
    return Figure(projection_words(projection) + basis, *(end.amount if end else None for end in ends))


def _saved(workflow: Workflow, kpi: Figure, counts: WeekCounts | None) -> Figure | None:
    """Minutes saved against the baseline; None where the KPI is not measured in minutes."""
    if workflow.kpi.unit.lower().split()[:1] not in _MINUTES:
        return None
    if kpi.value is None or counts is None:
        return Figure("UNKNOWN: the KPI or the outputs of the week are not known")
    value = (workflow.kpi.baseline - kpi.value) * counts.outputs
    if value < 0:
        return Figure(f"none: {minutes(-value)} more than at the baseline", value)
    return Figure(
        f"{minutes(value)} ({number(workflow.kpi.baseline)} less {number(kpi.value)}, {counts.outputs:,} times)", value
    )


def _points(share: Decimal) -> str:
    return percent(share).removesuffix(" %")
