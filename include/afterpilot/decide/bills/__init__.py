"""Providers' bills against the meter: by account, UTC day, project and model."""

from __future__ import annotations

from afterpilot.decide.bills.days import Day
from afterpilot.decide.bills.facts import CORRECTED, LOOK_BACK, AccountFacts, Facts, Spender
from afterpilot.decide.bills.judging import Standing, judge_bills, stand
from afterpilot.decide.bills.rows import Row, State

__all__ = [
    "CORRECTED",
    "LOOK_BACK",
    "AccountFacts",
    "Day",
    "Facts",
    "Row",
    "Spender",
    "Standing",
    "State",
    "judge_bills",
    "stand",
]
