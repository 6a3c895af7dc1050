"""How every workflow stands."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from afterpilot.domain.run import FLEET, OF_WORKFLOWS, Stage
from afterpilot.record.history import status
from afterpilot.record.history.paging import Row
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.measures import Bar, bar_of
from afterpilot.web.paging import listed

_SHOWN = 8


def router(frame: Frame) -> APIRouter:
    """Routes of the status."""
    routes = APIRouter()

    @routes.get("/")
    def overview(request: Request) -> HTMLResponse:
        asked, only = Asked(request), sight(request).only
        wanted = asked.text("workflow")
        with frame.reading() as connection:
            page = listed(asked, lambda: status.folders(connection, containing=wanted, only=only, after=asked.after))
            slugs = [row["workflow"] for row in page.rows]
            latest = status.latest_runs(connection, [*slugs, FLEET])
            counts = status.open_incident_counts(connection, slugs)
            incidents = status.open_incidents(connection, only=only, limit=_SHOWN + 1)
        return frame.page(
            request,
            "status.html",
            title="Status",
            here="status",
            stages=[str(stage) for stage in OF_WORKFLOWS],
            workflows=[_standing(row, latest, counts) for row in page.rows],
            fleet=latest.get((FLEET, str(Stage.DECLARE))) if sight(request).sees(FLEET) else None,
            incidents=incidents[:_SHOWN],
            more_incidents=len(incidents) > _SHOWN,
            wanted=wanted,
            after=page.after,
            paged=bool(asked.after),
        )

    return routes


def _standing(folder: Row, latest: Any, counts: Any) -> dict[str, Any]:  # noqa: ANN401 - mappings of rows
    document = folder["document"] or {}
    cells = []
    for stage in OF_WORKFLOWS:
        run = latest.get((folder["workflow"], str(stage)))
        bar: Bar | None = bar_of(str(stage), run["evidence"] or {}) if run is not None else None
        cells.append({"stage": str(stage), "run": run, "bar": bar, "why": _why_none(stage, document)})
    return {
        "folder": folder,
        "cells": cells,
        "open": counts.get(folder["workflow"], 0),
        "life": document.get("stage"),
        "owner": _name(document.get("owner")),
    }


def _why_none(stage: Stage, document: Any) -> str:  # noqa: ANN401 - a declaration as data
    """What a stage without any run lacks."""
    if stage is Stage.EVALUATE and document and not document.get("evals"):
        return "no evals are declared"
    if stage in {Stage.GATE, Stage.REVIEW} and document and not document.get("outputs"):
        return "no output checks are declared"
    return "no run yet"


def _name(person: Any) -> str:  # noqa: ANN401 - a declaration as data
    return str(person.get("name", "")) if isinstance(person, dict) else ""
