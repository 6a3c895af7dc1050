"""Runs a suite: bounded concurrency, a hard cap on cost, every sample given on as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Sample, Score
from afterpilot.domain.ports import ModelClient, PriceList
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.scorers import score


class Runner:
    """Asks, scores and prices. Samples reach ``keep`` one at a time, from the caller's own thread."""

    def __init__(
        self, client: ModelClient, prices: PriceList, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._prices = prices
        self._now = now

    def run(
        self, evals: Evals, *, keep: Callable[[Sample], None], done: Mapping[tuple[str, int], Sample]
    ) -> Sequence[Sample]:
        """All samples in the order of cases and epochs; those in ``done`` are taken as they are and not paid for again.

        The cap (``evals.max_cost``) is hard: no call begins once what was spent, and the dearest call so far for each one under
        way, reach it. A call without a known price is counted as the dearest known one; where no price is known at all, the
        cap cannot be held by cost and the suite runs on, and the spend stage makes an incident of it.
        """
        budget = _Budget(evals, done.values())
        samples = dict(done)
        waiting = (
            (case, epoch) for case in evals.cases for epoch in range(evals.epochs) if (case.id, epoch) not in done
        )
        with ThreadPoolExecutor(evals.concurrency) as pool:
            running: set[Future[Sample]] = set()
            while True:
                while len(running) < evals.concurrency and budget.allows(len(running)):
                    work = next(waiting, None)
                    if work is None:
                        break
                    running.add(pool.submit(self._sample, evals, *work))
                if not running:
                    break
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for sample in (future.result() for future in finished):
                    budget.add(sample)
                    samples[sample.case_id, sample.epoch] = sample
                    keep(sample)
        for case, epoch in waiting:
            unpaid = Sample(case.id, epoch, None, (), error=f"not asked: the run's cap of {evals.max_cost} is reached")
            samples[case.id, epoch] = unpaid
            keep(unpaid)
        order = {case.id: place for place, case in enumerate(evals.cases)}
        return [samples[key] for key in sorted(samples, key=lambda key: (order.get(key[0], len(order)), key[1]))]

    def _sample(self, evals: Evals, case: Case, epoch: int) -> Sample:
        """Ask and score one case. What goes wrong in the harness is the sample's error, never a score."""
        try:
            reply = self._client.ask(evals.model, case, seed=epoch + 1)
        except TargetError as error:
            return Sample(case.id, epoch, None, (), error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not be counted against the model
            return Sample(case.id, epoch, None, (), error=f"the harness failed: {type(error).__name__}: {error}")
        scores: tuple[Score, ...] = ()
        trouble = ""
        try:
            scores = tuple(score(spec, case, reply.text) for spec in evals.scorers)
        except TargetError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 - as above
            trouble = f"a scorer failed: {type(error).__name__}: {error}"
        return Sample(
            case_id=case.id,
            epoch=epoch,
            output=reply.text,
            scores=scores,
            error=trouble,
            usage=reply.usage,
            cost=self._prices.price(reply.usage, self._now()).cost,
            latency_ms=reply.latency_ms,
            attempts=reply.attempts,
            request=reply.request,
            response=reply.response,
        )


class _Budget:
    """What a run has spent, in the currency of its cap."""

    def __init__(self, evals: Evals, done: Iterable[Sample]) -> None:
        self._limit = evals.max_cost.amount
        self._spent = Decimal(0)
        self._dearest = Decimal(0)
        self._unpriced = 0
        for sample in done:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        """Count a finished sample."""
        if sample.cost is None:
            self._unpriced += sample.attempts > 0
            return
        self._spent += sample.cost
        self._dearest = max(self._dearest, sample.cost)

    def allows(self, under_way: int) -> bool:
        """Whether one more call may begin beside those that are under way."""
        return self._spent + self._dearest * (self._unpriced + under_way + 1) <= self._limit
