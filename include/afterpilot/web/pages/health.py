"""Whether everything that must keep happening does: DAGs, verdicts, delivery, Airflow itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from afterpilot.domain.watching import DEAD_MAN
from afterpilot.record.standing import standing
from afterpilot.web.access import sight
from afterpilot.web.frame import Frame
from afterpilot.web.health import Health

_MOST = 200  # overdue verdicts that are shown


def router(frame: Frame, health: Health) -> APIRouter:
    """The route of the page."""
    routes = APIRouter()

    @routes.get("/health")
    def page(request: Request) -> HTMLResponse:
        state, who = health.state(), sight(request)
        looked = state.looked
        grants = None
        if who.only is None:
            with frame.reading() as connection:
                grants = standing(connection)
        overdue = [one for one in looked.overdue if who.sees(one.expected.workflow)]
        return frame.page(
            request,
            "health.html",
            title="Health",
            here="health",
            state=state,
            looked=looked,
            grants=grants,
            overdue=overdue[:_MOST],
            more=max(len(overdue) - _MOST, 0),
            dead_man=looked.beats.get(DEAD_MAN),
        )

    return routes
