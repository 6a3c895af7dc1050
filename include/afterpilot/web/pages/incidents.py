"""Incidents: the list, one with all that is known of it, and the forms by which people answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.decide.routing import hours_of
from afterpilot.domain.errors import AfterpilotError, AnswerRefused
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.until import until
from afterpilot.domain.verdict import Severity
from afterpilot.pipeline import Answered, Services, acknowledge, settle, waive
from afterpilot.record.history import incidents, status
from afterpilot.record.history.paging import Page
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame, address
from afterpilot.web.incident_view import View, view
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import INCIDENTS
from afterpilot.web.paging import listed
from afterpilot.web.review.forms import Form, Given
from afterpilot.web.review.safety import holds, keep_token, token
from afterpilot.web.viewing import evidence, shows

if TYPE_CHECKING:
    from afterpilot.domain.workflow import Workflow
    from afterpilot.wiring import Wired

Answering = Callable[[str], "Wired"]  # everything for one workflow, as its folder stands now

STATES = ("unresolved", *(str(state) for state in IncidentState))
SEVERITIES = tuple(str(one) for one in (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING))
TOLD = ("sent", "pending", "silenced", "suppressed", "digest", "dead")  # what became of the newest message
WAIVERS = {"1h": "1 hour", "4h": "4 hours", "tomorrow": "until tomorrow 9:00", "1w": "1 week"}
OTHER = "other"
_OLD = "This page was too old to be used: the browser has been closed since, or another page took its place. Nothing was saved."
_DONE = {
    "acknowledge": "You have it now. Nobody else is called about it; if it gets worse, that is told.",
    "waive": "It is waived. If it is still there at the end, it is told again.",
    "settle": "It is over. A run that finds it anew tells it anew.",
    "nothing": "That is so already; nothing was changed.",
}


class _Query(TypedDict):
    """What the list is narrowed by; empty: by nothing."""

    workflow: str
    state: str
    severity: str
    told: str


def router(frame: Frame, *, takes_answers: bool) -> APIRouter:
    """The pages."""
    routes = APIRouter()

    @routes.get("/incidents")
    def incident_list(request: Request) -> HTMLResponse:
        return _list(frame, request)

    add_files(routes, INCIDENTS, lambda request, form: _file(request, frame, form))

    @routes.get("/incidents/{incident_id}")
    @evidence()
    def one(request: Request, incident_id: str) -> HTMLResponse:
        return _one(frame, request, incident_id, takes_answers=takes_answers)

    return routes


def writing(frame: Frame, answering: Answering) -> APIRouter:
    """The answers: behind the gate, the right to write, and the proof that one of our pages sent them."""
    routes = APIRouter()

    def answer(request: Request, incident_id: str, form: Form, action: str) -> Response:
        which, problem = identity(incident_id), ""
        try:
            if not holds(request, form.text("token")):
                raise AnswerRefused(_OLD)
            done = _answered(frame, answering, str(which), action, form, sight(request))
            here = address(frame.base(request), "incidents", which, done=action if done.changed else "nothing")
            return RedirectResponse(here, 303)
        except AfterpilotError as error:
            problem = str(error)
        status_code = 403 if problem == _OLD else 422
        return _one(
            frame, request, incident_id, takes_answers=True, given=(action, form, problem), status_code=status_code
        )

    @routes.post("/incidents/{incident_id}/acknowledge")
    def acknowledged(request: Request, incident_id: str, form: Given) -> Response:
        return answer(request, incident_id, form, "acknowledge")

    @routes.post("/incidents/{incident_id}/waive")
    def waived(request: Request, incident_id: str, form: Given) -> Response:
        return answer(request, incident_id, form, "waive")

    @routes.post("/incidents/{incident_id}/settle")
    def settled(request: Request, incident_id: str, form: Given) -> Response:
        return answer(request, incident_id, form, "settle")

    return routes


def _list(frame: Frame, request: Request) -> HTMLResponse:
    asked, only = Asked(request), sight(request).only
    query = _query(asked)
    with frame.reading() as connection:
        page = listed(asked, lambda: incidents.list_incidents(connection, **query, only=only, after=asked.after))
        slugs = status.slugs(connection, only=only)
    return frame.page(
        request,
        "incidents.html",
        title="Incidents",
        here="incidents",
        page=page,
        query=query,
        states=STATES,
        severities=SEVERITIES,
        fates=TOLD,
        slugs=slugs,
        problems=asked.problems,
        paged=bool(asked.after),
        most=MOST,
    )


def _query(asked: Asked) -> _Query:
    return {
        "workflow": asked.text("workflow"),
        "state": asked.choice("state", STATES),
        "severity": asked.choice("severity", SEVERITIES),
        "told": asked.choice("told", TOLD),
    }


def _file(request: Request, frame: Frame, form: str) -> Response:
    """All incidents that the filter lets through, from a cursor on."""
    asked, only = Asked(request), sight(request).only
    query = _query(asked)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            return incidents.list_incidents(connection, **query, only=only, after=after, limit=INCIDENTS.step)

    return as_file(request, frame, form, INCIDENTS, asked, ask, query)


def _one(
    frame: Frame,
    request: Request,
    incident_id: str,
    *,
    takes_answers: bool,
    given: tuple[str, Form, str] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    """The page of one; ``given`` is an answer that could not be taken: which form, what was typed, and why not."""
    which = identity(incident_id)
    with frame.reading() as connection:
        found = view(connection, which, sight(request), frame.clock(), takes_answers=takes_answers)
    if found is None:
        raise HTTPException(404, "No incident with this id is kept.")
    shows(request, f"incident:{which}", found.row["workflow"])
    action, form, problem = given or ("", Form({}), "")
    page = frame.page(
        request,
        "incident.html",
        title=found.row["title"],
        here="incidents",
        status=status_code,
        view=found,
        incident=found.row,
        lasted=found.lasted(frame.clock()),
        waivers=WAIVERS,
        token=(held := token(request)),
        action=action,
        form=form,
        problem=problem,
        done=_DONE.get(Asked(request).text("done"), ""),
    )
    return _with_token(page, request, frame, held, found)


def _with_token(page: HTMLResponse, request: Request, frame: Frame, held: str, found: View) -> HTMLResponse:
    if found.may:
        keep_token(page, request, held, path=frame.base(request))
    return page


def _answered(frame: Frame, answering: Answering, which: str, action: str, form: Form, who: Sight) -> Answered:
    """Take an answer. Raises AnswerRefused, or whatever keeps the declarations from being read."""
    with frame.reading() as connection:
        row = who.of(incidents.one_incident(connection, identity(which)))
    if row is None:
        raise AnswerRefused("No incident with this id is kept.")
    wired = answering(row["workflow"])
    services = replace(wired.services, now=frame.clock)
    known = {one.slug: one for one in wired.declarations.workflows}
    if action == "acknowledge":
        return acknowledge(services, which, by=who.login, note=form.text("note"), known=known)
    if action == "settle":
        return settle(services, which, by=who.login, note=form.text("note"), known=known)
    moment = _until(form, services, known.get(row["workflow"]))
    return waive(services, which, by=who.login, until=moment, reason=form.reason, known=known)


def _until(form: Form, services: Services, workflow: Workflow | None) -> datetime:
    """The chosen end of a waiver; tomorrow is where the workflow's people are, a typed date is UTC as all on the pages.

    A typed date counts whatever else is chosen: the form has a length chosen before anybody types.
    """
    chosen = OTHER if form.text("until") else form.text("for")
    if chosen not in WAIVERS and not (chosen == OTHER and form.text("until")):
        raise AnswerRefused("Say until when it may wait.")
    zone = hours_of(services.fleet.alerts, workflow.alerts if workflow else None).zone
    try:
        if chosen == OTHER:
            return until(form.text("until"), now=services.now())
        return until(chosen, now=services.now(), zone=zone)
    except ValueError as error:
        raise AnswerRefused(str(error)) from error
