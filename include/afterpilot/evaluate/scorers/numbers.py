"""Scorer of numbers: near enough to the expected one."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from afterpilot.evaluate.answers import number, short
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError, verdict


def numeric(question: Question) -> Result:
    """Within ``tolerance``, or within ``relative`` as a share of the expected number: the wider one where both are given."""
    wanted = question.wanted()
    known(wanted)
    found = question.found()
    return verdict(
        number_flaw(found, wanted, tolerance=question.param("tolerance", 0), relative=question.param("relative", 0))
    )


def number_flaw(found: Any, wanted: Any, *, tolerance: Any = 0, relative: Any = 0) -> str:  # noqa: ANN401
    """Why the value is not the wanted number, or "" where it is near enough. Raises ScorerError where the terms are no numbers."""
    target = known(wanted)
    allowed = max(limit(tolerance, "tolerance"), limit(relative, "relative") * abs(target))
    value = number(found)
    if value is None:
        return f"{short(found)} is not a number"
    said = f" (tolerance {allowed.normalize():f})" if allowed else ""
    return "" if abs(value - target) <= allowed else f"{short(found)} instead of {target}{said}"


def known(wanted: Any) -> Decimal:  # noqa: ANN401 - any JSON value
    """The expected value as a number."""
    target = number(wanted)
    if target is None:
        raise ScorerError(f"the expected value {short(wanted)} is not a number")
    return target


def limit(value: Any, name: str) -> Decimal:  # noqa: ANN401 - as declared
    """A declared bound, 0 or more."""
    try:
        bound = Decimal(str(value))
    except InvalidOperation:
        bound = Decimal("NaN")
    if not bound.is_finite() or bound < 0:
        raise ScorerError(f"the {name} {short(value)} is not a number of 0 or more")
    return bound
