"""Results in the shape that Great Expectations gives them, from counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.check.window import MOST_KEYS
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check

NO_ROWS = "no rows"
_LISTED = 20
_SHOWN = 200


class CannotSay(CheckError):
    """The check ran and cannot say; ``found`` is what it saw all the same."""

    def __init__(self, reason: str, **found: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(reason)
        self.found = found


@dataclass(frozen=True, slots=True)
class Counted:
    """How many values were looked at, row by row.

    ``examples`` are (key, value) of values that fail, fewer than ``unexpected`` where there are many. ``unjudged`` values were
    there and not looked at, for the reason ``why``.
    """

    elements: int
    missing: int
    unexpected: int
    examples: Sequence[tuple[str | None, Any]] = ()
    unjudged: int = 0
    why: str = ""


def by_value(check: Check, counted: Counted, **details: Any) -> Judged:  # noqa: ANN401 - JSON
    """The result of a check of single values, ``mostly`` of which must hold.

    Values that were not judged keep it from saying more than is certain: it holds only if it would hold had they all failed,
    and fails only if it would fail had they all held.

    Raises:
        CannotSay: there is nothing to judge, or too much was not judged.
    """
    values = counted.elements - counted.missing
    result = {**_counts(counted), **_clean(details)}
    if not counted.elements:
        raise CannotSay(NO_ROWS, **result)
    if not values and counted.elements:
        raise CannotSay("no values", **result)
    mostly = share(check.params, "mostly", unless=1.0)
    held = values - counted.unexpected - counted.unjudged
    sure = not values or _reaches(held, values, mostly)
    if not sure and _reaches(held + counted.unjudged, values, mostly):
        raise CannotSay(f"{counted.unjudged:,} of {values:,} values were not judged: {counted.why}", **result)
    keys = tuple(key for key, _ in counted.examples if key is not None)
    return Judged(
        check=check,
        success=sure,
        observed=f"{counted.unexpected} of {counted.elements}",
        elements=counted.elements,
        failing_total=counted.unexpected,
        failing_keys=keys[:MOST_KEYS],
        result=result,
    )


def by_figure(check: Check, *, success: bool, observed: str, value: Any, elements: int, **details: Any) -> Judged:  # noqa: ANN401 - JSON
    """The result of a check of one figure over all rows."""
    result = {"observed_value": _plain(value), **_clean(details)}
    return Judged(check, success, storable(observed)[:_SHOWN], elements, 0, (), result)


def share(params: Mapping[str, Any], name: str, *, unless: float) -> float:
    """A parameter that is a share from 0 to 1, as a number or as ``80%``; above 1 as a percentage only.

    Raises:
        CheckError: it is none.
    """
    value = params.get(name)
    if value is None:
        return unless
    try:
        found = float(value[:-1]) / 100 if isinstance(value, str) and value.strip().endswith("%") else float(value)
    except (TypeError, ValueError):
        found = math.nan
    percentage = isinstance(value, str)
    if isinstance(value, bool) or not found >= 0 or not math.isfinite(found) or (found > 1 and not percentage):
        raise CheckError(f"{name} is {str(value)[:50]!r}, not a share")
    return found


def figure(params: Mapping[str, Any], name: str) -> float | None:
    """A parameter that is a finite number, None where it is not given.

    Raises:
        CheckError: it is none.
    """
    value = params.get(name)
    if value is None:
        return None
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise CheckError(f"{name} is {str(value)[:50]!r}, not a number")
    return found


def shown(value: object) -> str:
    """A value as it is shown in a result: storable, on one line, at most 120 characters."""
    text = " ".join(storable(str(value)[: 4 * _SHOWN]).split())
    return text if len(text) <= 120 else f"{text[:119]}…"  # noqa: PLR2004 - the two figures of one line


def _reaches(held: int, values: int, mostly: float) -> bool:
    return held >= values * mostly - 1e-9 * values  # 0.98 of 100 is 98, whatever the last bit of a float says


def _counts(counted: Counted) -> dict[str, Any]:
    values = counted.elements - counted.missing
    found: dict[str, Any] = {
        "element_count": counted.elements,
        "unexpected_count": counted.unexpected,
        "unexpected_percent": 100 * counted.unexpected / values if values else None,
        "partial_unexpected_list": [_plain(value) for _, value in counted.examples[:_LISTED]],
        "missing_count": counted.missing,
        "missing_percent": 100 * counted.missing / counted.elements if counted.elements else None,
        "unexpected_percent_total": 100 * counted.unexpected / counted.elements if counted.elements else None,
        "unexpected_percent_nonmissing": 100 * counted.unexpected / values if values else None,
    }
    if counted.unjudged:
        found |= {"not_judged_count": counted.unjudged, "not_judged_because": counted.why}
    return found


def _clean(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in details.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {shown(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return shown(value)
