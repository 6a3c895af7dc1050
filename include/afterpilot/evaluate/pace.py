"""How fast one endpoint is asked: as many requests at once as it bears, and none before the moment that it named."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

_RECENT = 32  # answers that are looked at to tell a server that is full from a single refusal
_CROWDED = 0.25  # of them


class TooLong(Exception):
    """The endpoint wants to be left alone for longer than the case may wait; ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the server asks for a pause of {seconds:.0f} s")
        self.seconds = seconds


class Pace:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP does it, and a gate that is shut until a moment.

    A single refusal among many answers holds up the case that it met, and nobody else: the endpoint itself counts as full
    where at least two, and a quarter of its latest answers, were refusals.

    Args:
        most: requests at once at the start, and never more.
        now: seconds of a monotonic clock.
        sleep: how to wait.
    """

    def __init__(self, most: int, *, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self.limit = max(1, most)
        self._most = self.limit
        self._now = now
        self._sleep = sleep
        self._busy = 0
        self._well = 0  # answers since the limit last changed
        self._cuts = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._opens = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, longest: float) -> int:
        """Wait for a place and for the gate; each one must be left again. What comes back tells :meth:`slower` when it began.

        Raises:
            TooLong: the gate stays shut for more than ``longest`` seconds.
        """
        while True:
            if self._opens and (shut := self._opens - self._now()) > 0:
                if shut >= longest:
                    self._wake()
                    raise TooLong(shut)
                await self._sleep(shut)
            elif self._busy < self.limit:
                self._busy += 1
                return self._cuts
            else:
                await self._turn()

    def leave(self) -> None:
        """Give the place back."""
        self._busy -= 1
        self._wake()

    def well(self) -> None:
        """An answer came: after as many of them as may be asked at once, one more may be."""
        self._recent.append(False)
        if self.limit == self._most:
            return
        self._well += 1
        if self._well >= self.limit:
            self._well = 0
            self.limit += 1
            self._wake()

    def refused(self) -> bool:
        """A refusal came; whether it is one of many, so that the endpoint itself is full."""
        self._recent.append(True)
        return sum(self._recent) >= max(2, _CROWDED * len(self._recent))

    def slower(self, began: int) -> None:
        """The endpoint said that it is too much: half as many at once. Requests that were under way at the last cut count for that one."""
        if began == self._cuts:
            self._cuts += 1
            self._well = 0
            self.limit = max(1, self.limit // 2)

    def shut(self, seconds: float) -> None:
        """No request starts within so many seconds from now."""
        self._opens = max(self._opens, self._now() + seconds)

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake()  # it was this one's turn: the next one's now
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
            raise

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
