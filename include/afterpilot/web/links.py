"""Addresses: of Airflow's own pages, and those that came as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit


def quoted(part: object) -> str:
    """One part of a path; nothing in it can end the part."""
    return quote(str(part), safe="")


def safe_url(url: str) -> str:
    """The address if a browser may follow it (http, https, or a path here), else an empty text."""
    cleaned = str(url).strip()
    try:
        parts = urlsplit(cleaned)
    except ValueError:
        return ""
    if any(character < " " for character in cleaned) or "\\" in cleaned:
        return ""
    if parts.scheme in {"http", "https"} and parts.netloc:
        return cleaned
    return cleaned if not parts.scheme and not parts.netloc and cleaned.startswith("/") else ""


def airflow_page(base: str | None, trigger: Mapping[str, Any]) -> str:
    """Airflow's page of the task that made a run (the shape of Airflow 3), or an empty text where there is none.

    ``base`` is Airflow's base URL, empty for this very server, None where no Airflow is known.
    """
    dag, run, task = (str(trigger.get(name, "")) for name in ("dag_id", "run_id", "task_id"))
    if base is None or trigger.get("origin") != "airflow" or not dag or not run:
        return ""
    page = f"{base}/dags/{quoted(dag)}/runs/{quoted(run)}"
    if not task:
        return page
    page += f"/tasks/{quoted(task)}"
    index, attempt = trigger.get("map_index", -1), trigger.get("try_number", 0)
    if isinstance(index, int) and index >= 0:
        page += f"/mapped/{index}"
    return page + (f"?try_number={attempt}" if isinstance(attempt, int) and attempt > 0 else "")
