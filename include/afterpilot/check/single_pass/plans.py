"""A plan says what must be measured for a check, where, and how the verdict follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.check.single_pass.measures import WHOLE, Measure
from afterpilot.check.single_pass.outcomes import Outcome
from afterpilot.check.single_pass.sources import Expression, Source

Measured = Mapping[str, Any]
"""Values of a plan's measures by name; for the group in question."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one check is judged.

    ``elements`` is the measure that says how many rows there are to look at, ``values`` how many of them have a value; either
    may be missing. ``failing`` is the condition that failing rows meet, over the rows of ``failing_in``.
    """

    measures: Mapping[str, Measure]
    judge: Callable[[Measured], Outcome]
    needs_rows: bool = True
    about_nulls: bool = False
    failing: Expression | None = None
    failing_in: Source = field(default=WHOLE)


ELEMENTS = "elements"
VALUES = "values"
