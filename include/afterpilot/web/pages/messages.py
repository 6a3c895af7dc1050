"""All messages, with what became of them."""

from __future__ import annotations

from typing import TypedDict

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.alerting import Fate
from afterpilot.record.history import messages, status
from afterpilot.record.history.paging import Page
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.letters import named_letters
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import MESSAGES
from afterpilot.web.paging import listed
from afterpilot.web.viewing import evidence, shows

KINDS = (
    "incident",
    "graver",
    "reopened",
    "acknowledged",
    "waived",
    "waiver_over",
    "silence_over",
    "escalated",
    "called",
    "answered",
    "resolved",
    "weekly",
    "corrected",
)
STATES = tuple(str(fate) for fate in Fate)


class _Query(TypedDict):
    """What the list is narrowed by; empty: by nothing."""

    workflow: str
    kind: str
    state: str


def router(frame: Frame) -> APIRouter:
    """Routes of messages."""
    routes = APIRouter()

    @routes.get("/messages")
    def message_list(request: Request) -> HTMLResponse:
        asked, only = Asked(request), sight(request).only
        query = _query(asked)
        with frame.reading() as connection:
            page = listed(asked, lambda: messages.list_messages(connection, **query, only=only, after=asked.after))
            shown = named_letters(connection, page.rows)
            slugs = status.slugs(connection, only=only)
        return frame.page(
            request,
            "messages.html",
            title="Messages",
            here="messages",
            letters=shown,
            page=page,
            query=query,
            kinds=KINDS,
            states=STATES,
            slugs=slugs,
            problems=asked.problems,
            paged=bool(asked.after),
            most=MOST,
        )

    add_files(routes, MESSAGES, lambda request, form: _file(request, frame, form))

    @routes.get("/messages/{message_id}")
    @evidence()
    def one(request: Request, message_id: str) -> HTMLResponse:
        with frame.reading() as connection:
            row = sight(request).of(messages.one_message(connection, identity(message_id)))
            if row is None:
                raise HTTPException(404, "No message with this id is kept.")
            (letter,) = named_letters(connection, [row])
        shows(request, f"message:{row['id']}", row["workflow"])
        return frame.page(request, "message.html", title="Message", here="messages", letter=letter)

    return routes


def _query(asked: Asked) -> _Query:
    return {
        "workflow": asked.text("workflow"),
        "kind": asked.choice("kind", KINDS),
        "state": asked.choice("state", STATES),
    }


def _file(request: Request, frame: Frame, form: str) -> Response:
    """All messages that the filter lets through, from a cursor on."""
    asked, only = Asked(request), sight(request).only
    query = _query(asked)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            return messages.list_messages(connection, **query, only=only, after=after, limit=MESSAGES.step)

    return as_file(request, frame, form, MESSAGES, asked, ask, query)
