"""The task of the DAG `watchdog`, apart from all others: it shares none of their code but the wiring."""

from __future__ import annotations

import logging

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot.domain.counting import plural
from afterpilot.orchestration.connections import AirflowConnections
from afterpilot.settings import Settings
from afterpilot.wiring import wire

log = logging.getLogger(__name__)


@task
def watch() -> dict[str, int]:
    """See what is overdue, stuck or broken; tell it, and deliver that by itself. Where all can be told, call the heartbeat's URL.

    What is overdue is no failure of this task: it has incidents.

    Raises:
        AirflowFailException: what was found reaches nobody, as nothing can be delivered.
    """
    wired = wire(Settings.from_environment(), AirflowConnections())
    looked = wired.watch(paused=_paused, own=True)
    counts = {
        "overdue": len(looked.overdue),
        "late_dags": len(looked.late_passes),
        "failed_tasks": len(looked.failures),
        "broken_dags": len(looked.broken_dags),
    }
    log.info("%s of %s are overdue: %s", len(looked.overdue), plural(looked.judged, "verdict"), counts)
    if looked.can_tell and (error := wired.call_dead_man()):
        log.error("the heartbeat's URL was called in vain: %s", error)
    if looked.outbox.blocked:
        raise AirflowFailException(f"nothing can be delivered until this is mended: {looked.outbox.blocked}")
    return counts


def _paused(dag_id: str) -> bool:
    """Whether a DAG is switched off in Airflow; False where Airflow does not say."""
    try:
        return bool(get_current_context()["ti"].get_dag(dag_id).is_paused)
    except Exception as error:  # noqa: BLE001 - it is told as overdue all the same
        log.info("%s: Airflow does not say whether it is paused (%s)", dag_id, type(error).__name__)
        return False
