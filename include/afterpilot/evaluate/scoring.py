"""Which scorers a case gets, and their words on an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, Score, ScorerSpec
from afterpilot.domain.judging import is_judge
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.scorers import score_all

Specs = tuple[ScorerSpec, ...]


class Scoring:
    """The suite's scorers and the cases' own; judges whose label is in ``advisory`` decide nothing.

    Scorers that are called the same are numbered in what they say: ``exact``, ``exact (2)``, first the suite's, then the case's
    own. No declaration has a judge among such; one that is no judge always decides.
    """

    def __init__(self, suite: Specs, advisory: Collection[str] = ()) -> None:
        self._suite = suite
        self._advisory = frozenset(advisory)
        self._tagged = any(spec.tags for spec in suite)
        self._labels: set[str] = set()
        self._names = _numbered(suite, self._labels)

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
        """Every scorer's word, in their order, each under a name of its own.

        An advisory scorer that fails has an unusable score: what decides nothing cannot make an answer unjudged. Raises whatever
        a deciding one raises.
        """
        if not self._advisory:
            words = await score_all(specs, case, reply, asking=asking, cost=cost)
            return self._named(case, list(zip(specs, words, strict=True)))
        deciding = [spec for spec in specs if not self._on_probation(spec)]
        words = await score_all(deciding, case, reply, asking=asking, cost=cost)
        scores = {id(spec): score for spec, score in zip(deciding, words, strict=True)}
        for spec in specs:
            if self._on_probation(spec):
                scores[id(spec)] = await _advice(spec, case, reply, asking=asking, cost=cost)
        return self._named(case, [(spec, scores[id(spec)]) for spec in specs])

    def _named(self, case: Case, words: Sequence[tuple[ScorerSpec, Score]]) -> tuple[Score, ...]:
        names = self._names | _numbered(case.scorers, set(self._labels)) if case.scorers else self._names
        if not names:
            return tuple(score for _, score in words)
        return tuple(replace(score, scorer=names.get(id(spec), score.scorer)) for spec, score in words)

    def _on_probation(self, spec: ScorerSpec) -> bool:
        return is_judge(spec) and spec.label in self._advisory


async def _advice(spec: ScorerSpec, case: Case, reply: Reply, *, asking: Asking, cost: Decimal | None) -> Score:
    """An advisory scorer's word, or why there is none."""
    try:
        (score,) = await score_all((spec,), case, reply, asking=asking, cost=cost)
    except TargetError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not take away what the others say
        why = f"the harness failed: {type(error).__name__}: {error}"
    else:
        return replace(score, advisory=True)
    return Score(spec.label, 0.0, passed=False, reason=why, weight=spec.weight, advisory=True, details={"error": why})


def _numbered(specs: Specs, taken: set[str]) -> dict[int, str]:
    """By identity, the names of the scorers that are called like one before them; all names are ``taken`` then."""
    names: dict[int, str] = {}
    for spec in specs:
        name, number = spec.label, 1
        while name in taken:
            number += 1
            name = f"{spec.label} ({number})"
        taken.add(name)
        if number > 1:
            names[id(spec)] = name
    return names
