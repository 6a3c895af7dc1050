"""The stage before all: the declarations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from afterpilot.decide.declaring import judge_declaration, judge_gone
from afterpilot.domain.run import FLEET, Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Declarations, Loaded
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

CONFIRM_EVERY = timedelta(hours=1)


def declare(services: Services, declarations: Declarations, *, trigger: Trigger) -> Sequence[Run]:
    """Keep every folder as it was loaded, and tell of those that are broken or gone; the good ones go on as if nothing had
    happened.

    A folder that has not changed is confirmed once an hour, not on every load: at one run in five minutes a thousand folders
    would fill the history with nothing new.
    """
    at = services.now()
    with services.ops.begin() as unit:
        for loaded in declarations.folders:
            unit.declarations.keep(loaded, at=at)
        absent = unit.declarations.absent([loaded.slug for loaded in declarations.folders])
    fleet = Loaded(
        slug=FLEET,
        path="_fleet.yaml",
        workflow=None,
        problems=declarations.fleet_problems,
        sha256="",
        document={},
    )
    runs = [_judged(services, loaded, trigger=trigger, at=at) for loaded in declarations.folders]
    told = {
        "schedules": dict(services.fleet.schedules),
        "operators": [person.name for person in services.fleet.operators],
        "channel": services.fleet.channel,
        "retention": {"days": dict(services.fleet.retention.days), "whole": services.fleet.retention.whole},
        "second_person_above": f"{above.amount} {above.currency}"
        if (above := services.fleet.spend.second_person_above)
        else None,
    }
    runs.append(_judged(services, fleet, trigger=trigger, at=at, told=told))
    return runs + [_gone(services, slug, retired=retired, trigger=trigger, at=at) for slug, retired in absent.items()]


def _judged(
    services: Services, loaded: Loaded, *, trigger: Trigger, at: datetime, told: Mapping[str, Any] | None = None
) -> Run:
    """``told`` is kept with the run for those that read the history; a change of it is news."""
    result = judge_declaration(loaded)
    result = replace(result, evidence={**result.evidence, **(told or {})})
    with services.ops.begin() as unit:
        latest = unit.runs.latest(loaded.slug, Stage.DECLARE)
    if (
        latest is not None
        and at - latest.finished_at < CONFIRM_EVERY
        and (latest.verdict, latest.summary, latest.evidence.get("sha256"))
        == (result.verdict, result.summary, loaded.sha256)
        and all(latest.evidence.get(name) == value for name, value in (told or {}).items())
    ):
        return latest
    retired = loaded.workflow is not None and loaded.workflow.stage == "retired"
    closes = "the workflow is retired" if retired else ""
    return concluded(services, result, loaded.workflow, Window(at, at), trigger, at, closes=closes)


def _gone(services: Services, slug: str, *, retired: bool, trigger: Trigger, at: datetime) -> Run:
    def mark(unit: Unit, _run_id: uuid.UUID) -> None:
        unit.declarations.mark_absent(slug, at=at)

    result, closes = judge_gone(slug, retired=retired), f"the workflow is {'retired' if retired else 'gone'}"
    return concluded(services, result, None, Window(at, at), trigger, at, also=mark, closes=closes)
