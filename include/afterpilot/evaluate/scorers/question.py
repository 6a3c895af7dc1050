"""What a scorer is asked, and what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, ScorerSpec
from afterpilot.domain.scorers import expected_key
from afterpilot.evaluate.answers import Answer
from afterpilot.evaluate.asking import Asking

_MISSING = object()  # null is an expected value like any other


class ScorerError(TargetError):
    """A scorer could not do its work: a bad pattern, a bad schema, no expected value. Never the model's failure."""


class Flawed(Exception):
    """The answer is not such that the scorer could look at it: it scores 0, whether the scorer is negated or not."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a scorer says: ``value`` 0 to 1, and why it is not 1."""

    value: float
    reason: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """One scorer, one case and the reply to it. ``cost`` is the answer's, in the suite's currency; None where it is unknown."""

    spec: ScorerSpec
    case: Case
    reply: Reply
    answer: Answer
    asking: Asking
    cost: Decimal | None = None

    def param(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as declared
        """A parameter of the scorer as declared."""
        return self.spec.params.get(name, default)

    def wanted(self, instead: str = "value") -> Any:  # noqa: ANN401 - any JSON value
        """The value of the parameter ``instead``, or what the case expects. Raises ScorerError where there is neither."""
        if instead in self.spec.params:
            return self.spec.params[instead]
        value = self.case.expected.get(expected_key(self.spec) or self.spec.field, _MISSING)
        if value is _MISSING:
            raise ScorerError(f"the case has no expected value for the scorer {self.spec.label}")
        return value

    def found(self, *, as_json: bool = False) -> Any:  # noqa: ANN401 - any JSON value
        """The scorer's field of the answer; the whole answer, as JSON or as text without blanks around it, where it has none.

        Raises:
            Flawed: it cannot be read so.
        """
        if not self.spec.field and not as_json:
            return self.answer.text.strip()
        document = self.answer.field(self.spec.field) if self.spec.field else self.answer.json()
        if document.flaw:
            raise Flawed(document.flaw)
        return document.value


# A scorer that has to wait for a model or a process is a coroutine function. It raises ScorerError or Flawed.
Scorer = Callable[[Question], Result | Awaitable[Result]]


def verdict(reason: str) -> Result:
    """1 without a reason, else 0."""
    return Result(0.0, reason) if reason else _RIGHT


_RIGHT = Result(1.0)
