"""The verdict on the bills of all accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from afterpilot.decide.bills.causes import money
from afterpilot.decide.bills.coverage import owned, priced, share_unknown
from afterpilot.decide.bills.days import Day, by_day
from afterpilot.decide.bills.facts import GRACE, AccountFacts, Facts, over
from afterpilot.decide.bills.findings import KINDS, nobodys, unowned_as_dict, unread
from afterpilot.decide.bills.gaps import drifted, gaps
from afterpilot.decide.bills.owners import Unowned, unowned
from afterpilot.decide.bills.rows import JUDGED, Drift, Row, drifts, rows
from afterpilot.decide.bills.sheets import Sheet
from afterpilot.domain.bills import NO_NAMES, ProjectNames, family
from afterpilot.domain.counting import per_cent, plural
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.spend import BillAccount
from afterpilot.domain.verdict import Finding, StageResult


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands. ``owned`` is the share of what the bill charges that belongs to a workflow, ``priced`` the share of its calls
    that have a price; None where there is nothing to take a share of, or, with ``owned_unknown``, where that share is not known.
    """

    account: BillAccount
    rows: tuple[Row, ...]
    days: tuple[Day, ...]
    drifts: tuple[Drift, ...]
    unowned: tuple[Unowned, ...]
    findings: tuple[Finding, ...]
    read: frozenset[date]
    bill: Decimal
    owned: Decimal | None
    priced: Decimal | None
    owned_unknown: str = ""
    names: ProjectNames = NO_NAMES

    @property
    def days_read(self) -> int:
        """How many days of the span were read."""
        return len(self.read)

    @property
    def doubted(self) -> frozenset[date]:
        """The days of everything on which bill and meter do not agree."""
        apart = {row.day for row in self.rows if row.causes}
        return frozenset(apart.union(*(one.cell.days for one in self.drifts)))

    @property
    def judged(self) -> int:
        """How many rows were held against each other."""
        return sum(row.state in JUDGED for row in self.rows)


def stand(facts: Facts, told: AccountFacts) -> Standing:
    """Reconcile one account."""
    sheet = Sheet(facts, told)
    found = rows(sheet)
    drifting = tuple(drifts(sheet, found))
    loose, share = unowned(sheet), owned(sheet)
    findings = (
        *unread(sheet),
        *gaps(sheet, found),
        *drifted(sheet, drifting),
        *nobodys(sheet, loose),
        *share_unknown(sheet, share),
    )
    ours = [
        one.line for one in told.lines if one.line.currency == sheet.account.currency and one.line.amount is not None
    ]
    whole = sum((line.amount or Decimal(0) for line in ours), Decimal(0))
    return Standing(
        account=sheet.account,
        rows=found,
        days=by_day(sheet, found),
        drifts=drifting,
        unowned=loose,
        findings=tuple(findings),
        read=frozenset(told.read),
        bill=whole,
        owned=share.share,
        priced=priced(sheet),
        owned_unknown=share.unknown,
        names=told.names,
    )


def judge_bills(facts: Facts) -> tuple[StageResult, tuple[Standing, ...]]:
    """Hold every account's bill against the meter. No account makes no verdict: it is UNKNOWN."""
    found = tuple(stand(facts, told) for told in facts.accounts)
    findings = tuple(finding for one in found for finding in one.findings)
    evidence = {
        "first_day": str(facts.first),
        "last_day": str(facts.days[-1]) if facts.days else None,
        "accounts": [_as_dict(one, told) for one, told in zip(found, facts.accounts, strict=True)],
        "in_no_bill": _in_no_bill(facts),
    }
    result = StageResult(
        workflow=FLEET,
        stage=Stage.BILLS,
        summary="; ".join(_in_words(one, facts) for one in found) or "no account is declared",
        findings=findings,
        evidence=evidence,
        checked=sum(over(day) <= facts.now - GRACE for told in facts.accounts for day in told.read),
        covered=KINDS,
    )
    return result, found


def _in_words(one: Standing, facts: Facts) -> str:
    if not one.days_read:
        return f"{one.account.name}: no day was read"
    gone = sum(bool(row.causes) for row in one.rows) + len(one.drifts)
    days = f"{one.days_read} of {len(facts.days)} days read"
    gap = f"{plural(gone, 'gap')}" if gone else "no gap"
    return f"{one.account.name}: {money(one.bill, one.account.currency)} billed, {days}, {gap}, {', '.join(_coverage(one))}"


def _coverage(one: Standing) -> Iterator[str]:
    if one.owned_unknown:
        yield f"owned UNKNOWN ({one.owned_unknown})"
    else:
        yield "nothing to own" if one.owned is None else f"{per_cent(one.owned, places=1)} owned"
    yield "no call metered" if one.priced is None else f"{per_cent(one.priced, places=1)} priced"


def _as_dict(one: Standing, told: AccountFacts) -> dict[str, Any]:
    return {
        "account": one.account.name,
        "kind": one.account.kind,
        "currency": one.account.currency,
        "bill": str(one.bill),
        "owned": None if one.owned is None else str(one.owned),
        "owned_unknown": one.owned_unknown,
        "priced": None if one.priced is None else str(one.priced),
        "days_read": one.days_read,
        "read_to": str(max(told.read)) if told.read else None,
        "days": [_day_as_dict(day) for day in one.days],
        "unowned": [unowned_as_dict(each) for each in one.unowned],
        "trouble": told.trouble,
        "names": _names(one),
        "names_trouble": one.names.trouble,
    }


def _names(one: Standing) -> dict[str, str]:
    """Of the projects that the account's rows and lists show."""
    shown = {project for row in one.rows for project in row.cell.group.projects}
    shown |= {each.project for each in one.unowned}
    return {project: name for project, name in one.names.of.items() if project in shown}


def _day_as_dict(day: Day) -> dict[str, Any]:
    sides = {name: getattr(day, name) for name in ("bill", "meter", "gap", "unowned")}
    told = {name: None if value is None else str(value) for name, value in sides.items()}
    return {"day": str(day.day), **told, "state": day.state, "gaps": day.gaps, "cause": day.cause}


def _in_no_bill(facts: Facts) -> dict[str, str]:
    """What was metered of models that no account bills, by model and currency: machines of one's own, or accounts that nobody has
    declared.
    """
    billed = {family(one.line.model) for told in facts.accounts for one in told.lines}
    found: dict[str, Decimal] = {}
    for one in facts.metered:
        if one.cost is not None and family(one.model) not in billed:
            name = f"{one.model} ({one.currency})"
            found[name] = found.get(name, Decimal(0)) + one.cost
    return {name: str(amount) for name, amount in found.items()}
