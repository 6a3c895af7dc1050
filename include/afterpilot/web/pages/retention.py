"""How long what is kept, what keeps it longer, and what was removed when, by whom; holds are set and released here."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.personal_places import LEFT
from afterpilot.domain.retention import FOR_GOOD, LEGAL_MINIMUM, STAYS, Hold, Removal, Retention
from afterpilot.pipeline.retaining import rules_of
from afterpilot.pipeline.retention_standing import standings
from afterpilot.record.history import retention as history
from afterpilot.record.history import status
from afterpilot.record.history.paging import Row
from afterpilot.record.retention.holds import Holds
from afterpilot.record.retention.rules import of_fleet
from afterpilot.web.access import Role, sight
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame, address
from afterpilot.web.review.forms import Form, Given
from afterpilot.web.review.safety import holds, keep_token, token

_SHOWN = 90  # days of removals, unless asked for others
_OLD = "This page was too old to be used: the browser has been closed since, or another page took its place. Nothing was saved."
_ENGINEERS = "Holds are set and released by engineers: who may read connections in Airflow."
_DONE = {
    "set": "It is held now: nothing of it is removed or erased.",
    "released": "The hold is released. What is due goes with the next pass.",
    "nothing": "It was released already; nothing was changed.",
}


def router(frame: Frame) -> APIRouter:
    """The page."""
    routes = APIRouter()

    @routes.get("/retention")
    def page(request: Request) -> HTMLResponse:
        return _page(frame, request)

    return routes


def writing(frame: Frame) -> APIRouter:
    """The answers: behind the gate, the right to write, and the proof that one of our pages sent them."""
    routes = APIRouter()

    @routes.post("/retention/holds")
    def add(request: Request, form: Given) -> Response:
        try:
            by = _engineer(request, form)
            with frame.writing() as connection:
                _set(connection, form, by, frame.clock())
        except AnswerRefused as error:
            return _page(frame, request, form=form, problem=str(error))
        return RedirectResponse(address(frame.base(request), "retention", done="set"), 303)

    @routes.post("/retention/holds/{hold_id}/release")
    def release(request: Request, hold_id: str, form: Given) -> Response:
        which = str(identity(hold_id))
        try:
            by = _engineer(request, form)
            with frame.writing() as connection:
                _, changed = Holds(connection).release(which, by=by, reason=form.reason, at=frame.clock())
        except AnswerRefused as error:
            return _page(frame, request, problem=str(error))
        done = "released" if changed else "nothing"
        return RedirectResponse(address(frame.base(request), "retention", done=done), 303)

    return routes


def _engineer(request: Request, form: Form) -> str:
    who = sight(request)
    if who.role is not Role.ENGINEER:
        raise AnswerRefused(_ENGINEERS)
    if not holds(request, form.text("token")):
        raise AnswerRefused(_OLD)
    return who.login


def _set(connection: sa.Connection, form: Form, by: str, now: datetime) -> None:
    workflow, everything = form.text("workflow"), bool(form.text("scope"))
    if bool(workflow) == everything:
        raise AnswerRefused("Name a workflow, or say that it is for all of them.")
    if workflow and workflow not in status.slugs(connection):
        raise AnswerRefused(f"There is no workflow {workflow!r}.")
    start, end = (_day(form.text(name)) for name in ("from", "to"))
    if start and end and start >= end:
        raise AnswerRefused("The last day has to be after the first.")
    Holds(connection).add(Hold(uuid.uuid4(), workflow, start, end, form.reason, by, now))


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise AnswerRefused(f"{text[:40]!r} is no date such as 2026-12-01.") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _page(frame: Frame, request: Request, *, form: Form | None = None, problem: str = "") -> HTMLResponse:
    asked, who, now = Asked(request), sight(request), frame.clock()

    def seen(workflow: str) -> bool:
        return not workflow or who.sees(workflow)

    with frame.reading() as connection:
        fleet = of_fleet(connection)
        found = standings(connection, rules := rules_of(connection, fleet or Retention()), now=now)
        held = [one for one in Holds(connection).all() if seen(one.workflow)]
        start = now - timedelta(days=_SHOWN)
        released = [one for one in Holds(connection).released(start) if seen(one.workflow)]
        gone = [one for one in history.removed(connection, start) if seen(one["workflow"])]
        erased = [one for one in history.erasures(connection, start) if seen(one["workflow"])]
        slugs = status.slugs(connection, only=who.only)
    may = who.role is Role.ENGINEER and bool(who.login)
    page = frame.page(
        request,
        "retention.html",
        title="Retention",
        here="health",
        status=(403 if problem in (_OLD, _ENGINEERS) else 422) if problem else 200,
        classes=found,
        own={slug: days for slug, days in rules.own.items() if who.sees(slug)},
        known=fleet is not None,
        whole=fleet is None or fleet.whole,
        minimum=LEGAL_MINIMUM,
        for_good=FOR_GOOD,
        held=held,
        released=released,
        gone=[(one, _what(one)) for one in gone],
        erased=erased,
        days=_SHOWN,
        stays=STAYS,
        left=LEFT,
        slugs=slugs,
        form=form or Form({}),
        may=may,
        problem=problem,
        problems=asked.problems,
        token=(token_of := token(request)),
        done=_DONE.get(asked.text("done"), ""),
    )
    if may:
        keep_token(page, request, token_of, path=frame.base(request))
    return page


def _what(one: Row) -> str:
    return Removal("", one["table_name"], one["rows"], one["month"], one["before"], one["workflow"]).what
