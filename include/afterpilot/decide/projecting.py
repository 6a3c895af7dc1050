"""What a month will cost at the volume that a workflow is built for, with its interval.

The cost of a record is a ratio of two sums over days, calls and people's time over records; its spread is that of the days'
residuals (Cochran, "Sampling Techniques", 1977, chapter 6), for the mean of the days that were seen and for the days of the
month to come alike. The interval is taken on the logarithm: a cost is never below 0, and twice is as far as half. Evals cost the
same whatever the volume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import student
from afterpilot.domain.money import Money
from afterpilot.domain.whole_life import LifeFacts, LifeTerms, Part, Projection

MONTH = Decimal("30.4375")  # days
_LEAST_DAYS = 4  # with records, and cases: fewer tell nothing of a spread
_LEAST_FOR_EVALS = 7  # days: a run or two of a new suite say little about a month


class _Month(NamedTuple):
    """A month's cost, with its 95 % interval where there is one."""

    middle: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


def projected(terms: LifeTerms, facts: LifeFacts, people: Part) -> Projection | None:
    """The projection; None where no volume is declared. Before there are production calls, evals' answers stand for them."""
    volume, cap = terms.spend.volume, terms.spend.cap
    if volume is None:
        return None
    currency = cap.limit.currency
    served = any(day.records for day in facts.outputs) and any(row.kind == "production" for row in facts.calls)
    if any(row.cost is None or row.currency != currency for row in facts.calls):
        return Projection(volume, cap, unknown=f"not every call has a price in {currency}")
    if not served:
        return _from_cases(facts, volume, terms)
    records = {day.day: day.records for day in facts.outputs if day.records}
    calls = _by_day({row.day: Decimal(0) for row in facts.calls}, facts)
    fixed = _evals_a_month(facts)
    models = _month(volume, records, calls, fixed)
    whole = _Month()
    if people.cost is not None and people.minutes is not None:
        whole = _month(volume, records, _with_people(calls, facts, people), fixed)
    days, count = len(records), sum(records.values())
    last = facts.window.end - timedelta(microseconds=1)
    basis = f"{plural(count, 'record')} on {plural(days, 'day')} ({facts.window.start:%Y-%m-%d} to {last:%Y-%m-%d})"
    return _made(volume, terms, basis, models, whole)


def _from_cases(facts: LifeFacts, volume: Decimal, terms: LifeTerms) -> Projection:
    """Before launch: what an eval case's answer costs stands for a record."""
    currency, costs = terms.spend.cap.limit.currency, facts.case_costs
    if not costs:
        return Projection(
            volume, terms.spend.cap, unknown="no production call and no eval run tells what a record costs"
        )
    if facts.case_currency != currency:
        why = f"eval cases are priced in {facts.case_currency}, not in {currency}"
        return Projection(volume, terms.spend.cap, unknown=why)
    cases = dict.fromkeys(range(len(costs)), 1)
    models = _month(volume, cases, dict(enumerate(costs)), _evals_a_month(facts), ahead=float("inf"))
    return _made(volume, terms, plural(len(costs), "eval case"), models, _Month())


def _made(volume: Decimal, terms: LifeTerms, basis: str, models: _Month, whole: _Month) -> Projection:
    currency = terms.spend.cap.limit.currency

    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None else Money(amount, currency)

    return Projection(
        volume,
        terms.spend.cap,
        basis,
        calls=money(models.middle),
        calls_low=money(models.low),
        calls_high=money(models.high),
        whole=money(whole.middle),
        whole_low=money(whole.low),
        whole_high=money(whole.high),
    )


def _by_day(days: dict[int, Decimal], facts: LifeFacts) -> dict[int, Decimal]:
    for row in facts.calls:
        if row.kind == "production":
            days[row.day] = days.get(row.day, Decimal(0)) + (row.cost or Decimal(0))
    return days


def _with_people(calls: Mapping[int, Decimal], facts: LifeFacts, people: Part) -> dict[int, Decimal]:
    """People's cost by day: the part's cost as the minutes lie, on top of the calls."""
    days = dict(calls)
    noted = sum((day.minutes for day in facts.people), Decimal(0))
    for day in facts.people:
        if noted and people.cost:
            days[day.day] = days.get(day.day, Decimal(0)) + people.cost.amount * day.minutes / noted
    return days


def _evals_a_month(facts: LifeFacts) -> Decimal:
    """Evals and judges by the month, at the rate since the first of them in the window, which is a week at least."""
    own = [row for row in facts.calls if row.kind != "production"]
    if not own:
        return Decimal(0)
    length = math.ceil(facts.window.length.total_seconds() / 86400)
    days = max(length - min(row.day for row in own), _LEAST_FOR_EVALS)
    return sum((row.cost or Decimal(0) for row in own), Decimal(0)) / days * MONTH


def _month(
    volume: Decimal,
    records: Mapping[int, int],
    costs: Mapping[int, Decimal],
    fixed: Decimal,
    *,
    ahead: float = float(MONTH),
) -> _Month:
    """A month's cost at the volume, with its 95 % interval where there are enough days; ``ahead`` is the days of the month."""
    whole, spent = sum(records.values()), sum(costs.values(), Decimal(0))
    middle = volume * spent / whole
    days = len({*records, *(day for day, cost in costs.items() if cost)})
    spread = _relative_spread(records, costs) if len(records) >= _LEAST_DAYS else None
    if spread is None:
        return _Month(middle + fixed)
    width = student(days - 1) * spread * math.sqrt(1 / days + 1 / ahead)
    factor = Decimal(repr(math.exp(min(width, 20.0))))
    return _Month(middle + fixed, middle / factor + fixed, middle * factor + fixed)


def _relative_spread(records: Mapping[int, int], costs: Mapping[int, Decimal]) -> float | None:
    """The standard deviation of a day's residual, over the mean day's cost; None where nothing cost anything."""
    days: Sequence[int] = sorted({*records, *(day for day, cost in costs.items() if cost)})
    whole, spent = sum(records.values()), float(sum(costs.values(), Decimal(0)))
    if not spent:
        return None
    ratio = spent / whole
    residuals = [float(costs.get(day, Decimal(0))) - ratio * records.get(day, 0) for day in days]
    mean = spent / len(days)
    return math.sqrt(sum(rest**2 for rest in residuals) / (len(days) - 1)) / mean
