"""Evals in the field's own words: case, sample, scorer, score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from afterpilot.domain.record import Usage


@dataclass(frozen=True, slots=True)
class Case:
    """A known input (``vars`` for the prompt) with known answers (``expected``, by field; ``""`` is the whole answer)."""

    id: str
    vars: Mapping[str, str]
    expected: Mapping[str, Any]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """A scorer as declared: its ``name`` (exact, contains, regex, numeric, json_schema, one_of), field and parameters."""

    name: str
    field: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def label(self) -> str:
        """How the scorer is called in results, e.g. ``exact(po_number)``."""
        return f"{self.name}({self.field})" if self.field else self.name


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer says of one answer. ``value`` is 0 to 1; ``reason`` is a short plain sentence where it is below 1."""

    scorer: str
    value: float
    passed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A target's answer to one request, with everything that was sent and received (never a key)."""

    text: str
    usage: Usage | None
    model: str
    latency_ms: int
    attempts: int
    request: Mapping[str, Any]
    response: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One case in one epoch. ``error`` is set where the harness failed: then there is no score and none is counted."""

    case_id: str
    epoch: int
    output: str | None
    scores: tuple[Score, ...]
    error: str = ""
    usage: Usage | None = None
    cost: Decimal | None = None
    latency_ms: int | None = None
    attempts: int = 0
    request: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    response: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether the model answered and was scored."""
        return not self.error

    @property
    def passed(self) -> bool:
        """Whether every scorer passed; False for a sample that was not scored (look at ``scored`` first)."""
        return self.scored and all(score.passed for score in self.scores)
