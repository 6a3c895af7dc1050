"""How every workflow stands: its declaration, the newest run of each stage, its open incidents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from afterpilot.domain.run import Stage
from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch
from afterpilot.record.tables import current_declarations, declarations, incidents, runs

# The stages whose evidence the status page draws a bar from; the evidence of the others stays in the database.
_DRAWN = (Stage.GATE, Stage.EVALUATE, Stage.SPEND)


def folders(
    connection: sa.Connection, *, containing: str = "", only: Only = None, after: str = "", limit: int = 50
) -> Page:
    """Declared workflows by slug with their current version, its problems, and the document that is in force.

    ``document`` is the current one where it is usable, else the last usable one, else None. Raises ValueError for a cursor
    that is none.
    """
    current, usable = declarations.alias("current"), declarations.alias("usable")
    here = current_declarations
    statement = (
        sa.select(
            here,
            current.c.usable,
            current.c.problems,
            current.c.first_loaded_at,
            usable.c.document,
            usable.c.first_loaded_at.label("usable_since"),
        )
        .join(current, sa.and_(current.c.workflow == here.c.workflow, current.c.sha256 == here.c.sha256))
        .outerjoin(usable, sa.and_(usable.c.workflow == here.c.workflow, usable.c.sha256 == here.c.usable_sha256))
    )
    statement = statement.where(among(here.c.workflow, only))
    if containing:
        statement = statement.where(here.c.workflow.contains(containing, autoescape=True))
    return fetch(connection, statement, keys=[Key("workflow", here.c.workflow)], after=after, limit=limit)


def latest_runs(connection: sa.Connection, workflows: Sequence[str]) -> Mapping[tuple[str, str], Row]:
    """What stands of the newest run by workflow and stage; a stage that never ran is not there.

    A correction is no news of its own: it stands in the place of the run that it corrects.
    """
    if not workflows:
        return {}
    wanted = sa.values(sa.column("workflow", sa.Text), name="wanted").data([(slug,) for slug in workflows])
    stages = sa.values(sa.column("stage", sa.Text), name="stages").data([(str(stage),) for stage in Stage])
    last = (
        sa.select(runs.c.id, runs.c.finished_at)
        .where(runs.c.workflow == wanted.c.workflow, runs.c.stage == stages.c.stage, runs.c.corrects.is_(None))
        .order_by(runs.c.finished_at.desc())
        .limit(1)
        .lateral("last")
    )
    shown = sa.select(
        runs.c.id,
        runs.c.verdict,
        runs.c.summary,
        runs.c.finished_at,
        sa.case((runs.c.stage.in_(_DRAWN), runs.c.evidence), else_=sa.null()).label("evidence"),
    ).correlate(last)  # without it the union would read the newest runs of all workflows
    either = sa.union_all(
        shown.where(runs.c.finished_at == last.c.finished_at, runs.c.id == last.c.id),
        shown.where(runs.c.finished_at >= last.c.finished_at, runs.c.corrects == last.c.id),
    ).subquery()
    newest = sa.select(either).order_by(either.c.finished_at.desc()).limit(1).lateral("newest")
    statement = (
        sa.select(wanted.c.workflow, stages.c.stage, newest)
        .select_from(wanted)
        .join(stages, sa.true())
        .join(last, sa.true())
        .join(newest, sa.true())
    )
    return {(row["workflow"], row["stage"]): row for row in all_rows(connection, statement)}


def open_incidents(connection: sa.Connection, *, only: Only = None, limit: int = 20) -> Sequence[Row]:
    """Incidents that are not over, gravest first, then the newest."""
    gravity = sa.case({"critical": 0, "unknown": 1, "warning": 2}, value=incidents.c.severity, else_=3)
    statement = (
        sa.select(incidents)
        .where(incidents.c.state != "resolved", among(incidents.c.workflow, only))
        .order_by(gravity, incidents.c.opened_at.desc(), incidents.c.id)
    )
    return all_rows(connection, statement.limit(limit))


def open_incident_counts(connection: sa.Connection, workflows: Collection[str]) -> Mapping[str, int]:
    """How many incidents of each workflow are not over; a workflow without any is not there."""
    statement = (
        sa.select(incidents.c.workflow, sa.func.count().label("open"))
        .where(incidents.c.state != "resolved", incidents.c.workflow.in_(workflows))
        .group_by(incidents.c.workflow)
    )
    return {row["workflow"]: row["open"] for row in all_rows(connection, statement)}


def slugs(connection: sa.Connection, *, only: Only = None, limit: int = 1000) -> Sequence[str]:
    """The names of workflows that were ever declared, for the suggestions of a filter."""
    slug = current_declarations.c.workflow
    return list(connection.scalars(sa.select(slug).where(among(slug, only)).order_by(slug).limit(limit)))
