"""Incidents: the list, and one with its time line and messages."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.domain.incident import IncidentState
from afterpilot.record.history import incidents, status
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.letters import letters
from afterpilot.web.paging import listed

STATES = ("unresolved", *(str(state) for state in IncidentState))


def router(frame: Frame) -> APIRouter:
    """Routes of incidents."""
    routes = APIRouter()

    @routes.get("/incidents")
    def incident_list(request: Request) -> HTMLResponse:
        asked = Asked(request)
        workflow, state = asked.text("workflow"), asked.choice("state", STATES)
        with frame.reading() as connection:
            page = listed(
                asked,
                lambda: incidents.list_incidents(connection, workflow=workflow, state=state, after=asked.after),
            )
            slugs = status.slugs(connection)
        return frame.page(
            request,
            "incidents.html",
            title="Incidents",
            here="incidents",
            page=page,
            query={"workflow": workflow, "state": state},
            states=STATES,
            slugs=slugs,
            problems=asked.problems,
            paged=bool(asked.after),
        )

    @routes.get("/incidents/{incident_id}")
    def one(request: Request, incident_id: str) -> HTMLResponse:
        which = identity(incident_id)
        with frame.reading() as connection:
            incident = incidents.one_incident(connection, which)
            if incident is None:
                raise HTTPException(404, "No incident with this id is kept.")
            events = incidents.events_of(connection, which)
            messages = incidents.messages_of(connection, which)
            others = incidents.others_like_it(connection, incident["fingerprint"], which)
        return frame.page(
            request,
            "incident.html",
            title=incident["title"],
            here="incidents",
            incident=incident,
            events=events,
            more_events=len(events) >= incidents.MOST_EVENTS,
            letters=letters(messages),
            others=others,
        )

    return routes
