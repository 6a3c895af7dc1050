"""Which scorers a case gets, and their words on an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from afterpilot.domain.evals import Case, Reply, Score, ScorerSpec
from afterpilot.domain.judging import is_judge
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.scorers import score_all

Specs = tuple[ScorerSpec, ...]


class Scoring:
    """The suite's scorers and the cases' own; judges whose label is in ``advisory`` decide nothing.

    A title may stand over scorers of several kinds: one that is no judge always decides.
    """

    def __init__(self, suite: Specs, advisory: Collection[str] = ()) -> None:
        self._suite = suite
        self._advisory = frozenset(advisory)
        self._tagged = any(spec.tags for spec in suite)

    def of(self, case: Case) -> Specs:
        """The case's scorers: those of the suite, one with tags only where the case bears one of them, then its own."""
        if not case.scorers and not self._tagged:
            return self._suite
        suite = (spec for spec in self._suite if not spec.tags or not set(spec.tags).isdisjoint(case.tags))
        return (*suite, *case.scorers)

    def all_of(self, cases: Sequence[Case]) -> Iterator[ScorerSpec]:
        """Every scorer that some case gets."""
        if self._tagged:
            yield from {id(spec): spec for case in cases for spec in self.of(case)}.values()
            return
        yield from self._suite
        for case in cases:
            yield from case.scorers

    async def scores(
        self, specs: Specs, case: Case, reply: Reply, *, asking: Asking, cost: Decimal | None
    ) -> tuple[Score, ...]:
        """Every scorer's word, in their order.

        An advisory scorer that fails is left out: what decides nothing cannot make an answer unjudged. Raises whatever a
        deciding one raises.
        """
        if not self._advisory:
            return await score_all(specs, case, reply, asking=asking, cost=cost)
        deciding = [spec for spec in specs if not self._on_probation(spec)]
        words = await score_all(deciding, case, reply, asking=asking, cost=cost)
        scores = {id(spec): score for spec, score in zip(deciding, words, strict=True)}
        for spec in specs:
            if self._on_probation(spec):
                with suppress(Exception):
                    (score,) = await score_all((spec,), case, reply, asking=asking, cost=cost)
                    scores[id(spec)] = replace(score, advisory=True)
        return tuple(scores[id(spec)] for spec in specs if id(spec) in scores)

    def _on_probation(self, spec: ScorerSpec) -> bool:
        return is_judge(spec) and spec.label in self._advisory
