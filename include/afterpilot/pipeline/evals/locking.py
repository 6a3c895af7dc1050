"""One eval run of a workflow at a time, held by the database: a lock that is gone with the process that held it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from afterpilot.domain.errors import CheckError
from afterpilot.record.ops import Ops, Unit, unit_of

LONGEST_WAIT_SECONDS = 3600.0
_LOOK_EVERY_SECONDS = 0.5
_TAKE = sa.text("SELECT pg_try_advisory_lock(hashtext('evals'), hashtext(:workflow))")
_GIVE = sa.text("SELECT pg_advisory_unlock(hashtext('evals'), hashtext(:workflow))")
_SOON = sa.text("SET synchronous_commit = off")
log = logging.getLogger(__name__)


class Lock:
    """The lock of a workflow's evals, on a connection of its own: what is written over that is written by its holder."""

    def __init__(self, ops: Ops, workflow: str) -> None:
        self._engine = ops.engine
        self._workflow = workflow
        self._connection = self._opened()

    def take(self) -> bool:
        """Whether it is ours now."""
        with self._connection.begin():
            return bool(self._connection.scalar(_TAKE, {"workflow": self._workflow}))

    def write(self, write: Callable[[Unit], None]) -> None:
        """Write in a transaction of the holder's.

        Where the connection was lost, as one that is silent for long may be, the lock is taken again and ``write`` called
        once more: it must be able to meet what it has written before.

        Raises:
            CheckError: another run has taken the lock meanwhile.
        """
        try:
            self._write(write)
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self._connection.close()
            self._connection = self._opened()
            if not self.take():
                raise CheckError(
                    f"another eval run of {self._workflow} began while the database was out of reach"
                ) from error
            self._write(write)

    def close(self) -> None:
        """Give it back: now, not when the server has seen that its connection is gone; where that is lost, it ends with it."""
        with contextlib.suppress(sa.exc.DBAPIError), self._connection.begin():
            self._connection.execute(_GIVE, {"workflow": self._workflow})
        self._connection.close()

    def _write(self, write: Callable[[Unit], None]) -> None:
        with self._connection.begin():
            write(unit_of(self._connection))

    def _opened(self) -> sa.Connection:
        """A connection that the pool knows nothing of: it hangs up when it is closed.

        Nobody waits for the disk here: where the database itself crashes, the samples of its last fraction of a second are lost
        and asked again. The run's own transaction is synchronous, and with it everything before it.
        """
        connection = self._engine.connect()
        connection.detach()
        with connection.begin():
            connection.execute(_SOON)
        return connection


@contextlib.contextmanager
def alone(ops: Ops, workflow: str, *, longest_wait: float = LONGEST_WAIT_SECONDS) -> Iterator[Lock]:
    """Hold the lock of a workflow's evals; where another run, or another attempt of this one, holds it, wait until it is done.

    So nothing is asked or stored twice, and no two runs spend the same rest of a budget. The lock belongs to a connection of its
    own, in no transaction, so that nothing is kept open for the length of a run.

    Raises:
        CheckError: the other one is still under way after an hour.
    """
    until = time.monotonic() + longest_wait
    with contextlib.closing(Lock(ops, workflow)) as lock:
        told = False
        while not lock.take():
            if time.monotonic() > until:
                raise CheckError(f"another eval run of {workflow} is still under way")
            if not told:
                log.warning("%s: another eval run is under way: waiting for it", workflow)
                told = True
            time.sleep(_LOOK_EVERY_SECONDS)
        yield lock


def under_way(ops: Ops, workflow: str) -> bool:
    """Whether an eval run of the workflow is under way just now."""
    with ops.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        free = bool(connection.scalar(_TAKE, {"workflow": workflow}))
        if free:
            connection.execute(_GIVE, {"workflow": workflow})
        return not free
