"""The expectations that a proposed declaration has of its columns: each with what was seen as the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from afterpilot.declare.proposed_text import percent, plain
from afterpilot.domain.counting import plural
from afterpilot.domain.profile import ColumnProfile, TableProfile

FEWEST_ROWS = 50  # below, nothing is said about shares and categories
_HALF = 0.5
_RARE = 0.01  # of the filled rows
_LONG_TEXT = 60  # characters on which a text is no code but a document
_ROOM = Decimal("0.5")  # of the span that was seen, beyond either end

Proposal = tuple[dict[str, object], str]  # an expectation, and the reason for it


def output_checks(table: TableProfile, outputs: Collection[str], kept: Sequence[ColumnProfile]) -> Iterator[Proposal]:
    """Checks of each output by itself, on the columns that the model has written (``outputs``)."""
    written = [column for column in kept if column.name in outputs and not column.personal]
    for column in written:
        yield {"expect": "column_values_to_not_be_null", "column": column.name}, "an output without it cannot be used"
        if (bounds := _bounds(column)) and table.rows >= FEWEST_ROWS:
            yield {"expect": "column_values_to_be_between", "column": column.name, **bounds[0]}, bounds[1]
        elif _is_category(column):
            yield _category(column)
        elif column.shape and not column.json:
            yield (
                {"expect": "column_values_to_match_regex", "column": column.name, "regex": column.shape},
                _shaped(column),
            )
    if not written:
        column = next((one for one in kept if one.kind == "text" and not one.personal), (kept or table.columns)[0])
        yield (
            {"expect": "column_values_to_not_be_null", "column": column.name},
            "name the columns that the model writes, and check them here",
        )


def column_checks(table: TableProfile, kept: Sequence[ColumnProfile]) -> Iterator[Proposal]:
    """Checks of all records of a window together, column by column; of few rows nothing is said."""
    for column in kept:
        if table.rows < FEWEST_ROWS:
            continue
        yield from _filled(column)
        if column.personal:
            continue
        if column.unique and column.kind == "text" and not column.json and (column.longest or 0) < _LONG_TEXT:
            yield (
                {"expect": "column_values_to_be_unique", "column": column.name, "severity": "warning"},
                "every row has its own",
            )
        if _is_category(column):
            check, reason = _category(column)
            share = (
                sum(count for value, count in column.values.items() if value in set(check["value_set"])) / column.filled
            )
            some = {} if share == 1 else {"mostly": _mostly(share, column.filled)}
            yield {**check, **some, "severity": "warning"}, reason
        elif bounds := _bounds(column):
            yield (
                {
                    "expect": "column_values_to_be_between",
                    "column": column.name,
                    **bounds[0],
                    "mostly": 0.99,
                    "severity": "warning",
                },
                bounds[1],
            )
        elif column.shape and not column.json:
            yield (
                {
                    "expect": "column_values_to_match_regex",
                    "column": column.name,
                    "regex": column.shape,
                    "mostly": _mostly(column.shaped, column.filled),
                    "severity": "warning",
                },
                _shaped(column),
            )
        elif column.longest is not None and column.longest >= _LONG_TEXT and not column.json:
            yield (
                {
                    "expect": "column_value_lengths_to_be_between",
                    "column": column.name,
                    "min_value": max(1, (column.shortest or 1) // 2),
                    "max_value": column.longest * 2,
                    "mostly": 0.99,
                    "severity": "warning",
                },
                f"{column.shortest} to {column.longest} characters so far",
            )


def _filled(column: ColumnProfile) -> Iterator[Proposal]:
    check: dict[str, object] = {"expect": "column_values_to_not_be_null", "column": column.name}
    if column.complete == 1:
        yield {**check, "severity": "warning"}, "never NULL so far"
    elif column.complete >= _HALF:
        yield (
            {**check, "mostly": _mostly(column.complete, column.rows), "severity": "warning"},
            f"{percent(column.complete)} filled so far",
        )


def _bounds(column: ColumnProfile) -> tuple[dict[str, object], str] | None:
    """Room for half of what is usual beyond either end; what was never negative stays so."""
    if column.low is None or column.high is None or column.usual is None or column.usual[0] == column.usual[1]:
        return None
    least, most = column.usual
    room = (most - least) * _ROOM
    low = Decimal(0) if column.low >= 0 and least - room < 0 else _rounded(least - room, ROUND_FLOOR)
    high = _rounded(most + room, ROUND_CEILING)
    reason = f"99 of 100 lie between {plain(least)} and {plain(most)}"
    if column.low < low or column.high > high:
        reason += f"; {plain(column.low)} to {plain(column.high)} was seen: is that right?"
    return {"min_value": low, "max_value": high}, reason


def _rounded(value: Decimal, how: str) -> Decimal:
    """To two significant digits, away from what was seen."""
    if not value:
        return Decimal(0)
    step = Decimal(1).scaleb(value.adjusted() - 1)
    return (value / step).to_integral_value(how) * step


def _is_category(column: ColumnProfile) -> bool:
    """Few values, each of them often enough to be one on purpose."""
    known = bool(column.values) and column.kind == "text" and not column.json
    return known and column.filled >= max(FEWEST_ROWS, 10 * len(column.values))


def _category(column: ColumnProfile) -> tuple[dict[str, Any], str]:
    """The values that are not rare; the rare ones are named, as they may be the errors that the check is for."""
    rare = {value: count for value, count in column.values.items() if count < _RARE * column.filled}
    usual = [value for value in column.values if value not in rare]
    check: dict[str, Any] = {"expect": "column_values_to_be_in_set", "column": column.name, "value_set": usual}
    reason = f"{plural(len(usual), 'value')} in {plural(column.filled, 'row')}"
    told = [f"{json.dumps(value)} ({count})" for value, count in rare.items()]
    if others := column.filled - sum(column.values.values()):
        told.append(f"{plural(others, 'row')} with other values")
    return check, f"{reason}; left out as rare: {', '.join(told)}" if told else reason


def _mostly(share: float, rows: int) -> float:
    """The share that was seen, less three standard errors, in whole hundredths below it."""
    spread = math.sqrt(share * (1 - share) / rows)
    return max(0.01, math.floor((min(share, 1 - 1 / rows) - 3 * spread) * 100) / 100)


def _shaped(column: ColumnProfile) -> str:
    return f"{percent(column.shaped)} of what was read look so"
