"""Which case is asked next, and whether it may be: the cap on a run's cost, and when to give up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from afterpilot.domain.evals import Case, Sample
from afterpilot.domain.ports import PriceList
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals

GIVE_UP_AFTER = 20  # cases one after the other of which none could be scored
_TOKENS_PER_TURN = 16  # what a chat template puts around each turn, generously


@dataclass(frozen=True, slots=True)
class Work:
    """A case to be asked, and the most that the call can cost."""

    case: Case
    epoch: int
    most: Decimal


class Budget:
    """Hands out work to many threads while it can be paid for.

    The cap is held by the most that a call can cost: each byte of the request one token, the whole answer allowed by
    ``max_tokens``. A call begins only if that fits beside what was spent and the most that the calls under way can cost. An
    answered call without a price counts with its most. A model without a price in the cap's currency is not asked at all:
    then the cap could not be held. What a provider bills for a call that gave no answer is not known here.
    """

    def __init__(self, evals: Evals, prices: PriceList, *, now: Callable[[], datetime]) -> None:
        self._evals = evals
        self._prices = prices
        self._now = now
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Case, int]] = deque()
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        self._under_way = 0
        self._failed_in_a_row = 0
        self.stopped = ""

    def add(self, work: Iterable[tuple[Case, int]]) -> None:
        """Queue cases with their epochs."""
        self._waiting.extend(work)

    def already(self, case: Case, sample: Sample) -> None:
        """Count a sample that an earlier attempt of the run has paid for."""
        most = self._most(case)
        self._spent += sample.cost if sample.cost is not None else (most or Decimal(0))

    def next(self) -> Work | None:
        """The next case, as soon as it may be asked; None where no more may be."""
        with self._changed:
            while self._waiting and not self.stopped:
                case, epoch = self._waiting[0]
                most = self._most(case)
                if most is None:
                    self.stop(self._unpriced())
                elif self._spent + self._reserved + most <= self._evals.max_cost.amount:
                    self._waiting.popleft()
                    self._reserved += most
                    self._under_way += 1
                    return Work(case, epoch, most)
                elif self._under_way:
                    self._changed.wait()
                else:
                    self.stop(
                        f"the next call may cost more than what is left of the run's cap of {self._evals.max_cost}"
                    )
            return None

    def finished(self, work: Work, sample: Sample) -> None:
        """Count what a call cost in truth."""
        with self._changed:
            self._under_way -= 1
            self._reserved -= work.most
            if sample.attempts:
                self._spent += work.most if sample.cost is None else sample.cost
            self._failed_in_a_row = self._failed_in_a_row + 1 if sample.error else 0
            if self._failed_in_a_row >= GIVE_UP_AFTER:
                self.stop(f"{GIVE_UP_AFTER} cases in a row failed, the last one with: {sample.error}")
            self._changed.notify_all()

    def stop(self, reason: str) -> None:
        """Hand out no more work; the first reason stands."""
        with self._changed:
            self.stopped = self.stopped or reason
            self._changed.notify_all()

    def left(self) -> list[tuple[Case, int]]:
        """What was never handed out."""
        with self._changed:
            return list(self._waiting)

    def _most(self, case: Case) -> Decimal | None:
        """The most that one call can cost, in the cap's currency; None where no price is known."""
        model = self._evals.target
        size = len(str(model.response_schema or ""))
        with suppress(KeyError):  # a variable without a value: the call will not even begin
            size += sum(len(turn.content.encode()) + _TOKENS_PER_TURN for turn in model.prompt.render(case.vars))
        priced = self._prices.price(Usage(model.name, size, model.max_tokens), self._now())
        return priced.cost if priced.currency == self._evals.max_cost.currency else None

    def _unpriced(self) -> str:
        model = self._evals.target
        priced = self._prices.price(Usage(model.name, 1, 1), self._now())
        why = priced.unpriced_reason or f"{model.name} is priced in {priced.currency}"
        return f"{why}, so the run's cap of {self._evals.max_cost} cannot be held"
