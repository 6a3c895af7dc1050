"""The tasks of all DAGs. Each is thin: it finds its workflows and calls the stage of :mod:`afterpilot.pipeline`."""

from afterpilot.orchestration.tasks.delivery import deliver, red, told
from afterpilot.orchestration.tasks.money import provider_bills, spend
from afterpilot.orchestration.tasks.outcomes import judge_review, report
from afterpilot.orchestration.tasks.records import check, gate, plan, plan_gates, pull, records_path, route
from afterpilot.orchestration.tasks.sealing import seal
from afterpilot.orchestration.tasks.suites import all_probed, changed, evaluate, plan_probes, probe
from afterpilot.orchestration.tasks.upkeep import (
    carry_out_stops,
    look_after_alerts,
    look_after_reviews,
    remove_old_data,
    sync_declarations,
)

__all__ = [
    "all_probed", "carry_out_stops", "changed", "check", "deliver", "evaluate", "gate", "judge_review",
    "look_after_alerts", "look_after_reviews", "plan", "plan_gates", "plan_probes", "probe", "provider_bills",
    "pull", "records_path", "red", "remove_old_data", "report", "route", "seal", "spend", "sync_declarations", "told",
]  # fmt: skip
