"""Whether everything that must keep happening does: DAGs, verdicts, delivery, Airflow itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from afterpilot.domain.watching import DEAD_MAN
from afterpilot.web.frame import Frame
from afterpilot.web.health import Health

_MOST = 200  # overdue verdicts that are shown


def router(frame: Frame, health: Health) -> APIRouter:
    """The route of the page."""
    routes = APIRouter()

    @routes.get("/health")
    def page(request: Request) -> HTMLResponse:
        state = health.state()
        looked = state.looked
        return frame.page(
            request,
            "health.html",
            title="Health",
            here="health",
            state=state,
            looked=looked,
            overdue=looked.overdue[:_MOST],
            more=max(len(looked.overdue) - _MOST, 0),
            dead_man=looked.beats.get(DEAD_MAN),
        )

    return routes
