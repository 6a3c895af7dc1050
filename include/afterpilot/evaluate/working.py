"""Workers that go through admitted work, one piece after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from afterpilot.evaluate.admission import Admission
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.budget import Reservation
from afterpilot.evaluate.keeping import Keeper, OpenAsking, all_of, run_beside


class Done(Protocol):
    """What came of a piece of work; ``error`` is the harness's, empty where it has none."""

    @property
    def error(self) -> str:
        """Why nothing is known."""


P = TypeVar("P")
D = TypeVar("D", bound=Done)
Do = Callable[[P, Asking, Reservation], Awaitable[D]]


def work_through(
    admission: Admission[P],
    do: Do[P, D],
    *,
    open_asking: OpenAsking,
    concurrency: int,
    keep: Callable[[Sequence[D]], None],
) -> None:
    """Do all that is admitted, so many pieces at once; whatever ``do`` or ``keep`` raises ends it.

    A worker takes its next piece once the one before was kept: no more than ``concurrency`` pieces are ever done and not kept.
    """
    workers = max(1, min(concurrency, len(admission.left)))

    async def work(keeper: Keeper[D]) -> None:
        async with open_asking(concurrency) as asking:
            await all_of([_worker(admission, do, asking, keeper) for _ in range(workers)])

    if admission.left:
        run_beside(work, keep=keep)


async def _worker(admission: Admission[P], do: Do[P, D], asking: Asking, keeper: Keeper[D]) -> None:
    while (next_one := await admission.next()) is not None:
        piece, reservation = next_one
        with reservation:
            done = await do(piece, asking, reservation)
        admission.finished(done.error)
        await keeper.kept(done)
