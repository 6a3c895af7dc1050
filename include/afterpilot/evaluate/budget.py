"""The hard cap on what a run costs: the most that a call can cost is reserved before the call begins."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import TracebackType
from typing import Self

from afterpilot.domain.money import Money
from afterpilot.evaluate.exchange import Exchange, Refused

_NOTHING = Decimal(0)


class Capped(Refused):
    """A call was not begun: with it the run might cost more than its cap."""

    def __init__(self, cap: Money) -> None:
        super().__init__(f"the next call may cost more than what is left of the run's cap of {cap}", Exchange())


class Budget:
    """What a run has spent, and what its calls under way may still cost; both together never exceed the cap.

    That holds for as long as no call costs more than the most that was reserved for it. What a provider bills for a call
    that gave no answer is not known here. Belongs to one event loop.
    """

    def __init__(self, cap: Money) -> None:
        self.cap = cap
        self.spent = _NOTHING
        self.reserved = _NOTHING
        self._open = 0  # reservations
        self._calls = 0  # under way
        self._waiters: list[asyncio.Future[None]] = []

    def spend(self, cost: Decimal) -> None:
        """Count what an earlier attempt of the run has paid."""
        self.spent += cost

    async def reserve(self, most: Decimal) -> Reservation | None:
        """Set so much aside, as soon as it is there; None where it is not and nothing under way can give any back."""
        while not self.fits(most):
            if not self._open:
                return None
            await self._change()
        self._open += 1
        self.reserved += most
        return Reservation(self, most)

    def fits(self, more: Decimal) -> bool:
        """Whether so much is left beside what is spent and reserved."""
        return self.spent + self.reserved + more <= self.cap.amount

    async def _begin(self, more: Decimal) -> None:
        """Reserve ``more`` for a call that begins now. Raises Capped where no call under way can give that back."""
        while more and not self.fits(more):
            if not self._calls:
                raise Capped(self.cap)
            await self._change()
        self.reserved += more
        self._calls += 1

    def _end(self, most: Decimal, cost: Decimal) -> None:
        self._calls -= 1
        self.reserved -= most
        self.spent += cost
        self._changed()

    def _release(self, rest: Decimal) -> None:
        self._open -= 1
        self.reserved -= rest
        self._changed()

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Reservation:
    """What is set aside for one case: its answer, and what its scorers may ask. Left over is given back at the end."""

    def __init__(self, budget: Budget, held: Decimal) -> None:
        self._budget = budget
        self._held = held

    async def begin(self, most: Decimal) -> None:
        """A call begins that can cost so much: what is not set aside already is reserved on top.

        Raises:
            Capped: there is not enough, and no call under way can give any back.
        """
        taken = min(self._held, most)
        self._held -= taken
        try:
            await self._budget._begin(most - taken)  # noqa: SLF001 - one piece with it
        except BaseException:
            self._held += taken
            raise

    def end(self, most: Decimal, cost: Decimal | None) -> None:
        """The call has cost so much; where nobody knows, it counts with the most."""
        self._budget._end(most, most if cost is None else cost)  # noqa: SLF001 - as above

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rest, self._held = self._held, _NOTHING
        self._budget._release(rest)  # noqa: SLF001 - as above
