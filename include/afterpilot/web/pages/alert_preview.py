"""Every kind of message as it looks in Slack and on a phone, made of an example's data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.notify.blocks import Rendered, render, render_thread
from afterpilot.pipeline.gallery import PEOPLE, Specimen, gallery
from afterpilot.web.block_view import Shown, shown
from afterpilot.web.frame import Frame

Blocks = tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Previewed:
    """A specimen with the blocks of its message and of each post in its thread."""

    of: Specimen
    phone: str
    blocks: Blocks
    thread: tuple[Blocks, ...]


def router(frame: Frame) -> APIRouter:
    """Routes of the preview."""
    routes = APIRouter()

    @routes.get("/alerts/preview")
    def all_kinds(request: Request) -> HTMLResponse:
        return frame.page(
            request, "alert_preview.html", title="Messages by kind", here="messages", groups=previewed(), alone=False
        )

    @routes.get("/alerts/preview/{name}")
    def one_kind(request: Request, name: str) -> HTMLResponse:
        groups = {
            group: found
            for group, those in previewed().items()
            if (found := tuple(one for one in those if one.of.name == name))
        }
        if not groups:
            raise HTTPException(404, "No message is called so.")
        return frame.page(request, "alert_preview.html", title=name, here="messages", groups=groups, alone=True)

    return routes


@cache
def previewed() -> Mapping[str, tuple[Previewed, ...]]:
    """All of them by group, rendered once: they depend on the code alone."""
    return {group: tuple(map(_previewed, those)) for group, those in gallery().items()}


def _previewed(one: Specimen) -> Previewed:
    stands, details = render(one.message, interactive=True), render_thread(one.opening)
    posts = [*([details] if details else []), *(render(line) for line in one.lines)]
    return Previewed(one, stands.text, _blocks(stands), tuple(map(_blocks, posts)))


def _blocks(rendered: Rendered) -> Blocks:
    return shown(rendered.blocks, people=PEOPLE)
