"""What should have been looked at in a span of days and what was, for some workflows, from what is on record alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.decide.coverage import (
    Cell,
    Era,
    Ran,
    Rhythm,
    Standing,
    answered,
    cell,
    grid,
    promised,
    standing_on,
)
from afterpilot.decide.coverage_gaps import Reason, Stretch, stretches, why
from afterpilot.declare.cron import cron_error, due_after
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Finding, Severity, Verdict
from afterpilot.domain.watching import OVERDUE, STAGES, WATCH, TaskFailure
from afterpilot.record.history import coverage as history

_LATE = timedelta(days=1)  # a run may be so late and still answer what was due
_DAY = timedelta(days=1)
# What an incident of all workflows together is called for those who see only some of them: its own words may name the others.
_OF_ALL = {
    "watch.scheduler": "Airflow's scheduler did not start what was due",
    "watch.task_failed": "A task of Airflow that all workflows need failed",
    "watch.overdue": "A verdict on all workflows together was overdue",
    "declaration.broken": "The fleet's declaration was broken",
}
_TROUBLE = "An incident of all workflows together held"


@dataclass(frozen=True, slots=True)
class Missing:
    """What did not run, and what is on record of that time."""

    stretch: Stretch
    reasons: tuple[Reason, ...]
    follows: Stage | None = None  # the stage before it on the same path, where that did not run either


@dataclass(frozen=True, slots=True)
class Covered:
    """One workflow over some days (UTC). ``cells`` has every day and stage; ``whole`` says whether all runs were counted."""

    workflow: str
    days: tuple[date, ...]
    cells: Mapping[tuple[date, Stage], Cell]
    total: Cell
    by_day: Mapping[date, Cell]
    missing: tuple[Missing, ...]
    eras: tuple[Era, ...]
    unknown_until: datetime | None = None  # until when the fleet's schedules are not on record
    whole: bool = True
    versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def covered(
    connection: sa.Connection,
    workflows: Sequence[str],
    days: tuple[date, date],
    now: datetime,
    *,
    only: Collection[str] | None = None,
) -> Mapping[str, Covered]:
    """What was due and what came, from the first of ``days`` to the last one, both included; what lies ahead is not due.

    ``only`` are the workflows that whoever asks sees (None: all): what is on record of others explains a gap without its words.
    """
    since, until = _midnight(days[0]), min(_midnight(days[1]) + _DAY, now)
    eras, versions = _eras(connection, workflows, since, until)
    rhythms = [Rhythm(row["at"], _sound(row["schedules"])) for row in history.rhythms(connection, since, until)]
    runs, whole = _runs(connection, workflows, since, min(until + _LATE, now))
    reasons = _reasons(connection, workflows, since, until, only)
    shown = tuple(days[0] + timedelta(number) for number in range((days[1] - days[0]).days + 1))
    found: dict[str, Covered] = {}
    for slug in workflows:
        dues = promised(eras[slug], rhythms, (since, until), due_after, fleet=slug == FLEET)
        answers, more = answered(dues, runs[slug], now)
        told = grid(answers, [run for run in more if since <= run.finished < until])
        stood = {day: standing_on(eras[slug], _midnight(day), _midnight(day) + _DAY) for day in shown}
        found[slug] = Covered(
            slug,
            shown,
            {(day, stage): told.get((day, stage)) or Cell(standing=stood[day]) for day in shown for stage in Stage},
            cell(answers, sum(one.more for one in told.values())),
            {day: _of_day(told, day, stood[day]) for day in shown},
            _missing(stretches(answers), reasons[slug]),
            tuple(eras[slug]),
            _unknown_until(eras[slug], rhythms, since),
            whole,
            versions[slug],
        )
    return found


def _missing(gaps: Sequence[Stretch], reasons: Sequence[Reason]) -> tuple[Missing, ...]:
    missed = {(gap.schedule, gap.stage, gap.first) for gap in gaps}
    found = []
    for gap in gaps:
        path = STAGES.get(gap.schedule.partition(".")[0], ())
        before = path[: path.index(gap.stage)] if gap.stage in path else ()
        follows = next((stage for stage in before if (gap.schedule, stage, gap.first) in missed), None)
        found.append(Missing(gap, why(gap, reasons), follows))
    return tuple(found)


def _of_day(told: Mapping[tuple[date, Stage], Cell], day: date, standing: Standing) -> Cell:
    cells = [one for (on, _), one in told.items() if on == day]
    counts = ("expected", "passed", "warned", "failed", "unknown", "missed", "pending", "more")
    return Cell(**{name: sum(getattr(one, name) for one in cells) for name in counts}, standing=standing)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _sound(crons: Mapping[str, str]) -> Mapping[str, str]:
    return {name: cron for name, cron in crons.items() if isinstance(cron, str) and not cron_error(cron)}


def _unknown_until(eras: Sequence[Era], rhythms: Sequence[Rhythm], since: datetime) -> datetime | None:
    """Until when a workflow was declared whose schedules are not on record."""
    first = max(since, eras[0].start) if eras else None
    if first is None or not any(era.promises for era in eras):
        return None
    known = rhythms[0].start if rhythms else datetime.max.replace(tzinfo=UTC)
    return known if first < known else None


def _eras(
    connection: sa.Connection, workflows: Sequence[str], since: datetime, until: datetime
) -> tuple[Mapping[str, list[Era]], Mapping[str, Mapping[str, Mapping[str, Any]]]]:
    """What each workflow's declaration said, and when: by the first load of each version, and by the runs that confirmed it."""
    versions: defaultdict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    events: defaultdict[str, set[tuple[datetime, str]]] = defaultdict(set)
    for row in history.versions(connection, workflows, until):
        versions[row["workflow"]][row["sha256"]] = row
        events[row["workflow"]].add((row["first_loaded_at"], row["sha256"]))
    for row in history.changes(connection, workflows, since, until):
        events[row["workflow"]].add((row["at"], row["sha256"]))
    return defaultdict(
        list, {slug: list(_told(slug, sorted(events[slug]), versions[slug])) for slug in workflows}
    ), versions


def _told(
    slug: str, events: Sequence[tuple[datetime, str]], versions: Mapping[str, Mapping[str, Any]]
) -> Iterator[Era]:
    promises: Mapping[str, str] = {}
    for at, sha256 in events:
        version = versions.get(sha256)
        if slug == FLEET:
            yield Era(at, "in force")
        elif version is None:
            yield Era(at, "gone" if not sha256 else "broken", promises, sha256)
        elif not version["usable"]:
            yield Era(at, "broken", promises, sha256)
        else:
            promises = version["schedule"] if isinstance(version["schedule"], dict) else {}
            yield Era(at, "retired" if version["life"] == "retired" else "in force", promises, sha256)


def _runs(
    connection: sa.Connection, workflows: Sequence[str], since: datetime, until: datetime
) -> tuple[Mapping[str, Sequence[Ran]], bool]:
    found: defaultdict[str, list[Ran]] = defaultdict(list)
    rows = history.runs_between(connection, workflows, since, until)
    for row in rows:
        run = Ran(Stage(row["stage"]), Verdict(row["verdict"]), row["started_at"], row["finished_at"], row["scheduled"])
        found[row["workflow"]].append(run)
    return found, len(rows) < history.MOST_RUNS


def _reasons(
    connection: sa.Connection,
    workflows: Sequence[str],
    since: datetime,
    until: datetime,
    only: Collection[str] | None,
) -> Mapping[str, Sequence[Reason]]:
    """What may explain a gap, by workflow: what the fleet suffered from concerns all."""
    found: defaultdict[str, list[Reason]] = defaultdict(list)
    stages = {(slug, _overdue(slug, stage)): str(stage) for slug in workflows for stage in Stage}
    for row in history.troubles(connection, workflows, since, until):
        stage = stages.get((row["workflow"], row["fingerprint"]), "")
        if row["kind"].endswith(".did_not_run"):
            stage = row["stage"]
        told = (row["title"], stage, "incident", str(row["id"]))
        if only is not None and row["workflow"] not in only:
            told = (_OF_ALL.get(row["kind"], _TROUBLE), stage, "", "")
        for slug in workflows if row["workflow"] == FLEET else (row["workflow"],):
            found[slug].append(Reason(row["opened_at"], row["resolved_at"], *told))
    for row in history.failed_tasks(connection, since - timedelta(hours=2), until + timedelta(hours=2)):
        reason = _failed(row, only)
        for slug in row["workflows"] or workflows:
            found[slug].append(reason)
    return found


def _failed(row: Mapping[str, Any], only: Collection[str] | None) -> Reason:
    """A task that failed; its error only where it is of workflows that are seen: it may name others and their data."""
    failure = TaskFailure(row["dag_id"], row["task_id"], row["run_id"], row["map_index"], row["at"])
    text = f"The task {row['task_id']} of {row['dag_id']} failed"
    if row["error"] and (only is None or (row["workflows"] and set(row["workflows"]) <= set(only))):
        text += f": {row['error']}"
    return Reason(row["at"] - timedelta(hours=1), row["at"] + timedelta(hours=1), text, str(failure.stage or ""))


def _overdue(slug: str, stage: Stage) -> str:
    """The fingerprint of the watchdog's incident about a verdict that is overdue."""
    return Finding(slug, WATCH, OVERDUE, Severity.UNKNOWN, "", about=str(stage)).fingerprint
