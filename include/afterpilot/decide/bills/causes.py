"""Why a bill and the meter differ, as far as there is evidence for it; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from afterpilot.decide.bills.facts import over
from afterpilot.decide.bills.sheets import Cell, Sheet
from afterpilot.decide.bills.unit_prices import unit_prices
from afterpilot.domain.bills import MeteredDay, family
from afterpilot.domain.counting import plural
from afterpilot.domain.money import Money

# Why an account's bill may have amounts of a model and no tokens.
_UNTOLD = {
    "openai": "whose usage is read for completions alone, not for embeddings, sound or images: whether calls are missing or priced otherwise cannot be told",
    "anthropic": "whose usage report has none of it: whether calls are missing or priced otherwise cannot be told",
    "litellm": "as the proxy has counted none: whether calls are missing or priced otherwise cannot be told",
}
_ALIKE = Decimal("0.01")  # tokens are counted, not priced: they agree where they differ by less


@dataclass(frozen=True, slots=True)
class Cause:
    """``kind`` is one word, ``text`` what was seen. ``unknown``: the two sides cannot be compared at all."""

    kind: str
    text: str
    unknown: bool = False


def incomparable(cell: Cell, sheet: Sheet) -> Cause | None:
    """Why a bill and the meter cannot even be compared."""
    ours = sheet.account.currency
    if missing := [line for line in cell.lines if not line.is_usage and line.amount is None]:
        items = ", ".join(sorted({line.item for line in missing})[:3])
        return Cause("no_amount", f"the bill gives no amount for {items}", unknown=True)
    if foreign := sorted({line.currency for line in cell.lines if line.currency not in {"", ours}}):
        return Cause("currency", f"the bill is in {_and(foreign)}, the account is declared in {ours}", unknown=True)
    if foreign := sorted({one.currency for one in cell.calls if one.cost is not None and one.currency != ours}):
        text = f"the calls are priced in {_and(foreign)}, the bill is in {ours}"
        return Cause("currency", text, unknown=True)
    return None


def causes(cell: Cell, sheet: Sheet) -> tuple[Cause, ...]:
    """The likely causes of a gap, the likeliest first; never none."""
    return tuple(_seen(cell, sheet))


def unmetered(cell: Cell, sheet: Sheet) -> Cause | None:
    """Which of a group's workflows was not pulled to the end of these days, if any."""
    end = over(max(cell.days))
    # A call that ends at midnight may be told of a little later than the day is over.
    late = {
        slug: moment
        for slug in sorted(cell.group.workflows)
        if (moment := sheet.facts.pulled_to.get(slug)) is None or moment < end
    }
    if not late:
        return None
    slug, moment = next(iter(late.items()))
    upto = f"only up to {moment:%Y-%m-%d %H:%M} UTC" if moment else "never"
    return Cause("missing_day", f"the calls of {slug} were pulled {upto}")


def _seen(cell: Cell, sheet: Sheet) -> Iterator[Cause]:
    above = cell.gap > 0
    if above and (late := unmetered(cell, sheet)):
        yield late
    if above and (unpriced := [one for one in cell.calls if one.cost is None]):
        yield _unpriced(unpriced)
    if not sheet.known(cell.group):
        yield Cause("project_unknown", f"no bill of these weeks shows {cell.group.name}: is it the right name?")
        return
    whole = sheet.of_days(cell.group, cell.days)
    if above and not any(one.calls for one in sheet.of_days(cell.group, cell.days, unbilled=True).calls):
        yield _no_calls(cell, sheet)
        return
    if not above and not whole.lines:
        yield Cause("missing_day", f"the bill was read and has nothing for {_days(cell)}")
        return
    if _agree(whole, sheet) or _agree(sheet.of_days(cell.group, cell.days, unbilled=True), sheet):
        yield Cause("other_names", "the day's total agrees: the two sides call the models or items differently")
        return
    yield from _by_model(cell, sheet)


def _agree(whole: Cell, sheet: Sheet) -> bool:
    return not whole.beyond(sheet.account) and incomparable(whole, sheet) is None


def _by_model(cell: Cell, sheet: Sheet) -> Iterator[Cause]:
    if not cell.model:
        items = sorted({line.item for line in cell.lines})
        yield Cause("no_model", f"billed apart from any model: {', '.join(items[:3])}")
        return
    if not cell.calls:
        yield _untagged(cell, sheet)
        return
    if not any(not line.is_usage for line in cell.lines):
        yield Cause("not_billed", f"{cell.name} is on other days' bills, not on that of {_days(cell)}")
        return
    yield from _tier(cell)
    yield from _tokens(cell, sheet)


def _unpriced(calls: list[MeteredDay]) -> Cause:
    reasons = sorted({one.reason for one in calls if one.reason})
    why = f" ({'; '.join(reasons[:2])})" if reasons else ""
    return Cause("unpriced", f"{plural(sum(one.calls for one in calls), 'call')} without a known price{why}")


def _no_calls(cell: Cell, sheet: Sheet) -> Cause:
    who = _and(sorted(cell.group.workflows))
    if sheet.begins(cell.group) is None:
        return Cause("untagged", f"no call of {who} was ever metered, and the bill has some")
    return Cause("missing_day", f"no call of {who} was metered on {_days(cell)}, and the bill has some")


def _untagged(cell: Cell, sheet: Sheet) -> Cause:
    """A model on the bill that these workflows did not call."""
    others = sorted(set(sheet.metered_by.get(cell.model, {})) - cell.group.workflows)
    before = any(family(one.model) == cell.model for one in sheet.facts.metered if one.workflow in cell.group.workflows)
    who = _and(sorted(cell.group.workflows))
    if others:
        text = f"{who} did not call {cell.name}; {_and(others)} did, and may use the project"
    elif before:
        text = f"{cell.name} was metered on other days and not on {_days(cell)}"
    else:
        text = f"no metered call of any workflow is of {cell.name}: something calls it that nobody has declared"
    return Cause("untagged", text)


def _tier(cell: Cell) -> Iterator[Cause]:
    """Tiers that one side knows and the other does not."""
    billed = {line.tier for line in cell.lines if line.tier and (line.input_tokens or line.amount)}
    called = {one.tier for one in cell.calls if one.tier}
    if more := sorted(billed - called):
        yield Cause("tier", f"the bill has calls of the tier {_and(more)}, the meter priced none so")
    if more := sorted(called - billed):
        yield Cause("tier", f"the meter priced calls in the tier {_and(more)}, the bill names none")


def _tokens(cell: Cell, sheet: Sheet) -> Iterator[Cause]:
    told = [line for line in cell.lines if line.input_tokens is not None or line.output_tokens is not None]
    if not told:
        yield Cause("no_tokens", f"the bill tells no tokens of {cell.name}, {_UNTOLD[sheet.account.kind]}")
        return
    billed = sum(((line.input_tokens or 0) + (line.output_tokens or 0) for line in told), Decimal(0))
    metered = sum((one.input_tokens + one.output_tokens for one in cell.calls), Decimal(0))
    if abs(billed - metered) <= _ALIKE * max(billed, metered):
        yield Cause(
            "price", f"the tokens agree ({billed:,.0f}) and the amounts do not: {unit_prices(cell, sheet.account)}"
        )
        return
    calls = sum(((line.calls or 0) for line in told), Decimal(0))
    counted = f" in {calls:,.0f} calls" if calls else ""
    ours = f"{metered:,.0f} in {plural(sum(one.calls for one in cell.calls), 'call')}"
    sides = f"the bill counts {billed:,.0f} tokens{counted}, the meter {ours}"
    if billed > metered:
        yield Cause("untagged", f"{sides}: calls that no workflow has told of")
    else:
        yield Cause("overcounted", f"{sides}: calls that are billed elsewhere, or were metered twice")


def sum_of(cells: Iterable[Cell]) -> Cell:
    """Several days of one group and model as one."""
    several = list(cells)
    days = tuple(sorted({day for cell in several for day in cell.days}))
    lines = tuple(line for cell in several for line in cell.lines)
    calls = tuple(one for cell in several for one in cell.calls)
    return Cell(several[0].group, several[0].model, days, lines, calls)


def money(amount: Decimal, currency: str) -> str:
    """An amount in words."""
    return str(Money(amount, currency))


def _days(cell: Cell) -> str:
    first, last = min(cell.days), max(cell.days)
    return f"{first}" if first == last else f"{first} to {last}"


def _and(names: Iterable[str]) -> str:
    several = list(names)
    more = f" and {len(several) - 3} more" if len(several) > 3 else ""  # noqa: PLR2004 - a sentence bears no more
    return ", ".join(several[:3]) + more
