"""Runs an event loop beside the caller's thread, in which what the loop brings is kept: one call at a time, in groups."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, Generic, TypeVar

from afterpilot.evaluate.asking import Asking

T = TypeVar("T")
R = TypeVar("R")
OpenAsking = Callable[[int], AbstractAsyncContextManager[Asking]]
_Waiting = list[tuple[T, "asyncio.Future[None]"]]


class Keeper(Generic[T]):
    """The loop's side: gives on what has come since, as soon as the last group is kept (group commit)."""

    def __init__(self, hand_over: Callable[[_Waiting[T]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._hand_over = hand_over
        self._waiting: _Waiting[T] = []
        self._busy = False

    async def kept(self, item: T) -> None:
        """Wait until the caller has kept it."""
        done = self._loop.create_future()
        self._waiting.append((item, done))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._give_on)  # after all that is ready now: it comes along
        await done

    def took(self, group: _Waiting[T]) -> None:
        """The caller has kept a group."""
        for _, done in group:
            if not done.done():
                done.set_result(None)
        self._give_on()

    def _give_on(self) -> None:
        group, self._waiting = self._waiting, []
        self._busy = bool(group)
        if group:
            self._hand_over(group)


def run_beside(work: Callable[[Keeper[T]], Coroutine[Any, Any, R]], *, keep: Callable[[Sequence[T]], None]) -> R:
    """Run ``work`` on an event loop in a thread of its own, and ``keep`` in the caller's; returns what ``work`` does.

    So the caller may have a running loop, ``keep`` may use the caller's database session, and a signal meets the caller where
    it waits. Whatever ``keep`` or a signal raises ends the work; whatever the work raises is raised here. The thread has
    ended when this returns.
    """
    groups: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    beside = _Beside(work, keep, groups)
    beside.start()
    with _only_new_garbage():
        try:
            while (keep_group := groups.get()) is not None:
                keep_group()
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
        self,
        work: Callable[[Keeper[T]], Coroutine[Any, Any, R]],
        keep: Callable[[Sequence[T]], None],
        groups: queue.SimpleQueue[Callable[[], None] | None],
    ) -> None:
        self._work = work
        self._keep = keep
        self._groups = groups
        self._loop = asyncio.new_event_loop()
        self._results: list[R] = []
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        # A daemon: a process that is told to end twice does not wait for a model that does not answer.
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="evals", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

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
        finally:
            self._groups.put(None)

    async def _main(self) -> R:
        keeper = Keeper[T](self._give)
        self._keeper = keeper
        return await self._work(keeper)

    def _give(self, group: _Waiting[T]) -> None:
        def keep_group() -> None:
            self._keep([item for item, _ in group])
            with suppress(RuntimeError):  # the loop has ended meanwhile, by an error of its own
                self._loop.call_soon_threadsafe(self._keeper.took, group)

        self._groups.put(keep_group)

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
