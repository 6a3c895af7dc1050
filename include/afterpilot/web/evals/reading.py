"""What eval results and declarations hold: shares, pass rates, outcomes of cases."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.intervals import Interval, wilson
from afterpilot.record.history.paging import Row
from afterpilot.web.reading import listed, mapping, number

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


def rate_of(row: Row) -> Interval | None:
    """The pass rate of a result with its 95 % interval; None where the run was not complete enough to say."""
    passed, scored = row.get("passed"), row.get("scored")
    if not row.get("valid") or not isinstance(passed, int) or not isinstance(scored, int):
        return None
    return wilson(passed, scored) if 0 <= passed <= scored and scored else None


def counts(outcome: object) -> tuple[int, int] | None:
    """How many of a case's epochs passed and were scored, from [passed, scored]; None where none was scored."""
    found = [number(part) for part in listed(outcome)]
    whole = [int(part) for part in found if part is not None and part.is_integer()]
    if len(found) != 2 or len(whole) != 2 or not 0 <= whole[0] <= whole[1] or not whole[1]:  # noqa: PLR2004 - passed and scored
        return None
    return whole[0], whole[1]


def passed_share(outcome: object) -> float | None:
    """The share of a case's epochs that passed, from [passed, scored]; None where none was scored."""
    counted = counts(outcome)
    return None if counted is None else counted[0] / counted[1]


def signed(points: float, *, digits: int = 1) -> str:
    """A difference with its sign, a minus and no hyphen; what rounds to nothing has none."""
    text = f"{points:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def pooled(outcomes: Sequence[object]) -> dict[str, float]:
    """The share of passed epochs by case, over several runs together."""
    sums: dict[str, tuple[int, int]] = {}
    for outcome in outcomes:
        for case, told in mapping(outcome).items():
            if (counted := counts(told)) is not None:
                passed, scored = sums.get(case, (0, 0))
                sums[case] = passed + counted[0], scored + counted[1]
    return {case: passed / scored for case, (passed, scored) in sums.items()}
