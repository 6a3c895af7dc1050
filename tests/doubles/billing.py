"""An account's bill and the meter's side of it, for tests of the reconciliation. Today is 16 November 2026, 12:00 UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.decide.bills import LOOK_BACK, AccountFacts, Facts, Spender, Standing, judge_bills
from afterpilot.domain.bills import USAGE, BillLine, KeptLine, MeteredDay
from afterpilot.domain.spend import BillAccount, Billed, BillKind
from afterpilot.domain.verdict import Finding, StageResult

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
TODAY = NOW.date()
FIRST = TODAY - timedelta(days=LOOK_BACK)
DAY = date(2026, 11, 5)  # final
GPT = "gpt-4o-2024-08-06"
ACCOUNT = BillAccount("openai", "openai", "openai_admin")


def ago(days: int) -> date:
    """So many days before today."""
    return TODAY - timedelta(days=days)


def line(amount: Any, *, day: date = DAY, project: str = "proj_a", model: str = GPT, **keys: Any) -> BillLine:
    """A line of the bill, in dollars."""
    told = Decimal(str(amount)) if amount is not None else None
    return BillLine(
        **{"day": day, "project": project, "model": model, "item": f"{model}, input", "amount": told, "currency": "USD"}
        | keys
    )


def tokens(given: int, output: int, *, cached: int = 0, item: str = USAGE, **keys: Any) -> BillLine:
    """What the bill counts."""
    counts = {"input_tokens": Decimal(given), "output_tokens": Decimal(output), "cached_tokens": Decimal(cached)}
    return line(None, item=item, currency="", **counts, **keys)


def called(
    cost: Any, *, day: date = DAY, workflow: str = "invoice_matching", model: str = "gpt-4o", **keys: Any
) -> MeteredDay:
    """What a workflow's calls of a day came to."""
    plain: dict[str, Any] = {
        "day": day,
        "workflow": workflow,
        "model": model,
        "calls": 10,
        "input_tokens": Decimal(1000),
        "output_tokens": Decimal(100),
        "cached_tokens": Decimal(0),
        "cost": None if cost is None else Decimal(str(cost)),
        "currency": "" if cost is None else "USD",
    }
    return MeteredDay(**plain | keys)


def flow(slug: str = "invoice_matching", *projects: str, account: str = "openai", team: str = "") -> Spender:
    """A workflow that names projects of an account; without any it names nothing."""
    return Spender(slug, (Billed(account, projects),) if projects else (), team, "Dana Ruiz")


def facts(
    lines: Sequence[BillLine],
    metered: Sequence[MeteredDay],
    *workflows: Spender,
    account: BillAccount = ACCOUNT,
    unread: Sequence[date] = (),
    trouble: str = "",
    pulled_to: datetime | None = NOW,
    since: date | None = FIRST,
) -> Facts:
    """All days of the span were read this noon, and the calls of all workflows are known since its beginning."""
    flows = workflows or (flow("invoice_matching", "proj_a"),)
    days = [FIRST + timedelta(days=n) for n in range(LOOK_BACK)]
    told = AccountFacts(
        account=account,
        lines=tuple(KeptLine(one, one.amount, NOW) for one in lines),
        read={day: NOW for day in days if day not in unread},
        trouble=trouble,
    )
    return Facts(
        first=FIRST,
        end=TODAY,
        now=NOW,
        accounts=(told,),
        workflows=flows,
        metered=tuple(metered),
        pulled_to={one.slug: pulled_to for one in flows} if pulled_to else {},
        metered_since={one.slug: since for one in flows} if since else {},
    )


def judged(*parts: Any, **keys: Any) -> tuple[StageResult, Standing]:
    """The result, and how the one account stands."""
    result, (standing,) = judge_bills(facts(*parts, **keys))
    return result, standing


def only(result: StageResult) -> Finding:
    """The one finding there is."""
    (finding,) = result.findings
    return finding


def kind(name: BillKind, **keys: Any) -> BillAccount:
    """An account of another kind."""
    return replace(ACCOUNT, name=name, kind=name, **keys)
