"""One eval run of a workflow at a time, held by the database: a lock that is gone with the process that held it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

import sqlalchemy as sa

from afterpilot.domain.errors import CheckError
from afterpilot.record.ops import Ops

LONGEST_WAIT_SECONDS = 3600.0
_LOOK_EVERY_SECONDS = 0.5
_TAKE = sa.text("SELECT pg_try_advisory_lock(hashtext('evals'), hashtext(:workflow))")
_GIVE = sa.text("SELECT pg_advisory_unlock(hashtext('evals'), hashtext(:workflow))")
_LOOK = sa.text("SELECT 1")
log = logging.getLogger(__name__)


class Lock:
    """The lock of a workflow's evals, on a connection of its own."""

    def __init__(self, ops: Ops, workflow: str) -> None:
        self._engine = ops.engine
        self._workflow = workflow
        self._connection = self._opened()
        self._taken = False

    def take(self) -> bool:
        """Whether it is ours now."""
        self._taken = bool(self._connection.scalar(_TAKE, {"workflow": self._workflow}))
        return self._taken

    def hold(self) -> None:
        """Take it again where its connection was lost, as one that is silent for long may be.

        Raises:
            CheckError: another run has taken it meanwhile.
        """
        with contextlib.suppress(sa.exc.DBAPIError):
            self._connection.execute(_LOOK)
            return
        self._connection.invalidate()
        self._connection.close()
        self._connection = self._opened()
        if not self.take():
            raise CheckError(f"another eval run of {self._workflow} began while the database was out of reach")

    def close(self) -> None:
        """Give it back."""
        with contextlib.suppress(sa.exc.DBAPIError):  # a lost connection has lost the lock with it
            if self._taken:
                self._connection.execute(_GIVE, {"workflow": self._workflow})
        self._connection.close()

    def _opened(self) -> sa.Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")


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
