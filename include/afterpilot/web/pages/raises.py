"""A workflow at its cap: what its gateway is told, and the form by which people raise the cap or say no."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from afterpilot.decide.allowing import Said, said
from afterpilot.domain.allowance import CapRaise
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.money import Money
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import CapState
from afterpilot.pipeline import raising
from afterpilot.pipeline.raise_terms import RaiseTerms, names_of, stored_terms
from afterpilot.record.ops import Unit, unit_of
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame, address
from afterpilot.web.review.forms import Form, Given
from afterpilot.web.review.safety import holds, keep_token, token

Telling = Callable[[str], None]  # delivers what is queued about a workflow, in the background

log = logging.getLogger(__name__)
_OLD = "This page was too old to be used: the browser has been closed since, or another page took its place. Nothing was saved."
_NONE = "No workflow of this name was ever declared, so it has no cap."
_DONE = {
    "approved": "The cap is raised, and counts at once. The pages of spend show it from the next look at the spend on, within ten minutes.",
    "pending": "Your request is kept. A second person has to approve it.",
    "refused": "The cap is not raised. The pages of spend show it from the next look at the spend on, within ten minutes.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the caps of a workflow stand, and what people have answered: all that the form shows."""

    terms: RaiseTerms
    caps: Sequence[CapState]
    pending: Sequence[CapRaise]
    answers: Sequence[CapRaise]
    said: Said | None
    may: bool
    who: Sight

    @property
    def why_not(self) -> str:
        """Why whoever asks may not answer, in words; empty where they may."""
        if self.may:
            return ""
        if not self.who.login:
            return "Nobody is logged in here, so this page can only be read."
        lack = "are not among those who may answer" if self.who.may_operate else "may not change runs in Airflow"
        return f"You are logged in as {self.who.login} and {lack}, so for you this page can only be read."

    @property
    def free(self) -> Sequence[CapState]:
        """The caps that may be raised: not while a request to raise them waits."""
        waiting = {one.cap for one in self.pending}
        return [one for one in self.caps if one.rule.key not in waiting]

    def asked(self, request: CapRaise) -> bool:
        """Whether whoever asks has made this request, so that somebody else has to approve it."""
        return self.who.somebody.is_one_of(*names_of(request.asked_by))

    @property
    def asks(self) -> bool:
        """Whether a cap that is reached waits for the owner's yes or no."""
        return any(one.reached and one.rule.at_cap == "ask_owner" and not one.refused for one in self.free)


def standing(connection: sa.Connection, workflow: str, who: Sight, now: datetime) -> Standing:
    """Everything that the form shows. Raises HTTPException 404 for a workflow that was never declared."""
    terms = stored_terms(connection, workflow)
    if terms is None:
        raise HTTPException(404, _NONE)
    unit = unit_of(connection)
    kept = unit.allowances.find(workflow)
    holding = [one for one in unit.cap_raises.holding(workflow, now) if one.workflow == workflow]
    return Standing(
        terms=terms,
        caps=raising.caps_now(connection, workflow, now),
        pending=[one for one in holding if one.state == "pending"],
        answers=unit.cap_raises.newest(workflow),
        said=said(kept, now) if kept else None,
        may=who.may_operate and who.somebody.is_one_of(*terms.people),
        who=who,
    )


def router(frame: Frame) -> APIRouter:
    """The page."""
    routes = APIRouter()

    @routes.get("/spend/{workflow}/raise")
    def form(request: Request, workflow: str) -> HTMLResponse:
        with frame.reading() as connection:
            found = standing(connection, workflow, sight(request), frame.clock())
        return _page(frame, request, workflow, found)

    return routes


def writing(frame: Frame, tell: Telling | None = None) -> APIRouter:
    """The answer: behind the gate, the right to write, and the proof that one of our pages sent it. It is told by ``tell`` once it is
    kept; what that leaves, and where there is none all of it, the sweep of the outbox takes.
    """
    routes = APIRouter()

    @routes.post("/spend/{workflow}/raise")
    def answer(request: Request, workflow: str, form: Given) -> Response:
        who, now = sight(request), frame.clock()
        problem, done, queued = "", "", False
        try:
            _needs_token(request, form)
            with frame.writing() as connection:
                unit = unit_of(connection)
                done = _answered(unit, workflow, form, who, now)
                queued = unit.outbox.queued
        except AnswerRefused as error:
            problem = str(error)
        if done:
            later = BackgroundTask(_told, tell, workflow) if queued and tell is not None else None
            here = address(frame.base(request), "spend", workflow, "raise", done=done)
            return RedirectResponse(here, 303, background=later)
        with frame.reading() as connection:
            found = standing(connection, workflow, who, now)
        status = 403 if problem == _OLD or not found.may else 422
        return _page(frame, request, workflow, found, problem=problem, form=form, status=status)

    return routes


def _needs_token(request: Request, form: Form) -> None:
    if not holds(request, form.text("token")):
        raise AnswerRefused(_OLD)


def _told(tell: Telling, workflow: str) -> None:
    """After the reply to whoever has answered. The answer stands, whatever comes of this."""
    try:
        tell(workflow)
    except Exception:
        log.exception("%s: the answer at its cap could not be told at once: the next sweep does", workflow)


def _answered(unit: Unit, workflow: str, form: Form, who: Sight, now: datetime) -> str:
    """Keep the answer; returns what became of it. Raises AnswerRefused."""
    terms = stored_terms(unit.connection, workflow)
    if terms is None:
        raise HTTPException(404, _NONE)
    by, cap, reason = who.somebody, form.text("cap"), form.reason
    action = form.text("action")
    if action == "approve":
        return raising.approve_raise(unit, terms, cap=cap, by=by, now=now).state
    if action == "refuse":
        return raising.refuse_raise(unit, terms, cap=cap, by=by, reason=reason, now=now).state
    try:
        limit = Money.parse(form.text("to"))
    except ValueError as error:
        raise AnswerRefused("Say to how much, such as 500 USD.") from error
    return raising.ask_raise(unit, terms, limit=limit, cap=cap, by=by, reason=reason, now=now).state


def _page(
    frame: Frame,
    request: Request,
    workflow: str,
    found: Standing,
    *,
    problem: str = "",
    form: Form | None = None,
    status: int = 200,
) -> HTMLResponse:
    page = frame.page(
        request,
        "raise.html",
        title=_title(workflow, found),
        here="spend",
        status=status,
        workflow=workflow,
        standing=found,
        problem=problem,
        form=form,
        token=(token_of := token(request)),
        done=_DONE.get(Asked(request).text("done"), ""),
    )
    if found.may:
        keep_token(page, request, token_of, path=frame.base(request))
    return page


def _title(workflow: str, found: Standing) -> str:
    reached = any(one.reached for one in found.caps)
    if workflow == FLEET:
        return "The fleet at its cap" if reached else "Caps of the fleet"
    return f"{workflow} at its cap" if reached else f"Caps of {workflow}"
