"""One eval case: its question, its history, and two of its answers side by side."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from afterpilot.record.history import evals
from afterpilot.record.history.paging import Row
from afterpilot.web.evals.cases import NIGHTS, Strip, strip
from afterpilot.web.evals.diff import Diff, diff
from afterpilot.web.evals.question import read_case
from afterpilot.web.filters import Asked, identity
from afterpilot.web.frame import Frame
from afterpilot.web.reading import listed, mapping
from afterpilot.web.viewing import evidence, shows


@dataclass(slots=True)
class Answer:
    """A distinct answer of the model: the samples that gave it, newest first."""

    output: str | None
    samples: list[Row]

    @property
    def passed(self) -> int:
        """How many of the samples passed."""
        return sum(sample["passed"] is True for sample in self.samples)


def router(frame: Frame, folder: Path | None) -> APIRouter:
    """The route of a case."""
    routes = APIRouter()

    @routes.get("/evals/{workflow}/cases/{case:path}")
    @evidence()
    def one(request: Request, workflow: str, case: str) -> HTMLResponse:
        asked = Asked(request)
        with frame.reading() as connection:
            history = [row for row in evals.outcomes_of(connection, workflow, case) if row["outcome"] is not None]
            declared = evals.declared(connection, workflow)
            base = evals.approvals(connection, [workflow]).get(workflow)
            shown = [(row["run_id"], row["at"]) for row in history[:NIGHTS]]
            chosen = _chosen(asked)
            more = [which for which in [base["run_id"] if base else None, *chosen.values()] if which]
            whole = evals.whole_results(connection, [which for which in more if which not in dict(shown)])
            shown += [(row["run_id"], row["at"]) for row in whole.values() if row["workflow"] == workflow]
            found = list(evals.answers(connection, shown, [case], whole=True))
        suite = mapping(mapping(declared["document"] if declared else None).get("evals"))
        written = read_case(folder, workflow, suite, case)
        if not history and not found and written is None:
            raise HTTPException(404, "No eval run of this workflow that is kept had a case of this name.")
        found.sort(key=lambda sample: (sample["at"], -sample["epoch"]), reverse=True)
        pair = _pair(found, base, chosen)
        shows(request, f"workflow:{workflow}", workflow, part=f"case {case}")
        return frame.page(
            request,
            "case.html",
            title=f"Case {case} of {workflow}",
            here="evals",
            withholds=False,
            workflow=workflow,
            case=case,
            written=written,
            asked_with=_request(found),
            history=history,
            strip=_strip(case, history),
            answers=_answers(found),
            picks=_picks(found),
            base=base["run_id"] if base else None,
            pair=pair,
            diff=_diff(pair),
            problems=asked.problems,
        )

    return routes


def _chosen(asked: Asked) -> dict[str, uuid.UUID]:
    """The runs that the reader wants side by side."""
    return {name: identity(asked.text(name)) for name in ("a", "b") if asked.text(name)}


def _pair(found: Sequence[Row], base: Row | None, chosen: Mapping[str, uuid.UUID]) -> tuple[Row | None, Row | None]:
    """The two samples to compare: as chosen, else the baseline's and the newest that was answered."""
    by_run: dict[uuid.UUID, Row] = {}
    for sample in found:  # the first epoch stands first
        if sample["output"] is not None:
            by_run.setdefault(sample["run_id"], sample)
    newest = next(iter(by_run.values()), None)
    oldest = next(reversed(by_run.values()), None) if by_run else None
    default = by_run.get(base["run_id"]) if base else None
    left = by_run.get(chosen["a"]) if "a" in chosen else default or oldest
    return left, by_run.get(chosen["b"]) if "b" in chosen else newest


def _diff(pair: tuple[Row | None, Row | None]) -> Diff | None:
    left, right = pair
    return diff(left["output"], right["output"]) if left is not None and right is not None else None


def _answers(found: Sequence[Row]) -> list[Answer]:
    """Distinct answers, the one that was given last first; what the harness could not get is apart."""
    groups: dict[str | None, Answer] = {}
    for sample in found:
        output = None if sample["error"] else sample["output"]
        groups.setdefault(output, Answer(output, [])).samples.append(sample)
    return list(groups.values())


def _picks(found: Sequence[Row]) -> list[Row]:
    """One sample of each run that has an answer, to choose from."""
    runs: dict[uuid.UUID, Row] = {}
    for sample in found:
        if sample["output"] is not None:
            runs.setdefault(sample["run_id"], sample)
    return list(runs.values())


def _request(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The turns that were sent the last time; pictures are named, never shown."""
    sent = mapping(next((sample["request"] for sample in found if sample["request"]), None))
    turns = listed(sent.get("messages")) or listed(sent.get("input"))
    return [
        {"role": str(mapping(turn).get("role", "")), "content": _content(mapping(turn).get("content"))}
        for turn in turns[:40]
    ]


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = [mapping(part) for part in listed(content)]
    return "\n".join(str(part["text"]) if "text" in part else f"[{part.get('type', 'part')}]" for part in parts)


def _strip(case: str, history: Sequence[Row]) -> Strip:
    rows = [{**row, "outcomes": {case: row["outcome"]}} for row in reversed(history)]
    return strip(case, rows)
