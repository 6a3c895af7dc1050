"""Lines of a bill that have the same name are one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from afterpilot.domain.bills import BillLine
from afterpilot.pull.bills.amounts import total


def added(lines: Iterable[BillLine]) -> tuple[BillLine, ...]:
    """Those of the same day, project, model and item together. An amount that is not told makes the sum one that is not; so do
    two currencies, which nobody can add: the second has a line of its own.
    """
    found: dict[tuple[object, ...], BillLine] = {}
    for line in lines:
        key = (line.day, line.project, line.model, line.item)
        before = found.get(key)
        if before is not None and before.currency != line.currency:
            line = replace(line, item=f"{line.item} ({line.currency or 'no amount'})")  # noqa: PLW2901 - the same line, renamed
            key = (*key[:3], line.item)
            before = found.get(key)
        found[key] = line if before is None else _sum(before, line)
    return tuple(found.values())


def _sum(one: BillLine, other: BillLine) -> BillLine:
    known = one.amount is not None and other.amount is not None
    return replace(
        one,
        amount=total(one.amount, other.amount) if known else None,
        input_tokens=total(one.input_tokens, other.input_tokens),
        output_tokens=total(one.output_tokens, other.output_tokens),
        cached_tokens=total(one.cached_tokens, other.cached_tokens),
        calls=total(one.calls, other.calls),
    )
