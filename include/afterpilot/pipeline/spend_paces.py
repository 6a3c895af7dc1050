"""Burn rate, leak and forecast of one cap, from numbers to the domain's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from afterpilot.domain.money import Money
from afterpilot.domain.outlook import Burn, Forecast
from afterpilot.domain.spend import CapState
from afterpilot.spend.burn import Hot, hot, leak, unusual, usual
from afterpilot.spend.forecast import forecast, rolling_forecast
from afterpilot.spend.periods import QUARTER, local_day

_SECONDS = int(QUARTER.total_seconds())


@dataclass(frozen=True, slots=True)
class Pace:
    """What was spent under a cap by quarter of an hour since the epoch, up to before ``end``, and by day; ``today`` is under way."""

    quarters: Mapping[int, float]
    end: int
    days: Mapping[date, float]
    today: date

    @property
    def moment(self) -> datetime:
        """When the newest quarter ends."""
        return datetime.fromtimestamp(self.end * _SECONDS, UTC)

    def hot(self, state: CapState, *, told: bool) -> tuple[Hot, ...]:
        """The windows in which the cap burns too fast."""
        limit, length = float(state.limit.amount), state.rule.cap.length or state.period.length
        return hot(self.quarters, limit=limit, length=length, end=self.end, told=told)


def burn_of(state: CapState, pace: Pace, history: Mapping[int, float], *, told: bool) -> Burn | None:
    """The window that is the worst of those that are dearer than usual. One that was told of stands until its window is slower,
    whatever has become usual in the meantime.
    """
    found = []
    for one in pace.hot(state, told=told):
        before = usual(history, window=one.window, end=pace.end - one.window // QUARTER)
        kept = Hot(one.window, one.factor, one.rate, one.spent, before) if told else unusual(one, before)
        if kept is not None:
            found.append(kept)
    worst = max(found, key=lambda one: one.rate / one.factor, default=None)
    return _burn(worst, state.limit.currency, fast=True) if worst else None


def leak_of(state: CapState, pace: Pace, *, told: bool) -> Burn | None:
    """The last days, where they use up the cap faster than it lasts and more than usual."""
    limit, length = float(state.limit.amount), state.rule.cap.length or state.period.length
    found = leak(pace.days, limit=limit, length=length, today=pace.today, told=told)
    return _burn(found, state.limit.currency, fast=False) if found else None


def forecast_of(state: CapState, pace: Pace, spent: Money, zone: str) -> Forecast:
    """What will have been spent by the end of the cap's period."""
    length = state.rule.cap.length
    if length is not None:
        days = length // timedelta(days=1)
        return rolling_forecast(pace.days, limit=state.limit, spent=spent, length=days, today=pace.today)
    first, until = (local_day(moment, zone) for moment in (state.period.start, state.period.end))
    return forecast(pace.days, limit=state.limit, spent=spent, first=first, until=until, today=pace.today)


def _burn(found: Hot, currency: str, *, fast: bool) -> Burn:
    usual_cost = None if found.usual is None else Money.estimated(found.usual, currency)
    return Burn(found.window, found.factor, found.rate, Money.estimated(found.spent, currency), usual_cost, fast)
