"""What all DAGs share: owner, tags, retries, and a docstring that is the triage note."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from afterpilot.declare import schedules
from afterpilot.settings import workflows_folder


def common(*, doc: str, tags: list[str], runbook: str) -> dict[str, Any]:
    """Keyword arguments of every DAG.

    No catch-up: the watermark in the ops database knows what is missing, whatever Airflow remembers. No start date either:
    with one, a new installation would begin with a run of each DAG for a time before it existed. Without one it still begins with what
    fell due within the last tenth of its period; :func:`afterpilot.orchestration.batches.plan` leaves reports out of that.
    """
    return {
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["afterpilot", *tags],
        "doc_md": f"{doc}\n\nRunbook: `docs/runbooks/{runbook}.md`",
        "default_args": {
            "owner": "afterpilot",
            "retries": 2,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
        },
    }


def named_schedules(kind: str) -> dict[str, str]:
    """The schedules that ``_fleet.yaml`` names for records, evals or report: name → cron expression in UTC.

    One that cannot be used has no DAG, and the DAG ``declarations`` tells of it with file and line. DeclarationError, which
    Airflow shows as an import error, only where nothing of the file can be read.
    """
    return dict(schedules(workflows_folder()).get(kind, {}))
