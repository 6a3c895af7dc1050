"""### retention: remove what is older than it is kept

Runs daily. Each class of data is kept for as long as `_fleet.yaml` says under `retention`, records for as long as their workflow says;
logs for at least six months. Months go as a whole, older rows in batches, each with an entry in the ledger. What still waits or
stands, and what a hold covers, stays. Who was erased and came back with a restored dump is erased again.

**When it is red** `_fleet.yaml` cannot be read as a whole, so that nothing may be removed, or the ops database failed. Nothing is lost:
the next pass goes on. `afterpilot retention run --dry-run` says what is due.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="40 3 * * *", **common(doc=__doc__, tags=["retention"], runbook="TaskFailed"))
def retention() -> None:
    """One pass over all classes."""
    tasks.remove_old_data()


retention()
