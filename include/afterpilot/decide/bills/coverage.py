"""Which share of a bill belongs to workflows, and which share of its calls has a price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from afterpilot.decide.bills.causes import money
from afterpilot.decide.bills.gaps import UNCLEAR
from afterpilot.decide.bills.sheets import Sheet
from afterpilot.domain.bills import BillLine
from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Owned:
    """``share`` of what the bill charges, 0 to 1; None where there is nothing to take a share of, or where nobody can: then
    ``unknown`` says why.
    """

    share: Decimal | None
    unknown: str = ""


def owned(sheet: Sheet) -> Owned:
    """The share of an account's bill that belongs to workflows. What is nobody's counts only in the account's currency and with an
    amount; where there is other, the share is not known. So it is where a part is nobody's and of the rest some cannot be counted.
    """
    lines, loose = [one.line for one in sheet.told.lines], [one.line for one in sheet.unowned]
    currency = sheet.account.currency
    charged, lost = _charged(lines, currency), _charged(loose, currency)
    if whose := _uncounted(loose, currency):
        return Owned(None, f"{whose} of no workflow cannot be held against {currency}")
    if lost and (whose := _uncounted(lines, currency)):
        return Owned(None, f"{whose} of workflows cannot be held against {currency}")
    return Owned((charged - lost) / charged if charged else None)


def priced(sheet: Sheet) -> Decimal | None:
    """The share of an account's calls that have a price; None without calls."""
    calls = [one for own in sheet.calls.values() for one in own]
    whole = sum(one.calls for one in calls)
    return Decimal(sum(one.calls for one in calls if one.cost is not None)) / whole if whole else None


def share_unknown(sheet: Sheet, found: Owned) -> Iterator[Finding]:
    """The finding where nobody can say which share of a bill has an owner."""
    if not found.unknown:
        return
    name = sheet.account.name
    lines = [one.line for one in sheet.unowned if _is_uncounted(one.line, sheet.account.currency)]
    yield Finding(
        workflow=FLEET,
        stage=Stage.BILLS,
        kind=UNCLEAR,
        severity=Severity.UNKNOWN,
        title=f"Which share of the bill of {name} has an owner is not known",
        about=f"{name}/owned",
        detail=f"{found.unknown}.",
        evidence={
            "account": name,
            "certainty": found.unknown,
            "cost": "not known: nothing is converted, and what has no amount may be any",
            "to_do": "Name the projects under spend.billed of their workflows, and the account's currency in _fleet.yaml; look in the provider's console where an amount is missing.",
            "examples": [_example(line) for line in lines[:_NAMED]],
        },
    )


def _charged(lines: Iterable[BillLine], currency: str) -> Decimal:
    """What lines in the account's currency charge. Credits are none: money that comes back would make shares above all."""
    amounts = (line.amount or Decimal(0) for line in lines if line.currency == currency)
    return sum((amount for amount in amounts if amount > 0), Decimal(0))


def _is_uncounted(line: BillLine, currency: str) -> bool:
    return not line.is_usage and (line.amount is None or (line.currency != currency and line.amount > 0))


def _uncounted(lines: Sequence[BillLine], currency: str) -> str:
    """What of the lines no sum of the account's currency holds: ``6.00 EUR and 2 lines without an amount``; empty for nothing."""
    found = [line for line in lines if _is_uncounted(line, currency)]
    others = sorted({line.currency for line in found if line.amount is not None})
    sums = [
        money(sum((line.amount or Decimal(0) for line in found if line.currency == one), Decimal(0)), one)
        for one in others
    ]
    without = sum(line.amount is None for line in found)
    return " and ".join([*sums, *([f"{plural(without, 'line')} without an amount"] if without else [])])


def _example(line: BillLine) -> str:
    amount = "no amount" if line.amount is None else money(line.amount, line.currency)
    return f"{line.day}, {line.project or 'no project'}, {line.item}: {amount}"
