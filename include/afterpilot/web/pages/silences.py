"""Silences: what is kept and not sent now and why, and the forms by which people begin and end them."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.until import until
from afterpilot.pipeline.silencing import Asked as Silence
from afterpilot.pipeline.silencing import begin_silence, end_silence
from afterpilot.record.history import silences, status
from afterpilot.record.ops import unit_of
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame, address
from afterpilot.web.paging import listed
from afterpilot.web.review.forms import Form, Given
from afterpilot.web.review.safety import holds, keep_token, token

LENGTHS = {"1h": "1 hour", "2h": "2 hours", "8h": "8 hours", "1d": "1 day", "1w": "1 week"}
_EVERYTHING = "all"
_OLD = "This page was too old to be used: the browser has been closed since, or another page took its place. Nothing was saved."
_THEIRS = "You may silence the workflows that name you, each by its own name; whoever operates the fleet may silence all of them."
_DONE = {
    "begun": "It is silent now. What is kept is on record, and told at the end if it is still there.",
    "ended": "The silence is over. What is still there is told within a minute.",
    "nothing": "It was over already; nothing was changed.",
}


def router(frame: Frame) -> APIRouter:
    """The page."""
    routes = APIRouter()

    @routes.get("/silences")
    def page(request: Request) -> HTMLResponse:
        return _page(frame, request)

    return routes


def writing(frame: Frame) -> APIRouter:
    """The answers: behind the gate, the right to write, and the proof that one of our pages sent them."""
    routes = APIRouter()

    @routes.post("/silences")
    def begin(request: Request, form: Given) -> Response:
        try:
            _needs_token(request, form)
            with frame.writing() as connection:
                _begun(connection, form, sight(request), frame.clock())
        except AnswerRefused as error:
            return _page(frame, request, form=form, problem=str(error))
        return RedirectResponse(address(frame.base(request), "silences", done="begun"), 303)

    @routes.post("/silences/{silence_id}/end")
    def end(request: Request, silence_id: str, form: Given) -> Response:
        which = identity(silence_id)
        try:
            _needs_token(request, form)
            with frame.writing() as connection:
                _need(connection, which, sight(request))
                _, changed = end_silence(unit_of(connection), str(which), by=sight(request).login, now=frame.clock())
        except AnswerRefused as error:
            return _page(frame, request, problem=str(error))
        done = "ended" if changed else "nothing"
        return RedirectResponse(address(frame.base(request), "silences", done=done), 303)

    return routes


def _needs_token(request: Request, form: Form) -> None:
    if not holds(request, form.text("token")):
        raise AnswerRefused(_OLD)


def _need(connection: sa.Connection, which: uuid.UUID, who: Sight) -> None:
    """Raises AnswerRefused for a silence of a workflow that they do not see, or of more than these."""
    row = silences.one_silence(connection, which)
    if row is not None and not who.sees(row["workflow"]):
        raise AnswerRefused(_THEIRS)


def _begun(connection: sa.Connection, form: Form, who: Sight, now: datetime) -> None:
    """Begin the silence that the form asks for. Raises AnswerRefused."""
    workflow = form.text("workflow")
    if not workflow and form.text("scope") != _EVERYTHING:
        raise AnswerRefused("Name a workflow, or say that it is for all of them.")
    if workflow and form.text("scope") == _EVERYTHING:
        raise AnswerRefused(f"Is it {workflow} or all workflows? Say one of them.")
    if not who.sees(workflow):
        raise AnswerRefused(_THEIRS)
    try:
        moment = until(form.text("until") or form.text("for"), now=now)
    except ValueError as error:
        raise AnswerRefused(str(error)) from error
    asked = Silence(workflow, form.text("kind"), moment, who.login, form.reason)
    begin_silence(unit_of(connection), asked, workflows=status.slugs(connection, only=who.only), now=now)


def _page(frame: Frame, request: Request, *, form: Form | None = None, problem: str = "") -> HTMLResponse:
    asked, who, now = Asked(request), sight(request), frame.clock()
    with frame.reading() as connection:
        held = silences.holding(connection, now, only=who.only)
        past = listed(asked, lambda: silences.over(connection, now, only=who.only, after=asked.after))
        slugs, kinds = status.slugs(connection, only=who.only), silences.kinds(connection, only=who.only)
    page = frame.page(
        request,
        "silences.html",
        title="Silences",
        here="incidents",
        status=(403 if problem == _OLD else 422) if problem else 200,
        held=held,
        past=past,
        slugs=slugs,
        kinds=kinds,
        lengths=LENGTHS,
        form=form or Form({name: asked.text(name) for name in ("workflow", "kind")}),
        may=who.may_operate,
        problem=problem,
        problems=asked.problems,
        paged=bool(asked.after),
        token=(token_of := token(request)),
        done=_DONE.get(asked.text("done"), ""),
    )
    if who.may_operate:
        keep_token(page, request, token_of, path=frame.base(request))
    return page
