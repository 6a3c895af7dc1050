"""Eval results over time: what the eval pages read. Single cases read their samples, by run and by the month they lie in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.run import FLEET
from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Query, Row, all_rows, one_row
from afterpilot.record.run_lookup import is_run
from afterpilot.record.tables import (
    baselines,
    case_offers,
    current_declarations,
    declarations,
    eval_results,
    fingerprints,
    human_decisions,
    judgements,
    runs,
    samples,
)

_STAGE = "evaluate"
MOST_RUNS = 400  # that a chart shows
_here = eval_results
_usable = declarations.alias("usable")
_FIGURES = [column for column in _here.c if column.name not in {"outcomes", "rounds", "slices", "scorers"}]
_LAST = (runs.c.id.label("last_id"), runs.c.verdict.label("last_verdict"), runs.c.summary.label("last_summary"))
_SPARK = (_here.c.at, _here.c.valid, _here.c.cases, _here.c.passed, _here.c.scored, _here.c.alarm, _here.c.run_id)


def standings(
    connection: sa.Connection, *, containing: str = "", only: Only = None, limit: int = 2000
) -> Sequence[Row]:
    """Every workflow that declares evals or ever ran them.

    ``evals`` and ``schedule`` are as declared (or None); then come its newest result, and how its newest run ended (or NULLs): a
    run that could not even begin has no result.
    """
    named = _in_force(
        current_declarations.c.workflow,
        current_declarations.c.present,
        _usable.c.document["evals"].label("evals"),
        _usable.c.document["schedule"].label("schedule"),
    )
    named = named.where(among(current_declarations.c.workflow, only))
    if containing:
        named = named.where(current_declarations.c.workflow.contains(containing, autoescape=True))
    known = named.subquery("known")
    newest = (
        sa.select(*[column for column in _FIGURES if column.name not in {"workflow", "fingerprint"}])
        .where(_here.c.workflow == known.c.workflow)
        .order_by(_here.c.at.desc())
        .limit(1)
        .lateral("newest")
    )
    last = (
        sa.select(*_LAST)
        .where(runs.c.workflow == known.c.workflow, runs.c.stage == _STAGE)
        .order_by(runs.c.finished_at.desc())
        .limit(1)
        .lateral("last")
    )
    declares = sa.func.jsonb_typeof(known.c.evals) == "object"
    statement = (
        sa.select(known, newest, last)
        .select_from(known)
        .outerjoin(newest, sa.true())
        .outerjoin(last, sa.true())
        .where(sa.or_(declares, newest.c.run_id.is_not(None)))
        .order_by(known.c.workflow)
    )
    return all_rows(connection, statement.limit(limit))


def schedules(connection: sa.Connection) -> Mapping[str, Any]:
    """The named schedules of the fleet (``evals.nightly`` → a cron expression), as they were loaded last; empty where not known."""
    statement = sa.select(runs.c.evidence["schedules"].label("schedules")).where(
        runs.c.workflow == FLEET, runs.c.stage == "declare"
    )
    row = one_row(connection, statement.order_by(runs.c.finished_at.desc()).limit(1))
    return row["schedules"] if row and isinstance(row["schedules"], dict) else {}


def last_run(connection: sa.Connection, workflow: str) -> Row | None:
    """How the newest eval run of a workflow ended, whether it has a result or not; None without any."""
    statement = sa.select(*_LAST).where(runs.c.workflow == workflow, runs.c.stage == _STAGE)
    return one_row(connection, statement.order_by(runs.c.finished_at.desc()).limit(1))


def recent(connection: sa.Connection, workflows: Sequence[str], *, limit: int = 60) -> Mapping[str, Sequence[Row]]:
    """The last results of each workflow, oldest first, as little of each as a small chart needs."""
    wanted = sa.values(sa.column("slug", sa.Text), name="wanted").data([(slug,) for slug in workflows])
    last = (
        sa.select(*_SPARK)
        .where(_here.c.workflow == wanted.c.slug)
        .order_by(_here.c.at.desc())
        .limit(limit)
        .lateral("last")
    )
    return _by_slug(connection, sa.select(wanted.c.slug, last).join(last, sa.true()), workflows, oldest_first=True)


def approvals(connection: sa.Connection, workflows: Sequence[str]) -> Mapping[str, Row]:
    """The baseline in force, by workflow; one without is not there."""
    statement = (
        sa.select(baselines)
        .where(baselines.c.workflow.in_(workflows))
        .distinct(baselines.c.workflow)
        .order_by(baselines.c.workflow, baselines.c.id.desc())
    )
    return {row["workflow"]: row for row in all_rows(connection, statement)}


def answering(connection: sa.Connection, workflows: Sequence[str], *, limit: int = 2) -> Mapping[str, Sequence[Row]]:
    """What answers for each workflow and what did before, newest first."""
    wanted = sa.values(sa.column("slug", sa.Text), name="wanted").data([(slug,) for slug in workflows])
    last = (
        sa.select(fingerprints)
        .where(fingerprints.c.workflow == wanted.c.slug)
        .order_by(fingerprints.c.id.desc())
        .limit(limit)
        .lateral("last")
    )
    return _by_slug(connection, sa.select(wanted.c.slug, last).join(last, sa.true()), workflows)


def results(connection: sa.Connection, workflow: str, *, limit: int = MOST_RUNS) -> Sequence[Row]:
    """The last results without their cases, oldest first, each with what started its run (``started_by``), as the run has it."""
    started_by = runs.c.trigger["origin"].astext.label("started_by")
    statement = sa.select(*_FIGURES, started_by).select_from(_here).join(runs, is_run(_here.c.run_id))
    statement = statement.where(_here.c.workflow == workflow).order_by(_here.c.at.desc()).limit(limit)
    return list(reversed(all_rows(connection, statement)))


def whole_results(connection: sa.Connection, which: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Row]:
    """Results with their cases, slices and scorers, by run."""
    if not which:
        return {}
    return {row["run_id"]: row for row in all_rows(connection, sa.select(_here).where(_here.c.run_id.in_(which)))}


def outcomes_of(connection: sa.Connection, workflow: str, case: str, *, limit: int = 60) -> Sequence[Row]:
    """One case through the last runs, newest first: ``outcome`` is [passed, scored], or None where the run had no such case."""
    columns = (_here.c.run_id, _here.c.at, _here.c.valid, _here.c.origin, _here.c.suite)
    statement = (
        sa.select(*columns, _here.c.outcomes[case].label("outcome"))
        .where(_here.c.workflow == workflow)
        .order_by(_here.c.at.desc())
        .limit(limit)
    )
    return all_rows(connection, statement)


def answers(
    connection: sa.Connection, asked: Sequence[tuple[uuid.UUID, datetime]], cases: Sequence[str], *, whole: bool = False
) -> Sequence[Row]:
    """The samples of some cases in some runs (id, and when it began); ``whole`` with their requests, never with responses."""
    if not asked or not cases:
        return ()
    left_out = {"response"} if whole else {"request", "response"}
    moments = [at for _, at in asked]
    statement = (
        sa.select(*[column for column in samples.c if column.name not in left_out])
        .where(
            samples.c.run_id.in_([run_id for run_id, _ in asked]),
            samples.c.case_id.in_(cases),
            samples.c.at.between(min(moments), max(moments)),  # only the partitions of these months are looked into
        )
        .order_by(samples.c.at.desc(), samples.c.case_id, samples.c.epoch)
    )
    return all_rows(connection, statement.limit(2000))


def evidence_of(connection: sa.Connection, which: uuid.UUID) -> Row:
    """The verdict, summary and evidence of a run; empty where it is not kept."""
    statement = sa.select(runs.c.verdict, runs.c.summary, runs.c.evidence, runs.c.finished_at).where(is_run(which))
    return one_row(connection, statement) or {}


def declared(connection: sa.Connection, workflow: str) -> Row | None:
    """The declaration in force (``document``, None where none ever could be used), or None for a name that is not known."""
    statement = _in_force(current_declarations.c.workflow, _usable.c.document)
    return one_row(connection, statement.where(current_declarations.c.workflow == workflow))


def offers(connection: sa.Connection, workflow: str, *, limit: int = 50) -> Sequence[Row]:
    """Corrections that wait to become cases, newest first, each with the person's note (``said``) and how many wait in all
    (``waiting``).
    """
    note = (
        sa.select(human_decisions.c.note)
        .where(
            human_decisions.c.workflow == case_offers.c.workflow,
            human_decisions.c.key == case_offers.c.key,
            human_decisions.c.decided_at == case_offers.c.decided_at,
        )
        .scalar_subquery()
    )
    statement = (
        sa.select(case_offers, note.label("said"), sa.func.count().over().label("waiting"))
        .where(case_offers.c.workflow == workflow, case_offers.c.state == "offered")
        .order_by(case_offers.c.offered_at.desc(), case_offers.c.key)
    )
    return all_rows(connection, statement.limit(limit))


def labelled(connection: sa.Connection, workflow: str, *, limit: int = 5000) -> Sequence[Row]:
    """The newest usable word of each judge on each answer that a person has decided on."""
    here = judgements
    statement = (
        sa.select(here.c.judge, here.c.subject, here.c.passed, here.c.label, here.c.at)
        .where(here.c.workflow == workflow, here.c.label.is_not(None), here.c.passed.is_not(None))
        .distinct(here.c.judge, here.c.subject)
        .order_by(here.c.judge, here.c.subject, here.c.id.desc())
    )
    return all_rows(connection, statement.limit(limit))


def _in_force(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Every workflow that was ever loaded, with the newest of its declarations that can be used, if any."""
    here = current_declarations
    same = sa.and_(_usable.c.workflow == here.c.workflow, _usable.c.sha256 == here.c.usable_sha256)
    return sa.select(*columns).select_from(here).outerjoin(_usable, same)


def _by_slug(
    connection: sa.Connection, statement: Query, workflows: Sequence[str], *, oldest_first: bool = False
) -> Mapping[str, Sequence[Row]]:
    """Rows by their ``slug``, in the order of the time or number that they were limited by."""
    if not workflows:
        return {}
    found: dict[str, list[Row]] = {}
    for row in all_rows(connection, statement):
        found.setdefault(row["slug"], []).append(row)
    for rows in found.values():
        if oldest_first:
            rows.sort(key=lambda row: row["at"])
        else:
            rows.sort(key=lambda row: -row["id"])
    return found
