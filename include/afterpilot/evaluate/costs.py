"""What calls cost in the currency of a run's cap: at most and as expected before they begin, and in truth afterwards."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, ScorerSpec
from afterpilot.domain.judging import is_judge
from afterpilot.domain.ports import PriceList
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals, JsonTarget, ModelTarget, ScriptedTarget, Target
from afterpilot.evaluate.scorers import judges

TOKENS_PER_TURN = 16  # what a chat template puts around each turn, generously
# Of one image. gpt-4o-mini counts most: 2,833 and up to eight tiles of 5,667 each are 48,169; others stay below 5,000.
TOKENS_PER_IMAGE = 50_000
_NOTHING = Decimal(0)
_BYTES_OF_ANSWER_TOKEN = 4
_ASKING = frozenset({"judge", "similarity"})  # scorers that may ask a model


class Unpriced(TargetError):
    """What a call may cost cannot be known, so that a cap could not be held."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How texts become tokens: so many bytes each, so many for an image; and which part of a longest answer comes (1: all, 2: half).

    ``answer`` is the target's answer in tokens, where that is known better.
    """

    bytes_per_token: int
    part: int
    image: int
    answer: int | None = None

    def tokens(self, size: int) -> int:
        """Of so many bytes, rounded up."""
        return -(-size // self.bytes_per_token)

    def answer_of(self, target: ModelTarget) -> int:
        """Tokens of one answer of the target."""
        return self.longest(target) if self.answer is None else min(self.answer, target.max_tokens)

    def longest(self, model: ModelTarget) -> int:
        """Tokens of an answer of a model of which nothing is known but its limit, rounded up."""
        return -(-model.max_tokens // self.part)


MOST = Lengths(bytes_per_token=1, part=1, image=TOKENS_PER_IMAGE)
TYPICAL = Lengths(bytes_per_token=4, part=2, image=1_000)


class Costs:
    """Prices the calls of one suite.

    The most that a call can cost counts each byte of the request as one token, the whole answer allowed by ``max_tokens``,
    and for a case of several turns each of its calls with all that was said before.
    """

    def __init__(self, evals: Evals, prices: PriceList, *, now: Callable[[], datetime]) -> None:
        self._evals = evals
        self._cap = evals.max_cost
        self._prices = prices
        self._now = now
        self._frame = _Frame(evals.target) if isinstance(evals.target, ModelTarget) else None

    def case(self, case: Case, specs: Sequence[ScorerSpec], lengths: Lengths = MOST) -> Decimal:
        """A case's answer, and what its scorers ask as far as that can be foreseen. Raises Unpriced."""
        return self.answer(case, lengths) + self.scorers(case, specs, lengths)

    def scorers(self, case: Case, specs: Sequence[ScorerSpec], lengths: Lengths = MOST) -> Decimal:
        """What the scorers of a case ask, each once, as far as that can be foreseen. Raises Unpriced."""
        size = self._answer_size(lengths)
        asking = (spec for spec in specs if spec.name in _ASKING)
        return sum((self.scorer(spec, case, answer=size, lengths=lengths) for spec in asking), _NOTHING)

    def answer(self, case: Case, lengths: Lengths = MOST) -> Decimal:
        """A case's answer with all its turns. Raises Unpriced."""
        target = self._evals.target
        if isinstance(target, ScriptedTarget):
            return _NOTHING
        if isinstance(target, JsonTarget):
            return self._of_endpoint(target) * turns_of(target, case)
        frame = self._frame or _Frame(target)
        return self._priced(target.name, *_conversation(frame, case, lengths))

    def turns(self, target: ModelTarget, turns: Sequence[Message], schema: Mapping[str, Any] | None) -> Decimal:
        """The most for one call with these turns. Raises Unpriced."""
        size = _size(turns) + (len(json.dumps(schema)) if schema else 0)
        return self._priced(target.name, size, target.max_tokens)

    def texts(self, name: str, texts: Iterable[str]) -> Decimal:
        """The most for the vectors of these texts. Raises Unpriced."""
        return self._priced(name, sum(len(text.encode()) + TOKENS_PER_TURN for text in texts), 0)

    def of_reply(self, target: Target, reply: Reply) -> Decimal | None:
        """What an answer has cost: by the endpoint's own word, else by its usage; None where nobody knows."""
        if isinstance(target, ScriptedTarget):
            return _NOTHING
        if reply.cost is not None and isinstance(target, JsonTarget) and target.currency == self._cap.currency:
            return reply.cost
        return self.of_usage(reply.usage)

    def of_usage(self, usage: Usage | None) -> Decimal | None:
        """What a call has cost in the cap's currency; None where no price is known."""
        priced = self._prices.price(usage, self._now())
        return priced.cost if priced.currency == self._cap.currency else None

    def unpriced(self, specs: Iterable[ScorerSpec]) -> str:
        """Why the cap cannot be held with this target and these scorers; empty where it can."""
        target = self._evals.target
        try:
            if isinstance(target, ModelTarget):
                self._priced(target.name, 1, 1)
            elif isinstance(target, JsonTarget):
                self._of_endpoint(target)
            for spec in specs:
                if (judge := judge_of(spec)) is not None:
                    self._priced(judge.name, 1, 1)
                if (embedding := embedding_of(spec)) is not None:
                    self._priced(embedding, 1, 0)
        except Unpriced as error:
            return str(error)
        return ""

    def scorer(self, spec: ScorerSpec, case: Case, *, answer: int, lengths: Lengths = MOST) -> Decimal:
        """What a scorer asks once about an answer of so many bytes. Raises Unpriced."""
        if (model := judge_of(spec)) is not None:
            size = _size(judges.turns_of(spec, case, "")) + len(json.dumps(judges.SCHEMA)) + answer
            return self._priced(model.name, lengths.tokens(size), lengths.longest(model))
        if (name := embedding_of(spec)) is not None:
            expected = len(str(spec.params.get("value", case.expected.get(spec.field, ""))).encode())
            return self._priced(name, lengths.tokens(expected + answer) + 2 * TOKENS_PER_TURN, 0)
        return _NOTHING

    def _answer_size(self, lengths: Lengths) -> int:
        """Bytes of an answer as it is given to a judge; what it has more is reserved when the judge is asked."""
        target = self._evals.target
        tokens = lengths.answer_of(target) if isinstance(target, ModelTarget) else judges.LONGEST
        return min(_BYTES_OF_ANSWER_TOKEN * tokens, judges.LONGEST)

    def _of_endpoint(self, target: JsonTarget) -> Decimal:
        if target.most_cost is None:
            if not target.cost and self._is_free(target.name):
                return _NOTHING
            raise self._unknown(f"{target.name} does not declare what a call costs at most (most_cost)")
        if target.most_cost.currency != self._cap.currency:
            raise self._unknown(f"{target.name} declares its most_cost in {target.most_cost.currency}")
        return target.most_cost.amount

    def _is_free(self, model: str) -> bool:
        """Whether its tokens cost nothing: then nobody needs to know how many they are."""
        priced = self._prices.price(Usage(model, 1, 1), self._now())
        return priced.cost == 0 and priced.currency == self._cap.currency

    def _priced(self, model: str, given: int, output: int) -> Decimal:
        priced = self._prices.price(Usage(model, given, output), self._now())
        if priced.cost is None:
            raise self._unknown(priced.unpriced_reason or f"no price is known for {model}")
        if priced.currency != self._cap.currency:
            raise self._unknown(f"{model} is priced in {priced.currency}")
        return priced.cost

    def _unknown(self, why: str) -> Unpriced:
        return Unpriced(f"{why}, so the run's cap of {self._cap} cannot be held")


def judge_of(spec: ScorerSpec) -> ModelTarget | None:
    """The model that a scorer asks as a judge, None where it asks none."""
    target = spec.params.get("target") if is_judge(spec) else None
    return target if isinstance(target, ModelTarget) else None


def embedding_of(spec: ScorerSpec) -> str | None:
    """The name of the embedding model that a scorer asks, None where it asks none."""
    embedding = spec.params.get("embedding") if spec.name == "similarity" else None
    return str(embedding.get("model", "")) if isinstance(embedding, Mapping) else None


def turns_of(target: Target, case: Case) -> int:
    """How often a target is asked for one case: for each turn that it has to speak itself, and for the last answer."""
    turns = (*target.prompt.turns, *case.messages) if isinstance(target, ModelTarget) else case.messages
    gaps = sum(turn.is_gap for turn in turns)
    return gaps + (not (turns and turns[-1].is_gap))


class _Frame:
    """What is the same in each request to a target: then a case's size is a few additions."""

    def __init__(self, target: ModelTarget) -> None:
        self.target = target
        turns = target.prompt.turns
        self.gaps = sum(turn.is_gap for turn in turns)
        self.ends_open = bool(turns) and turns[-1].is_gap
        self._fixed = _size(turns)
        for extra in (target.response_schema, target.tools):
            self._fixed += len(json.dumps(extra, default=dict)) if extra else 0
        self._uses = Counter(_uses(target.prompt))

    def size(self, case: Case) -> int:
        """Bytes of the prompt with the case's values, and of what stands around its turns."""
        values = case.vars
        return self._fixed + sum(
            times * len(str(values[name]).encode()) for name, times in self._uses.items() if name in values
        )


def _uses(prompt: Prompt) -> Iterable[str]:
    """Each variable, as often as the prompt uses it."""
    for name in prompt.variables:
        yield from [name] * len(re.findall(rf"\{{\{{\s*{name}\s*\}}\}}", prompt.text))


def _size(turns: Sequence[Message]) -> int:
    return sum(len(turn.content.encode()) + TOKENS_PER_TURN for turn in turns)


def _conversation(frame: _Frame, case: Case, lengths: Lengths) -> tuple[int, int]:
    """Tokens that a case puts in and gets out, over all its calls: each puts in again what was said before."""
    answer = lengths.answer_of(frame.target)
    kept = 2 * answer if frame.target.tools else answer  # a call of a tool goes back in as JSON
    said = lengths.tokens(frame.size(case)) + lengths.image * len(case.images)
    given = output = 0
    gap = frame.ends_open
    for _ in range(frame.gaps):
        given, output, said = given + said, output + answer, said + kept + TOKENS_PER_TURN
    for turn in case.messages:
        if gap := turn.is_gap:
            given, output, said = given + said, output + answer, said + kept + TOKENS_PER_TURN
        else:
            said += lengths.tokens(len(turn.content.encode())) + TOKENS_PER_TURN
    return (given, output) if gap else (given + said, output + answer)
