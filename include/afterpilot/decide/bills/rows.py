"""A bill against the meter, day by day: the table that people read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from afterpilot.decide.bills.causes import Cause, causes, incomparable, sum_of, unmetered
from afterpilot.decide.bills.facts import CORRECTED, GRACE, over
from afterpilot.decide.bills.sheets import Cell, Group, Sheet

# before: the meter of these workflows had not begun; unread: the bill of the day was not read; open: either side may still come
# in; provisional: the bill may be corrected; final: it is not any more.
State = Literal["before", "unread", "open", "provisional", "final"]
JUDGED: tuple[State, ...] = ("provisional", "final")


@dataclass(frozen=True, slots=True)
class Row:
    """A group's bill and meter of one model on one day. ``causes`` has the likeliest first, none where there is no gap that counts.

    ``bill`` and ``meter`` are None where they are not known; the meter counts calls with a price only.
    """

    day: date
    project: str
    model: str
    bill: Decimal | None
    meter: Decimal | None
    unpriced: int
    state: State
    cell: Cell
    causes: tuple[Cause, ...] = ()

    @property
    def gap(self) -> Decimal | None:
        """By how much the bill is above the meter."""
        return None if self.bill is None or self.meter is None else self.bill - self.meter


@dataclass(frozen=True, slots=True)
class Drift:
    """A group and model whose days are each within tolerance, and whose sum is not."""

    cell: Cell
    causes: tuple[Cause, ...]


def rows(sheet: Sheet) -> tuple[Row, ...]:
    """All of an account, oldest first."""
    return tuple(_row(sheet, cell) for cell in sheet.cells())


def drifts(sheet: Sheet, found: tuple[Row, ...]) -> Iterator[Drift]:
    """Small gaps of every day that add up: those of final days, where no day has a gap of its own."""
    parts: dict[tuple[Group, str], list[Row]] = defaultdict(list)
    for row in found:
        if row.state == "final":
            parts[row.cell.group, row.cell.model].append(row)
    for own in parts.values():
        if any(row.causes for row in own):
            continue
        whole = sum_of(row.cell for row in own)
        if whole.beyond(sheet.account):
            yield Drift(whole, causes(whole, sheet))


def state_of(sheet: Sheet, group: Group | None, day: date) -> State:
    """How far a day of a group has come; of none in particular: of a day without anything."""
    begun = sheet.begins(group) if group else None
    if day not in sheet.told.read:
        return "unread"
    if begun is not None and day < begun:
        return "before"
    if over(day) > sheet.facts.now - GRACE:
        return "open"
    return "final" if sheet.told.read[day] >= over(day) + timedelta(days=CORRECTED) else "provisional"


def _row(sheet: Sheet, cell: Cell) -> Row:
    (day,) = cell.days
    state = state_of(sheet, cell.group, day)
    unclear = incomparable(cell, sheet)
    billed = [line for line in cell.lines if not line.is_usage]
    priced = any(one.cost is not None for one in cell.calls)
    return Row(
        day=day,
        project=cell.group.name,
        model=cell.name,
        bill=None if state == "unread" or (unclear and any(line.amount is None for line in billed)) else cell.bill,
        meter=None if cell.calls and not priced else cell.meter,
        unpriced=cell.unpriced,
        state=state,
        cell=cell,
        causes=_causes(sheet, cell, state, unclear),
    )


def _causes(sheet: Sheet, cell: Cell, state: State, unclear: Cause | None) -> tuple[Cause, ...]:
    """Why a day has a gap that counts. Of an open day only more bill than meter does, and only where all calls are known: a bill
    grows, and so does the meter.
    """
    if state in {"before", "unread"}:
        return ()
    if unclear is not None:
        return (unclear,)
    if not cell.beyond(sheet.account):
        return ()
    if state == "open" and (cell.gap < 0 or unmetered(cell, sheet) is not None):
        return ()
    return causes(cell, sheet)
