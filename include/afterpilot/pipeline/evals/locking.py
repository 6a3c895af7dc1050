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
log = logging.getLogger(__name__)


@contextlib.contextmanager
def alone(ops: Ops, workflow: str, *, longest_wait: float = LONGEST_WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of a workflow's evals; where another run, or another attempt of this one, holds it, wait until it is done.

    So nothing is asked or stored twice, and no two runs spend the same rest of a budget. The lock belongs to a connection of its
    own, in no transaction, so that nothing is kept open for the length of a run.

    Raises:
        CheckError: the other one is still under way after an hour.
    """
    until = time.monotonic() + longest_wait
    with ops.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        told = False
        while not connection.scalar(_TAKE, {"workflow": workflow}):
            if time.monotonic() > until:
                raise CheckError(f"another eval run of {workflow} is still under way")
            if not told:
                log.warning("%s: another eval run is under way: waiting for it", workflow)
                told = True
            time.sleep(_LOOK_EVERY_SECONDS)
        try:
            yield
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):  # a lost connection has lost the lock with it
                connection.execute(_GIVE, {"workflow": workflow})


def under_way(ops: Ops, workflow: str) -> bool:
    """Whether an eval run of the workflow is under way just now."""
    with ops.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        free = bool(connection.scalar(_TAKE, {"workflow": workflow}))
        if free:
            connection.execute(_GIVE, {"workflow": workflow})
        return not free
