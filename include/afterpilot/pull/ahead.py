"""Reads one batch ahead, in a thread: the source works while the batch before is written."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")
_PATIENCE_S = 0.2


@contextlib.contextmanager
def ahead(batches: Generator[T]) -> Iterator[Iterator[T]]:
    """The same batches and the same error, read in another thread. At most two exist at a time besides the one in use; the
    generator is closed when the block ends.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(batch: T | None, error: BaseException | None = None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((batch, error), timeout=_PATIENCE_S)
                return

    def read() -> None:
        try:
            with contextlib.closing(batches):
                for batch in batches:
                    put(batch)
                    if stop.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised where the batches are used
            put(None, error)
        else:
            put(None)

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(ready)
    finally:
        stop.set()
        thread.join()


def _taken(ready: queue.Queue[tuple[T | None, BaseException | None]]) -> Iterator[T]:
    while True:
        batch, error = ready.get()
        if error is not None:
            raise error
        if batch is None:
            return
        yield batch
