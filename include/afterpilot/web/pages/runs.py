"""The list of runs, and one run with its evidence."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.domain.run import Stage
from afterpilot.pipeline.reviewing import terms_of
from afterpilot.record.history import evals, review, runs, samples, status, views
from afterpilot.record.history.paging import Page, Row
from afterpilot.web import personal
from afterpilot.web.access import Sight, sight
from afterpilot.web.evals.answering import parts
from afterpilot.web.evals.shapes import short
from afterpilot.web.evidence import as_json
from afterpilot.web.filters import Asked, identity, run_filter
from afterpilot.web.frame import Frame
from afterpilot.web.letters import named_letters
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import RUNS
from afterpilot.web.measures import split
from afterpilot.web.paging import listed
from afterpilot.web.proof import proof_of_run
from afterpilot.web.viewing import DOWNLOADED, evidence, shows
from afterpilot.web.withholding import withheld

FILTERS = ("workflow", "stage", "verdict", "actor", "from", "from_time", "to", "to_time")
SHOWN = ("passed", "failed", "not_scored")
_FIRST_ITEMS = 10


def router(frame: Frame) -> APIRouter:
    """Routes of runs."""
    routes = APIRouter()

    @routes.get("/runs")
    def run_list(request: Request) -> HTMLResponse:
        asked = Asked(request)
        wanted = run_filter(asked)
        with frame.reading() as connection:
            page = listed(asked, lambda: runs.list_runs(connection, wanted, after=asked.after))
            slugs, actors = status.slugs(connection, only=wanted.only), runs.actors(connection)
        query = {name: asked.text(name) for name in FILTERS}
        return frame.page(
            request,
            "runs.html",
            title="Runs",
            here="runs",
            page=page,
            query=query,
            slugs=slugs,
            actors=actors,
            problems=asked.problems,
            paged=bool(asked.after),
            most=MOST,
        )

    add_files(routes, RUNS, lambda request, form: _file(request, frame, form))

    @routes.get("/runs/{run_id}/evidence.json")
    @evidence(DOWNLOADED)
    def raw(request: Request, run_id: str) -> Response:
        which = identity(run_id)
        with frame.reading() as connection:
            run = _found(request, runs.one_run(connection, which))
            found = runs.findings_of(connection, which)
        whole = {**run, "findings": found}
        if not sight(request).sees_personal:
            whole = withheld(whole, sight(request).late)
        return Response(as_json(whole), media_type="application/json")

    @routes.get("/runs/{run_id}")
    @evidence()
    def one(request: Request, run_id: str) -> HTMLResponse:
        asked = Asked(request)
        which = identity(run_id)
        with frame.reading() as connection:
            run = _found(request, runs.one_run(connection, which))
            data = _parts(connection, run, asked, sight(request))
            if not sight(request).sees_personal:
                data["items"] = personal.queue(data["items"], lambda slug: terms_of(connection, slug).personal)
        title = f"{run['stage']} of {run['workflow']}"
        return frame.page(request, "run.html", title=title, here="runs", run=run, **data)

    @routes.get("/reports/{report_id}/chart.png")
    def chart(request: Request, report_id: str) -> Response:
        with frame.reading() as connection:
            picture = runs.chart(connection, identity(report_id), only=sight(request).only)
        if picture is None:
            raise HTTPException(404, "This report has no chart.")
        return Response(picture, media_type="image/png")

    return routes


def _file(request: Request, frame: Frame, form: str) -> Response:
    """All runs that the filter lets through, from a cursor on. Raises HTTPException 400 for a filter or cursor that is none."""
    asked = Asked(request)
    wanted = run_filter(asked)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            return runs.list_runs(connection, wanted, after=after, limit=RUNS.step, whole=True)

    return as_file(request, frame, form, RUNS, asked, ask, {name: asked.text(name) for name in FILTERS})


def _found(request: Request, run: Row | None) -> Row:
    """The run, if whoever asks sees it: then it is what the page shows."""
    if sight(request).of(run) is None or run is None:
        raise HTTPException(404, "No run with this id is kept. Runs older than the retention may have been removed.")
    shows(request, f"run:{run['id']}", run["workflow"])
    return run


def _parts(connection: sa.Connection, run: Row, asked: Asked, who: Sight) -> dict[str, Any]:
    which: uuid.UUID = run["id"]
    # A run may touch what is of the whole fleet: that tells of the others.
    touched = [row for row in runs.incidents_of(connection, which) if who.sees(row["workflow"])]
    about = [row for row in runs.messages_about(connection, which) if who.sees(row["workflow"])]
    data: dict[str, Any] = {
        "findings": runs.findings_of(connection, which),
        "corrections": runs.corrections(connection, run),
        "reopened": runs.reopened_by(connection, which) if run["stage"] == Stage.PULL else (),
        "incidents": touched,
        "letters": named_letters(connection, about),
        "looks": views.seen_by(connection, f"run:{which}"),
        "gate": None,
        "items": Page(()),
        "samples": None,
        "baselines": (),
        "result": None,
        "proof": proof_of_run(connection, run),
        "verify": bool(asked.text("verify")),
    }
    if run["stage"] == Stage.GATE:
        data["gate"] = _gate(runs.gate_counts(connection, run["workflow"], which))
        data["items"] = review.list_items(connection, workflow=run["workflow"], run=which, limit=_FIRST_ITEMS)
    if run["stage"] == Stage.EVALUATE:
        shown = asked.choice("samples", SHOWN)
        data["problems"] = asked.problems
        within = (run["window_start"], run["finished_at"])
        data["samples"] = _samples(connection, which, asked, shown, within)
        data["sample_counts"] = _tested(samples.sample_counts(connection, which, within=within))
        data |= _result(connection, run)
        data["shown"], data["paged"] = shown, bool(asked.after)
        data["baselines"] = runs.approvals_as_baseline(connection, which, run["workflow"])
    return data


def _result(connection: sa.Connection, run: Row) -> dict[str, Any]:
    """What the eval run came to, what answered, and the baseline that it can be compared with."""
    result = evals.whole_results(connection, [run["id"]]).get(run["id"])
    base = evals.approvals(connection, [run["workflow"]]).get(run["workflow"])
    answered = parts(result["fingerprint"]) if result is not None else ()
    return {"result": result, "answered": answered, "baseline_run": base["run_id"] if base else None, "short": short}


def _samples(connection: sa.Connection, which: uuid.UUID, asked: Asked, shown: str, within: samples.Span) -> Page:
    return listed(asked, lambda: samples.list_samples(connection, which, within=within, show=shown, after=asked.after))


def _gate(counts: Row) -> dict[str, Any]:
    text = f"{counts['released']} released, {counts['routed']} to a person"
    return {**counts, "bar": split(text, [(counts["released"], "good"), (counts["routed"], "warn")])}


def _tested(counts: Row) -> dict[str, Any]:
    parts = [(counts["passed"], "good"), (counts["failed"], "bad"), (counts["not_scored"], "none")]
    text = f"{counts['passed']} passed, {counts['failed']} failed, {counts['not_scored']} not scored"
    return {**counts, "bar": split(text, parts)}
