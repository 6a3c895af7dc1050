"""The spend of one workflow in one month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from afterpilot.domain.counting import plural
from afterpilot.record.history import spend
from afterpilot.record.history.paging import Row
from afterpilot.web.reading import mapping
from afterpilot.web.spend import charts
from afterpilot.web.spend.bills import against
from afterpilot.web.spend.caps import CapView, caps_at, too_old
from afterpilot.web.spend.days import DayChart, DaySum
from afterpilot.web.spend.life import whole_life_of
from afterpilot.web.spend.months import Picked

_KINDS = {"production": "production", "eval": "evals", "judge": "judges"}
_MILLION = Decimal(1_000_000)
_PER_MILLION = "tokens"  # sorts that end so are priced by the million
SHOWN = 50  # models, prices and reasons on the page: the dearest, or the most frequent


@dataclass(slots=True)
class Part:
    """Calls of a model, a kind or a day: their cost by currency; those without a price apart."""

    name: str
    calls: int = 0
    unpriced: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    tokens: Decimal = Decimal(0)

    def add(self, row: Row) -> None:
        """Add a row of the sums."""
        self.calls += int(row["calls"])
        self.tokens += row["input_tokens"] + row["output_tokens"]
        if row["cost"] is None:
            self.unpriced += int(row["calls"])
        else:
            self.costs[row["currency"]] = self.costs.get(row["currency"], Decimal(0)) + row["cost"]

    def join(self, other: Part) -> None:
        """Add all that another one holds."""
        self.calls += other.calls
        self.unpriced += other.unpriced
        self.tokens += other.tokens
        for currency, cost in other.costs.items():
            self.costs[currency] = self.costs.get(currency, Decimal(0)) + cost


@dataclass(frozen=True, slots=True)
class Dearest:
    """The dearest of many, and the sum of all ``others``: nothing is lost, least of all what nobody knows."""

    shown: Sequence[Part]
    others: Part | None = None


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day in the table: its part of every column of ``Days``, all of it, and the month so far."""

    on: date
    cells: tuple[str, ...]
    part: Part
    so_far: Part


@dataclass(frozen=True, slots=True)
class Days:
    """What the charts show as one table; ``columns`` are models."""

    columns: tuple[str, ...]
    rows: tuple[DayRow, ...]


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price that calls of the month had, with what they cost at it."""

    price: Row
    rates: Sequence[tuple[str, Decimal, str]]
    part: Part


def workflow(connection: sa.Connection, slug: str, month: Picked, zone: str, now: datetime) -> dict[str, Any]:
    """Everything of the page but the answers of people, by a bounded number of queries over the month alone."""
    rows = spend.of_workflow(connection, slug, month.first, month.last)
    today = now.astimezone(ZoneInfo(zone)).date()
    run = spend.latest(connection, [slug]).get(slug)
    caps = caps_at(run, now)
    declared = next(iter(spend.declared(connection, slug)), None)
    drawn, reasons = _charts(rows, caps, month, today), _reasons(rows)
    return {
        "declared": declared,
        "run": run,
        "current": month.holds(today),
        "run_is_old": run is not None and too_old(run, now),
        "caps": caps,
        "whole": _whole(rows),
        "charts": drawn,
        "models": _dearest(models_of(rows), "other model"),
        "kinds": _parts(rows, "kind", _KINDS),
        "days": _days(rows, drawn),
        "reasons": reasons[:SHOWN],
        "other_reasons": (len(reasons) - SHOWN, sum(calls for _, _, calls in reasons[SHOWN:])),
        **_prices(connection, rows),
        "repriced": spend.repriced(connection, slug, month.first, month.last),
        "life": whole_life_of(connection, declared, now),
        "bills": against(connection, mapping(declared["spend"]).get("billed") if declared else (), month, now),
        "runs": spend.newest_runs(connection, slug),
        "incidents": spend.newest_incidents(connection, slug),
    }


def _whole(rows: Sequence[Row]) -> Part:
    whole = Part("all calls")
    for row in rows:
        whole.add(row)
    return whole


def models_of(rows: Sequence[Row]) -> list[Part]:
    """What each model cost, the dearest first."""
    return _parts(rows, "model")


def _dearest(parts: Sequence[Part], name: str) -> Dearest:
    """The first of ``parts``, and the rest in one; ``name`` is one of the rest. A single one more is shown as well."""
    if len(parts) <= SHOWN + 1:
        return Dearest(parts)
    others = Part(plural(len(parts) - SHOWN, name))
    for part in parts[SHOWN:]:
        others.join(part)
    return Dearest(parts[:SHOWN], others)


def _parts(rows: Sequence[Row], column: str, names: Mapping[str, str] | None = None) -> list[Part]:
    found: dict[str, Part] = {}
    for row in rows:
        key = str(row[column])
        found.setdefault(key, Part((names or {}).get(key, key) or "no model named")).add(row)
    return sorted(found.values(), key=lambda part: (-sum(part.costs.values(), Decimal(0)), part.name))


def _days(rows: Sequence[Row], drawn: Sequence[DayChart]) -> Days:
    tables = [chart.table for chart in drawn if chart.table is not None]
    models = [
        {on: sums[:-1] for on, sums, _ in table.rows} for table in tables
    ]  # without their sum, which each day has
    of_day: dict[date, list[Row]] = {}
    for row in rows:
        of_day.setdefault(row["day"], []).append(row)
    found, so_far = [], Part("")
    for on, calls in sorted(of_day.items()):
        part, so_far = Part(str(on)), replace(so_far, costs=dict(so_far.costs))
        for row in calls:
            part.add(row)
            so_far.add(row)
        blank = [("",) * (len(table.columns) - 1) for table in tables]
        cells = [of.get(str(on), none) for of, none in zip(models, blank, strict=True)]
        found.append(DayRow(on, tuple(chain.from_iterable(cells)), part, so_far))
    return Days(tuple(chain.from_iterable(table.columns[:-1] for table in tables)), tuple(found))


def _reasons(rows: Sequence[Row]) -> list[tuple[str, str, int]]:
    """Why calls have no known cost: reason, model, how many; the most frequent first."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["cost"] is None:
            key = (str(row["reason"] or spend.NOT_LOOKED_AT), str(row["model"]))
            found[key] = found.get(key, 0) + int(row["calls"])
    return sorted(((*key, calls) for key, calls in found.items()), key=lambda one: (-one[2], one[0]))


def _prices(connection: sa.Connection, rows: Sequence[Row]) -> dict[str, Any]:
    """The prices at which the most was spent, and the sum of what was spent at others."""
    parts: dict[int, Part] = {}
    for row in rows:
        if row["cost"] is not None:
            parts.setdefault(row["price_id"], Part("")).add(row)
    order = sorted(parts, key=lambda price: -sum(parts[price].costs.values(), Decimal(0)))
    dearest = _dearest([parts[price] for price in order], "other price")
    known = spend.prices_of(connection, order[: len(dearest.shown)]) if parts else []
    return {
        "prices": [PriceRow(row, _rates(row["rates"]), parts[row["id"]]) for row in known],
        "other_prices": dearest.others,
    }


def _rates(rates: Mapping[str, str]) -> list[tuple[str, Decimal, str]]:
    """Sort, amount, and what it is for: tokens by the million, as price lists have them."""
    found = []
    for sort, rate in rates.items():
        tokens = sort.endswith(_PER_MILLION)
        amount = Decimal(rate) * (_MILLION if tokens else 1)
        unit = "a million" if tokens else "a second" if sort.endswith("seconds") else "each"
        found.append((sort.removesuffix("_tokens").replace("_", " "), amount, unit))
    return found


def _charts(rows: Sequence[Row], caps: Sequence[CapView], month: Picked, today: date) -> list[DayChart]:
    """The month's sum against its cap, and the days by model, one chart for each currency."""
    days = _by_model(rows)
    found = []
    main = next((cap for cap in caps if cap.every == "month" and not cap.model), None)
    now = month.holds(today)
    if main is not None and (main.currency in days or (now and not days)):
        known = days.get(main.currency, {})
        found.append(charts.cumulative(month.axis, known, main, today=today if now else None))
    daily = next((cap for cap in caps if cap.every == "day" and not cap.model), None)
    for currency, one in days.items():
        models = sorted({name for day in one.values() for name in day.costs}, key=lambda name: -_sum(one, name))
        for day in one.values():
            for name in models[charts.SERIES :]:
                if name in day.costs:
                    day.costs[""] = day.costs.get("", Decimal(0)) + day.costs.pop(name)
        series = [(name, name) for name in models[: charts.SERIES]] + [("", "")]
        limit = daily if daily is not None and daily.currency == currency else None
        title = f"Spend by day and model{f', {currency}' if currency else ''}"
        found.append(charts.bars(month.axis, one, series, currency, title=title, limit=limit))
    return found


def _by_model(rows: Sequence[Row]) -> dict[str, dict[date, DaySum]]:
    """Days by currency; calls without a price are drawn with the currency that most calls have."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["cost"] is not None:
            counts[row["currency"]] = counts.get(row["currency"], 0) + int(row["calls"])
    order = sorted(counts, key=lambda currency: -counts[currency])
    days: dict[str, dict[date, DaySum]] = {currency: {} for currency in order}
    for row in rows:
        currency = row["currency"] if row["cost"] is not None else next(iter(order), "")
        day = days.setdefault(currency, {}).setdefault(row["day"], DaySum())
        day.add(row["model"], row["cost"], int(row["calls"]) if row["cost"] is None else 0)
    return days


def _sum(days: Mapping[date, DaySum], name: str) -> Decimal:
    return sum((day.costs.get(name, Decimal(0)) for day in days.values()), Decimal(0))
