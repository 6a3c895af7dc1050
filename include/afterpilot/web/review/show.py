"""The page of one item, for whoever asks: to be decided, held by somebody else, or decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.pipeline.reviewing import Terms, terms_of
from afterpilot.record.history import outputs, review
from afterpilot.record.history.paging import Row
from afterpilot.web import personal
from afterpilot.web.access import Sight, sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.headers import WITH_SCRIPT
from afterpilot.web.review.choices import choices
from afterpilot.web.review.forms import Form
from afterpilot.web.review.items import Screen, screen
from afterpilot.web.review.safety import keep_token, token

WHO = ("all", "mine")
_LOST = "No item with this key is in the review queue. It may have been released without one, or its retention is over."


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the queue that somebody goes through: of one workflow or (empty) all, everybody's or only their own."""

    workflow: str
    who: str

    @classmethod
    def asked(cls, request: Request) -> Scope:
        """As the address has it."""
        query = Asked(request)
        return cls(query.text("in"), "mine" if query.text("who") == "mine" else "all")

    @classmethod
    def given(cls, form: Form) -> Scope:
        """As a form has it."""
        return cls(form.text("in"), "mine" if form.text("who") == "mine" else "all")

    def mine(self, who: Sight, at: datetime) -> sa.ColumnElement[bool] | None:
        """The condition of a person's own items; None for everybody's."""
        return who.mine.of(at) if self.who == "mine" else None

    @property
    def query(self) -> Mapping[str, str]:
        """As an address says it; what holds unless said is left out."""
        return {"in": self.workflow, "who": self.who if self.who != "all" else ""}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an item when its page is made."""

    item: Row
    output: outputs.Output
    terms: Terms

    @property
    def data(self) -> Mapping[str, object] | None:
        """The record as it is kept; None where it is not."""
        return self.output.record["data"] if self.output.record else None

    @property
    def seen(self) -> str:
        """What tells this state of the output, its findings included, from any other; a decision bears that of its page."""
        told = [self.item["opened_at"], self.item["reason"], self.item["discrepancies"], self.data]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:32]


def known(connection: sa.Connection, workflow: str, key: str) -> Known:
    """Everything about an item. Raises HTTPException 404 where there is none."""
    item = review.one_item(connection, workflow, key)
    if item is None:
        raise HTTPException(404, _LOST)
    return Known(item, outputs.one_output(connection, workflow, key), terms_of(connection, workflow))


def holder(reserved_by: str, reserved_until: datetime | None, *, at: datetime) -> str:
    """Who has an item now; empty where nobody does, or the time is over."""
    return reserved_by if reserved_by and reserved_until is not None and reserved_until > at else ""


def midnight(at: datetime) -> datetime:
    """When the day began, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def item_page(
    frame: Frame,
    request: Request,
    connection: sa.Connection,
    found: Known,
    scope: Scope,
    *,
    form: Form | None = None,
    problems: Sequence[str] = (),
    status: int = 200,
) -> HTMLResponse:
    """The page; ``form`` is one that came back, whose content stands in the page again."""
    at, who = frame.clock(), sight(request)
    if not who.sees_personal:
        hidden = found.terms.personal
        found = replace(found, item=personal.item(found.item, hidden), output=personal.withheld(found.output, hidden))
    item = found.item
    shown: Screen = screen(item, found.data, found.terms, form.typed if form else None)
    held = holder(item["reserved_by"], item["reserved_until"], at=at)
    may = who.may_decide(item["workflow"]) and item["decided_at"] is None
    page = frame.page(
        request,
        "review_item.html",
        title=f"{item['key']} of {item['workflow']}",
        here="review",
        status=status,
        item=item,
        output=found.output,
        terms=found.terms,
        seen=found.seen,
        screen=shown,
        choices=choices(item, found.terms.review),
        scope=scope,
        me=who,
        held=held,
        may=may and held in {"", who.login},
        counts=review.counts(
            connection, workflow=scope.workflow, mine=who.mine, at=at, since=midnight(at), only=who.only
        ),
        overdue=item["decided_at"] is None and item["due"] < at,
        form=form,
        problems=problems,
        token=(token_of := token(request)),
        done=Asked(request).text("done") if form is None else "",
    )
    return with_script(page, request, frame, token_of if who.may_operate else "")


def with_script(page: HTMLResponse, request: Request, frame: Frame, token_of: str) -> HTMLResponse:
    """Let the page run our own script, and leave the token (none: empty) in the browser."""
    page.headers["Content-Security-Policy"] = WITH_SCRIPT
    if token_of:
        keep_token(page, request, token_of, path=frame.base(request))
    return page
