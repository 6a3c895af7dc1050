"""Obligations: which records laws and standards ask for, and which a workflow has in a period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.decide import obligations
from afterpilot.decide.obligations import SOURCES, Evidence
from afterpilot.pipeline.coverage import covered
from afterpilot.record.history import coverage as days_of
from afterpilot.record.history import obligations as history
from afterpilot.record.history import status
from afterpilot.web.access import sight
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.pages.coverage import LONGEST, span

_USUAL, _LONGEST = 31, 366  # days


def router(frame: Frame) -> APIRouter:
    """Routes of obligations."""
    routes = APIRouter()

    @routes.get("/obligations")
    def page(request: Request) -> HTMLResponse:
        asked, who, now = Asked(request), sight(request), frame.clock()
        days = span(asked, now.astimezone(UTC).date(), longest=_LONGEST, usual=_USUAL)
        workflow = asked.text("workflow")
        sources: list[Any] = []
        with frame.reading() as connection:
            slugs = status.slugs(connection, only=who.only)
            if workflow:
                who.need(workflow)
                if workflow not in slugs:
                    raise HTTPException(404, "No workflow of this name was ever declared.")
                if not asked.problems:
                    found = evidence(connection, workflow, days, now)
                    sources = [(source, obligations.answers(source, found)) for source in SOURCES]
        lines = [line for _, told in sources for _, those in told for line in those]
        return frame.page(
            request,
            "obligations.html",
            title=f"Obligations of {workflow}" if workflow else "Obligations",
            here="obligations",
            workflow=workflow if sources else "",
            query={"workflow": workflow, "from": days[0].isoformat(), "to": days[1].isoformat()},
            days=days,
            slugs=slugs,
            sources=sources,
            counted=obligations.counted(lines),
            links=links(workflow, days),
            most=history.MOST,
            problems=asked.problems,
        )

    return routes


def evidence(
    connection: sa.Connection, workflow: str, days: tuple[date, date], now: datetime
) -> Mapping[str, Evidence]:
    """What is on record of a workflow in these days, by the kinds that the obligations ask for."""
    since, until = days_of.bounds(*days)
    found = {
        kind: Evidence(min(row["count"], history.MOST), row["newest"], more=row["count"] > history.MOST)
        for kind, row in history.on_record(connection, workflow, since, until).items()
    }
    found["kept"] = obligations.kept(
        history.oldest_run(connection, workflow), history.first_declared(connection, workflow), now
    )
    last = history.last_version(connection, workflow, until)
    document: Mapping[str, Any] = last["document"] if last else {}
    loaded = last["first_loaded_at"] if last else None
    fallback = (document.get("rollout") or {}).get("fallback")
    found["declarations"] = Evidence(int(last is not None), loaded)
    found["fallback"] = Evidence(int(bool(fallback)), loaded, note=f"{fallback}" if fallback else "None is declared.")
    found["retired"] = Evidence(
        int(document.get("stage") == "retired"), loaded, note="" if last is None else "It is in use."
    )
    found["coverage"] = _coverage(connection, workflow, days, now)
    return found


def _coverage(connection: sa.Connection, workflow: str, days: tuple[date, date], now: datetime) -> Evidence:
    """Over the period, or over its last 31 days where it is longer: more are not counted on one page."""
    first = max(days[0], days[1] - timedelta(days=LONGEST - 1))
    found = covered(connection, [workflow], (first, days[1]), now)[workflow]
    unclear, total = "", found.total
    if not found.whole:
        unclear = f"More than {days_of.MOST_RUNS:,} runs ended in this period: ask for fewer days."
    elif found.unknown_until:
        unclear = (
            f"What the fleet's schedules asked for before {found.unknown_until:%Y-%m-%d %H:%M} UTC is not on record."
        )
    words = f" since {first:%Y-%m-%d}" if first > days[0] else ""
    return obligations.coverage(total.expected - total.pending, total.ran, total.unknown, words, unclear=unclear)


def links(workflow: str, days: tuple[date, date]) -> Mapping[str, tuple[tuple[str, ...], dict[str, str]]]:
    """Where each kind of record is listed: the parts of the path, and the query."""
    within = {"workflow": workflow, "from": days[0].isoformat(), "to": days[1].isoformat()}
    first = max(days[0], days[1] - timedelta(days=LONGEST - 1)).isoformat()
    own = {"workflow": workflow}
    return {
        "runs": (("runs",), within),
        "versions": (("runs",), within | {"stage": "evaluate"}),
        "evals": (("evals", workflow), {}),
        "spend": (("runs",), within | {"stage": "spend"}),
        "reports": (("runs",), within | {"stage": "report"}),
        "gate": (("runs",), within | {"stage": "gate"}),
        "people": (("review",), own | {"state": "decided"}),
        "overrides": (("review",), own | {"state": "decided"}),
        "incidents": (("incidents",), own),
        "resolved": (("incidents",), own | {"state": "resolved"}),
        "answers": (("incidents",), own),
        "messages": (("messages",), own),
        "changes": (("declarations", workflow), {}),
        "declarations": (("declarations", workflow), {}),
        "fallback": (("declarations", workflow), {}),
        "retired": (("declarations", workflow), {}),
        "baselines": (("evals", workflow), {}),
        "raises": (("spend", workflow), {}),
        "views": (("ledger",), own | {"action": "web:evidence:viewed"}),
        "heads": (("ledger", "heads"), {}),
        "published": (("ledger", "heads"), {}),
        "kept": (("runs",), own),
        "coverage": (("coverage",), within | {"from": first}),
    }
