"""Two eval runs beside each other."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.decide.paired import compare
from afterpilot.record.history import evals
from afterpilot.record.history.paging import Row
from afterpilot.web.evals import answering
from afterpilot.web.evals.reading import rate_of, signed
from afterpilot.web.evals.standing import passes
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.reading import mapping
from afterpilot.web.viewing import evidence, shows

MOST = 50  # changed cases that are shown with their answers
_CHOICE = 60  # runs to choose from


@dataclass(frozen=True, slots=True)
class Beside:
    """A case that changed sides, with a sample of each run (None where none is kept)."""

    case: str
    word: str
    before: Row | None
    after: Row | None


def router(frame: Frame) -> APIRouter:
    """The route of a comparison."""
    routes = APIRouter()

    @routes.get("/evals/{workflow}/compare")
    @evidence()
    def two(request: Request, workflow: str) -> HTMLResponse:
        asked = Asked(request)
        with frame.reading() as connection:
            choice = evals.results(connection, workflow, limit=_CHOICE)[::-1]
            if not choice:
                raise HTTPException(404, "No eval run of this workflow is kept.")
            base = evals.approvals(connection, [workflow]).get(workflow)
            a = _which(asked, "a") or (base["run_id"] if base else choice[-1]["run_id"])
            b = _which(asked, "b") or choice[0]["run_id"]
            found = evals.whole_results(connection, [a, b])
            pair = [found.get(which) for which in (a, b)]
            if any(row is None or row["workflow"] != workflow for row in pair):
                raise HTTPException(404, "One of these is not an eval run of this workflow that is kept.")
            data = _compared(connection, found[a], found[b])
        shows(request, f"run:{b}", workflow, part=f"beside run {a}")
        return frame.page(
            request,
            "compare.html",
            title=f"Two eval runs of {workflow}",
            here="evals",
            withholds=False,
            workflow=workflow,
            choice=choice,
            baseline=base["run_id"] if base else None,
            approved=len(base["runs"] or ()) if base else 0,
            rate_of=rate_of,
            **data,
        )

    return routes


def _which(asked: Asked, name: str) -> uuid.UUID | None:
    return identity(asked.text(name)) if asked.text(name) else None


def _compared(connection: sa.Connection, a: Row, b: Row) -> dict[str, Any]:
    before, after = verdicts(a), verdicts(b)
    result = compare(after, before)
    changed = [(case, "broken") for case in result.broken] + [(case, "fixed") for case in result.fixed]
    shown = changed[:MOST]
    found = evals.answers(connection, [(a["run_id"], a["at"]), (b["run_id"], b["at"])], [case for case, _ in shown])
    samples = _worst(found)
    return {
        "a": a,
        "b": b,
        "compared": result,
        "interval": [signed(-100 * lost) for lost in (result.drop, result.interval.high, result.interval.low)],
        "still": sorted(case for case in before if before[case] is False and after.get(case) is False),
        "rows": [
            Beside(case, word, samples.get((a["run_id"], case)), samples.get((b["run_id"], case)))
            for case, word in shown
        ],
        "more": len(changed) - len(shown),
        "only": (len(before.keys() - after.keys()), len(after.keys() - before.keys())),
        "parts_of": answering.changed(a["fingerprint"], b["fingerprint"]),
        "same_suite": a["suite"] == b["suite"],
    }


def verdicts(row: Row) -> dict[str, bool]:
    """Whether each scored case passed, as the run itself counted: in every epoch, unless its reducer said otherwise."""
    found = {case: passes(outcome) for case, outcome in mapping(row["outcomes"]).items()}
    found |= {case: said if isinstance(said, bool) else None for case, said in mapping(row["verdicts"]).items()}
    return {case: passed for case, passed in sorted(found.items()) if passed is not None}


def _worst(found: Sequence[Row]) -> Mapping[tuple[uuid.UUID, str], Row]:
    """One sample of each run and case: a failed one where there is one, since that is what decided."""
    kept: dict[tuple[uuid.UUID, str], Row] = {}
    for sample in found:
        key = (sample["run_id"], sample["case_id"])
        if key not in kept or (sample["passed"] is False and kept[key]["passed"] is not False):
            kept[key] = sample
    return kept
