"""### seal: put new entries of the ledger into its Merkle tree, sign a head, publish it

Every minute, twice within it: what is recorded is sealed about half a minute later. An entry is sealed as soon as no transaction is open any more that began before its own. Each head is signed
with the key that `AFTERPILOT_LEDGER_KEY` or `AFTERPILOT_LEDGER_KEY_FILE` names, and written to the places that `_fleet.yaml`
declares under `ledger`, once a day unless it says otherwise. What stands there is held against the ledger: in a folder at each pass, in
a bucket once an hour. What cannot be published or compared is told, and tried again.

**When it is red** the ledger does not fit what was sealed or published, and nothing is sealed until somebody has looked; or the key
cannot be read. The task's log says which.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="* * * * *", **common(doc=__doc__, tags=["ledger"], runbook="LedgerBroken"))
def seal() -> None:
    """Seal and publish; the watchdog tells what is wrong."""
    tasks.seal()


seal()
