"""What held at a moment of the past, from the tables that keep history: nothing here is taken from what holds today."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.run import FLEET
from afterpilot.record.history.paging import Row, all_rows, one_row
from afterpilot.record.tables import (
    baselines,
    cap_raises,
    declarations,
    incident_events,
    incidents,
    ledger,
    ledger_heads,
    prices,
    runs,
    silences,
)

MOST = 100
_STATES = ("opened", "reopened", "resolved", "acknowledged", "waived", "waiver_over", "escalated", "flapping")


def confirmed(connection: sa.Connection, workflow: str, at: datetime) -> Row | None:
    """The newest run on the workflow's declaration until then: ``sha256`` (empty: the folder was gone), ``finished_at``, ``id``."""
    sha256 = sa.func.coalesce(runs.c.evidence["sha256"].astext, runs.c.versions["declaration"].astext, "")
    statement = (
        sa.select(runs.c.id, runs.c.verdict, runs.c.finished_at, sha256.label("sha256"))
        .where(
            runs.c.workflow == workflow,
            runs.c.stage == "declare",
            runs.c.corrects.is_(None),
            runs.c.finished_at <= at,
        )
        .order_by(runs.c.finished_at.desc(), runs.c.id)
    )
    return one_row(connection, statement)


def loaded(connection: sa.Connection, workflow: str, at: datetime) -> Row | None:
    """The version that was loaded for the first time last until then, with its document."""
    here = declarations.c
    statement = sa.select(declarations).where(here.workflow == workflow, here.first_loaded_at <= at)
    return one_row(connection, statement.order_by(here.first_loaded_at.desc(), here.sha256))


def last_usable(connection: sa.Connection, workflow: str, at: datetime) -> Row | None:
    """The last version until then that could be used, with its document."""
    here = declarations.c
    statement = sa.select(declarations).where(here.workflow == workflow, here.usable, here.first_loaded_at <= at)
    return one_row(connection, statement.order_by(here.first_loaded_at.desc(), here.sha256))


def newest_runs(connection: sa.Connection, workflow: str, stages: Sequence[str], at: datetime) -> Sequence[Row]:
    """The newest run of each stage that had ended by then, with the verdict that stood: that of its newest correction until then."""
    wanted = sa.values(sa.column("stage", sa.Text), name="wanted").data([(stage,) for stage in stages])
    last = (
        sa.select(runs.c.id, runs.c.verdict, runs.c.summary, runs.c.versions, runs.c.finished_at)
        .where(
            runs.c.workflow == workflow,
            runs.c.stage == wanted.c.stage,
            runs.c.corrects.is_(None),
            runs.c.finished_at <= at,
        )
        .order_by(runs.c.finished_at.desc())
        .limit(1)
        .lateral("last")
    )
    corrected = runs.alias("corrected")
    correction = (
        sa.select(corrected.c.verdict.label("corrected_verdict"), corrected.c.id.label("corrected_by"))
        .where(corrected.c.corrects == last.c.id, corrected.c.finished_at >= last.c.finished_at)
        .where(corrected.c.finished_at <= at)
        .order_by(corrected.c.finished_at.desc())
        .limit(1)
        .lateral("correction")
    )
    statement = (
        sa.select(wanted.c.stage, last, correction)
        .select_from(wanted)
        .join(last, sa.true())
        .outerjoin(correction, sa.true())
    )
    return all_rows(connection, statement)


def baseline(connection: sa.Connection, workflow: str, at: datetime) -> Row | None:
    """The approval of eval runs as those to compare with that was the newest then."""
    here = baselines.c
    statement = sa.select(baselines).where(here.workflow == workflow, here.approved_at <= at)
    return one_row(connection, statement.order_by(here.approved_at.desc(), here.id.desc()))


def raises(connection: sa.Connection, workflow: str, at: datetime) -> Sequence[Row]:
    """Raises of caps, of the workflow and the fleet, that had been asked for by then, of the periods that ran."""
    here = cap_raises.c
    statement = (
        sa.select(cap_raises)
        .where(here.workflow.in_([workflow, FLEET]), here.asked_at <= at, here.period_start <= at, here.period_end > at)
        .order_by(here.asked_at.desc(), here.id)
    )
    return all_rows(connection, statement.limit(MOST))


def silenced(connection: sa.Connection, at: datetime) -> Sequence[Row]:
    """Every silence that held then, whichever workflow it names."""
    here = silences.c
    statement = sa.select(silences).where(here.starts_at <= at, here.ends_at > at)
    return all_rows(connection, statement.order_by(here.ends_at, here.id).limit(MOST))


def open_incidents(connection: sa.Connection, workflow: str, at: datetime) -> Sequence[Row]:
    """Incidents that were not over then, gravest first; ``stood`` is the last thing that had become of each."""
    here, event = incidents.c, incident_events.c
    last = (
        sa.select(event.what.label("stood"), event.actor, event.at.label("stood_at"))
        .where(event.incident_id == here.id, event.at <= at, event.what.in_(_STATES))
        .order_by(event.at.desc(), event.id.desc())
        .limit(1)
        .lateral("last")
    )
    gravity = sa.case({"critical": 0, "unknown": 1, "warning": 2}, value=here.severity, else_=3)
    statement = (
        sa.select(here.id, here.stage, here.severity, here.title, here.opened_at, here.resolved_at, last)
        .select_from(incidents)
        .outerjoin(last, sa.true())
        .where(here.workflow == workflow, here.opened_at <= at)
        .where(sa.or_(here.resolved_at.is_(None), here.resolved_at > at))
        .where(last.c.stood.is_distinct_from("resolved"))
        .order_by(gravity, here.opened_at.desc(), here.id)
    )
    return all_rows(connection, statement.limit(MOST))


def valid_prices(connection: sa.Connection, models: Collection[str], at: datetime) -> Sequence[Row]:
    """The prices of these models that had been used by then and were valid on that day (UTC)."""
    if not models:
        return ()
    here, day = prices.c, at.date()
    statement = (
        sa.select(prices)
        .where(here.model.in_(sorted(models)), here.reason == "", here.first_used_at <= at)
        .where(sa.or_(here.valid_from.is_(None), here.valid_from <= day))
        .where(sa.or_(here.valid_to.is_(None), here.valid_to > day))
        .order_by(here.model, here.first_used_at.desc(), here.id)
    )
    return all_rows(connection, statement.limit(MOST))


def head(connection: sa.Connection, at: datetime) -> Row | None:
    """The newest head of the ledger at that time."""
    return one_row(
        connection, sa.select(ledger_heads).where(ledger_heads.c.at <= at).order_by(ledger_heads.c.at.desc())
    )


def loads(connection: sa.Connection, workflow: str, at: datetime, *, limit: int = 5) -> Sequence[Row]:
    """The ledger's newest entries until then on the versions of the workflow's declaration."""
    here = ledger.c
    statement = (
        sa.select(here.id, here.at, here.action, here.actor, here.subject)
        .where(here.workflow == workflow, here.action.like("declare:version:%"), here.at <= at)
        .order_by(here.id.desc())
    )
    return all_rows(connection, statement.limit(limit))
