"""One figure to be taken over rows: what it is, and over which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.check.single_pass.sources import Expression, Source, Whole

WHOLE = Whole()


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate, over the rows that a source gives."""

    expression: Expression
    source: Source = WHOLE


@dataclass(frozen=True, slots=True)
class Key:
    """What a measure is, so that equal ones are taken once: its SQL and the values that are bound in it."""

    source: Source
    text: str
    values: tuple[str, ...]
    bound: Mapping[str, Any] = field(compare=False, hash=False)
