"""Which scorers a case gets, and their words on an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from afterpilot.domain.evals import Case, Reply, Score, ScorerSpec
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.scorers import score_all

Specs = tuple[ScorerSpec, ...]


class Scoring:
    """The suite's scorers and the cases' own; those whose label is in ``advisory`` decide nothing."""

    def __init__(self, suite: Specs, advisory: Collection[str] = ()) -> None:
        self._suite = suite
        self._advisory = frozenset(advisory)
        self._tagged = any(spec.tags for spec in suite)

    def of(self, case: Case) -> Specs:
        """The case's scorers: the suite's, then its own; one with tags only where the case bears one of them."""
        if not case.scorers and not self._tagged:
            return self._suite
        specs = (*self._suite, *case.scorers)
        return tuple(spec for spec in specs if not spec.tags or not set(spec.tags).isdisjoint(case.tags))

    def all_of(self, cases: Sequence[Case]) -> Iterator[ScorerSpec]:
        """Every scorer that some case gets."""
        yield from (
            self._suite if not self._tagged else {id(spec): spec for case in cases for spec in self.of(case)}.values()
        )
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
            return await words(specs, case, reply, asking=asking, cost=cost)
        deciding = tuple(spec for spec in specs if spec.label not in self._advisory)
        scores = {
            id(spec): score
            for spec, score in zip(deciding, await words(deciding, case, reply, asking=asking, cost=cost), strict=True)
        }
        for spec in specs:
            if spec.label in self._advisory:
                try:
                    (score,) = await words((spec,), case, reply, asking=asking, cost=cost)
                except Exception:  # noqa: BLE001, S112 - as the docstring says
                    continue
                scores[id(spec)] = dataclasses.replace(score, advisory=True)
        return tuple(scores[id(spec)] for spec in specs if id(spec) in scores)


async def words(
    specs: Sequence[ScorerSpec], case: Case, reply: Reply, *, asking: Asking, cost: Decimal | None
) -> tuple[Score, ...]:
    """What each scorer says, in their order. Raises where one of them could not do its work."""
    return score_all(specs, case, reply.text)
