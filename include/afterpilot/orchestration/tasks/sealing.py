"""The ledger's own upkeep: new entries are sealed, and heads published."""

from __future__ import annotations

import logging

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot.domain.errors import ConfigurationError, LedgerBroken
from afterpilot.orchestration import context

log = logging.getLogger(__name__)


@task
def seal() -> dict[str, int]:
    """Seal what is new in the ledger, sign its head, and publish it where that is due.

    A place that cannot be written to is no failure of this task: it has an incident of its own, and is tried again.

    Raises:
        AirflowFailException: the ledger is not as it was sealed or published, or its key cannot be used; a retry cannot help.
    """
    wired = context.wired()
    try:
        done = wired.seal()
    except (LedgerBroken, ConfigurationError) as error:
        raise AirflowFailException(str(error)) from error
    log.info(
        "%s new, %s in all; head %s", done.new, done.head.entries if done.head else 0, done.head and done.head.hash
    )
    wired.passed(context.trigger().dag_id)
    return {"new": done.new, "published": len(done.published), "not_published": len(done.failed)}
