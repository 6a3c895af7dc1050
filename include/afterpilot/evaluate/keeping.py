"""Runs an event loop in a thread of its own, and keeps what it brings as it comes, in groups."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, Generic, TypeVar

from afterpilot.evaluate.asking import Asking

T = TypeVar("T")
R = TypeVar("R")
OpenAsking = Callable[[int], AbstractAsyncContextManager[Asking]]


class Keeper(Generic[T]):
    """Gives on together what has come in one turn of the loop (group commit).

    ``keep`` runs on the loop itself: a thread of its own for it took twice as long as the writing did, by handing over.
    """

    def __init__(self, keep: Callable[[Sequence[T]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []

    async def kept(self, item: T) -> None:
        """Wait until it is kept. Raises what ``keep`` does."""
        done = self._loop.create_future()
        self._waiting.append((item, done))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._give_on)  # after all that is ready now: it comes along
        await done

    def _give_on(self) -> None:
        group, self._waiting = self._waiting, []
        try:
            self._keep([item for item, _ in group])
        except BaseException as error:  # noqa: BLE001 - raised where each of the group is waited for
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in group:
                if not done.done():
                    done.set_result(None)


def run_beside(work: Callable[[Keeper[T]], Coroutine[Any, Any, R]], *, keep: Callable[[Sequence[T]], None]) -> R:
    """Run ``work`` on an event loop in a thread of its own, ``keep`` with it; returns what ``work`` does.

    So the caller may have a running loop, and a signal meets the caller where it waits, never in the middle of ``keep``. A
    signal that raises ends the work; whatever the work or ``keep`` raises is raised here. The thread has ended when this
    returns.
    """
    beside = _Beside(work, keep)
    with _only_new_garbage():
        beside.start()
        try:
            beside.wait()
        finally:
            beside.end()
    return beside.result()


@contextmanager
def _only_new_garbage() -> Iterator[None]:
    """What was there before is not searched for garbage meanwhile: that took a tenth of a run's time."""
    if gc.get_freeze_count():  # somebody keeps it so for good, as before a fork, or another run does
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Beside(Generic[T, R]):
    """The thread with its loop."""

    def __init__(
        self, work: Callable[[Keeper[T]], Coroutine[Any, Any, R]], keep: Callable[[Sequence[T]], None]
    ) -> None:
        self._work = work
        self._keep = keep
        self._loop = asyncio.new_event_loop()
        self._results: list[R] = []
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        # A daemon: a process that is told to end twice does not wait for a model that does not answer.
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="evals", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Until the work is done."""
        self._thread.join()

    def end(self) -> None:
        """Cancel what is still under way, and wait until the thread has ended."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def result(self) -> R:
        """What the work returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                self._results.append(runner.run(self._main()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error

    async def _main(self) -> R:
        return await self._work(Keeper[T](self._keep))

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()


async def all_of(workers: Sequence[Awaitable[None]]) -> None:
    """Wait for all; where one of them raises, the others are cancelled, and its error is raised."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
