"""The review queue and its items, to be read; :mod:`afterpilot.web.review.actions` is what people do there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.ledger import output_subject
from afterpilot.pipeline.reviewing import terms_of
from afterpilot.record.history import review, status
from afterpilot.record.history.paging import Page
from afterpilot.web import personal
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import DECISIONS
from afterpilot.web.paging import listed
from afterpilot.web.review.safety import token
from afterpilot.web.review.show import WHO, Scope, holder, item_page, known, midnight, with_script
from afterpilot.web.viewing import evidence, shows

STATES = ("waiting", "decided", "all")
REASONS = ("failed_check", "spot_check")
_PAGE = 50
Question = tuple[uuid.UUID | None, Mapping[str, str]]  # only items of this run, and the other filters


def router(frame: Frame) -> APIRouter:
    """Routes of the review queue."""
    routes = APIRouter()

    @routes.get("/review")
    def queue(request: Request) -> HTMLResponse:
        asked, at, who = Asked(request), frame.clock(), sight(request)
        run, query = _query(asked)
        scope = Scope(query["workflow"], query["who"] or "all")
        with frame.reading() as connection:
            page = listed(asked, lambda: _items(connection, who, (run, query), at=at, after=asked.after))
            slugs = status.slugs(connection, only=who.only)
            counts = review.counts(
                connection, workflow=query["workflow"], mine=who.mine, at=at, since=midnight(at), only=who.only
            )
        html = frame.page(
            request,
            "review.html",
            title="Review",
            here="review",
            page=page,
            query=query,
            scope=scope,
            counts=counts,
            me=who,
            holders={
                (row["workflow"], row["key"]): holder(row["reserved_by"], row["reserved_until"], at=at)
                for row in page.rows
            },
            run=run,
            states=STATES,
            reasons=REASONS,
            slugs=slugs,
            problems=asked.problems,
            paged=bool(asked.after),
            most=MOST,
            token=(token_of := token(request)),
            done=asked.text("done"),
        )
        return with_script(html, request, frame, token_of if who.may_operate else "")

    add_files(routes, DECISIONS, lambda request, form: _file(request, frame, form))

    @routes.get("/review/item")
    @evidence()
    def one(request: Request) -> HTMLResponse:
        asked = Asked(request)
        workflow, key = asked.text("workflow"), asked.text("key")
        if not workflow or not key:
            raise HTTPException(400, "Name both the workflow and the key of the item.")
        sight(request).need(workflow)
        with frame.reading() as connection:
            found = known(connection, workflow, key)
            shows(request, output_subject(workflow, key), workflow)
            return item_page(frame, request, connection, found, Scope.asked(request))

    return routes


def _query(asked: Asked) -> Question:
    run = identity(asked.text("run")) if asked.text("run") else None
    return run, {
        "workflow": asked.text("workflow"),
        "who": asked.choice("who", WHO),
        "state": asked.choice("state", STATES, default="all" if run else "waiting") or "all",
        "reason": asked.choice("reason", REASONS),
    }


def _items(
    connection: sa.Connection, who: Sight, question: Question, *, at: datetime, after: str, limit: int = _PAGE
) -> Page:
    """The items asked for, without what is personal where whoever asks does not see it."""
    run, query = question
    page = review.list_items(
        connection,
        workflow=query["workflow"],
        state=query["state"],
        reason=query["reason"],
        run=run,
        mine=Scope(query["workflow"], query["who"] or "all").mine(who, at),
        only=who.only,
        after=after,
        limit=limit,
    )
    return page if who.sees_personal else personal.queue(page, lambda slug: terms_of(connection, slug).personal)


def _file(request: Request, frame: Frame, form: str) -> Response:
    """All items that the filter lets through, from a cursor on."""
    asked, at, who = Asked(request), frame.clock(), sight(request)
    run, query = _query(asked)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            return _items(connection, who, (run, query), at=at, after=after, limit=DECISIONS.step)

    return as_file(request, frame, form, DECISIONS, asked, ask, {**query, "run": run or ""})
