"""Outputs that a person has to look at."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from afterpilot.record.history import review, status
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.paging import listed

STATES = ("waiting", "decided", "all")
REASONS = ("failed_check", "spot_check")


def router(frame: Frame) -> APIRouter:
    """Routes of the review queue."""
    routes = APIRouter()

    @routes.get("/review")
    def queue(request: Request) -> HTMLResponse:
        asked = Asked(request)
        run: uuid.UUID | None = identity(asked.text("run")) if asked.text("run") else None
        query = {
            "workflow": asked.text("workflow"),
            "state": asked.choice("state", STATES, default="all" if run else "waiting") or "all",
            "reason": asked.choice("reason", REASONS),
        }
        with frame.reading() as connection:
            page = listed(
                asked,
                lambda: review.list_items(
                    connection,
                    workflow=query["workflow"],
                    state=query["state"],
                    reason=query["reason"],
                    run=run,
                    after=asked.after,
                ),
            )
            slugs = status.slugs(connection)
        return frame.page(
            request,
            "review.html",
            title="Review",
            here="review",
            page=page,
            query=query,
            run=run,
            states=STATES,
            reasons=REASONS,
            slugs=slugs,
            problems=asked.problems,
            paged=bool(asked.after),
        )

    return routes
