"""Which of the general runbooks, docs/runbooks, a kind of incident leads to: its table as data, as no installation holds the docs."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

# The first pattern that fits counts: endings, then whole kinds, then families.
_PAGES: Mapping[str, str] = {
    "*.unknown_lasts": "StageSilent",
    "*.did_not_run": "StageDidNotRun",
    "shared.source": "SourceUnreadable",
    "pull.column_lost": "SourceMisbehaves",
    "shared.column": "SourceMisbehaves",
    "pull.type_changed": "SourceMisbehaves",
    "pull.source_shrank": "SourceMisbehaves",
    "pull.went_back": "SourceMisbehaves",
    "pull.keys_repeated": "SourceMisbehaves",
    "evals.incomplete": "EvalsIncomplete",
    "review.blind_acceptance": "ReviewSuspicious",
    "review.overrides_rising": "ReviewSuspicious",
    "review.spot_checks_not_done": "ReviewSuspicious",
    "evals.below_bar": "EvalsBelowBar",
    "evals.class_never_right": "EvalsBelowBar",
    "evals.regressed": "EvalsRegressed",
    "evals.no_baseline": "EvalsBaselineDue",
    "evals.baseline_due": "EvalsBaselineDue",
    "evals.waiver_expired": "EvalsWaiverExpired",
    "evals.judge_drifted": "JudgeDrifted",
    "evals.nothing_decides": "EvalsNothingDecides",
    "evals.budget_spent": "EvalsBudgetSpent",
    "evals.target_out_of_reach": "EvalsOutOfReach",
    "shared.model": "EvalsOutOfReach",
    "spend.unknown": "SpendUnknown",
    "spend.stale": "SpendUnknown",
    "shared.price": "SpendUnknown",
    "spend.near_cap": "SpendNearCap",
    "spend.over_cap": "SpendOverCap",
    "spend.burning": "SpendRunningAway",
    "spend.leaking": "SpendRising",
    "spend.crossing": "SpendRising",
    "spend.order_not_carried_out": "StopNotCarriedOut",
    "shared.gateway": "StopNotCarriedOut",
    "bills.gap": "BillGap",
    "bills.incomparable": "BillGap",
    "bills.unread": "BillUnread",
    "bills.unreadable": "BillUnread",
    "bills.unowned": "SpendUnowned",
    "review.write_back_failed": "ReviewNotWrittenBack",
    "watch.overdue": "VerdictOverdue",
    "shared.dag": "VerdictOverdue",
    "watch.outbox": "OutboxStuck",
    "watch.task_failed": "TaskFailed",
    "watch.dag_broken": "TaskFailed",
    "shared.task": "TaskFailed",
    "watch.scheduler": "SchedulerDead",
    "watch.ledger_broken": "LedgerBroken",
    "watch.ledger_behind": "LedgerBehind",
    "watch.ledger_unpublished": "LedgerBehind",
    "watch.ledger_unsigned": "LedgerKey",
    "watch.ledger_key_replaced": "LedgerKey",
    "declaration.*": "DeclarationBroken",
    "pull.*": "SourceUnreadable",
    "quality.*": "QualityFailed",
    "gate.release_*": "OutputsNotReleased",
    "gate.*": "OutputsRouted",
    "report.*": "ReportIncomplete",
}


def general_runbook(kind: str) -> str:
    """The path of the page in the repository; that of their table where no page is written for the kind."""
    page = next((page for pattern, page in _PAGES.items() if fnmatchcase(kind, pattern)), "README")
    return f"docs/runbooks/{page}.md"
