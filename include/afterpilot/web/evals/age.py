"""How old a result may be: one that no run has renewed in time says nothing of today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from afterpilot.declare.cron import cron_error, most_days_between
from afterpilot.record.history.paging import Row
from afterpilot.web.evals.standing import STALE, UNKNOWN_RANK, Standing
from afterpilot.web.reading import mapping

UNSCHEDULED = timedelta(days=3)  # where the schedule is not known
_PERIODS = 2


def lasts(schedule: object, schedules: Mapping[str, object]) -> timedelta:
    """How long a result holds: twice the longest wait of the schedule of evals that is declared, three days where it is not known."""
    expression = schedules.get(f"evals.{mapping(schedule).get('evals', '')}")
    if not isinstance(expression, str) or cron_error(expression):
        return UNSCHEDULED
    wait = most_days_between(expression)
    return UNSCHEDULED if wait is None else timedelta(days=_PERIODS * wait)


def aged(standing: Standing, newest: Row | None, holds: timedelta, *, now: datetime) -> Standing:
    """The standing by the results, where the newest still holds; what is red stays red, for age mends nothing."""
    if newest is None or standing.tone in {"FAIL", "UNKNOWN"} or now - newest["at"] <= holds:
        return standing
    return Standing("UNKNOWN", STALE, UNKNOWN_RANK, newest["at"] + holds)
