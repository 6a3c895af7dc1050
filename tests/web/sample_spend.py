"""A month of spend for the pages: caps that are kept, near, reached and unknown; bills, raises, a price that was corrected."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sample_data
import sqlalchemy as sa

from afterpilot.decide.spend import Calls, Look, Subject, judge_spend
from afterpilot.domain.bills import Bill, BillLine
from afterpilot.domain.metered import DaySpan
from afterpilot.domain.money import Cap
from afterpilot.domain.run import Trigger
from afterpilot.domain.spend import CapRule, CapState
from afterpilot.domain.window import Window
from afterpilot.record import tables
from afterpilot.record.ops import Ops, Unit
from afterpilot.spend.forecast import forecast
from doubles import metered_calls
from doubles.kept_runs import put_runs

NOW = sample_data.NOW
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
DAY = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
INVOICES, TRIAGE, REPLIES, LETTERS, SILENT = (
    "invoice_matching",
    "email_triage",
    "support_replies",
    "refund_letters",
    "contract_summaries",
)
CALLS: dict[str, dict[str, Any]] = {
    INVOICES: {"size": 9},
    TRIAGE: {"size": 4, "mystery": True},
    REPLIES: {"size": 14},
    LETTERS: {"size": 1},
}
CAPS = {
    INVOICES: ("260 USD/month", "14 USD/day"),
    TRIAGE: ("150 USD/month",),
    REPLIES: ("250 USD/month",),
    LETTERS: ("60 USD/month",),
}


@dataclass(slots=True)
class Spent:
    """The ids of the runs of spend, by workflow."""

    runs: dict[str, uuid.UUID] = field(default_factory=dict)


def build(engine: sa.Engine, *, now: datetime = NOW) -> Spent:
    """Write it all."""
    kept = Spent()
    with engine.begin() as connection:
        metered_calls.build(connection, CALLS, now=now)
        for slug in [*CALLS, SILENT]:
            declare(connection, slug, team="finance" if slug in {INVOICES, LETTERS} else "")
    with Ops(engine).begin() as unit:
        for slug, texts in CAPS.items():
            kept.runs[slug] = judged(unit, slug, [Cap.parse(text) for text in texts], now=now)
        kept.runs["_fleet"] = judged(unit, "_fleet", [Cap.parse("900 USD/month")], now=now, fleet=True)
        _allowances(unit)
        _raises(unit)
        _bills(unit, now)
        _repriced(unit, kept)
    return kept


def declare(connection: sa.Connection, slug: str, *, team: str = "") -> None:
    """A declaration that can be used."""
    sha = hashlib.sha256(f"spend/{slug}".encode()).hexdigest()
    spend = {"cap": "260 USD/month", "at_cap": "ask_owner", "billed": [{"account": "openai", "projects": ["proj_ap"]}]}
    document = {
        "workflow": slug,
        "team": team,
        "owner": {"name": "Dana Ruiz"},
        "spend": spend if slug == INVOICES else {},
    }
    connection.execute(sa.insert(tables.declarations).values(workflow=slug, sha256=sha, usable=True, document=document))
    connection.execute(
        sa.insert(tables.current_declarations).values(workflow=slug, sha256=sha, usable_sha256=sha, loaded_at=NOW)
    )


def judged(unit: Unit, slug: str, caps: list[Cap], *, now: datetime, fleet: bool = False) -> uuid.UUID:
    """A run of spend over what was metered, as the stage makes it."""
    looks = []
    for cap in caps:
        period = MONTH if cap.period == "month" else DAY
        first, last = period.start.date(), now.date()
        lines = tuple(unit.metered.days([DaySpan(None if fleet else slug, first, last)]))
        calls = Calls("USD", lines)
        state = CapState(
            CapRule(cap, (Decimal("0.5"), Decimal("0.8")), "ask_owner"),
            period,
            cap.limit,
            calls.spent(),
            calls.not_known > 0,
        )
        earlier = unit.metered.days([DaySpan(None if fleet else slug, date(2026, 10, 1), last)], each_day=True)
        days: dict[date, float] = {}
        for line in earlier:
            if line.day is not None and line.cost and line.currency == "USD":
                days[line.day] = days.get(line.day, 0.0) + float(line.cost)
        outlook = forecast(days, limit=cap.limit, spent=calls.spent(), first=first, until=period.end.date(), today=last)
        looks.append(Look(state, calls, forecast=outlook))
    result = judge_spend(Subject(slug, fleet=fleet, pulled_to=now), looks, now=now)
    run, _ = unit.runs.add(
        result,
        window=Window(MONTH.start, now),
        trigger=Trigger(origin="airflow", run_id="scheduled__spend", dag_id="spend", task_id="spend"),
        versions={"code": "0.1.0"},
        started_at=now - timedelta(minutes=4),
        finished_at=now - timedelta(minutes=3),
    )
    return run


def _allowances(unit: Unit) -> None:
    for slug, allowed in ((INVOICES, True), (REPLIES, False)):
        unit.connection.execute(
            sa.insert(tables.allowances).values(
                workflow=slug, allowed=allowed, reason="Within every cap." if allowed else "The cap of 250.00 USD a month is reached.",
                said={"caps": [], "stopped_models": [], "on_unknown": "allow", "stop": None}, since=NOW, as_of=NOW - timedelta(minutes=3),
                until=None if allowed else MONTH.end,
            )
        )  # fmt: skip


def _raises(unit: Unit) -> None:
    unit.connection.execute(
        sa.insert(tables.cap_raises).values(
            id=uuid.UUID(int=7), workflow=INVOICES, cap="month", period_start=MONTH.start, period_end=MONTH.end, amount=Decimal(260),
            currency="USD", reason="year-end invoices", state="approved", asked_by="dana.ruiz", asked_at=NOW - timedelta(days=2),
            second_by="lee.okafor", decided_at=NOW - timedelta(days=2),
        )
    )  # fmt: skip


def _bills(unit: Unit, now: datetime) -> None:
    days = [date(2026, 11, number) for number in range(1, 19)]
    lines = [
        BillLine(day, "proj_ap", "gpt-5", "gpt-5, input", Decimal("5.4105") + day.day % 3, "USD")
        for day in days
        if day.day != 7
    ]
    unit.bills.keep("openai", Bill(tuple(lines), frozenset(day for day in days if day.day != 11)), at=now)
    evidence: Mapping[str, Any] = {
        "accounts": [
            {
                "account": "openai", "currency": "USD", "bill": "30.20", "owned": "0.914", "priced": "1", "read_to": "2026-11-18", "trouble": "",
                "unowned": [
                    {"project": "proj_lab", "amount": "2.60", "currency": "USD", "models": ["gpt-5"], "first_day": "2026-11-03",
                     "last_day": "2026-11-17", "proposed_owner": "email_triage", "proposed_because": "the only workflow that calls gpt-5 on these days"},
                ],
            }
        ]
    }  # fmt: skip
    values = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), now - timedelta(hours=5))
    row = {
        "id": uuid.UUID(int=9),
        "workflow": "_fleet",
        "stage": "bills",
        "verdict": "WARN",
        "evidence": evidence,
        **values,
    }
    put_runs(unit.connection, {"summary": "openai: 30.20 USD billed, 1 gap", **row})


def _repriced(unit: Unit, kept: Spent) -> None:
    ids = list(
        unit.connection.scalars(
            sa.select(tables.prices.c.id).where(tables.prices.c.model == "gpt-5", tables.prices.c.reason == "")
        )
    )
    unit.connection.execute(
        sa.insert(tables.repricings).values(
            run_id=kept.runs[INVOICES], workflow=INVOICES, model="gpt-5", old_price=ids[0], new_price=ids[-1], at=NOW - timedelta(days=1),
            first_day=date(2026, 11, 2), last_day=date(2026, 11, 6), calls=10, old_cost=Decimal("6.125"), new_cost=Decimal("4.9"),
        )
    )  # fmt: skip
