"""The ledger: entries, one entry with its proof, and the signed heads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET
from afterpilot.record.history import ledger, status
from afterpilot.record.history.ledger import LedgerFilter, Listed
from afterpilot.record.history.paging import Page
from afterpilot.record.ledger import heads
from afterpilot.record.standing import standing
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import LEDGER
from afterpilot.web.proof import check_entry
from afterpilot.web.viewing import evidence, shows

_LARGEST = 2**63 - 1
_FIELDS = ("workflow", "action", "actor", "subject", "from", "to")
_BRIEF, _LONGEST = 12, 24  # characters of an id
_PAGE_OF = {"run": "runs", "incident": "incidents", "message": "messages"}


def router(frame: Frame) -> APIRouter:
    """Routes of the ledger."""
    routes = APIRouter()

    @routes.get("/ledger")
    def entry_list(request: Request) -> HTMLResponse:
        asked, who = Asked(request), sight(request)
        query = {name: asked.text(name) for name in _FIELDS}
        with frame.reading() as connection:
            wanted, before = _wanted(connection, asked), _number(asked.after or "0")
            found = Listed(()) if asked.problems else ledger.entries(connection, wanted, only=who.only, before=before)
            known = ledger.names(connection, [row["actor"] for row in found.rows])
            slugs = [*status.slugs(connection, only=who.only), *([FLEET] if who.only is None else [])]
            head = heads.last_head(connection)
            grants = standing(connection) if who.only is None else None
        return frame.page(
            request,
            "ledger.html",
            title="Ledger",
            here="ledger",
            found=found,
            names=known,
            query=query,
            slugs=slugs,
            head=head,
            grants=grants,
            most=MOST,
            place=place,
            brief=brief,
            problems=asked.problems,
            paged=bool(asked.after),
        )

    add_files(routes, LEDGER, lambda request, form: _file(request, frame, form))

    @routes.get("/ledger/heads")
    def head_list(request: Request) -> HTMLResponse:
        asked = Asked(request)
        before = _number(asked.after) if asked.after else None
        with frame.reading() as connection:
            page = heads.heads(connection, before=before)
            known, which = heads.keys(connection), heads.ledger_id(connection)
            signed = {head.entries: heads.is_signed(head, known) for head in page}
            endorsed = {key.id: heads.is_endorsed(key, known, which) for key in known.values()}
        return frame.page(
            request,
            "ledger_heads.html",
            title="Heads of the ledger",
            here="ledger",
            page=page,
            signed=signed,
            keys=known,
            endorsed=endorsed,
            ledger_id=which,
            after=page[-1].entries if len(page) == heads._PAGE else 0,  # noqa: SLF001 - the length of a page
            paged=bool(asked.after),
        )

    @routes.get("/ledger/heads/{entries}")
    def one_head(request: Request, entries: str) -> HTMLResponse:
        with frame.reading() as connection:
            head = heads.head_at(connection, _number(entries))
            if head is None:
                raise HTTPException(404, "The ledger has no head of this number of entries.")
            known, which = heads.keys(connection), heads.ledger_id(connection)
            last = heads.last_head(connection)
            onwards = heads.consistency(connection, head, last) if last and last.entries > head.entries else None
            stands, signed = head.statement == heads.statement_of(head, which), heads.is_signed(head, known)
        return frame.page(
            request,
            "ledger_head.html",
            title=f"Head of {plural(head.entries, 'entry')}",
            here="ledger",
            head=head,
            stands=stands,
            signed=signed,
            key=known.get(head.key_id),
            onwards=onwards,
        )

    @routes.get("/ledger/{entry_id}")
    @evidence()
    def one(request: Request, entry_id: str) -> HTMLResponse:
        asked = Asked(request)
        with frame.reading() as connection:
            entry = sight(request).of(ledger.one_entry(connection, _number(entry_id)))
            if entry is None:
                raise HTTPException(404, "The ledger has no entry of this number.")
            checked = check_entry(connection, entry)
            known = ledger.names(connection, [entry["actor"]])
        # What an entry is about is what was looked at: a run says under "Who saw it" who has read the entries about it, too.
        shows(request, str(entry["subject"]), str(entry["workflow"]), part=f"entry {entry['id']}")
        return frame.page(
            request,
            "ledger_entry.html",
            title=f"Entry {entry['id']}",
            here="ledger",
            entry=entry,
            payload=_document(entry["payload"]),
            names=known,
            place=place,
            checked=checked,
            verify=bool(asked.text("verify")),
        )

    return routes


def place(entry: Mapping[str, object]) -> tuple[str, ...]:
    """The page of what an entry is about, as the parts of its path; empty where it has none."""
    kind, _, which = str(entry["subject"]).partition(":")
    if kind in _PAGE_OF:
        return (_PAGE_OF[kind], which)
    return ("declarations", str(entry["workflow"])) if kind == "declaration" and entry["workflow"] != FLEET else ()


def brief(subject: str) -> str:
    """A subject as a list shows it: ``run:`` and the beginning of its id; the page of the entry has all of it."""
    kind, colon, which = subject.partition(":")
    return f"{kind}{colon}{which[:_BRIEF]}…" if len(which) > _LONGEST else subject


def _wanted(connection: sa.Connection, asked: Asked) -> LedgerFilter:
    since, until = asked.day("from"), asked.day("to")
    actor, action = asked.text("actor"), asked.text("action")
    if action.count(":") > 2:  # noqa: PLR2004 - an action has three parts
        asked.problems.append(f"action: {action[:60]!r} has more than three parts; one is such as check:run:*")
    return LedgerFilter(
        workflow=asked.text("workflow"),
        action=action,
        subject=asked.text("subject"),
        actors=ledger.actors_called(connection, actor) if actor else None,
        since=_midnight(since) if since else None,
        until=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
    )


def _file(request: Request, frame: Frame, form: str) -> Response:
    """All entries that the filter lets through, from one on, with the names of persons that are not erased."""
    asked, only = Asked(request), sight(request).only
    with frame.reading() as connection:
        wanted = _wanted(connection, asked)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            found = ledger.entries(connection, wanted, only=only, before=_number(after or "0"), limit=LEDGER.step)
            known = ledger.names(connection, [row["actor"] for row in found.rows])
        rows = [{**row, "name": known.get(row["actor"], "")} for row in found.rows]
        return Page(rows, str(found.after) if found.after else "", found.looked_to)

    return as_file(request, frame, form, LEDGER, asked, ask, {name: asked.text(name) for name in _FIELDS})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _number(text: str) -> int:
    """A whole number from an address. Raises HTTPException 404 for what is none."""
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > _LARGEST:
        raise HTTPException(404, "This is not the number of anything kept here.")
    return int(text[:20])


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
