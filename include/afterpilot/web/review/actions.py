"""What reviewers do: hold an item, give it back, go on to the next one, decide. The only routes that change anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.record import HumanDecision
from afterpilot.pipeline.reviewing import corrected_value, decide
from afterpilot.pull.values import moment
from afterpilot.record.history import review
from afterpilot.record.review.queue import ReviewQueue
from afterpilot.web.access import Sight, sight
from afterpilot.web.frame import Frame, address
from afterpilot.web.review.choices import choices, outside_of_set
from afterpilot.web.review.forms import Form, Given
from afterpilot.web.review.items import Screen, screen
from afterpilot.web.review.safety import holds
from afterpilot.web.review.show import Known, Scope, item_page, known

_CHANGED = "The output was changed at its source, or judged anew, while you had it open. Nothing was saved yet: look at it again."
_OLD = "This page was too old to be used: the browser has been closed since, or another page took its place."


def router(frame: Frame) -> APIRouter:
    """The routes; each is behind the gate, the right to write, and the proof that one of our pages sent it."""
    routes = APIRouter()

    @routes.post("/review/hold")
    def hold(request: Request, form: Given) -> Response:
        at, who, (workflow, key) = frame.clock(), sight(request), form.item
        who.need_decision(workflow)
        _needs_token(request, form)
        with frame.writing() as connection:
            terms = known(connection, workflow, key).terms
            until = at + terms.review.reservation
            got = ReviewQueue(connection).reserve(workflow, key, by=who.login, at=at, until=until)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"until": f"{until:%H:%M} UTC"} if got else {}, 200 if got else 409)
        return _to_item(frame, request, (workflow, key), Scope.given(form))

    @routes.post("/review/leave")
    def leave(request: Request, form: Given) -> Response:
        workflow, key = form.item
        sight(request).need_decision(workflow)
        _needs_token(request, form)
        with frame.writing() as connection:
            ReviewQueue(connection).free(workflow, key, by=sight(request).login)
        return Response(status_code=204) if form.text("quiet") else _to_queue(frame, request, Scope.given(form))

    @routes.post("/review/next")
    def onwards(request: Request, form: Given) -> Response:
        scope, here = Scope.given(form), (form.item if form.text("key") else None)
        if here is not None:
            sight(request).need_decision(here[0])
        _needs_token(request, form)
        with frame.writing() as connection:
            if here is not None:
                ReviewQueue(connection).free(*here, by=sight(request).login)
            found = _take(connection, frame.clock(), sight(request), scope, here, back=bool(form.text("back")))
        return _to_item(frame, request, found, scope) if found else _to_queue(frame, request, scope, done="nothing")

    @routes.post("/review/decide")
    def decided(request: Request, form: Given) -> Response:
        sight(request).need_decision(form.item[0])
        with frame.writing() as connection:
            return _decided(frame, request, connection, form)

    return routes


def _decided(frame: Frame, request: Request, connection: sa.Connection, form: Form) -> Response:
    """Save a decision and go on; or the item's page with what is in the way, and all that was typed."""
    at, who, scope = frame.clock(), sight(request), Scope.given(form)
    found = known(connection, *form.item)

    def again(status: int, problems: Sequence[str] = ()) -> Response:
        now = known(connection, *form.item)
        return item_page(frame, request, connection, now, scope, form=form, problems=problems, status=status)

    if found.item["decided_at"] is not None:
        return again(409)
    if not holds(request, form.text("token")):
        return again(403, [f"{_OLD} Nothing was saved yet: look it over and save again."])
    changed = form.text("seen") not in {"", found.seen}
    corrected, problems = ({}, [_CHANGED]) if changed else _read(form, found)
    if problems:
        return again(409 if changed else 422, problems)
    if not decide(connection, found.terms, _decision(form, who, at, corrected)):
        return again(409)
    done = form.item[1]
    following = _take(connection, at, who, scope, form.item, back=False)
    if following is None:
        return _to_queue(frame, request, scope, done=done)
    return _to_item(frame, request, following, scope, done=done)


def _take(
    connection: sa.Connection, at: datetime, who: Sight, scope: Scope, here: tuple[str, str] | None, *, back: bool
) -> tuple[str, str] | None:
    """The next free item of that part of the queue, held for the person; nobody else gets the same one."""
    mine = scope.mine(who, at)
    found = review.next_item(
        connection,
        by=who.login,
        at=at,
        workflow=scope.workflow,
        mine=mine,
        only=who.decides,
        beyond=here,
        back=back,
    )
    if found is not None:
        until = at + known(connection, *found).terms.review.reservation
        ReviewQueue(connection).reserve(*found, by=who.login, at=at, until=until)
    return found


def _decision(form: Form, who: Sight, at: datetime, corrected: Mapping[str, Any]) -> HumanDecision:
    made = moment(form.text("made")) or at
    seconds = form.seconds(at_most=(at - made).total_seconds())
    workflow, key = form.item
    return HumanDecision(
        workflow=workflow,
        key=key,
        decided_at=at,
        decision=form.text("decision"),
        minutes=round(seconds / Decimal(60), 3),
        note=form.reason,
        corrected=corrected,
        origin="review",
        decided_by=who.login,
        seconds=seconds,
    )


def _problems(form: Form, found: Known, typed: Screen) -> list[str]:
    """Why the form cannot be saved as it stands, in words for the person who filled it in."""
    decision, changed = form.text("decision"), ", ".join(typed.changed)
    offered = choices(found.item, found.terms.review)
    if decision == "accepted" and offered.ruled_out:
        return [f"It cannot be accepted: {offered.ruled_out}."]
    if decision not in offered.means:
        return [f"Choose one: {', '.join(offered.means)}."]
    if decision == "corrected" and not changed:
        return ["Nothing was changed. Mend the fields that are wrong, or choose another decision."]
    if decision != "corrected" and changed:
        return [f"You changed {changed}. Choose “correct” to keep that, or put back what the output says."]
    if decision == "rejected" and not form.reason:
        return ["Say why it is rejected: whoever made the output learns from it."]
    outside = outside_of_set(found.item["discrepancies"] or ())
    left = {name: allowed for name, allowed in outside.items() if decision == "corrected" and name not in typed.changed}
    return [f"{name} is still wrong: it must be {allowed}." for name, allowed in left.items()]


def _read(form: Form, found: Known) -> tuple[dict[str, Any], list[str]]:
    """The corrected values as they are kept, and all that is in the way of saving them."""
    typed = screen(found.item, found.data, found.terms, form.typed)
    problems = _problems(form, found, typed)
    if form.text("decision") != "corrected":
        return {}, problems
    values: dict[str, Any] = {}
    for one in typed.fields:
        try:
            if one.changed:
                values[one.name] = corrected_value(one.kind, one.typed)
        except ValueError as error:
            problems.append(f"{one.name} {error}.")
    return values, problems


def _needs_token(request: Request, form: Form) -> None:
    if not holds(request, form.text("token")):
        raise HTTPException(403, f"{_OLD} Open the review queue again.")


def _to_item(
    frame: Frame, request: Request, item: tuple[str, str], scope: Scope, *, done: str = ""
) -> RedirectResponse:
    workflow, key = item
    place = address(frame.base(request), "review", "item", workflow=workflow, key=key, **scope.query, done=done)
    return RedirectResponse(place, 303)


def _to_queue(frame: Frame, request: Request, scope: Scope, *, done: str = "") -> RedirectResponse:
    query = {"workflow": scope.workflow, "who": scope.query["who"], "done": done}
    return RedirectResponse(address(frame.base(request), "review", **query), 303)
