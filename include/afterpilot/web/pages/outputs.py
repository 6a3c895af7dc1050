"""One output of a workflow: was it checked before it was used, and what became of it?"""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.domain.ledger import output_subject
from afterpilot.pipeline.reviewing import terms_of
from afterpilot.record.history import outputs
from afterpilot.record.history.paging import Row
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.personal import withheld
from afterpilot.web.viewing import evidence, shows


def router(frame: Frame) -> APIRouter:
    """Routes of outputs."""
    routes = APIRouter()

    @routes.get("/outputs")
    @evidence()
    def one(request: Request) -> HTMLResponse:
        asked = Asked(request)
        workflow, key = asked.text("workflow"), asked.text("key")
        if not workflow or not key:
            raise HTTPException(400, "Name both the workflow and the key of the output.")
        sight(request).need(workflow)
        with frame.reading() as connection:
            output = outputs.one_output(connection, workflow, key)
            if not sight(request).sees_personal:
                output = withheld(output, terms_of(connection, workflow).personal)
        if not output.known:
            raise HTTPException(
                404,
                "No output with this key is on record for this workflow. It may not have been pulled yet, or its retention is over.",
            )
        shows(request, output_subject(workflow, key), workflow)
        return frame.page(
            request,
            "output.html",
            title=f"Output {key} of {workflow}",
            here="review",
            output=output,
            release_state=_release_state,
            workflow=workflow,
            key=key,
        )

    return routes


class _Shown(NamedTuple):
    """A state's colour, and what it means in words."""

    name: str
    words: str


_STATES = {
    "done": _Shown("passed", "done"),
    "pending": _Shown("waiting", "waits to be told"),
    "failed": _Shown("failed", "refused for good"),
    "overtaken": _Shown("failed", "production had moved on"),
    "superseded": _Shown("waiting", "replaced by a later decision"),
}


def _release_state(release: Row) -> _Shown:
    """The state of a release; one that waits because somebody has to mend something first says so."""
    if release["state"] == "pending" and release["refused"]:
        return _Shown("failed", "refused until it is mended")
    return _STATES[release["state"]]
