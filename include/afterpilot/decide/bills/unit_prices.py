"""What a token costs on the bill and by the price list, where the tokens agree and the amounts do not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from afterpilot.decide.bills.sheets import Cell
from afterpilot.domain.bills import BillLine
from afterpilot.domain.money import digits_of
from afterpilot.domain.spend import BillAccount

_MILLION = 1_000_000
_NOTED = Decimal("0.005")  # the least share by which a unit price must differ to be named
_SORTS = {"input_tokens": "input", "cached_tokens": "cached input", "output_tokens": "output"}


def unit_prices(cell: Cell, account: BillAccount) -> str:
    """Both unit prices in words: of each sort of tokens that differs where both sides tell it, else of all tokens together."""
    found = [
        f"{_SORTS[sort]} {_shown(billed)} on the bill, {_shown(ours)} by the price list"
        for sort, billed, ours in _by_sort(cell)
        if abs(billed - ours) > _NOTED * max(billed, ours)
    ]
    if not found:
        tokens = _tokens(cell)
        whole = sum((count for sort, count in tokens.items()), Decimal(0))
        if not whole:
            return "no unit price can be told"
        billed, ours = (amount / whole * _MILLION for amount in (cell.bill, cell.meter))
        found = [f"{_shown(billed)} on the bill, {_shown(ours)} by the price list, over all tokens"]
    return f"{'; '.join(found)} ({account.currency} for a million)"


def _by_sort(cell: Cell) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Each sort with the bill's and our own price of a million."""
    tokens = _tokens(cell)
    for sort in _SORTS:
        amounts = [line.amount for line in cell.lines if line.amount is not None and _sort_of(line) == sort]
        rates = {one.rates[sort] for one in cell.calls if sort in one.rates}
        if amounts and len(rates) == 1 and tokens[sort]:
            yield sort, sum(amounts, Decimal(0)) / tokens[sort] * _MILLION, rates.pop() * _MILLION


def _tokens(cell: Cell) -> dict[str, Decimal]:
    """The bill's tokens by sort, each counted once."""
    given, cached, output = (
        sum((getattr(line, name) or Decimal(0) for line in cell.lines), Decimal(0))
        for name in ("input_tokens", "cached_tokens", "output_tokens")
    )
    return {"input_tokens": given - cached, "cached_tokens": cached, "output_tokens": output}


def _sort_of(line: BillLine) -> str:
    """Which sort of tokens a line bills, by its name; empty where it does not say, or is of writing to the cache, of sound or
    of images, whose tokens no line tells apart.
    """
    text = line.item.rpartition(",")[2].casefold() if "," in line.item else line.item.casefold()
    if "audio" in text or "image" in text:
        return ""
    if "output" in text:
        return "output_tokens"
    if "cach" in text:
        return "cached_tokens" if "write" not in text and "creat" not in text else ""
    return "input_tokens" if "input" in text else ""


def _shown(amount: Decimal) -> str:
    """To the fourth digit at least, so that two prices that are told apart look apart."""
    return digits_of(round(amount, max(4, 1 - amount.adjusted())), exact=True)
