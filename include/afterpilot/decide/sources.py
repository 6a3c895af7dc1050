"""What it means that a source misbehaves: it lost a column, changed a type, lost rows, or went back in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from afterpilot.decide.columns import hangs_on_column
from afterpilot.domain.counting import plural
from afterpilot.domain.looking import ChangedType, Look, LostColumn, Vanished
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Workflow

COLUMN_LOST = "pull.column_lost"
TYPE_CHANGED = "pull.type_changed"
SHRANK = "pull.source_shrank"
WENT_BACK = "pull.went_back"
KINDS = (COLUMN_LOST, TYPE_CHANGED, SHRANK, WENT_BACK)

_MANY = 0.05  # of a day's rows: where more are gone, it is no clean-up of single ones
_NAMED = 5


def source_findings(workflow: Workflow, look: Look) -> tuple[Finding, ...]:
    """A finding for each lost column and each changed type; one for rows that are gone, and one for each way to go back."""
    return (
        *(_lost(workflow, one) for one in look.lost),
        *(_changed(workflow, one) for one in look.changed),
        *([_shrank(workflow, look.vanished)] if look.vanished else ()),
        *_times(workflow, look),
    )


def _lost(workflow: Workflow, one: LostColumn) -> Finding:
    table, name = _place(workflow, one.name)
    return _finding(
        workflow,
        COLUMN_LOST,
        Severity.CRITICAL,
        f"{table} has no column {name}",
        about=one.name,
        hangs_on=hangs_on_column(workflow.source.connection, table, name),
        detail=f"Rows since {_at(one.since)} lack it; {one.instead or 'nothing of a similar name is there'}.",
        cost="its values are missing, the expectations on it are UNKNOWN, and outputs that need it go to people; "
        "all other columns are pulled",
        to_do="Bring the column back, or declare its new name in workflow.yaml: then the rows without it are read again by "
        "themselves, and what was said of them is corrected.",
        since=one.since,
    )


def _changed(workflow: Workflow, one: ChangedType) -> Finding:
    table, name = _place(workflow, one.name)
    return _finding(
        workflow,
        TYPE_CHANGED,
        Severity.WARNING,
        f"{table}.{name} holds {one.now} where it held {one.was}",
        about=one.name,
        cost="what does not fit the declared kind is kept as it stands and fails its checks; times without a zone are "
        "taken as UTC",
        to_do="Ask who changed the table. If the new type is meant, declare the column's kind anew in workflow.yaml; else "
        "change it back.",
        was=one.was,
        now=one.now,
    )


def _shrank(workflow: Workflow, vanished: tuple[Vanished, ...]) -> Finding:
    gone = sum(one.gone for one in vanished)
    share = max(one.gone / one.on_record for one in vanished)
    days = [f"{one.day:%Y-%m-%d}: {one.gone:,} of {one.on_record:,}" for one in vanished]
    keys = [key for one in vanished for key in one.keys][:20]
    more = f" and {gone - len(keys):,} more" if gone > len(keys) else ""
    return _finding(
        workflow,
        SHRANK,
        Severity.CRITICAL if share > _MANY else Severity.WARNING,
        f"{_rows(gone)} that {'was' if gone == 1 else 'were'} pulled from {workflow.source.table} "
        f"{'is' if gone == 1 else 'are'} not there any more",
        detail=f"{'; '.join(days)}. Records: {', '.join(keys)}{more}. They stay on record here as they were pulled.",
        cost="figures of these days count what the source does not hold any more; if rows were lost there, outcomes and "
        "decisions on them are lost too",
        to_do="Ask who deleted them. Restore them, or, where it was meant, say so: `afterpilot incidents resolve`.",
        days={f"{one.day}": {"on_record": one.on_record, "gone": one.gone} for one in vanished},
        keys=keys,
        examples=[f"record {key}" for key in keys[:_NAMED]],
    )


def _times(workflow: Workflow, look: Look) -> Iterator[Finding]:
    place = f"{workflow.source.table}.{workflow.source.time}"
    if look.went_back:
        yield _finding(
            workflow,
            WENT_BACK,
            Severity.CRITICAL,
            f"The newest row of {workflow.source.table} is of {_at(look.newest)}; one of {_at(look.before)} was seen before",
            about="newest",
            cost="the source stands where it stood earlier, as after the restore of a copy; what was written since may be lost",
            to_do="Ask the source's operator whether a copy was restored. It is over when newer rows than before are there.",
            newest=look.newest,
            before=look.before,
        )
    if look.ahead:
        yield _finding(
            workflow,
            WENT_BACK,
            Severity.WARNING,
            f"{_rows(look.ahead)} of {workflow.source.table} {'lies' if look.ahead == 1 else 'lie'} in the future",
            about="future",
            detail=f"The last one is of {_at(look.furthest)}.",
            cost="they are pulled when their time has come, and until then neither checked nor counted",
            to_do=f"See whether {place} is written in local time or by a clock that is wrong; times without a zone are UTC.",
            rows=look.ahead,
        )
    if look.clock > timedelta(0):
        yield _finding(
            workflow,
            WENT_BACK,
            Severity.WARNING,
            f"Our own clock stands {int(look.clock.total_seconds() // 60):,} minutes before the time up to which was pulled",
            about="clock",
            cost="nothing new is pulled until the clock has caught up",
            to_do="Set the clock of the machine that runs the workers.",
        )


def _finding(
    workflow: Workflow,
    kind: str,
    severity: Severity,
    title: str,
    *,
    about: str = "",
    detail: str = "",
    hangs_on: str = "",
    **evidence: Any,  # noqa: ANN401 - JSON-serialisable facts, and words for the message
) -> Finding:
    return Finding(
        workflow.slug,
        Stage.PULL,
        kind,
        severity,
        title,
        about=about,
        detail=detail,
        evidence=evidence,
        hangs_on=hangs_on,
    )


def _place(workflow: Workflow, column: str) -> tuple[str, str]:
    """Table and column; those of the decisions' table are named with it."""
    decisions = workflow.source.decisions
    if decisions is not None and column.startswith(f"{decisions.table}."):
        return decisions.table, column.removeprefix(f"{decisions.table}.")
    return workflow.source.table, column


def _rows(count: int) -> str:
    return plural(count, "row")


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "no time at all"
