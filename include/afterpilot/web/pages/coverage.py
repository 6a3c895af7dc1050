"""Coverage: which checks should have run by what was declared at the time, and which did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.decide.coverage import Cell
from afterpilot.domain.run import FLEET, OF_WORKFLOWS, Stage
from afterpilot.pipeline.coverage import Covered, covered
from afterpilot.record.history import coverage as history
from afterpilot.record.history import status
from afterpilot.record.history.paging import Page, Row
from afterpilot.web.access import Sight, sight
from afterpilot.web.expectations import Expectation, expectations
from afterpilot.web.filters import Asked
from afterpilot.web.frame import Frame
from afterpilot.web.list_files import MOST, add_files, as_file
from afterpilot.web.listings import COVERAGE
from afterpilot.web.measures import Bar, split
from afterpilot.web.paging import listed

WEEK, LONGEST = 7, 31  # days
_AT_ONCE = 12  # workflows on one page


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as it is shown: its figures in words, and its bar where something was due."""

    cell: Cell
    text: str
    bar: Bar | None


def router(frame: Frame) -> APIRouter:
    """Routes of coverage."""
    routes = APIRouter()

    @routes.get("/coverage")
    def page(request: Request) -> HTMLResponse:
        asked, who = Asked(request), sight(request)
        days = span(asked, frame.clock().astimezone(UTC).date())
        workflow = asked.text("workflow")
        with frame.reading() as connection:
            slugs = status.slugs(connection, only=who.only)
            if workflow:
                who.need(workflow)
                _known(connection, who, workflow)
                data = _one(connection, frame, workflow, days, who) if not asked.problems else {}
            else:
                folders = listed(
                    asked, lambda: status.folders(connection, only=who.only, after=asked.after, limit=_AT_ONCE)
                )
                names = [row["workflow"] for row in folders.rows]
                found = covered(connection, names, days, frame.clock(), only=who.only) if names else {}
                data = {"rows": [(one, _days_of(one)) for one in found.values()], "after": folders.after}
        return frame.page(
            request,
            "coverage_of.html" if workflow and not asked.problems else "coverage.html",
            title=f"Coverage of {workflow}" if workflow else "Coverage",
            here="coverage",
            **{"rows": (), "after": ""} | data,
            query={"workflow": workflow, "from": days[0].isoformat(), "to": days[1].isoformat()},
            days=days,
            slugs=slugs,
            fleet=FLEET if who.only is None else "",
            problems=asked.problems,
            paged=bool(asked.after),
            most=MOST,
        )

    add_files(routes, COVERAGE, lambda request, form: _file(request, frame, form))

    return routes


def _file(request: Request, frame: Frame, form: str) -> Response:
    """What was due and what came by workflow, day and stage, of one workflow or of all."""
    asked, who, workflow = Asked(request), sight(request), Asked(request).text("workflow")
    days = span(asked, frame.clock().astimezone(UTC).date())
    if workflow:
        who.need(workflow)

    def ask(after: str) -> Page:
        with frame.reading() as connection:
            if workflow:
                _known(connection, who, workflow)
                folders = Page([{"workflow": workflow}])
            else:
                folders = status.folders(connection, only=who.only, after=after, limit=_AT_ONCE)
            names = [row["workflow"] for row in folders.rows]
            found = covered(connection, names, days, frame.clock(), only=who.only) if names else {}
        return Page([row for one in found.values() for row in _rows(one)], folders.after)

    query = {"workflow": workflow, "from": days[0].isoformat(), "to": days[1].isoformat()}
    return as_file(request, frame, form, COVERAGE, asked, ask, query)


def _rows(one: Covered) -> Iterator[Row]:
    """A row for each day and stage of which there is anything to be told."""
    for (day, stage), it in sorted(one.cells.items()):
        if _told(it):
            yield {
                "workflow": one.workflow,
                "day": day,
                "stage": str(stage),
                "standing": it.standing,
                "due": it.expected,
                "ran": it.ran,
                "passed": it.passed,
                "warned": it.warned,
                "failed": it.failed,
                "unknown": it.unknown,
                "did_not_run": it.missed,
                "still_to_come": it.pending,
                "ran_besides": it.more,
                "all_runs_counted": one.whole,
            }


def _known(connection: sa.Connection, who: Sight, workflow: str) -> None:
    """Raises HTTPException 404 for a workflow that was never declared."""
    if workflow not in status.slugs(connection, only=who.only) and not (workflow == FLEET and who.only is None):
        raise HTTPException(404, "No workflow of this name was ever declared.")


def span(asked: Asked, today: date, *, longest: int = LONGEST, usual: int = WEEK) -> tuple[date, date]:
    """The days asked for, both included; the last seven unless said. What cannot be used is a problem of the question."""
    last = asked.day("to") or today
    first = asked.day("from") or last - timedelta(days=usual - 1)
    if first > last:
        asked.problems.append("from: is after to")
    elif (last - first).days >= longest:
        asked.problems.append(
            f"from, to: {(last - first).days + 1} days are more than the {longest} that one page shows"
        )
    elif first > today:
        asked.problems.append("from: lies ahead")
    else:
        return first, min(last, today)
    return today - timedelta(days=usual - 1), today


def shown(cell: Cell) -> Shown:
    """A cell in words and as a bar."""
    text = f"{cell.ran} of {cell.expected} ran" if cell.expected else ""
    parts = [
        (cell.passed, "good"),
        (cell.warned, "warn"),
        (cell.failed, "bad"),
        (cell.unknown, "none"),
        (cell.missed + cell.pending, "empty"),
    ]
    return Shown(cell, text, split(f"{text}: {in_words(cell)}", [*parts]) if cell.expected else None)


def in_words(cell: Cell) -> str:
    """What came of what was due: 21 PASS, 1 FAIL, 2 did not run."""
    counts = [
        (cell.passed, "PASS"),
        (cell.warned, "WARN"),
        (cell.failed, "FAIL"),
        (cell.unknown, "UNKNOWN"),
        (cell.missed, "did not run"),
        (cell.pending, "still to come"),
    ]
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def _one(connection: sa.Connection, frame: Frame, workflow: str, days: tuple[date, date], who: Sight) -> dict[str, Any]:
    found = covered(connection, [workflow], days, frame.clock(), only=who.only)[workflow]
    stages = [stage for stage in _stages(workflow) if any(_told(found.cells[day, stage]) for day in found.days)]
    rows = [
        (day, [(stage, shown(found.cells[day, stage])) for stage in stages], found.by_day[day])
        for day in reversed(found.days)
    ]
    return {
        "found": found,
        "total": shown(found.total),
        "words": in_words(found.total),
        "stages_shown": stages,
        "rows": rows,
        "judged": _judged(connection, found),
        "kept": kept_quiet(found.versions.values()),
        "most_runs": history.MOST_RUNS,
    }


def _stages(workflow: str) -> Sequence[Stage]:
    return (Stage.DECLARE, Stage.SPEND, Stage.BILLS) if workflow == FLEET else OF_WORKFLOWS


def _told(cell: Cell) -> bool:
    return bool(cell.expected or cell.more)


def _days_of(found: Covered) -> Sequence[tuple[date, Shown]]:
    return [(day, shown(found.by_day[day])) for day in found.days]


def _judged(connection: sa.Connection, found: Covered) -> Sequence[Expectation]:
    """Each expectation that was declared or judged in these days, with how often it was judged."""
    if found.workflow == FLEET or not found.days:
        return ()
    since, until = history.bounds(found.days[0], found.days[-1])
    last = found.eras[-1].version if found.eras else ""
    declared = found.versions.get(last, {}).get("quality")
    return expectations(declared, history.judged(connection, found.workflow, since, until))


def kept_quiet(versions: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 - documents
    """The maintenance windows that versions of a declaration name, each once."""
    found: dict[str, Mapping[str, Any]] = {}
    for version in versions:
        for window in version["maintenance"] if isinstance(version["maintenance"], list) else ():
            if isinstance(window, dict):
                found[str(sorted(window.items(), key=str))] = window
    return list(found.values())
