"""Runs a suite: bounded concurrency, a hard cap on cost, every sample given on as it comes."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Sample
from afterpilot.domain.ports import ModelClient, PriceList
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.budget import Budget
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered
from afterpilot.evaluate.scorers import score_all

_AHEAD = 2  # samples for each thread that may wait to be kept; more would be lost when the process dies


class Runner:
    """Asks, scores and prices. Samples reach ``keep`` one at a time, from the caller's own thread.

    A sample's ``attempts`` is 0 where no reply came that costs anything. Its ``cost`` is None where none is known, or where
    the price is in another currency than the run's cap.
    """

    def __init__(
        self, client: ModelClient, prices: PriceList, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._prices = prices
        self._now = now

    def run(
        self,
        evals: Evals,
        *,
        keep: Callable[[Sample], None],
        done: Mapping[tuple[str, int], Sample],
        failed: Sequence[Sample] = (),
    ) -> Sequence[Sample]:
        """All samples in the order of cases and epochs; those in ``done`` are taken as they are and not paid for again.
        ``failed`` were paid for by an earlier attempt and are asked again; what they cost counts towards the cap.

        The cap (``evals.max_cost``) is hard, see :class:`~afterpilot.evaluate.budget.Budget`; where it, or the target, does not
        allow to go on, the rest is not asked and says why. Whatever ``keep`` raises ends the run.
        """
        wanted = [(case, epoch) for case in evals.cases for epoch in range(evals.epochs)]
        budget = Budget(evals, self._prices, now=self._now)
        samples: dict[tuple[str, int], Sample] = {}
        for case, epoch in wanted:
            if (known := done.get((case.id, epoch))) is not None:
                samples[case.id, epoch] = known
                budget.already(case, known)
        cases = {case.id: case for case in evals.cases}
        for sample in failed:
            if sample.case_id in cases:
                budget.already(cases[sample.case_id], sample)
        budget.add((case, epoch) for case, epoch in wanted if (case.id, epoch) not in samples)
        with closing(self._asked(evals, budget)) as asked:
            for sample in asked:
                samples[sample.case_id, sample.epoch] = sample
                keep(sample)
        for case, epoch in budget.left():
            sample = Sample(case.id, epoch, None, (), error=f"not asked: {budget.stopped}")
            samples[case.id, epoch] = sample
            keep(sample)
        return [samples[case.id, epoch] for case, epoch in wanted]

    def _asked(self, evals: Evals, budget: Budget) -> Generator[Sample]:
        """Samples as they come, from as many threads as may ask at the same time."""
        count = max(1, min(evals.concurrency, len(budget.left())))
        results: queue.SimpleQueue[Sample | BaseException | None] = queue.SimpleQueue()
        ahead = threading.Semaphore(_AHEAD * count)

        def work() -> None:
            last: BaseException | None = None
            try:
                while ahead.acquire() and (task := budget.next()) is not None:
                    sample = self._sample(evals, task.case, task.epoch)
                    budget.finished(task, sample)
                    results.put(sample)
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                last = error
            finally:
                results.put(last)

        for number in range(count):
            # Daemons: a process that is told to end does not wait for a model that does not answer.
            threading.Thread(target=work, name=f"eval-{number}", daemon=True).start()
        try:
            yield from _until_all_ended(results, ahead, count)
        finally:
            budget.stop("the run was ended")
            for _ in range(count):
                ahead.release()

    def _sample(self, evals: Evals, case: Case, epoch: int) -> Sample:
        """Ask and score one case. What goes wrong in the harness is the sample's error, never a score."""
        empty = Sample(case.id, epoch, None, ())
        try:
            reply = self._client.ask(evals.target, case, seed=epoch + 1)
        except (Unanswered, Refused) as error:
            return self._failed(evals, empty, str(error), error.exchange)
        except TargetError as error:
            return dataclasses.replace(empty, error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not be counted against the model
            return dataclasses.replace(empty, error=f"the harness failed: {type(error).__name__}: {error}")
        sample = dataclasses.replace(
            empty,
            output=reply.text,
            usage=reply.usage,
            cost=self._cost(evals, reply.usage),
            latency_ms=reply.latency_ms,
            attempts=reply.attempts,
            request=reply.request,
            response=reply.response,
        )
        try:
            return dataclasses.replace(sample, scores=score_all(evals.scorers, case, reply.text))
        except TargetError as error:
            return dataclasses.replace(sample, error=str(error))
        except Exception as error:  # noqa: BLE001 - as above
            return dataclasses.replace(sample, error=f"a scorer failed: {type(error).__name__}: {error}")

    def _failed(self, evals: Evals, empty: Sample, reason: str, exchange: Exchange) -> Sample:
        return dataclasses.replace(
            empty,
            error=reason,
            usage=exchange.usage,
            cost=self._cost(evals, exchange.usage),
            attempts=exchange.attempts,
            request=exchange.request,
            response=exchange.response,
        )

    def _cost(self, evals: Evals, usage: Usage | None) -> Decimal | None:
        priced = self._prices.price(usage, self._now())
        return priced.cost if priced.currency == evals.max_cost.currency else None


def _until_all_ended(
    results: queue.SimpleQueue[Sample | BaseException | None], ahead: threading.Semaphore, threads: int
) -> Iterator[Sample]:
    """What the threads bring, until each has said that it ended."""
    while threads:
        result = results.get()
        if isinstance(result, Sample):
            yield result
            ahead.release()
        elif result is None:
            threads -= 1
            ahead.release()  # a thread that waits for its turn has to learn that nothing is left
        else:
            raise result
