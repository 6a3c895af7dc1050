"""Evidence to take away: a bundle of a workflow's ledger over some days, which proves itself."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ledger import Entry, person
from afterpilot.pipeline.exporting import Asked as AskedBundle
from afterpilot.pipeline.exporting import export_bundle
from afterpilot.record.history import late_personal, status
from afterpilot.record.ledger import heads
from afterpilot.record.ledger.appending import Ledger
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame

_NAMES = (
    "What was recorded in these days names {fields}, which was kept before it was declared personal, and may quote it. A bundle proves "
    "documents as they were written, so nothing in it can be withheld: ask the owner or an engineer for it, or choose other days."
)
LONGEST = 92  # days: a quarter; the command line takes any


def router(frame: Frame) -> APIRouter:
    """The form, and the file."""
    routes = APIRouter()

    @routes.get("/bundle")
    def page(request: Request) -> HTMLResponse:
        asked, who = Asked(request), sight(request)
        workflow, (first, last) = _wanted(asked, frame)
        with frame.reading() as connection:
            slugs = status.slugs(connection, only=who.only)
            head = heads.last_signed(connection)
        if workflow:
            who.need(workflow)
        return frame.page(
            request,
            "bundle.html",
            title="Export evidence",
            here="ledger",
            workflow=workflow,
            slugs=slugs,
            days=(first, last),
            longest=LONGEST,
            head=head,
            problems=asked.problems,
        )

    @routes.get("/bundle.zip")
    def file(request: Request) -> Response:
        asked, who = Asked(request), sight(request)
        workflow, (first, last) = _wanted(asked, frame)
        if not workflow:
            raise HTTPException(422, "Which workflow? Choose one on the page Export evidence.")
        who.need(workflow)
        if asked.problems:
            raise HTTPException(422, "; ".join(asked.problems))
        wanted = AskedBundle(
            workflow,
            _midnight(first),
            _midnight(last + timedelta(days=1)),
            person(who.login) if who.login else "web",
            known=asked.text("head").lower().split(),
        )
        folder = Path(tempfile.mkdtemp(prefix="afterpilot-bundle-"))
        try:
            _write(frame, wanted, folder / "bundle.zip", sees_personal=who.sees_personal)
        except ConfigurationError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise HTTPException(409, str(error)) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        name = f"{workflow}_{first}_{last}.zip"
        return FileResponse(folder / "bundle.zip", media_type="application/zip", filename=name, background=gone)

    return routes


def _write(frame: Frame, wanted: AskedBundle, path: Path, *, sees_personal: bool) -> None:
    def record(entry: Entry) -> None:
        with frame.writing() as connection:
            Ledger(connection).append(entry)

    with frame.reading() as connection:
        if not sees_personal:
            _refuse_named(connection, wanted)
        export_bundle(connection, wanted, path, record=record, at=frame.clock())


def _refuse_named(connection: sa.Connection, wanted: AskedBundle) -> None:
    """Raises HTTPException where what the bundle would hold names a field that became personal; both are read of one moment."""
    there = [one for one in late_personal.versions(connection) if one[0] == wanted.workflow]
    fields = frozenset[str]().union(*late_personal.late(connection, there).values())
    if fields and late_personal.named(connection, wanted.workflow, fields, (wanted.since, wanted.until)):
        raise HTTPException(409, _NAMES.format(fields=", ".join(sorted(fields))))


def _wanted(asked: Asked, frame: Frame) -> tuple[str, tuple[date, date]]:
    """The workflow and the days asked for, both included; the last thirty unless said. What cannot be used is a problem."""
    last = asked.day("to") or frame.clock().astimezone(UTC).date()
    first = asked.day("from") or last - timedelta(days=29)
    if first > last:
        asked.problems.append("from: is after to")
    elif (last - first).days >= LONGEST:
        asked.problems.append(f"from, to: more than {LONGEST} days; `afterpilot audit export` takes any period")
    workflow: Any = asked.text("workflow")
    return str(workflow or ""), (first, last)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
