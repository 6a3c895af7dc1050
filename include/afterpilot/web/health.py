"""Whether everything that must keep happening does, as the pages and the monitors see it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.watching import WATCHDOG, Looked, PassState
from afterpilot.pipeline.watching import look

Heartbeats = Callable[[], Mapping[str, datetime | None]]
KEPT = 5.0  # seconds that monitors are told the same, so that a question costs no database
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """One look, and Airflow's components with the time at which each was alive last; None where one does not run as it should."""

    looked: Looked
    components: Mapping[str, datetime | None] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether whatever goes wrong is seen and told: the watchdog passes, letters go out, Airflow runs."""
        watchdog = next(one for one in self.looked.passes if one.dag_id == WATCHDOG)
        return self.looked.can_tell and watchdog.state is PassState.GOOD and None not in self.components.values()


class Health:
    """Looks when it is asked.

    Args:
        reading: opens a connection to the ops database.
        heartbeats: when each of Airflow's components was alive last.
        clock: says what time it is, aware UTC.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[sa.Connection]],
        heartbeats: Heartbeats | None,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._reading = reading
        self._heartbeats = heartbeats
        self._clock = clock
        self._lock = threading.Lock()
        self._said = (float("-inf"), False)

    def state(self) -> State:
        """All of it, now. Raises SQLAlchemy's errors where the ops database is away."""
        with self._reading() as connection:
            looked = look(connection, now=self._clock())
        return State(looked, self._components())

    def alive(self) -> bool:
        """The one thing that monitors ask for; False also where the ops database is away."""
        with self._lock:
            at, said = self._said
            if time.monotonic() - at < KEPT:
                return said
            try:
                alive = self.state().alive
            except sa.exc.SQLAlchemyError:
                log.exception("the health cannot be seen")
                alive = False
            self._said = (time.monotonic(), alive)
            return alive

    def _components(self) -> Mapping[str, datetime | None]:
        if self._heartbeats is None:
            return {}
        try:
            return self._heartbeats()
        except Exception:
            log.exception("Airflow does not say how it is")
            return {"airflow": None}
