"""One attempt of a run at a time, held by the database: a lock that is gone with the process that held it."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from afterpilot.domain.errors import CheckError
from afterpilot.record.ops import Ops

LONGEST_WAIT_SECONDS = 1800.0
_LOOK_EVERY_SECONDS = 0.5
log = logging.getLogger(__name__)


@contextlib.contextmanager
def alone(ops: Ops, run_id: uuid.UUID, *, longest_wait: float | None = None) -> Iterator[None]:
    """Hold the lock of a run; where another attempt holds it, wait until that one is done.

    The lock belongs to a connection of its own, in no transaction, so that nothing is kept open for the length of a run.

    Raises:
        CheckError: the other attempt is still under way after half an hour.
    """
    key = int.from_bytes(run_id.bytes[:8], signed=True)
    until = time.monotonic() + (LONGEST_WAIT_SECONDS if longest_wait is None else longest_wait)
    with ops.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        told = False
        while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            if time.monotonic() > until:
                raise CheckError(f"another attempt of the run {run_id} is still under way")
            if not told:
                log.warning("another attempt of the run %s is under way: waiting for it", run_id)
                told = True
            time.sleep(_LOOK_EVERY_SECONDS)
        try:
            yield
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):  # a lost connection has lost the lock with it
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": key})
