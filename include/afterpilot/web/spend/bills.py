"""A provider's bill against the meter, by UTC day, as providers count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from afterpilot.record.history import spend_bills
from afterpilot.web.reading import listed, mapping
from afterpilot.web.spend.months import Picked

_MOST_ACCOUNTS = 5


@dataclass(frozen=True, slots=True)
class BillDay:
    """One day. ``bill`` is None where the day was not read or an amount is missing; ``first`` is what it said at first."""

    day: date
    bill: Decimal | None
    meter: Decimal
    unpriced: int
    read: bool
    first: Decimal | None = None

    @property
    def gap(self) -> Decimal | None:
        """By how much the bill is above the meter."""
        return None if self.bill is None else self.bill - self.meter


@dataclass(frozen=True, slots=True)
class AccountBill:
    """A workflow's part of an account's bill. ``shared`` are other workflows of the same projects: the meter holds theirs too."""

    account: str
    projects: Sequence[str]
    currency: str
    days: Sequence[BillDay]
    shared: Sequence[str]

    @property
    def bill(self) -> Decimal:
        """All of it that is known."""
        return sum((one.bill for one in self.days if one.bill is not None), Decimal(0))

    @property
    def meter(self) -> Decimal:
        """What was metered on the days whose bill is known."""
        return sum((one.meter for one in self.days if one.bill is not None), Decimal(0))

    @property
    def unknown(self) -> int:
        """How many days have no known bill."""
        return sum(one.bill is None for one in self.days)


def against(connection: sa.Connection, declared: object, month: Picked, now: datetime) -> list[AccountBill]:
    """The bills that a workflow declares to be its own, held against what was metered; nothing where it declares none."""
    last = min(month.last, now.date() - timedelta(days=1))
    if last < month.first:
        return []
    mine: dict[str, set[str] | None] = {}
    for one in map(mapping, listed(declared)):
        account, projects = str(one.get("account") or ""), {str(each) for each in listed(one.get("projects"))}
        before = mine.get(account, set())
        mine[account] = before | projects if projects and before is not None else None
    found: list[AccountBill] = []
    for account, own in list(mine.items())[:_MOST_ACCOUNTS]:
        found += _account(connection, account, own or set(), month.first, last)
    return found


def _account(
    connection: sa.Connection, account: str, projects: set[str], first: date, last: date
) -> Sequence[AccountBill]:
    """One for each currency of the bill."""
    sharing = []
    for claim in spend_bills.claims(connection, account):
        theirs = [mapping(one) for one in listed(claim["billed"]) if mapping(one).get("account") == account]
        named = {str(each) for one in theirs for each in listed(one.get("projects"))}
        if not projects or any(not listed(one.get("projects")) for one in theirs) or named & projects:
            sharing.append(str(claim["workflow"]))
    lines = spend_bills.billed(connection, account, projects, first, last)
    meter = spend_bills.metered(connection, sharing, first, last) if sharing else []
    currencies = sorted({row["currency"] for row in lines} - {""}) or sorted({row["currency"] for row in meter} - {""})
    read = {row["day"] for row in lines}
    found: list[AccountBill] = []
    for currency in currencies or [""]:
        bills = {row["day"]: row for row in lines if row["currency"] == currency}
        costs = {row["day"]: row["cost"] or Decimal(0) for row in meter if row["currency"] == currency}
        unpriced: dict[date, int] = {}
        for row in meter:
            unpriced[row["day"]] = unpriced.get(row["day"], 0) + int(row["unpriced"])
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        found.append(
            AccountBill(
                account,
                sorted(projects),
                currency,
                [
                    _day(on, bills.get(on), costs.get(on, Decimal(0)), unpriced.get(on, 0), read=on in read)
                    for on in days
                ],
                sharing,
            )
        )
    return found


def _day(on: date, row: object, meter: Decimal, unpriced: int, *, read: bool) -> BillDay:
    said = mapping(row)
    if not said:
        return BillDay(on, Decimal(0) if read else None, meter, unpriced, read)
    known = not said["unknown"]
    first = said["first_amount"] if said["first_amount"] != said["amount"] else None
    return BillDay(on, said["amount"] if known else None, meter, unpriced, read=True, first=first)
