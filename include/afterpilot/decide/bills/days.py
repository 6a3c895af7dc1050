"""An account day by day: all projects and models together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from afterpilot.decide.bills.rows import Row, State, state_of
from afterpilot.decide.bills.sheets import Sheet

_UNFINISHED: tuple[State, ...] = ("unread", "before", "open", "provisional")


@dataclass(frozen=True, slots=True)
class Day:
    """``bill`` is what workflows own of the day's bill, ``unowned`` what nobody does; None where a part is not known. ``cause`` is
    the likely one of the largest gap that counts, empty without any.
    """

    day: date
    bill: Decimal | None
    unowned: Decimal | None
    meter: Decimal | None
    state: State
    gaps: int = 0
    cause: str = ""

    @property
    def gap(self) -> Decimal | None:
        """By how much the bill of the workflows is above the meter."""
        return None if self.bill is None or self.meter is None else self.bill - self.meter


def by_day(sheet: Sheet, found: Sequence[Row]) -> tuple[Day, ...]:
    """All days of the span, oldest first; also those on which nothing was billed or called."""
    rows: dict[date, list[Row]] = defaultdict(list)
    for row in found:
        rows[row.day].append(row)
    loose: dict[date, list[Decimal | None]] = defaultdict(list)
    for one in sheet.unowned:
        if not one.line.is_usage:
            foreign = one.line.currency != sheet.account.currency
            loose[one.line.day].append(None if foreign else one.line.amount)
    return tuple(_day(sheet, day, rows[day], loose) for day in sheet.facts.days)


def _day(sheet: Sheet, day: date, rows: Sequence[Row], loose: Mapping[date, Sequence[Decimal | None]]) -> Day:
    read = day in sheet.told.read
    gaps = sorted((row for row in rows if row.causes), key=lambda row: abs(row.gap or Decimal(0)), reverse=True)
    states = {row.state for row in rows} or {state_of(sheet, None, day)}
    return Day(
        day=day,
        bill=_sum([row.bill for row in rows]) if read else None,
        unowned=_sum(loose.get(day, ())) if read else None,
        meter=_sum([row.meter for row in rows]),
        state=next((state for state in _UNFINISHED if state in states), "final") if read else "unread",
        gaps=len(gaps),
        cause=f"{gaps[0].model or gaps[0].project}: {gaps[0].causes[0].text}" if gaps else "",
    )


def _sum(parts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None where a part is not known."""
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None
