"""What a workflow's regression alarm is told: what the declaration says, how often the suite runs, how much days differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from afterpilot.decide.alarm import AlarmSettings, RunOutcome, pooled_wobble
from afterpilot.declare.cron import cron_error, days_a_year
from afterpilot.domain.workflow import Evals, Fleet, Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.baselines import Baseline
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

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Terms:
        """The terms as an approval has kept them."""
        return cls(AlarmSettings(**kept["settings"]), measured=bool(kept["wobble_measured"]))

    def as_kept(self) -> dict[str, Any]:
        """The terms as an approval keeps them, JSON-serialisable."""
        return {"settings": asdict(self.settings), "wobble_measured": self.measured}


def terms_of(services: Services, workflow: Workflow, evals: Evals) -> Terms:
    """What would hold for a workflow that is approved today."""
    wobble = _wobble(services.ops, services.now())
    settings = AlarmSettings(
        false_alarms_per_year=float(evals.alarm.false_alarms_per_year),
        smallest_drop=float(evals.alarm.smallest_drop),
        run_days=_run_days(services.fleet, workflow),
        **({} if wobble is None else {"wobble": min(wobble, _MOST_WOBBLE)}),
    )
    return Terms(settings, measured=wobble is not None)


def terms_held(services: Services, workflow: Workflow, evals: Evals, baseline: Baseline) -> Terms:
    """What holds against a baseline: what held at its approval.

    All days are judged anew with each run: on other terms a day that is past could raise an alarm, or an open one could vanish,
    although nothing has happened since. Today's hold where none were kept, which was before any run was compared.
    """
    return Terms.of(baseline.terms) if baseline.terms else terms_of(services, workflow, evals)


def terms_changed(services: Services, workflow: Workflow, evals: Evals, held: Terms) -> tuple[str, ...]:
    """Which of the alarm's terms are declared otherwise than they hold; what is measured is not declared."""
    declared = {
        "false_alarms_per_year": float(evals.alarm.false_alarms_per_year),
        "smallest_drop": float(evals.alarm.smallest_drop),
        "schedule": _run_days(services.fleet, workflow),
    }
    now = held.settings
    holds = (now.false_alarms_per_year, now.smallest_drop, now.run_days)
    return tuple(
        name for (name, value), old in zip(declared.items(), holds, strict=True) if not math.isclose(value, old)
    )


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
