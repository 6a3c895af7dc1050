"""Values as they stand on record, perhaps of another version: what cannot be read is None, never a wrong figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.intervals import Interval, wilson
from afterpilot.record.history.paging import Row

MINUS = "\N{MINUS SIGN}"


def share(value: object) -> float | None:
    """A share as declared or stored (``85%``, ``5pp``, 0.85) as 0 to 1."""
    text = str(value).strip()
    scale = 1.0
    for unit in ("%", "pp"):
        if text.endswith(unit):
            text, scale = text.removesuffix(unit).strip(), 100.0
    found = number(text)
    return found / scale if found is not None and 0 <= found / scale <= 1 else None


def number(value: object) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def day(value: object) -> date | None:
    """A day from ``2026-11-20`` or a time."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def rate_of(row: Row) -> Interval | None:
    """The pass rate of a result with its 95 % interval; None where the run was not complete enough to say."""
    passed, scored = row.get("passed"), row.get("scored")
    if not row.get("valid") or not isinstance(passed, int) or not isinstance(scored, int):
        return None
    return wilson(passed, scored) if 0 <= passed <= scored and scored else None


def passed_share(outcome: object) -> float | None:
    """The share of a case's epochs that passed, from [passed, scored]; None where none was scored."""
    counts = [number(part) for part in listed(outcome)]
    if len(counts) != 2 or None in counts:  # noqa: PLR2004 - passed and scored
        return None
    passed, scored = counts
    if passed is None or not scored or not 0 <= passed <= scored:
        return None
    return passed / scored


def signed(points: float, *, digits: int = 1) -> str:
    """A difference with its sign, a minus and no hyphen; what rounds to nothing has none."""
    text = f"{points:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def pooled(outcomes: Sequence[object]) -> dict[str, float]:
    """The share of passed epochs by case, over several runs together."""
    sums: dict[str, list[float]] = {}
    for outcome in outcomes:
        for case, counts in mapping(outcome).items():
            if passed_share(counts) is not None:
                have = sums.setdefault(case, [0.0, 0.0])
                have[0] += counts[0]
                have[1] += counts[1]
    return {case: passed / scored for case, (passed, scored) in sums.items()}
