"""The ledger's own upkeep: new entries are sealed, and heads published."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot.domain.errors import ConfigurationError, LedgerBroken
from afterpilot.orchestration import context
from afterpilot.wiring import Wired

if TYPE_CHECKING:
    from afterpilot.pipeline.sealing import SealedNow

log = logging.getLogger(__name__)
_TIMES, _APART = (
    2,
    30.0,
)  # passes of a scheduled run, and the seconds between them: a run of Airflow's costs more than a pass


@task
def seal() -> dict[str, int]:
    """Seal what is new in the ledger, sign its head, and publish it where that is due.

    A place that cannot be written to is no failure of this task: it has an incident of its own, and is tried again.

    Raises:
        AirflowFailException: the ledger is not as it was sealed or published, or its key cannot be used; a retry cannot help.
    """
    wired, trigger = context.wired(), context.trigger()
    done = _seal(wired)
    for _ in range(_TIMES - 1 if trigger.run_id.startswith("scheduled__") else 0):
        time.sleep(_APART)
        done = _seal(wired)
    wired.passed(trigger.dag_id)
    return {"new": done.new, "published": len(done.published), "not_published": len(done.failed)}


def _seal(wired: Wired) -> SealedNow:
    try:
        done = wired.seal()
    except (LedgerBroken, ConfigurationError) as error:
        raise AirflowFailException(str(error)) from error
    log.info(
        "%s new, %s in all; head %s", done.new, done.head.entries if done.head else 0, done.head and done.head.hash
    )
    return done
