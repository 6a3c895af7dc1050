"""Caps, spans and forecasts in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from afterpilot.decide.spend.looks import Calls, Look
from afterpilot.domain.counting import per_cent, plural
from afterpilot.domain.money import Money, digits_of
from afterpilot.domain.outlook import Burn
from afterpilot.domain.spend import CapState

NAMED = 5
_QUARTER = timedelta(minutes=15)  # what calls are summed by
_KINDS = {"production": "production", "eval": "evals"}


def cap_words(state: CapState) -> str:
    """``the cap of 20.00 USD a day for gpt-5``, as it is raised."""
    rule = state.rule
    about = f" for {rule.model}" if rule.model else ""
    whose = of_team(rule.team) if rule.team else ""
    raised = " (raised)" if rule.cap.limit < state.limit else ""
    return f"the cap of {replace(rule.cap, limit=state.limit)}{raised}{whose}{about}"


def of_team(team: str) -> str:
    """Whose cap it is, as titles say it."""
    return f" of the team {team}"


def period_words(state: CapState) -> str:
    """``this month``, or ``the last 7 days``."""
    cap = state.rule.cap
    return f"the last {cap.every}" if cap.length is not None else f"this {cap.period}"


def began(look: Look, zone: str) -> str:
    """The first day of the period, for the names of incidents; empty for a rolling cap, which has none."""
    if look.state.rule.cap.length is not None:
        return ""
    return f"{look.state.period.start.astimezone(ZoneInfo(zone)):%Y-%m-%d} "


def day_words(day: date) -> str:
    """``24 November``."""
    return f"{day.day} {day:%B}"


def reached_words(look: Look) -> str:
    """``on 24 November between 14:15 and 14:30 UTC``; empty where it is not known."""
    if look.reached_at is None:
        return ""
    start = look.reached_at
    end = (start.astimezone(UTC) + _QUARTER).astimezone(start.tzinfo)
    return f"on {day_words(start.date())} between {start:%H:%M} and {end:%H:%M %Z}"


def span_words(span: timedelta) -> str:
    """``hour``, ``6 hours``, ``3 days``."""
    days, hours, minutes = span // timedelta(days=1), span // timedelta(hours=1), span // timedelta(minutes=1)
    if days > 1 and span == timedelta(days=days):
        return f"{days} days"
    if span == timedelta(hours=hours):
        return "hour" if hours == 1 else f"{hours} hours"
    return f"{minutes} minutes" if minutes < 60 else f"{minutes / 60:g} hours"  # noqa: PLR2004 - minutes of an hour


def rate_words(rate: float) -> str:
    """A rate rounded down to one figure, so that a message changes only when much does: ``more than 20 times``."""
    if rate < 2:  # noqa: PLR2004 - halves below two
        return f"{int(rate * 10) / 10:.1f} times" if rate < 1.5 else "more than 1.5 times"  # noqa: PLR2004
    step = 10 ** (len(str(int(rate))) - 1)
    return f"more than {int(rate // step * step)} times"


def share_words(share: Decimal) -> str:
    """A share in whole per cent, so that it changes seldom: ``less than 1 %``, ``3 %``, ``all``."""
    if share >= 1:
        return "all"
    return f"about {per_cent(share)}" if share >= Decimal("0.01") else "less than 1 %"


def outlook_words(look: Look) -> str:
    """The forecast in words, or why there is none."""
    given = look.forecast
    if look.state.reached:
        return f"the cap was reached {reached_words(look)}" if look.reached_at else "the cap is reached"
    if given.expected is None or given.low is None or given.high is None:
        return f"no forecast: {given.reason}"
    end = (
        "within a week" if look.state.rule.cap.length is not None else f"by the end of the {look.state.rule.cap.period}"
    )
    total = f"{given.expected} expected {end} ({digits_of(given.low.amount)} to {digits_of(given.high.amount)}, 80 % interval)"
    if given.crosses is None:
        return (
            total if given.earliest is None else f"{total}; the cap may be reached from {day_words(given.earliest)} on"
        )
    return f"{total}; the cap is reached around {day_words(given.crosses)}{_between(look)}"


def _between(look: Look) -> str:
    given = look.forecast
    if given.earliest is None or given.earliest == given.latest:
        return ""
    end = f"and {day_words(given.latest)}" if given.latest else f"and the end of the {look.state.rule.cap.every}"
    if look.state.rule.cap.length is not None and not given.latest:
        return f" (from {day_words(given.earliest)} on)"
    return f" (between {day_words(given.earliest)} {end})"


def burn_words(look: Look, burn: Burn) -> str:
    """What was spent in the window, what the cap allows, what is usual, and how long the rest lasts."""
    allowed = Money(burn.spent.amount / Decimal(str(round(burn.rate, 6) or 1)), burn.spent.currency)
    window = span_words(burn.window)
    parts = [f"{burn.spent} in the last {window}, for which the cap allows {allowed}"]
    if burn.usual is not None:
        parts.append(f"{'at its dearest ' if burn.fast else ''}such a time usually costs {burn.usual}")
    left = look.state.limit.amount - look.spent.amount
    if left > 0 and burn.spent.amount > 0:
        lasts = burn.window * float(left / burn.spent.amount)
        parts.append(
            f"what is left of the cap, {Money(left, burn.spent.currency)}, lasts {_lasting(lasts)} at this pace"
        )
    return "; ".join(parts) + "."


def _lasting(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours >= 48:  # noqa: PLR2004 - hours of two days
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else f"{max(hours * 60, 1):.0f} minutes"  # noqa: PLR2004


def dearest(calls: Calls, *, workflows: bool = False) -> list[str]:
    """What the money went to, dearest first; of several workflows by them."""
    sums: dict[str, tuple[Decimal, int]] = {}
    for line in calls.known_lines:
        name = line.workflow if workflows else f"{_KINDS.get(line.kind, line.kind)}, {line.model}"
        cost, count = sums.get(name, (Decimal(0), 0))
        sums[name] = (cost + (line.cost or Decimal(0)), count + line.calls)
    ordered = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        f"{name}: {Money(cost, calls.currency)} for {plural(count, 'call')}" for name, (cost, count) in ordered[:NAMED]
    ]
