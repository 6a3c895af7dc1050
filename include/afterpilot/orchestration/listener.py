"""Airflow's own failures reach the ops database: tasks of ours that failed for good, DAG files of ours that do not load.

Airflow calls this in the process of each task and in the DAG processor. It never raises, and waits two seconds at most.
A task whose process was killed calls nobody: what it hides becomes overdue.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from airflow.listeners import hookimpl

from afterpilot.domain.watching import TaskFailure, import_beat
from afterpilot.record.beats import Beats
from afterpilot.record.connecting import options
from afterpilot.record.task_failures import TaskFailures
from afterpilot.settings import Settings

OURS = "afterpilot"  # the tag of our DAGs
# Tasks whose failure hides nothing by itself: one repeats that of others, the other one's is the outbox's.
_SAY_NOTHING = ("red", "deliver")
_FILES = ("declarations", "deliver", "evals", "gate", "probe", "provider_bills", "records", "retention", "seal", "spend", "spot_checks",
          "watchdog", "weekly_outcomes")  # fmt: skip
log = logging.getLogger(__name__)


@hookimpl
def on_task_instance_failed(previous_state: object, task_instance: Any, error: object) -> None:  # noqa: ANN401, ARG001 - Airflow's
    """A try of a task failed; the last one is kept."""
    with _quietly("a failed task"):
        if not _is_ours(task_instance) or str(getattr(task_instance.state, "value", task_instance.state)) != "failed":
            return
        batch = _batch(task_instance)
        failure = TaskFailure(
            dag_id=task_instance.dag_id,
            task_id=task_instance.task_id,
            run_id=task_instance.run_id,
            map_index=-1 if task_instance.map_index is None else task_instance.map_index,
            at=datetime.now(UTC),
            label=str(batch.get("label", "")),
            error=_said(error),
            workflows=tuple(map(str, batch.get("workflows", ()))),
        )
        with _engine().begin() as connection:
            TaskFailures(connection).failed(failure)


@hookimpl
def on_task_instance_success(previous_state: object, task_instance: Any) -> None:  # noqa: ANN401, ARG001 - Airflow's
    """A task ended well: earlier failures of it are over."""
    with _quietly("a task that ended well"):
        if not _is_ours(task_instance):
            return
        slugs = [str(slug) for slug in _batch(task_instance).get("workflows", ())]
        with _engine().begin() as connection:
            TaskFailures(connection).succeeded(task_instance.dag_id, task_instance.task_id, slugs, at=datetime.now(UTC))


@hookimpl
def on_new_dag_import_error(filename: str, stacktrace: str) -> None:
    """A DAG file cannot be loaded."""
    _not_loaded(filename, stacktrace)


@hookimpl
def on_existing_dag_import_error(filename: str, stacktrace: str) -> None:
    """A DAG file still cannot be loaded: Airflow says so with each attempt, and not when it can."""
    _not_loaded(filename, stacktrace)


def _not_loaded(filename: str, stacktrace: str) -> None:
    with _quietly("a DAG file"):
        file = Path(filename)
        if file.stem not in _FILES:
            return
        last = next((line for line in reversed(stacktrace.strip().splitlines()) if line.strip()), "")
        with _engine().begin() as connection:
            Beats(connection).beat(import_beat(file.name), at=datetime.now(UTC), detail={"error": last.strip()[:500]})


def _is_ours(task_instance: Any) -> bool:  # noqa: ANN401 - Airflow's; one that a person marked in the UI has no task
    dag = getattr(getattr(task_instance, "task", None), "dag", None)
    return dag is not None and OURS in dag.tags and task_instance.task_id not in _SAY_NOTHING


def _batch(task_instance: Any) -> dict[str, Any]:  # noqa: ANN401 - Airflow's
    """The batch of workflows that a mapped task was given; empty for a task that is of all."""
    given = getattr(task_instance.task, "op_kwargs", None)
    batch = given.get("batch") if isinstance(given, dict) else None
    return batch if isinstance(batch, dict) else {}


def _said(error: object) -> str:
    """The kind of error alone: its text is in the task's log, and may hold what is not for everybody."""
    return type(error).__name__ if isinstance(error, BaseException) else ""


@functools.cache
def _engine() -> sa.Engine:
    """An engine that keeps nobody waiting."""
    from sqlalchemy.pool import NullPool

    url = Settings.from_environment().database_url
    return sa.create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "options": options(url, "timezone=UTC", "statement_timeout=2000", "lock_timeout=1000"),
            "connect_timeout": 2,
            "application_name": "afterpilot listener",
        },
    )


@contextlib.contextmanager
def _quietly(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # whatever it is, the task's own result stands
        log.warning("%s could not be put on record", what, exc_info=True)
