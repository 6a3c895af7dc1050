"""Delivers in the background right after a commit, so that news needs no sweep: what fails here, the sweep takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass(slots=True)
class AtOnce:
    """Calls ``work`` in a thread of its own, one at a time, for as long as there was news since it began.

    ``work`` gets an event that is set when the process wants to end, and may raise what it likes.
    """

    work: Callable[[threading.Event], object]
    _news: bool = False
    _running: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def nudge(self) -> None:
        """Something was queued and committed."""
        with self._lock:
            self._news = True
            if self._running is None:
                self._stop.clear()
                # A daemon: whatever it has under way when the process ends is looked for by the next sweep.
                self._running = threading.Thread(target=self._run, name="deliver at once", daemon=True)
                self._running.start()

    def finish(self, seconds: float) -> None:
        """Give what is under way so many seconds; then it is told to end, and has as long again for what it has begun."""
        running = self._running
        if running is None:
            return
        running.join(seconds)
        self._stop.set()
        running.join(seconds)

    def _run(self) -> None:
        while self._more():
            try:
                self.work(self._stop)
            except Exception:
                log.exception("could not deliver at once: the next sweep does")

    def _more(self) -> bool:
        with self._lock:
            if not self._news or self._stop.is_set():
                self._running = None
                return False
            self._news = False
            return True
