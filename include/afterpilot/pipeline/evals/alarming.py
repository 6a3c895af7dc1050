"""What a workflow's regression alarm is told: what the declaration says, how often the suite runs, how much days differ."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from afterpilot.decide.alarm import AlarmSettings, RunOutcome, pooled_wobble
from afterpilot.declare.cron import cron_error, days_a_year
from afterpilot.domain.workflow import Evals, Fleet, Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Ops

_WORKFLOWS, _RUNS = 40, 30  # whose days are compared: 1,200 days tell enough, and take a tenth of a second to read
_MOST_WOBBLE = 1.0  # what the alarm takes
_DAILY = 365.0
_MOST_KEPT = 16


@dataclass(frozen=True, slots=True)
class Terms:
    """The alarm's settings; ``measured`` is whether the wobble of days is the fleet's own, and not the default."""

    settings: AlarmSettings
    measured: bool


def terms_of(services: Services, workflow: Workflow, evals: Evals) -> Terms:
    """What holds for a workflow today."""
    wobble = _wobble(services.ops, services.now())
    settings = AlarmSettings(
        false_alarms_per_year=float(evals.alarm.false_alarms_per_year),
        smallest_drop=float(evals.alarm.smallest_drop),
        run_days=_run_days(services.fleet, workflow),
        **({} if wobble is None else {"wobble": min(wobble, _MOST_WOBBLE)}),
    )
    return Terms(settings, measured=wobble is not None)


def as_raised(services: Services, terms: Terms, run_id: uuid.UUID) -> Terms:
    """The terms with the wobble that the run reckoned with, whose alarm is open.

    All days are judged anew with each run: with another wobble an alarm could vanish although nothing has recovered.
    """
    with services.ops.begin() as unit:
        run = unit.runs.get(run_id)
    told = run.evidence.get("regression", {}) if run else {}
    if not isinstance(wobble := told.get("wobble"), int | float):
        return terms
    return Terms(replace(terms.settings, wobble=wobble), measured=bool(told.get("wobble_measured")))


def _run_days(fleet: Fleet, workflow: Workflow) -> float:
    """Days of a year on which the suite's schedule falls due; every day where it has none, or none that can be read."""
    expression = fleet.schedules.get(f"evals.{workflow.schedules.get('evals', '')}", "")
    if cron_error(expression):
        return _DAILY
    return max(days_a_year(expression), 1.0)


_WOBBLES: dict[tuple[str, date], float | None] = {}


def _wobble(ops: Ops, now: datetime) -> float | None:
    """The fleet's wobble, measured once a day in each process; None where too little is known."""
    key = str(ops.engine.url), now.astimezone(UTC).date()
    if key not in _WOBBLES:
        if len(_WOBBLES) >= _MOST_KEPT:
            _WOBBLES.clear()
        with ops.begin() as unit:
            groups = list(unit.eval_results.quiet(workflows=_WORKFLOWS, runs=_RUNS))
        _WOBBLES[key] = pooled_wobble(
            [RunOutcome(at.astimezone(UTC).date(), counts) for at, counts in group] for group in groups
        )
    return _WOBBLES[key]
