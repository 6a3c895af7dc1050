"""Incidents of what is found outside of any run: by a sweep."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from afterpilot.domain.alerting import SLACK
from afterpilot.domain.allowance import CapRaise
from afterpilot.domain.incident import Incident
from afterpilot.domain.message import Message
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.notify.amended import answered_message
from afterpilot.pipeline.following_up import Found, follow_up
from afterpilot.pipeline.raise_terms import RaiseTerms
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.ops import Unit

_PACES = (
    "spend.burning",
    "spend.leaking",
)  # one incident for all caps, whose title names the one that is used up the fastest


def tell(services: Services, unit: Unit, workflow: Workflow, result: StageResult) -> None:
    """Open, renew and end the incidents that the result covers, and queue their messages, within the caller's transaction."""
    follow_up(services, unit, result, workflow, Found(at=services.now()))


def tell_answer(unit: Unit, terms: RaiseTerms, answer: CapRaise, text: str, *, at: datetime) -> None:
    """What a person has answered at a cap: on the time line of that cap's incident and in its thread, wherever it was told; where
    it was not, in the channel.
    """
    incident = _incident_at(unit, answer)
    places: list[tuple[str, str, Message | None, uuid.UUID | None]] = [(SLACK, terms.channel, None, None)]
    if incident is not None:
        unit.incidents.note(incident.id, "answered", at=at, text=text, about=answer.second_by or answer.asked_by)
        told = LinkedIncidents(unit.connection).standing([incident.id], waiting=True)
        places = [(one.target, one.channel, one.message, one.incident_id) for one in told] or places
    for target, channel, stands, which in places:
        if channel:
            unit.outbox.put(
                answered_message(stands, terms.workflow, text, at=at),
                dedupe_key=f"cap_raise/{answer.id}/{answer.state}/{target}/{channel}",
                workflow=terms.workflow,
                kind="answered",
                channel=channel,
                target=target,
                incident_id=which,
            )


def _incident_at(unit: Unit, answer: CapRaise) -> Incident | None:
    """The gravest incident that is not over of the cap that was answered about, in the period that it was answered for."""
    run = unit.runs.latest_ran(answer.workflow, Stage.SPEND)
    evidence = run.evidence if run else {}
    cap: Mapping[str, Any] = next((one for one in evidence.get("caps") or () if one.get("cap") == answer.cap), {})
    rolling = answer.cap[:1].isdigit()
    day = answer.period.start.astimezone(ZoneInfo(str(evidence.get("zone") or "UTC")))
    name = answer.cap if rolling else f"{day:%Y-%m-%d} {answer.cap}"
    levels = sorted(map(Decimal, cap.get("warn_at") or ()), reverse=True)
    abouts = [("spend.over_cap", name), *(("spend.near_cap", f"{name}/{level.normalize()}") for level in levels)]
    marks = [
        Finding(answer.workflow, Stage.SPEND, kind, Severity.INFO, "", about=about).fingerprint
        for kind, about in (*abouts, ("spend.crossing", name))
    ]
    known = {one.fingerprint: one for one in unit.incidents.unresolved(answer.workflow)}
    if (found := next((known[mark] for mark in marks if mark in known), None)) is not None or not cap:
        return found
    team, model = (cap.get("team") and f" of the team {cap['team']}"), (cap.get("model") and f" for {cap['model']}")
    called = f" {'in' if rolling else 'a'} {cap['every']}{team or ''}{model or ''} allows"
    paces = {one.kind: one for one in known.values() if called in one.title.replace(" (raised)", "")}
    return next((paces[kind] for kind in _PACES if kind in paces), None)
