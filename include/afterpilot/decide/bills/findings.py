"""What is told of an account besides gaps: days that nobody has read, and spend that nobody owns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from afterpilot.decide.bills.causes import money
from afterpilot.decide.bills.facts import GRACE, over
from afterpilot.decide.bills.gaps import GAP, UNCLEAR
from afterpilot.decide.bills.owners import Unowned
from afterpilot.decide.bills.sheets import Sheet
from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity

UNREAD, UNREADABLE, UNOWNED = "bills.unread", "bills.unreadable", "bills.unowned"
KINDS = (GAP, UNCLEAR, UNREAD, UNREADABLE, UNOWNED)
_MOST = 10  # projects that nobody owns that are told one by one


def unread(sheet: Sheet) -> Iterator[Finding]:
    """Days whose bill nobody has read, although they are over for longer than a bill takes."""
    told = sheet.told
    if told.trouble:
        yield _unreadable(sheet)
    missing = [
        day
        for day in sheet.facts.days
        if day not in told.read and over(day) <= sheet.facts.now - GRACE and day >= _begin(sheet)
    ]
    if not missing:
        return
    last = max(told.read, default=None)
    known = f"the newest day that was read is {last}" if last else "no day was ever read"
    yield Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNREAD,
        severity=Severity.UNKNOWN,
        title=f"The bill of {sheet.account.name} is not known for {_listed(missing)}: {known}",
        about=sheet.account.name,
        detail=told.trouble or "The provider was asked and did not answer for them.",
        evidence={
            "account": sheet.account.name,
            "days": [str(day) for day in missing],
            "read_to": str(last) if last else None,
            "certainty": "a bill that was not read says nothing, not even zero",
            "cost": "not known for these days",
            "to_do": "Mend the connection, then run `afterpilot bills`: days that were missed are read for five weeks.",
            "examples": [],
        },
        hangs_on=f"bill {sheet.account.name}",
    )


def _unreadable(sheet: Sheet) -> Finding:
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNREADABLE,
        severity=Severity.UNKNOWN,
        title=f"The bill of {sheet.account.name} cannot be read",
        about=sheet.account.name,
        detail=sheet.told.trouble,
        evidence={
            "account": sheet.account.name,
            "certainty": sheet.told.trouble,
            "cost": "not known; days that were read before stand as they were",
            "to_do": f"Mend the connection {sheet.account.connection}: its password must be an admin key that may read costs and usage.",
            "examples": [],
        },
        hangs_on=f"bill {sheet.account.name}",
    )


def nobodys(sheet: Sheet, found: Sequence[Unowned]) -> Iterator[Finding]:
    """Projects that cost something and belong to no workflow: the dearest one by one, the others together."""
    told = [one for one in found if one.unknown or one.amount >= sheet.account.at_least]
    yield from (_nobodys(sheet, one) for one in told[:_MOST])
    if others := told[_MOST:]:
        yield _others(sheet, others)


def _nobodys(sheet: Sheet, one: Unowned) -> Finding:
    proposed = f"Perhaps {one.owner}'s, of {one.person}" if one.owner else "No owner can be proposed"
    days = f"On {one.first}" if one.first == one.last else f"From {one.first} to {one.last}"
    whole = one.cost
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNOWNED,
        severity=Severity.WARNING,
        title=f"{whole} of {one.shown or 'no project'} on the bill of {sheet.account.name} belong to no workflow",
        about=f"{sheet.account.name} {one.project}",
        detail=f"{days}. {proposed}: {one.why}.",
        evidence={
            "account": sheet.account.name,
            **unowned_as_dict(one),
            "certainty": "certain that no workflow names the project; the owner is a proposal",
            "cost": f"{whole} since {one.first}",
            "to_do": f"Name the project under spend.billed of its workflow, e.g. {one.owner}."
            if one.owner
            else "Ask in the provider's console who made the project; declare it, or close it.",
            "examples": [f"models: {', '.join(one.models)}"] if one.models else [],
        },
    )


def _others(sheet: Sheet, found: Sequence[Unowned]) -> Finding:
    sums = {
        currency: sum((one.amount for one in found if one.currency == currency), Decimal(0))
        for currency in _each(found)
    }
    sides = [money(amount, currency) for currency, amount in sums.items()]
    if unknown := sum(one.unknown for one in found):
        sides.append(f"{plural(unknown, 'line')} without an amount")
    whole = " and ".join(sides)
    return Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNOWNED,
        severity=Severity.WARNING,
        title=f"{whole} of {len(found)} more projects on the bill of {sheet.account.name} belong to no workflow",
        about=f"{sheet.account.name} and more",
        detail="Those that cost more have findings of their own.",
        evidence={
            "account": sheet.account.name,
            "projects": [unowned_as_dict(one) for one in found],
            "certainty": "certain that no workflow names the projects; the owners are proposals",
            "cost": whole,
            "to_do": "Name the projects under spend.billed of their workflows: `afterpilot bills show` lists them with proposals.",
            "examples": [f"{one.shown}: {one.cost}" for one in found[:_MOST]],
        },
    )


def _each(found: Sequence[Unowned]) -> list[str]:
    return sorted({one.currency for one in found})


def unowned_as_dict(one: Unowned) -> dict[str, Any]:
    """For the evidence."""
    return {
        "project": one.project,
        "project_name": one.name,
        "amount": str(one.amount),
        "without_amount": one.unknown,
        "currency": one.currency,
        "models": list(one.models),
        "first_day": str(one.first),
        "last_day": str(one.last),
        "proposed_owner": one.owner,
        "proposed_because": one.why,
    }


def _begin(sheet: Sheet) -> date:
    """Since when the account's bill is expected: a new one is read as far back as is looked, an unread one as well."""
    return min(sheet.told.read, default=sheet.facts.first)


def _listed(days: Sequence[date]) -> str:
    if len(days) == 1:
        return str(days[0])
    whole = (days[-1] - days[0]).days + 1 == len(days)
    return f"{days[0]} to {days[-1]}" if whole else f"{len(days)} days from {days[0]} to {days[-1]}"
