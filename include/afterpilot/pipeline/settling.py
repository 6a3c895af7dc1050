"""A person says that an incident is settled: no run can know that deleted rows were meant to go."""

from __future__ import annotations

from collections.abc import Mapping

from afterpilot.domain.errors import CheckError
from afterpilot.domain.incident import Incident
from afterpilot.domain.verdict import Finding
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.services import Services


def settle(services: Services, which: str, *, by: str, note: str, known: Mapping[str, Workflow]) -> Incident:
    """End an open incident, named by its id or the first digits of it, and edit its message; its time line says who did it.
    ``known`` are the workflows by slug.

    Raises:
        CheckError: there is no open incident of this id, or there are several.
    """
    at = services.now()
    with services.ops.begin() as unit:
        found = [one for one in unit.incidents.unresolved() if str(one.id).startswith(which.strip().lower())]
        if len(found) != 1 or not which.strip():
            named = ", ".join(str(one.id)[:8] for one in found[:10]) or "none"
            raise CheckError(f"{len(found)} open incidents have an id that begins with {which!r}: {named}")
        workflow = known.get(found[0].workflow)
        unit.incidents.lock(found[0].workflow)
        over = unit.incidents.resolve(found[0], run_id=None, at=at, actor=by, text=note)
        announce(services, unit, workflow, [News("resolved", over, _said(over, by, note))])
    return over


def _said(incident: Incident, by: str, note: str) -> Finding:
    """How sure the message is that it is over: as sure as the person."""
    return Finding(
        workflow=incident.workflow,
        stage=incident.stage,
        kind=incident.kind,
        severity=incident.severity,
        title=incident.title,
        evidence={"certainty": f"{by} says that it is settled{f': {note}' if note else ''}"},
    )
