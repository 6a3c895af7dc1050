"""Evals: how those of every workflow stand, and one workflow's whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.domain.intervals import Interval
from afterpilot.record.history import evals, regressions
from afterpilot.record.history.narrowing import Only
from afterpilot.record.history.paging import Row
from afterpilot.web.access import sight
from afterpilot.web.evals import answering, charts
from afterpilot.web.evals.age import aged, lasts
from afterpilot.web.evals.alarms import MOST as MOST_ALARMS
from afterpilot.web.evals.alarms import AlarmRow, alarm_rows, spans
from afterpilot.web.evals.cases import NIGHTS, sort_cases
from afterpilot.web.evals.judges import judge_rows
from afterpilot.web.evals.offers import offer_rows
from afterpilot.web.evals.pass_rate import rate_chart
from afterpilot.web.evals.reading import pooled, rate_of
from afterpilot.web.evals.shapes import POINTS, Shape, short
from afterpilot.web.evals.slices import scorer_rows, slice_rows
from afterpilot.web.evals.standing import (
    Drop,
    Standing,
    declared_bar,
    headline,
    heeding,
    named_broken,
    paired_drop,
    read_drop,
    short_day,
    stand,
    threshold,
    why,
)
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.reading import mapping

SHOWN = 100  # workflows on the page of all
_ALL = "all"
_SPARK = 60  # runs of a small line


@dataclass(slots=True)
class Listed:
    """A workflow in the list of all: its newest result, and once it is filled the runs before it and what answers."""

    row: Row
    bar: float | None
    standing: Standing
    approved: Row | None
    holds: timedelta
    rate: Interval | None = None
    spark: Sequence[Shape] = ()
    runs: int = 0
    change: answering.Event | None = None
    seen: Row | None = None

    def place(self) -> tuple[int, str]:
        """Where it stands in the list: what needs attention first."""
        return self.standing.rank, self.row["workflow"]

    def fill(self, rows: Sequence[Row], answers: Sequence[Row], *, now: datetime) -> None:
        """Add what the last results (oldest first) and probes (newest first) say."""
        # With the runs before the newest, an alarm is known to be open although the newest run could not say.
        found = heeding(stand(rows, self.bar, approved=self.approved is not None), self.row)
        self.standing = aged(found, rows[-1] if rows else None, self.holds, now=now)
        self.rate = rate_of(self.row) if rows else None
        self.spark, self.runs = charts.spark(rows), len(rows)
        self.change = next(iter(answering.probed(answers)), None)
        self.seen = next(iter(answers), None)


def router(frame: Frame) -> APIRouter:
    """Routes of evals."""
    routes = APIRouter()

    @routes.get("/evals")
    def overview(request: Request) -> HTMLResponse:
        asked = Asked(request)
        wanted = asked.text("workflow")
        with frame.reading() as connection:
            rows = _overview(connection, wanted, frame.clock(), sight(request).only)
        return frame.page(
            request,
            "evals.html",
            title="Evals",
            here="evals",
            rows=rows[:SHOWN],
            more=max(0, len(rows) - SHOWN),
            wanted=wanted,
        )

    @routes.get("/evals/{workflow}")
    def one(request: Request, workflow: str) -> HTMLResponse:
        asked = Asked(request)
        limit = evals.MOST_RUNS if asked.choice("runs", (_ALL,)) == _ALL else POINTS
        with frame.reading() as connection:
            data = _whole(connection, workflow, frame.clock(), limit)
        return frame.page(request, "eval.html", title=f"Evals of {workflow}", here="evals", workflow=workflow, **data)

    return routes


def _overview(connection: sa.Connection, wanted: str, now: datetime, only: Only) -> list[Listed]:
    """Every workflow with evals, what needs attention first."""
    known = evals.standings(connection, containing=wanted, only=only)
    approved = evals.approvals(connection, [row["workflow"] for row in known])
    schedules = evals.schedules(connection)
    found = []
    for row in known:
        slug, bar = row["workflow"], declared_bar(row["evals"])
        newest = [row] if row["run_id"] is not None else []
        holds = lasts(row["schedule"], schedules)
        standing = heeding(stand(newest, bar, approved=slug in approved), row)
        standing = aged(standing, newest[0] if newest else None, holds, now=now)
        found.append(Listed(row, bar, standing, approved.get(slug), holds))
    found.sort(key=Listed.place)
    shown = found[:SHOWN]
    recent = evals.recent(connection, [item.row["workflow"] for item in shown], limit=_SPARK)
    answers = evals.answering(connection, [item.row["workflow"] for item in shown])
    for item in shown:
        item.fill(recent.get(item.row["workflow"], ()), answers.get(item.row["workflow"], ()), now=now)
    return sorted(shown, key=Listed.place) + found[SHOWN:]


def _whole(connection: sa.Connection, workflow: str, now: datetime, limit: int) -> dict[str, Any]:
    """Everything of a workflow's page."""
    declared = evals.declared(connection, workflow)
    rows = evals.results(connection, workflow, limit=limit)
    if declared is None and not rows:
        raise HTTPException(404, "No workflow of this name was ever declared, and no eval run of it is kept.")
    whole = mapping(declared["document"] if declared else None)
    document = mapping(whole.get("evals"))
    base = evals.approvals(connection, [workflow]).get(workflow)
    last, based = _cases_of(connection, rows, base)
    newest = next((row for row in reversed(last) if row["valid"]), None)
    known = mapping(evals.evidence_of(connection, newest["run_id"]).get("evidence")) if newest else {}
    regression = known.get("regression")
    named = named_broken(regressions.findings_of(connection, newest["run_id"])) if newest else ()
    baseline = pooled([row["outcomes"] for row in based])
    sorted_cases = sort_cases(
        last,
        baseline,
        waivers=document.get("waivers"),
        today=now.date(),
        known_flaky=known.get("flaky"),
        known_broken=named,
        known_waived=known.get("waived"),
    )
    bar = declared_bar(document)
    last_run = evals.last_run(connection, workflow)
    standing = heeding(stand(rows, bar, approved=base is not None), last_run)
    holds = lasts(whole.get("schedule"), evals.schedules(connection))
    standing = aged(standing, rows[-1] if rows else None, holds, now=now)
    happened = answering.events(rows)
    broken = [case.id for case in sorted_cases.broken]
    return {
        "headline": headline(
            standing,
            rows[-1] if rows and standing.rank else newest,
            bar=bar,
            drop=read_drop(regression, named or broken) or _drop(last, baseline, broken),
            cause=why(happened, rows, regression),
            workflow=workflow,
            last=last_run["last_summary"] if last_run else "",
        ),
        "standing": standing,
        "bar": bar,
        "charts": _charts(rows, based, happened, bar, threshold(regression, document)),
        "alarms": _alarms(connection, rows, document),
        "short": short,
        "events": happened[::-1][:12],
        "cases": sorted_cases,
        "nights": NIGHTS,
        "slices": slice_rows(newest["slices"], [row["slices"] for row in based]) if newest else (),
        "scorers": scorer_rows(newest["scorers"]) if newest else (),
        "judges": judge_rows(
            known.get("judges"), evals.labelled(connection, workflow), newest["fingerprint"] if newest else None
        ),
        "answers": answering.parts(rows[-1]["fingerprint"]) if rows else (),
        "probes": _probes(evals.answering(connection, [workflow], limit=8).get(workflow, ())),
        "offers": offer_rows(evals.offers(connection, workflow)),
        "base": base,
        "newest": newest,
        "latest": rows[-1] if rows else None,
        "runs": rows[::-1][:12],
        "cut": len(rows) == limit,
        "all": limit == evals.MOST_RUNS,
        "rate_of": rate_of,
        "declared": bool(document),
    }


def _cases_of(connection: sa.Connection, rows: Sequence[Row], base: Row | None) -> tuple[list[Row], list[Row]]:
    """The last results and those of the baseline with their cases, oldest first."""
    last = [row["run_id"] for row in rows[-NIGHTS:]]
    approved = list(dict.fromkeys([*(base["runs"] or ()), base["run_id"]])) if base else []
    found = evals.whole_results(connection, [*last, *approved])
    based = sorted((found[run] for run in approved if run in found), key=lambda row: row["at"])
    return [found[run] for run in last], based


def _alarms(connection: sa.Connection, rows: Sequence[Row], document: object) -> tuple[AlarmRow, ...]:
    """The last alarms with what their runs said and their incidents."""
    past = spans(rows)[-MOST_ALARMS:]
    under = [row["run_id"] for span in past for row in span.rows]
    said, opened = regressions.said_by(connection, under), regressions.incidents_of(connection, under)
    return alarm_rows(past, said, opened, document)


def _drop(last: Sequence[Row], baseline: Mapping[str, float], broken: Sequence[str]) -> Drop | None:
    """The drop as the runs since the alarm show it, where no run has recorded it."""
    under = [row["outcomes"] for row in last if row["valid"] and row["alarm"] == "alarm"]
    return paired_drop(baseline, pooled(under), broken) if under else None


def _charts(
    rows: Sequence[Row], based: Sequence[Row], events: Sequence[answering.Event], bar: float | None, limit: float
) -> dict[str, Any] | None:
    if not rows:
        return None
    currency = next((row["currency"] for row in reversed(rows) if row["currency"]), "")
    approved = [(based[-1]["at"], f"baseline: the run of {short_day(based[-1]['at'])}")] if based else []
    return {
        "rate": rate_chart(rows, bar=bar, baselines=approved, events=events),
        "small": [
            *([charts.evidence_chart(rows, limit)] if any(row["evidence"] is not None for row in rows) else []),
            charts.cost_chart(rows, currency),
            charts.latency_chart(rows),
        ],
    }


def _probes(rows: Sequence[Row]) -> dict[str, Any]:
    return {"latest": rows[0] if rows else None, "changes": answering.probed(rows)[:6]}
