"""Verdicts and results in the shape of Great Expectations 1.24, from counts that were measured.

The rules are those of its ``expectations/expectation.py`` and of the ``_validate`` of each core expectation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

_CLOSE = 1e-4  # of the bound: how near a quantile may lie outside its range
_CLOSE_TO_ZERO = 1e-8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Great Expectations says of one expectation: its success and its result."""

    success: bool
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds as Great Expectations reads them; None does not bound."""

    low: Any = None
    high: Any = None
    strict_low: bool = False
    strict_high: bool = False


@dataclass(frozen=True, slots=True)
class MapCounts:
    """What a check of single rows needs: rows, rows that are looked at, rows that fail. ``looked_at`` is None for the two checks of
    nulls, which look at all of them; ``failing`` is None where there was no row to add up.
    """

    elements: int
    looked_at: int | None
    failing: int | None


def of_map(counts: MapCounts, mostly: float) -> Outcome:
    """The verdict over single rows: the share of rows that do not fail is at least ``mostly``. No rows are a success."""
    looked_at = counts.elements if counts.looked_at is None else counts.looked_at
    considered = looked_at if counts.elements else 0
    failing = counts.failing
    success = failing is None or not considered or (float(considered) - float(failing)) / float(considered) >= mostly
    return Outcome(success, _map_result(counts))


def _map_result(counts: MapCounts) -> dict[str, Any]:
    elements, looked_at, failing = counts.elements, counts.looked_at, counts.failing
    known = failing is not None and elements > 0
    of_all = failing / elements * 100 if known and failing is not None else None
    missing_share = (elements - looked_at) / elements * 100 if known and looked_at is not None else None
    if looked_at is None:
        share = of_all
    else:
        share = failing / looked_at * 100 if known and looked_at > 0 and failing is not None else None
    result: dict[str, Any] = {"element_count": elements, "unexpected_count": failing, "unexpected_percent": share}
    if looked_at is not None:
        result |= {
            "missing_count": elements - looked_at,
            "missing_percent": missing_share,
            "unexpected_percent_total": of_all,
            "unexpected_percent_nonmissing": share,
        }
    return result


def of_value(value: Any, bounds: Between) -> Outcome:  # noqa: ANN401 - whatever an aggregate gives
    """The verdict on one number or time between bounds. No value is a failure.

    Raises:
        TypeError, ValueError: the value cannot be compared with the bounds.
    """
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return Outcome(False, {"observed_value": None})
    low, high = bounds.low, bounds.high
    for kind, made in ((datetime, datetime.fromisoformat), (date, _day)):
        if (isinstance(low, kind) or isinstance(high, kind)) and not isinstance(value, kind):
            value = made(value)
    above = low is None or (value > low if bounds.strict_low else value >= low)
    below = high is None or (value < high if bounds.strict_high else value <= high)
    return Outcome(bool(above and below), {"observed_value": value})


def _day(text: str) -> date:
    return datetime.fromisoformat(text).date()


def of_quantiles(values: Sequence[Any], quantiles: Sequence[float], ranges: Sequence[Sequence[Any]]) -> Outcome:
    """The verdict on quantiles, each within its range or within a ten-thousandth of a bound.

    Raises:
        TypeError: a value cannot be compared with its range.
    """
    details = [
        _in_range(value, -math.inf if low is None else low, math.inf if high is None else high)
        for value, (low, high) in zip(values, ranges, strict=True)
    ]
    observed = {"quantiles": list(quantiles), "values": list(values)}
    return Outcome(all(details), {"observed_value": observed, "details": {"success_details": details}})


def _in_range(value: Any, low: Any, high: Any) -> bool:  # noqa: ANN401 - of any kind that can be ordered
    if value is None:
        return False
    return _is_close(value, low) or _is_close(value, high) or bool(low <= value <= high)


def _is_close(value: Any, bound: Any) -> bool:  # noqa: ANN401 - of any kind that can be ordered
    if isinstance(value, str) and isinstance(bound, str):
        return value == bound
    found, aim = float(value), float(bound)
    if not math.isfinite(found) or not math.isfinite(aim):
        return found == aim
    return abs(found - aim) <= _CLOSE_TO_ZERO + _CLOSE * abs(aim)


def carried(value: Any) -> Any:  # noqa: ANN401 - whatever an aggregate gives
    """A value of an aggregate as Great Expectations carries it to its verdict: as JSON has it.

    Raises:
        TypeError: JSON has no such kind of value.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        return None if math.isnan(value) else float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, UUID | bytes):
        return str(value)
    if isinstance(value, list):
        return [carried(item) for item in value]
    raise TypeError(f"a value of type {type(value).__name__} cannot be judged")


@dataclass(frozen=True, slots=True)
class Sets:
    """How the distinct values of a column differ from a set; None says that this side is not asked."""

    unexpected: int | None = None
    missing: int | None = None


def of_distinct(sets: Sets) -> Outcome:
    """The verdict on distinct values: none that should not be there, none that is missing."""
    result: dict[str, Any] = {"observed_value": None}
    if sets.unexpected is not None:
        result["unexpected_count"] = sets.unexpected
    if sets.missing is not None:
        result["missing_count"] = sets.missing
    return Outcome(not sets.unexpected and not sets.missing, result)
