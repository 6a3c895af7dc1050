"""A workflow's own runbook, as its team keeps it beside the declaration."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from afterpilot.record.history.incidents import unresolved
from afterpilot.web.frame import Frame
from afterpilot.web.general_runbooks import general_runbook

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LONGEST = 200_000  # characters


def router(frame: Frame, folder: Path | None) -> APIRouter:
    """The route of the runbooks in the workflows' folders; without a folder there are none."""
    routes = APIRouter()

    @routes.get("/runbooks/{workflow}")
    def runbook(request: Request, workflow: str) -> HTMLResponse:
        path = _runbook(folder, workflow) if folder and _SLUG.fullmatch(workflow) else None
        if path is None and folder and _SLUG.fullmatch(workflow) and _has_none(folder, workflow):
            return _how_to_add_one(frame, request, workflow)
        if path is None:
            raise HTTPException(404, "This workflow keeps no runbook.md in its folder.")
        text = path.read_text(encoding="utf-8", errors="replace")[:_LONGEST]
        return frame.page(request, "runbook.html", title=f"Runbook of {workflow}", workflow=workflow, text=text)

    return routes


def _how_to_add_one(frame: Frame, request: Request, workflow: str) -> HTMLResponse:
    """Where a message or an incident led to a runbook that nobody wrote: what there is instead, for what is not over."""
    with frame.reading() as connection:
        found = unresolved(connection, workflow)
    rows = [(incident, general_runbook(incident["kind"])) for incident in found]
    title = f"No runbook of {workflow} yet"
    return frame.page(request, "runbook_missing.html", title=title, workflow=workflow, rows=rows)


def _has_none(folder: Path, workflow: str) -> bool:
    """Whether it is a workflow's folder without any runbook.md; one that may not be read is not called missing."""
    home = folder.resolve() / workflow
    try:
        declared = (home / "workflow.yaml").is_file() and not home.is_symlink()
        return declared and not os.path.lexists(home / "runbook.md")
    except OSError:
        return False


def _runbook(folder: Path, workflow: str) -> Path | None:
    """The file, where there is one inside the workflow's own folder: a link may lead to what only the server may read."""
    try:
        home = folder.resolve() / workflow
        path = (home / "runbook.md").resolve()
        return path if path.is_relative_to(home) and path.is_file() else None
    except (OSError, RuntimeError):  # a folder that may not be entered, links in a circle
        return None
