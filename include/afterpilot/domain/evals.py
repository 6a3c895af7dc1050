"""Evals in the field's own words: case, sample, scorer, score, epoch, reducer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import comb, isclose
from typing import Any, Literal

from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that belongs to a case's question: its file's name, its media type (``image/png``) and its bytes."""

    name: str
    media_type: str
    data: bytes = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """A scorer as declared: its ``name`` (exact, judge, …), the answer's field it looks at, and its parameters.

    ``weight`` counts where the suite has a ``pass_score``; a score below ``threshold`` (0 to 1) does not pass; with ``tags``
    it is used on cases that bear one of them only. ``params`` may hold what was read from files: a schema, a rubric, a
    judge's :class:`~afterpilot.domain.workflow.ModelTarget`.
    """

    name: str
    field: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weight: float = 1.0
    threshold: float = 1.0
    tags: tuple[str, ...] = ()
    title: str = ""

    @property
    def label(self) -> str:
        """How the scorer is called in results: its title, else e.g. ``exact(po_number)``."""
        return self.title or (f"{self.name}({self.field})" if self.field else self.name)


@dataclass(frozen=True, slots=True)
class Case:
    """A known input with known answers.

    ``vars`` are the prompt's; ``expected`` is by field, ``""`` being the whole answer. ``messages`` are turns after the
    prompt's: an assistant turn without content is answered by the model itself before the next one is sent, and the last
    answer is scored. ``images`` go with the last user turn before the first answer. ``scorers`` are the case's own, on top
    of the suite's. ``origin`` says where the case comes from, such as a person's correction.
    """

    id: str
    vars: Mapping[str, str]
    expected: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    images: tuple[Image, ...] = ()
    scorers: tuple[ScorerSpec, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer says of one answer: ``value`` is 0 to 1, ``reason`` a short plain sentence where it does not pass.

    An ``advisory`` score is shown and decides nothing: its judge is on probation. ``details`` are figures of the scorer's own,
    JSON-serialisable (precision, recall, F1, rank, …); of an advisory judgement that could not be had, ``error`` says why.
    """

    scorer: str
    value: float
    passed: bool
    reason: str = ""
    weight: float = 1.0
    advisory: bool = False
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def unusable(self) -> bool:
        """Whether it is no judgement but the lack of one: then its value says nothing."""
        return self.advisory and "error" in self.details


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called: its name, and its arguments as JSON data (a text where they are no JSON)."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a model that a scorer made; ``purpose`` is judge or embedding. None means unknown, never 0."""

    purpose: str
    usage: Usage | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A target's answer to one case, with everything that was sent and received (never a key).

    ``usage``, ``latency_ms`` and ``cost`` are of all its turns together; ``first_byte_ms`` is of the last one. ``fingerprint``
    says what answered: ``model`` as the reply names it, ``system_fingerprint`` and headers where there are any. ``cost`` is what
    the endpoint itself says, in the currency of its declaration; None where it left out any turn's. ``sources`` are the ids of
    what a retrieval workflow found, best first. ``stopped`` says why the answer ended where that was not of itself:
    ``max_tokens``, ``refusal`` or the API's own word.
    """

    text: str
    usage: Usage | None
    model: str
    latency_ms: int
    attempts: int
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    tool_calls: tuple[ToolCall, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprint: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cost: Decimal | None = None
    first_byte_ms: int | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One case in one epoch. ``error`` is set where the harness failed: then there is no score and none is counted.

    ``usage`` is of the answer, ``cost`` of the answer and of ``calls``, which scorers made; None where any part has no price.
    ``said_cost`` is what the endpoint itself said that the answer cost, in its own currency; None where it did not, and in
    samples that are read back.
    """

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
    tool_calls: tuple[ToolCall, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprint: Mapping[str, str] = dataclasses.field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    pass_score: float | None = None  # the suite's, where it has one
    said_cost: Decimal | None = None

    @property
    def deciding(self) -> tuple[Score, ...]:
        """The scores that decide: all but the advisory ones."""
        for score in self.scores:  # a loop, as nearly always all decide, and this is asked many times
            if score.advisory:
                return tuple(score for score in self.scores if not score.advisory)
        return self.scores

    @property
    def judged(self) -> bool:
        """Whether any scorer has said something of it, one that may not decide too."""
        return not all(score.unusable for score in self.scores)

    @property
    def scored(self) -> bool:
        """Whether the model answered, and something that may decide has scored it."""
        return not self.error and bool(self.deciding)

    @property
    def score(self) -> float | None:
        """The weighted mean of the deciding scores, 0 to 1; None where there is none."""
        weights = sum(score.weight for score in self.deciding)
        return sum(score.value * score.weight for score in self.deciding) / weights if weights else None

    @property
    def passed(self) -> bool:
        """Whether every deciding scorer passed, or their weighted mean reaches the suite's ``pass_score`` where it has one.

        False for a sample that was not scored (look at ``scored`` first).
        """
        if not self.scored:
            return False
        if self.pass_score is None:
            return all(score.passed for score in self.deciding)
        return self.score is not None and _reaches(self.score, self.pass_score)


ReducerName = Literal["all", "mean", "majority", "at_least", "pass_at"]


@dataclass(frozen=True, slots=True)
class Reducer:
    """How the epochs of a case become one verdict.

    all: every scored epoch passes. mean: the mean of the epochs' scores is at least ``share`` (1 unless said). majority: more than half pass.
    at_least: ``k`` of them pass. pass_at: the chance that at least one of ``k`` epochs passes is at least ``share`` (one half unless said), by the
    unbiased estimate 1 - C(n-c, k) / C(n, k) of n epochs of which c pass (Chen et al. 2021, arXiv 2107.03374).
    """

    name: ReducerName = "all"
    k: int = 1
    share: float | None = None

    def passes(self, samples: Sequence[Sample]) -> bool | None:
        """Whether a case with these samples passes; None where none is scored, or too few for ``k``."""
        scored = [sample for sample in samples if sample.scored]
        passed = sum(sample.passed for sample in scored)
        if not scored or (self.name in {"at_least", "pass_at"} and len(scored) < self.k and passed < self.k):
            return None
        match self.name:
            case "all":
                return passed == len(scored)
            case "majority":
                return 2 * passed > len(scored)
            case "at_least":
                return passed >= self.k
            case "pass_at":
                return _reaches(
                    pass_at(self.k, passed=passed, of=len(scored)), 0.5 if self.share is None else self.share
                )
            case "mean":
                values = [sample.score or 0.0 for sample in scored]
                return _reaches(sum(values) / len(values), 1.0 if self.share is None else self.share)


def _reaches(value: float, least: float) -> bool:
    """Whether a sum of fractions is at least so much, whatever was lost in rounding: three times 0.7 is 0.7 in the mean."""
    return value >= least or isclose(value, least, rel_tol=1e-9)


def pass_at(k: int, *, passed: int, of: int) -> float:
    """The chance that at least one of ``k`` epochs passes, where ``passed`` of ``of`` did; see :class:`Reducer`."""
    k = min(k, of)
    return 1.0 - comb(of - passed, k) / comb(of, k) if of else 0.0


@dataclass(frozen=True, slots=True)
class Waiver:
    """A case (or every case with a tag) that is known to fail and must not alarm until a day, that day included."""

    until: date
    by: str
    why: str
    case: str = ""
    tag: str = ""

    def covers(self, case: Case) -> bool:
        """Whether it is about this case."""
        return case.id == self.case if self.case else self.tag in case.tags


@dataclass(frozen=True, slots=True)
class Typical:
    """What a case has taken before: tokens of its answer over all turns, and the cost of one epoch with all that scorers asked.

    None where it is not known, or holds no more.
    """

    answer: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take, before it starts: model calls, and their cost as expected and at most (None without a price)."""

    calls: int
    expected: Decimal | None
    most: Decimal | None
    currency: str
    why_unknown: str = ""
