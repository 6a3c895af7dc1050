"""The path, one function for each stage: pull → check → gate → review → evaluate → spend → report, and declare before all.

Each stage takes plain domain types, finds its own result where an earlier attempt of the same trigger has written it, and
otherwise ends in :func:`~afterpilot.pipeline.conclude.concluded`: run, incidents and messages are written in one transaction,
or none of them.
"""

from __future__ import annotations

from afterpilot.pipeline.answering import Answered, acknowledge, settle, waive
from afterpilot.pipeline.billing import bill_standings, bills, bills_crashed
from afterpilot.pipeline.checking import check, check_all
from afterpilot.pipeline.conclude import crashed, not_run
from afterpilot.pipeline.correcting import correct_reports
from afterpilot.pipeline.corrections import Offered, accept_offers, decline_offer, offer_cases, offers
from afterpilot.pipeline.declarations import declare
from afterpilot.pipeline.evals import (
    PROBE,
    Approval,
    Calibration,
    Probing,
    Standing,
    approve,
    calibrate,
    evaluate,
    evaluated_since,
    judge_drifts,
    judge_standings,
    probe,
    standing,
)
from afterpilot.pipeline.gating import gate
from afterpilot.pipeline.records import pull
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.spending import spend, spend_all
from afterpilot.pipeline.spot_checks import judge_review
from afterpilot.pipeline.waiting import gate_waiting
from afterpilot.pipeline.weekly import report

__all__ = [
    "PROBE",
    "Answered",
    "Approval",
    "Calibration",
    "Offered",
    "Probing",
    "Services",
    "Standing",
    "accept_offers",
    "acknowledge",
    "approve",
    "bill_standings",
    "bills",
    "bills_crashed",
    "calibrate",
    "check",
    "check_all",
    "correct_reports",
    "crashed",
    "declare",
    "decline_offer",
    "evaluate",
    "evaluated_since",
    "gate",
    "gate_waiting",
    "judge_drifts",
    "judge_review",
    "judge_standings",
    "not_run",
    "offer_cases",
    "offers",
    "probe",
    "pull",
    "report",
    "settle",
    "spend",
    "spend_all",
    "standing",
    "waive",
]
