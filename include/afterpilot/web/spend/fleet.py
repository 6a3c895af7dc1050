"""The spend of all workflows: how each stands, what needs attention first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.run import FLEET
from afterpilot.record.history import spend
from afterpilot.record.history.narrowing import Only
from afterpilot.record.history.paging import Row
from afterpilot.web.reading import amount, listed, mapping
from afterpilot.web.spend import charts
from afterpilot.web.spend.caps import RANKS, CapView, caps_at, too_old
from afterpilot.web.spend.days import DayChart, DaySum
from afterpilot.web.spend.months import Picked
from afterpilot.web.text import money

SHOWN = 100  # workflows on the page
_STOPPED, _NEVER = -1, 3
_OTHERS = ""


@dataclass(slots=True)
class Listed:
    """A workflow in the list. ``costs`` are what the month's calls with a price cost, by currency."""

    workflow: str
    team: str = ""
    owner: str = ""
    costs: dict[str, Decimal] = field(default_factory=dict)
    calls: int = 0
    unpriced: int = 0
    caps: Sequence[CapView] = ()
    run: Row | None = None
    old: bool = False  # the run, so that nobody knows what came since
    allowance: Row | None = None

    @property
    def stopped(self) -> bool:
        """Whether its gateway is told to stop, as a whole or for some models."""
        told = self.allowance
        return told is not None and (not told["allowed"] or bool(told["stopped_models"]))

    @property
    def spent(self) -> str:
        """What is known of the month, every currency by itself."""
        known = [money(cost, currency) for currency, cost in sorted(self.costs.items())]
        if not known:
            return "unknown" if self.unpriced else "nothing"
        return ("at least " if self.unpriced else "") + " and ".join(known)

    @property
    def coverage(self) -> Decimal | None:
        """The share of the month's calls that have a price; None without any call."""
        return Decimal(self.calls - self.unpriced) / self.calls if self.calls else None

    @property
    def verdict(self) -> str:
        """That of the newest run of spend; one that is too old to go by is no good news."""
        said = str(self.run["verdict"]) if self.run else "UNKNOWN"
        return "UNKNOWN" if self.old and said != "FAIL" else said

    def place(self) -> tuple[int, Decimal, str]:
        """Where it stands in the list: what is stopped or over its cap first, then what is unknown, then the fullest cap."""
        rank = min((RANKS[cap.tone] for cap in self.caps), default=_NEVER)
        if self.verdict == "UNKNOWN":
            rank = min(rank, RANKS["UNKNOWN"] if self.run else _NEVER)
        fullest = max((cap.share for cap in self.caps if cap.share is not None), default=Decimal(0))
        return _STOPPED if self.stopped else rank, -fullest, self.workflow


@dataclass(frozen=True, slots=True)
class Account:
    """A provider's account as the newest run of bills saw it."""

    name: str
    currency: str
    bill: Decimal | None
    owned: Decimal | None
    priced: Decimal | None
    read_to: str
    trouble: str
    unowned: Sequence[Mapping[str, Any]]


def fleet(connection: sa.Connection, month: Picked, wanted: str, now: datetime, only: Only = None) -> dict[str, Any]:
    """Everything of the page, by a number of queries that does not depend on how many workflows there are."""
    sums = spend.by_workflow(connection, month.first, month.last, only=only)
    rows = _listed(connection, sums, only)
    together = [FLEET] if only is None else []  # what is of all workflows shows what others spend
    latest = spend.latest(connection, [*rows, *together])
    for slug, one in rows.items():
        one.run = latest.get(slug)
        one.caps = caps_at(one.run, now)
        one.old = one.run is not None and too_old(one.run, now)
    shown = sorted((one for slug, one in rows.items() if wanted in slug), key=Listed.place)
    whole = latest.get(FLEET)
    bills = spend.latest(connection, together, stage="bills").get(FLEET)
    totals = _totals(sums)
    return {
        "rows": shown[:SHOWN],
        "more": max(0, len(shown) - SHOWN),
        "totals": totals,
        "calls": sum(int(row["calls"]) for row in sums),
        "unpriced": sum(int(row["unpriced"]) for row in sums),
        "stopped": sum(one.stopped for one in rows.values()),
        "charts": _charts(connection, sums, totals, month, now.date(), only),
        "fleet_run": whole,
        "fleet_old": whole is not None and too_old(whole, now),
        "fleet_caps": caps_at(whole, now),
        "bills": bills,
        "accounts": [_account(mapping(one)) for one in listed(mapping(bills["evidence"]).get("accounts"))]
        if bills
        else [],
    }


def _listed(connection: sa.Connection, sums: Sequence[Row], only: Only) -> dict[str, Listed]:
    """Every workflow that is declared, and every one that has calls in the month."""
    rows = {
        row["workflow"]: Listed(row["workflow"], row["team"] or "", row["owner"] or "")
        for row in spend.declared(connection, only=only)
        if row["present"]
    }
    for row in sums:
        one = rows.setdefault(row["workflow"], Listed(row["workflow"]))
        one.calls += int(row["calls"])
        one.unpriced += int(row["unpriced"])
        if row["cost"] is not None:
            one.costs[row["currency"]] = one.costs.get(row["currency"], Decimal(0)) + row["cost"]
    for told in spend.allowed(connection):
        if told["workflow"] in rows:
            rows[told["workflow"]].allowance = told
    return rows


def _totals(sums: Sequence[Row]) -> list[tuple[str, Decimal]]:
    """What is known by currency, the largest number of calls first."""
    found: dict[str, tuple[int, Decimal]] = {}
    for row in sums:
        if row["cost"] is not None:
            calls, cost = found.get(row["currency"], (0, Decimal(0)))
            found[row["currency"]] = calls + int(row["calls"]), cost + row["cost"]
    order = sorted(found.items(), key=lambda one: -one[1][0])
    return [(currency, cost) for currency, (_, cost) in order]


def _charts(
    connection: sa.Connection,
    sums: Sequence[Row],
    totals: Sequence[tuple[str, Decimal]],
    month: Picked,
    today: date,
    only: Only,
) -> list[DayChart]:
    """The days by workflow, one chart for each currency; the dearest workflows apart, all others together."""
    top: dict[str, list[str]] = {}
    for currency, _ in totals:
        dearest = sorted(
            (row for row in sums if row["currency"] == currency and row["cost"]), key=lambda row: -row["cost"]
        )
        top[currency] = [row["workflow"] for row in dearest[: charts.SERIES]]
    apart = {slug for slugs in top.values() for slug in slugs}
    days: dict[str, dict[date, DaySum]] = {currency: {} for currency, _ in totals}
    for row in spend.by_day(connection, month.first, month.last, apart, only=only):
        # Unpriced calls have no currency: they are drawn with the one that most calls have.
        currency = row["currency"] if row["currency"] in days else next(iter(days), "")
        series = row["workflow"] if row["workflow"] in top.get(currency, ()) else _OTHERS
        one = days.setdefault(currency, {}).setdefault(row["day"], DaySum())
        one.add(series, row["cost"], int(row["unpriced"]))
    return [
        charts.bars(
            month.axis,
            found,
            [*((slug, slug) for slug in top.get(currency, ())), (_OTHERS, "")],
            currency,
            title=f"Spend by day and workflow{f', {currency}' if currency else ''}",
            links={slug: slug for slug in top.get(currency, ())},
        )
        for currency, found in days.items()
        if found and today >= month.first
    ]


_LATER: Mapping[str, Any] = {"project_name": "", "without_amount": 0}  # which evidence of earlier runs has not


def _account(one: Mapping[str, Any]) -> Account:
    return Account(
        name=str(one.get("account") or ""),
        currency=str(one.get("currency") or ""),
        bill=amount(one.get("bill")),
        owned=amount(one.get("owned")),
        priced=amount(one.get("priced")),
        read_to=str(one.get("read_to") or ""),
        trouble=str(one.get("trouble") or ""),
        unowned=[
            {**_LATER, **mapping(each), "amount": amount(mapping(each).get("amount"))}
            for each in listed(one.get("unowned"))
        ],
    )
