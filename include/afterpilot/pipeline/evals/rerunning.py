"""Runs suspicious cases again on the same day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from afterpilot.domain.evals import Estimate, Sample
from afterpilot.domain.money import Money
from afterpilot.domain.ports import EvalRunner
from afterpilot.domain.workflow import Evals
from afterpilot.pipeline.evals.attempts import Attempt


class Rerun:
    """Asks some cases once more on the same day, in epochs after the suite's own, with what the run's limit leaves.

    An answer of unknown cost counts against it with what a case can cost at most, on average.
    """

    def __init__(
        self,
        evals: Evals,
        runner: EvalRunner,
        keep: Callable[[Sequence[Sample]], None],
        attempt: Attempt,
        samples: Sequence[Sample],
        estimate: Estimate,
    ) -> None:
        self._evals = evals
        self._runner = runner
        self._keep = keep
        self._attempt = attempt
        self._most = (estimate.most or Decimal(0)) / max(1, len(evals.cases) * evals.epochs)
        self._spent = self._cost([*samples, *attempt.failed])

    def __call__(self, cases: Sequence[str], number: int) -> Sequence[Sample]:
        """Round ``number``, from 1, over these cases."""
        limit = self._evals.max_cost
        left = Money(max(limit.amount - self._spent, Decimal(0)), limit.currency)
        wanted = set(cases)
        part = replace(self._evals, cases=tuple(case for case in self._evals.cases if case.id in wanted), max_cost=left)
        epoch = self._evals.epochs + number - 1
        done = {key: sample for key, sample in self._attempt.done.items() if key[1] == epoch}
        samples = self._runner.run(
            part, keep=self._keep, done=done, epochs=range(epoch, epoch + 1), advisory=self._attempt.advisory
        )
        self._spent += self._cost(samples)
        return samples

    def _cost(self, samples: Sequence[Sample]) -> Decimal:
        costs = (self._most if sample.cost is None else sample.cost for sample in samples if sample.attempts)
        return sum(costs, Decimal(0))
