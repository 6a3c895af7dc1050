"""Which work is begun next, and whether any is: while it can be paid for, and while the target gives answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Generic, TypeVar

from afterpilot.evaluate.budget import Budget, Capped, Reservation
from afterpilot.evaluate.costs import Unpriced

GIVE_UP_AFTER = 20  # pieces of work one after the other that all failed

T = TypeVar("T")


class Admission(Generic[T]):
    """Hands out work in its order, each piece with the most that it can cost set aside."""

    def __init__(self, work: Iterable[T], *, budget: Budget, most: Callable[[T], Decimal]) -> None:
        self._waiting = deque(work)
        self._budget = budget
        self._most = most
        self._failed_in_a_row = 0
        self.stopped = ""

    @property
    def left(self) -> list[T]:
        """What was never handed out."""
        return list(self._waiting)

    async def next(self) -> tuple[T, Reservation] | None:
        """The next piece, as soon as it can be paid for; None where no more is begun."""
        while self._waiting and not self.stopped:
            piece = self._waiting.popleft()
            reservation = await self._reserve(piece)
            if reservation is not None and not self.stopped:
                return piece, reservation
            if reservation is not None:
                with reservation:
                    pass  # given back
            self._waiting.appendleft(piece)
        return None

    async def _reserve(self, piece: T) -> Reservation | None:
        try:
            reservation = await self._budget.reserve(self._most(piece))
        except Unpriced as error:
            self.stop(str(error))
            return None
        if reservation is None:
            self.stop(str(Capped(self._budget.cap)))
        return reservation

    def finished(self, error: str) -> None:
        """A piece of work ended, with an error of the harness or without (empty)."""
        self._failed_in_a_row = self._failed_in_a_row + 1 if error else 0
        if self._failed_in_a_row >= GIVE_UP_AFTER:
            self.stop(f"{GIVE_UP_AFTER} cases in a row failed, the last one with: {error}")

    def stop(self, reason: str) -> None:
        """Hand out no more; the first reason stands."""
        self.stopped = self.stopped or reason
