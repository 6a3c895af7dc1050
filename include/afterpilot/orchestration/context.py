"""What a task knows of itself, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import get_current_context

from afterpilot.domain.run import Trigger
from afterpilot.orchestration.connections import AirflowConnections
from afterpilot.settings import Settings
from afterpilot.wiring import Wired, wire


def wired() -> Wired:
    """The services of this task's process, with Airflow's connections."""
    return wire(Settings.from_environment(), AirflowConnections())


def trigger() -> Trigger:
    """What started this task: the same for each of its tries, so that a repeated one finds its own result."""
    instance = get_current_context()["ti"]
    return Trigger(
        origin="airflow",
        run_id=instance.run_id,
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        map_index=-1 if instance.map_index is None else instance.map_index,
        try_number=instance.try_number,
    )


def is_last_try() -> bool:
    """Whether Airflow will not try this task again by itself."""
    instance = get_current_context()["ti"]
    return bool(instance.try_number > instance.max_tries)


def until() -> datetime:
    """The end of what this DAG run covers: its data interval's end, or the moment it was asked for."""
    context: Mapping[str, Any] = get_current_context()
    run = context["dag_run"]
    moment: datetime = run.data_interval_end or run.run_after
    return moment.astimezone(UTC)


def fell_due() -> datetime | None:
    """When the schedule started this DAG run; None where somebody asked for it."""
    return until() if get_current_context()["dag_run"].run_type == "scheduled" else None


def label(text: str) -> None:
    """How this mapped instance is called in Airflow's grid."""
    get_current_context()["batch_label"] = text
