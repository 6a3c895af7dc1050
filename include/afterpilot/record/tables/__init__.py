"""The tables of the ops database.

``records``, ``usage``, ``usage_sums`` and ``samples`` grow without bound: they are partitioned by month on ``at`` (see
:mod:`afterpilot.record.partitions`). Times are aware UTC. Money is NUMERIC with its currency beside it; NULL cost means
unknown, never 0.
"""

from afterpilot.record.tables.alerts import beats, lanes, silences, taken_requests, task_failures
from afterpilot.record.tables.base import metadata
from afterpilot.record.tables.decisions import (
    gate_decisions,
    human_decisions,
    releases,
    review_items,
    spot_check_rates,
    write_backs,
)
from afterpilot.record.tables.evals import (
    baselines,
    case_offers,
    eval_results,
    eval_suites,
    fingerprints,
    judgements,
    samples,
)
from afterpilot.record.tables.history import (
    current_declarations,
    declarations,
    findings,
    incident_events,
    incidents,
    outbox,
    reports,
    runs,
)
from afterpilot.record.tables.production import (
    pull_counts,
    records,
    reopened_windows,
    seen_columns,
    seen_values,
    source_states,
    watermarks,
)
from afterpilot.record.tables.spend import (
    allowances,
    bill_days,
    bill_lines,
    cap_raises,
    prices,
    repricings,
    stop_orders,
    usage,
    usage_changes,
    usage_days,
    usage_sums,
    usage_zones,
)

__all__ = [
    "allowances",
    "baselines",
    "beats",
    "bill_days",
    "bill_lines",
    "cap_raises",
    "case_offers",
    "current_declarations",
    "declarations",
    "eval_results",
    "eval_suites",
    "findings",
    "fingerprints",
    "gate_decisions",
    "human_decisions",
    "incident_events",
    "incidents",
    "judgements",
    "lanes",
    "metadata",
    "outbox",
    "prices",
    "pull_counts",
    "records",
    "releases",
    "reopened_windows",
    "reports",
    "repricings",
    "review_items",
    "runs",
    "samples",
    "seen_columns",
    "seen_values",
    "silences",
    "source_states",
    "spot_check_rates",
    "stop_orders",
    "taken_requests",
    "task_failures",
    "usage",
    "usage_changes",
    "usage_days",
    "usage_sums",
    "usage_zones",
    "watermarks",
    "write_backs",
]
