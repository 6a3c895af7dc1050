"""A workflow's own runbook, as its team keeps it beside the declaration."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from afterpilot.web.frame import Frame

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LONGEST = 200_000  # characters


def router(frame: Frame, folder: Path | None) -> APIRouter:
    """The route of the runbooks in the workflows' folders; without a folder there are none."""
    routes = APIRouter()

    @routes.get("/runbooks/{workflow}")
    def runbook(request: Request, workflow: str) -> HTMLResponse:
        path = folder / workflow / "runbook.md" if folder and _SLUG.fullmatch(workflow) else None
        if path is None or not path.is_file():
            raise HTTPException(404, "This workflow keeps no runbook.md in its folder.")
        text = path.read_text(encoding="utf-8", errors="replace")[:_LONGEST]
        return frame.page(request, "runbook.html", title=f"Runbook of {workflow}", workflow=workflow, text=text)

    return routes
