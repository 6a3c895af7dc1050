"""What a task returns of its runs, and what it tells the DAGs of others."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetAlias, get_current_context

from afterpilot.domain.run import Run


def verdicts_of(runs: dict[str, Run]) -> dict[str, str]:
    """The verdict of each workflow, as a task returns it."""
    return {slug: str(run.verdict) for slug, run in runs.items()}


def announce_assets(alias: str, stage: str, runs: dict[str, Run]) -> None:
    """Update each workflow's asset with the verdict, so that a team's own DAGs can wait for "checked and good"."""
    events = get_current_context()["outlet_events"][AssetAlias(alias)]
    for slug, run in runs.items():
        extra: dict[str, Any] = {
            "verdict": str(run.verdict),
            "run": str(run.id),
            "window_end": run.window.end.isoformat(),
        }
        events.add(Asset(f"afterpilot://{slug}/{stage}"), extra=extra)
