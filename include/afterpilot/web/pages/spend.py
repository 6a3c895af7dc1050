"""Spend: of all workflows, and of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.run import FLEET
from afterpilot.record.history import spend
from afterpilot.record.retention.removals import no_calls_before
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame, address
from afterpilot.web.pages.raises import standing
from afterpilot.web.spend.caps import coverage_words, crossing_words, percent
from afterpilot.web.spend.fleet import fleet
from afterpilot.web.spend.models_file import models_csv
from afterpilot.web.spend.months import Picked, picked
from afterpilot.web.spend.one import models_of, workflow
from afterpilot.web.viewing import DOWNLOADED, evidence, shows

_SAYS: Mapping[str, Any] = {"coverage_words": coverage_words, "crossing_words": crossing_words, "share_words": percent}

_PLAIN = re.compile(r"[^a-z0-9_-]")  # what else a name holds might end the header's quotes


def router(frame: Frame) -> APIRouter:
    """Routes of spend."""
    routes = APIRouter()

    @routes.get("/spend")
    def overview(request: Request) -> HTMLResponse:
        asked, now = Asked(request), frame.clock()
        wanted = asked.text("workflow")
        with frame.reading() as connection:
            month = picked(asked, spend.months(connection, only=sight(request).only), now.date())
            _must_be_kept(connection, month)
            data = fleet(connection, month, wanted, now, sight(request).only)
        return frame.page(
            request,
            "spend.html",
            title="Spend",
            here="spend",
            month=month,
            wanted=wanted,
            problems=asked.problems,
            **_SAYS,
            **data,
        )

    @routes.get("/spend/{slug}")
    def one(request: Request, slug: str) -> Response:
        if slug == FLEET:
            return RedirectResponse(address(frame.base(request), "spend"), 307)
        asked, now = Asked(request), frame.clock()
        with frame.reading() as connection:
            zone = spend.zone_of(connection, slug)
            month = picked(asked, spend.months(connection, slug), now.date())
            _must_be_kept(connection, month)
            data = workflow(connection, slug, month, zone or "UTC", now)
            if zone is None and data["declared"] is None and data["run"] is None:
                raise HTTPException(404, "No workflow of this name was ever declared, and no call of it is kept.")
            answers = standing(connection, slug, sight(request), now) if data["declared"] is not None else None
        return frame.page(
            request,
            "spend_of.html",
            title=f"Spend of {slug}",
            here="spend",
            workflow=slug,
            zone=zone or "UTC",
            month=month,
            standing=answers,
            problems=asked.problems,
            **_SAYS,
            **data,
        )

    @routes.get("/spend/{slug}/models.csv")
    @evidence(DOWNLOADED)
    def models(request: Request, slug: str) -> Response:
        asked, now = Asked(request), frame.clock()
        with frame.reading() as connection:
            month = picked(asked, spend.months(connection, slug), now.date())
            _must_be_kept(connection, month)
            if spend.zone_of(connection, slug) is None:
                raise HTTPException(404, "No call of a workflow of this name is kept.")
            rows = spend.of_workflow(connection, slug, month.first, month.last)
        name = f"{_PLAIN.sub('_', slug)}-{month.chosen}-models.csv"
        shows(request, f"workflow:{slug}", slug, part=f"models of {month.chosen}")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(models_csv(models_of(rows)), media_type="text/csv; charset=utf-8", headers=headers)

    return routes


def _must_be_kept(connection: sa.Connection, month: Picked) -> None:
    """Raises HTTPException 404 for a month whose calls were removed: nothing is known of it any more, which is not 0."""
    since = no_calls_before(connection)
    if since is not None and month.first < since:
        raise HTTPException(404, f"What was spent before {since:%Y-%m-%d} is no longer kept: its retention is over.")
