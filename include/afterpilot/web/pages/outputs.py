"""One output of a workflow: was it checked before it was used, and what became of it?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.record.history import outputs
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame


def router(frame: Frame) -> APIRouter:
    """Routes of outputs."""
    routes = APIRouter()

    @routes.get("/outputs")
    def one(request: Request) -> HTMLResponse:
        asked = Asked(request)
        workflow, key = asked.text("workflow"), asked.text("key")
        if not workflow or not key:
            raise HTTPException(400, "Name both the workflow and the key of the output.")
        with frame.reading() as connection:
            output = outputs.one_output(connection, workflow, key)
        if not output.known:
            raise HTTPException(
                404,
                "No output with this key is on record for this workflow. It may not have been pulled yet, or its retention is over.",
            )
        return frame.page(
            request,
            "output.html",
            title=f"Output {key} of {workflow}",
            here="review",
            output=output,
            workflow=workflow,
            key=key,
        )

    return routes
