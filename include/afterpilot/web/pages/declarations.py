"""Declarations, version by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.record.history import declarations
from afterpilot.record.history.paging import Row
from afterpilot.web.access import sight
from afterpilot.web.changes import changes
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.paging import listed
from afterpilot.web.viewing import evidence, shows

# The database does not keep the order of keys; this is the one in which people write them.
_ORDER = ("workflow", "purpose", "stage", "owner", "channel", "kpi", "source", "outputs", "quality", "evals", "spend")


def router(frame: Frame) -> APIRouter:
    """Routes of declarations."""
    routes = APIRouter()

    @routes.get("/declarations")
    def folder_list(request: Request) -> HTMLResponse:
        asked, only = Asked(request), sight(request).only
        with frame.reading() as connection:
            page = listed(asked, lambda: declarations.list_current(connection, only=only, after=asked.after))
        return frame.page(
            request,
            "declarations.html",
            title="Declarations",
            here="declarations",
            withholds=False,
            page=page,
            paged=bool(asked.after),
        )

    @routes.get("/declarations/{workflow}")
    @evidence()
    def one(request: Request, workflow: str) -> HTMLResponse:
        asked = Asked(request)
        with frame.reading() as connection:
            current = declarations.current(connection, workflow)
            if current is None:
                raise HTTPException(404, "No workflow of this name was ever declared.")
            page = listed(asked, lambda: declarations.list_versions(connection, workflow, after=asked.after))
            version = declarations.one_version(connection, workflow, asked.text("version") or current["sha256"])
            if version is None:
                raise HTTPException(404, "This version of the declaration was never loaded.")
            chosen = asked.text("against")
            before = (
                declarations.one_version(connection, workflow, chosen)
                if chosen
                else declarations.before(connection, version)
            )
            if chosen and before is None:
                raise HTTPException(404, "The version to compare with was never loaded.")
        shows(request, f"declaration:{version['sha256']}", workflow)
        return frame.page(
            request,
            "declaration.html",
            title=f"Declaration of {workflow}",
            here="declarations",
            withholds=False,
            current=current,
            page=page,
            version=version,
            document=_ordered(version["document"]),
            before=before,
            chosen=bool(chosen),
            versions=_choices(page.rows, version, before),
            changes=changes(before["document"], version["document"]) if before is not None else (),
            paged=bool(asked.after),
        )

    return routes


def _choices(rows: Sequence[Row], *shown: Row | None) -> Sequence[Row]:
    """The versions to choose from, newest first: those of this page of the list, and those that are shown."""
    found = {row["sha256"]: row for row in (*rows, *(row for row in shown if row is not None))}
    return sorted(found.values(), key=lambda row: (row["first_loaded_at"], row["sha256"]), reverse=True)


def _ordered(document: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in _ORDER if name in document]
    return {name: document[name] for name in [*names, *sorted(document.keys() - set(_ORDER))]}
