"""The style sheet, the script of the review queue and the sign in the browser's tab: routes of the app itself, so that the gate covers them."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from afterpilot.web.frame import Frame, script, style

_KEEP = {"Cache-Control": "private, max-age=86400"}  # their addresses change when they do


def router(_frame: Frame) -> APIRouter:
    """Routes of files."""
    routes = APIRouter()

    @routes.get("/style.css")
    def style_sheet() -> Response:
        return Response(style(), media_type="text/css", headers=_KEEP)

    @routes.get("/review.js")
    def review_script() -> Response:
        return Response(script(), media_type="text/javascript", headers=_KEEP)

    @routes.get("/icon.svg")
    def icon() -> Response:
        content = files("afterpilot.web").joinpath("static", "icon.svg").read_text(encoding="utf-8")
        return Response(content, media_type="image/svg+xml", headers=_KEEP)

    return routes
