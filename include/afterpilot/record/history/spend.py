"""Spend: what calls cost by workflow, day, model and price, and what is told of caps. Read from the sums of days alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.record.declarations import USABLE
from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Row, all_rows, one_row
from afterpilot.record.tables import (
    allowances,
    cap_raises,
    current_declarations,
    declarations,
    incidents,
    prices,
    repricings,
    runs,
    usage_changes,
    usage_days,
    usage_zones,
)

MOST = 200
_MOST_WORKFLOWS = 10_000
_STREAMED = 2_000
# 0 is the price of calls that nobody has looked at yet: it stands in no list.
NOT_LOOKED_AT = "nobody has priced it yet"
_REASON = sa.func.coalesce(prices.c.reason, NOT_LOOKED_AT).label("reason")
_CURRENCY = sa.func.coalesce(prices.c.currency, "").label("currency")
_CALLS = sa.func.sum(usage_days.c.calls).label("calls")
_UNPRICED = sa.func.coalesce(sa.func.sum(usage_days.c.calls).filter(usage_days.c.cost.is_(None)), 0).label("unpriced")
_COST = sa.func.sum(usage_days.c.cost).label("cost")  # NULL where no call has a price
_TOLD = tuple(allowances.c[name] for name in ("workflow", "allowed", "reason", "since", "as_of", "until"))
_WITH_PRICES = usage_days.outerjoin(prices, prices.c.id == usage_days.c.price_id)


def by_workflow(connection: sa.Connection, first: date, last: date, *, only: Only = None) -> Sequence[Row]:
    """What all workflows spent from ``first`` to ``last``, each by its own calendar: by workflow and currency.

    Rows of unpriced calls have no currency, and no ``cost``: None, never 0.
    """
    statement = (
        sa.select(usage_days.c.workflow, _CURRENCY, _CALLS, _UNPRICED, _COST)
        .select_from(_WITH_PRICES)
        .where(usage_days.c.day.between(first, last), among(usage_days.c.workflow, only))
        .group_by(usage_days.c.workflow, _CURRENCY)
    )
    return all_rows(connection, statement.order_by(usage_days.c.workflow, _CURRENCY))


def by_day(
    connection: sa.Connection, first: date, last: date, apart: Collection[str], *, only: Only = None
) -> Sequence[Row]:
    """The same by day and currency; workflows other than those to be kept ``apart`` are summed under an empty name."""
    named = sa.case((usage_days.c.workflow.in_(sorted(apart)), usage_days.c.workflow), else_="").label("workflow")
    day = usage_days.c.day
    statement = (
        sa.select(day, named, _CURRENCY, _CALLS, _UNPRICED, _COST)
        .select_from(_WITH_PRICES)
        .where(day.between(first, last), among(usage_days.c.workflow, only))
        .group_by(day, named, _CURRENCY)
    )
    return all_rows(connection, statement.order_by(day))


def of_workflow(connection: sa.Connection, workflow: str, first: date, last: date) -> Sequence[Row]:
    """A workflow's calls by day, kind, model and price, with what stands in the price; the oldest day first."""
    statement = (
        sa.select(usage_days, prices.c.source, _CURRENCY, _REASON)
        .select_from(_WITH_PRICES)
        .where(usage_days.c.workflow == workflow, usage_days.c.day.between(first, last))
    )
    here = usage_days.c
    return all_rows(connection, statement.order_by(here.day, here.kind, here.model, here.price_id))


def prices_of(connection: sa.Connection, ids: Collection[int]) -> Sequence[Row]:
    """Prices by id: what they say, and since when they are used."""
    statement = sa.select(prices).where(prices.c.id.in_(sorted(ids))).order_by(prices.c.model, prices.c.first_used_at)
    return all_rows(connection, statement.limit(MOST))


def zone_of(connection: sa.Connection, workflow: str) -> str | None:
    """The time zone of a workflow's days; None where no call of it was ever summed."""
    row = one_row(connection, sa.select(usage_zones.c.zone).where(usage_zones.c.workflow == workflow))
    return str(row["zone"]) if row else None


def zones(connection: sa.Connection) -> dict[str, str]:
    """The time zones of all workflows that ever had a call."""
    return {row["workflow"]: row["zone"] for row in all_rows(connection, sa.select(usage_zones))}


def months(connection: sa.Connection, workflow: str = "", *, only: Only = None) -> tuple[date, date] | None:
    """The first and the last day with calls, of a workflow or of all."""
    day = usage_days.c.day
    statement = sa.select(sa.func.min(day).label("first"), sa.func.max(day).label("last"))
    statement = statement.where(among(usage_days.c.workflow, [workflow] if workflow else only))
    row = one_row(connection, statement)
    return (row["first"], row["last"]) if row and row["first"] is not None else None


def declared(connection: sa.Connection, workflow: str = "", *, only: Only = None) -> Sequence[Row]:
    """What is declared of spend, of one workflow or of all: ``spend``, ``team``, ``owner``, ``stage``, whether the
    source says what people decide (``decisions``), and whether the folder is still there.
    """
    document = declarations.c.document
    statement = (
        sa.select(
            current_declarations.c.workflow,
            current_declarations.c.present,
            document["spend"].label("spend"),
            document["team"].astext.label("team"),
            document["owner"]["name"].astext.label("owner"),
            document["stage"].astext.label("stage"),
            document["source"]["decisions"].is_not(None).label("decisions"),
        )
        .select_from(USABLE)
        .order_by(current_declarations.c.workflow)
    )
    statement = statement.where(among(current_declarations.c.workflow, [workflow] if workflow else only))
    return all_rows(connection, statement.limit(_MOST_WORKFLOWS))


def allowed(connection: sa.Connection, workflow: str = "") -> Sequence[Row]:
    """What gateways are told, of one workflow or of all."""
    models = allowances.c.said["stopped_models"].label("stopped_models")
    statement = sa.select(*_TOLD, models).order_by(allowances.c.workflow)
    if workflow:
        statement = statement.where(allowances.c.workflow == workflow)
    return all_rows(connection, statement.limit(_MOST_WORKFLOWS))


def latest(connection: sa.Connection, workflows: Collection[str], *, stage: str = "spend") -> dict[str, Row]:
    """The newest run of spend of each workflow with its evidence; one that never ran is not there."""
    if not workflows:
        return {}
    wanted = sa.values(sa.column("workflow", sa.Text), name="wanted").data([(slug,) for slug in sorted(workflows)])
    newest = (
        sa.select(
            runs.c.id,
            runs.c.verdict,
            runs.c.summary,
            runs.c.finished_at,
            (runs.c.evidence - "by_model").label("evidence"),  # a line for each model, which nobody shows here
        )
        .where(runs.c.workflow == wanted.c.workflow, runs.c.stage == stage, runs.c.corrects.is_(None))
        .order_by(runs.c.finished_at.desc())
        .limit(1)
        .lateral("newest")
    )
    statement = sa.select(wanted.c.workflow, newest).select_from(wanted).join(newest, sa.true())
    return {row["workflow"]: row for row in all_rows(connection, statement)}


def newest_runs(connection: sa.Connection, workflow: str, *, limit: int = 10) -> Sequence[Row]:
    """The last runs of spend of a workflow, the newest first, without their evidence."""
    statement = (
        sa.select(runs.c.id, runs.c.verdict, runs.c.summary, runs.c.finished_at)
        .where(runs.c.workflow == workflow, runs.c.stage == "spend")
        .order_by(runs.c.finished_at.desc())
    )
    return all_rows(connection, statement.limit(limit))


def newest_incidents(connection: sa.Connection, workflow: str, *, limit: int = 10) -> Sequence[Row]:
    """The incidents of a workflow's spend: those that are not over first, then the newest."""
    statement = (
        sa.select(incidents)
        .where(incidents.c.workflow == workflow, incidents.c.stage == "spend")
        .order_by(incidents.c.state == "resolved", incidents.c.opened_at.desc())
    )
    return all_rows(connection, statement.limit(limit))


def repriced(connection: sa.Connection, workflow: str, first: date, last: date) -> Sequence[Row]:
    """When calls of these days got another price, the newest first, with both prices' words."""
    old, new = prices.alias("old"), prices.alias("new")
    here = repricings.c
    statement = (
        sa.select(
            repricings,
            old.c.source.label("old_source"),
            old.c.currency.label("old_currency"),
            old.c.reason.label("old_reason"),
            new.c.source.label("new_source"),
            new.c.currency.label("new_currency"),
            new.c.reason.label("new_reason"),
        )
        .select_from(repricings.outerjoin(old, old.c.id == here.old_price).outerjoin(new, new.c.id == here.new_price))
        .where(here.workflow == workflow, here.first_day <= last, here.last_day >= first)
        .order_by(here.at.desc(), here.id.desc())
    )
    return all_rows(connection, statement.limit(MOST))


def raised(connection: sa.Connection, workflow: str, *, limit: int = 20) -> Sequence[Row]:
    """What people said when they were asked whether a cap may be raised, the newest first."""
    statement = sa.select(cap_raises).where(cap_raises.c.workflow == workflow)
    return all_rows(connection, statement.order_by(cap_raises.c.asked_at.desc()).limit(limit))


def unsettled(connection: sa.Connection, first: datetime, end: datetime, workflow: str = "") -> int:
    """How many quarters of an hour of this span have calls that are in no sum yet."""
    here = usage_changes.c
    marks = sa.select(here.workflow, here.quarter).distinct().where(here.quarter >= first, here.quarter < end)
    marks = marks.where(here.workflow == workflow) if workflow else marks
    return int(connection.scalar(sa.select(sa.func.count()).select_from(marks.subquery())) or 0)


def exported(connection: sa.Connection, first: date, last: date, workflow: str = "") -> Iterator[sa.Row[Any]]:
    """All calls of these days by workflow, day, kind, model and price, as they come from the database: a few at a time."""
    here = usage_days.c
    statement = sa.select(usage_days).where(here.day.between(first, last))
    statement = statement.where(here.workflow == workflow) if workflow else statement
    order = statement.order_by(here.workflow, here.day, here.kind, here.model, here.price_id)
    yield from connection.execute(order, execution_options={"yield_per": _STREAMED})
