"""Every kind of message as it looks in Slack and on a phone, made of an example's data.

No workflow of this name is meant: the example's are called so, and an owner may see the messages with the name of an own workflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.notify.blocks import Rendered, render, render_thread
from afterpilot.pipeline.gallery import PEOPLE, Specimen, gallery
from afterpilot.pipeline.gallery.office import SLUG
from afterpilot.web.access import sight
from afterpilot.web.block_view import Shown, shown
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame

Blocks = tuple[Shown, ...]
_MOST = 12  # of one's own workflows that are offered
_WORKFLOWS = re.compile(
    rf"\b(?:{SLUG}|email_triage|contract_review|refund_approval|claims_[a-z]{{2}})\b"
)  # of the gallery's example


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
        return _page(frame, request, "Messages by kind")

    @routes.get("/alerts/preview/{name}")
    def one_kind(request: Request, name: str) -> HTMLResponse:
        return _page(frame, request, name, alone=True)

    return routes


def _page(frame: Frame, request: Request, title: str, *, alone: bool = False) -> HTMLResponse:
    """All specimens, or the one that ``title`` names ``alone``; with the name of a workflow that whoever asks sees, if they ask so."""
    named, who = Asked(request).text("workflow"), sight(request)
    mine = sorted(who.only or ())
    if named and named not in mine:
        raise HTTPException(404, "Messages are shown with the name of a workflow of yours, or with the example's.")
    groups = previewed(named)
    if alone:
        found = {group: tuple(one for one in those if one.of.name == title) for group, those in groups.items()}
        groups = {group: those for group, those in found.items() if those}
        if not groups:
            raise HTTPException(404, "No message is called so.")
    return frame.page(
        request,
        "alert_preview.html",
        title=title,
        here="messages",
        withholds=False,
        groups=groups,
        alone=alone,
        named=named,
        mine=mine[:_MOST],
    )


@lru_cache(maxsize=32)
def previewed(named: str = "") -> Mapping[str, tuple[Previewed, ...]]:
    """All of them by group, rendered once: they depend on the code alone. ``named``: the workflow that they speak of."""
    return {group: tuple(_named(one, named) for one in those) for group, those in _rendered().items()}


@cache
def _rendered() -> Mapping[str, tuple[Previewed, ...]]:
    return {group: tuple(map(_previewed, those)) for group, those in gallery().items()}


def _previewed(one: Specimen) -> Previewed:
    stands, details = render(one.message, interactive=True), render_thread(one.opening)
    posts = [*([details] if details else []), *(render(line) for line in one.lines)]
    return Previewed(one, stands.text, _blocks(stands), tuple(map(_blocks, posts)))


def _blocks(rendered: Rendered) -> Blocks:
    return shown(rendered.blocks, people=PEOPLE)


def _named(one: Previewed, named: str) -> Previewed:
    """The same with other names of workflows: ``named``, and those of an example."""

    def text(found: re.Match[str]) -> str:
        return named if named and found[0] == SLUG else f"example_{found[0]}"

    def again(value: Any) -> Any:  # noqa: ANN401 - a text, a block, or a tuple of either
        if isinstance(value, str):
            return _WORKFLOWS.sub(text, value)
        if isinstance(value, tuple):
            return tuple(map(again, value))
        if isinstance(value, bool):
            return value
        return replace(value, **{name: again(getattr(value, name)) for name in value.__slots__})

    picture = replace(one.of.message, picture_alt=again(one.of.message.picture_alt))
    return Previewed(
        replace(one.of, message=picture, when=again(one.of.when)),
        again(one.phone),
        again(one.blocks),
        again(one.thread),
    )
