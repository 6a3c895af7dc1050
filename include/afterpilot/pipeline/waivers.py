"""What is told when its time to be silent is over: waived incidents, and those whose messages a silence has kept."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.keeping import kept_by
from afterpilot.pipeline.one_by_one import Swept, one_by_one
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.answers import Answers
from afterpilot.record.alerts.linked_incidents import LinkedIncidents

_STILL = "it is still there"


def end_waivers(services: Services, known: Mapping[str, Workflow]) -> Swept:
    """Open the incidents whose waiver is over, and tell them; ``known`` are the workflows by slug."""
    with services.ops.begin() as unit:
        over = Answers(unit.connection).waivers_over(services.now())
    return one_by_one(lambda one: _waiver_over(services, known, one), over, named=lambda one: f"incident {one.id}")


def tell_unsilenced(services: Services, known: Mapping[str, Workflow]) -> Swept:
    """Tell the incidents whose newest message was kept by what is over by now; ``known`` are the workflows by slug."""
    at = services.now()
    with services.ops.begin() as unit:
        silences = unit.silences.holding(at)
        untold = [
            (one, message)
            for one, message in Answers(unit.connection).untold()
            if not kept_by(services, silences, known.get(one.workflow), one, at=at)
        ]
    return one_by_one(
        lambda one: _silence_over(services, known, *one), untold, named=lambda one: f"incident {one[0].id}"
    )


def _waiver_over(services: Services, known: Mapping[str, Workflow], seen: Incident) -> bool:
    """Open it again and tell it, unless somebody was faster."""
    at = services.now()
    with services.ops.begin() as unit:
        answers = Answers(unit.connection)
        incident = LinkedIncidents(unit.connection).hold(seen)
        if incident is None or incident.state is not IncidentState.WAIVED or (incident.waived_until or at) > at:
            return False
        opened = answers.end_waiver(incident, at=at)
        news = News(
            "waiver_over",
            opened,
            answers.last_finding(opened),
            mark=str(incident.waived_until),
            run_id=opened.run_id,
            said=f"the waiver of {incident.waived_by} is over, {_STILL}",
        )
        announce(services, unit, known.get(opened.workflow), [news])
    return True


def _silence_over(services: Services, known: Mapping[str, Workflow], seen: Incident, message: uuid.UUID) -> bool:
    """Tell what a silence has kept, as it stands now, unless newer news came first; the message that was kept is its mark."""
    with services.ops.begin() as unit:
        answers = Answers(unit.connection)
        incident = LinkedIncidents(unit.connection).hold(seen)
        if incident is None or all(kept != message for _, kept in answers.untold(seen.id)):
            return False
        news = News(
            "silence_over",
            incident,
            answers.last_finding(incident),
            mark=str(message),
            run_id=incident.run_id,
            said=f"the silence is over, {_STILL}",
        )
        announce(services, unit, known.get(incident.workflow), [news])
    return True
