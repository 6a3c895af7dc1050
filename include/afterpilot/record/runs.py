"""Runs and their findings. A run is written once; repeating it finds what stands there."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.ledger import actor_of
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import Finding, StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.record import partitions, run_lookup
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import run_recorded
from afterpilot.record.plain import plain
from afterpilot.record.run_lookup import found_by, is_run
from afterpilot.record.tables import findings, run_ids, runs

# The claim of the id and the run in one round trip: no run is written whose id another attempt has, and this attempt waits here until that
# one is over.
_CLAIMED = (
    insert(run_ids)
    .values(id=sa.bindparam("id"), finished_at=sa.bindparam("finished_at"))
    .on_conflict_do_nothing()
    .returning(run_ids.c.id)
    .cte("claimed")
)
_GIVEN = [sa.bindparam(one.name, type_=one.type).label(one.name) for one in runs.c]
_ADD = (
    sa.insert(runs)
    .from_select([one.name for one in runs.c], sa.select(*_GIVEN).where(sa.exists(sa.select(_CLAIMED.c.id))))
    .returning(runs.c.id)
)


class Runs:
    """The runs of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(
        self,
        result: StageResult,
        *,
        window: Window,
        trigger: Trigger,
        versions: Mapping[str, str],
        started_at: datetime,
        finished_at: datetime,
        corrects: uuid.UUID | None = None,
    ) -> tuple[uuid.UUID, bool]:
        """Write a finished run with its findings; returns its id and whether it is new.

        Where another attempt of the same trigger has written it already, nothing changes. ``corrects`` is the run that first
        said what this one says anew: a correction of a correction names the first one too.
        """
        run_id = Run.identity(result.workflow, Stage(result.stage), trigger, corrects=corrects)
        values = _values(result, window, trigger, versions, (started_at, finished_at))
        row = {"id": run_id, "corrects": corrects, **values}
        partitions.ready(self._connection, "runs", [finished_at])
        if self._connection.execute(_ADD, row).first() is None:
            return run_id, False
        rows = [{**_row(run_id, finding), "at": finished_at} for finding in result.findings]
        if rows:
            partitions.ready(self._connection, "findings", [finished_at])
            self._connection.execute(insert(findings).on_conflict_do_nothing(), rows)
        Ledger(self._connection).append(run_recorded(row, rows))
        return run_id, True

    def add_many(
        self,
        results: Sequence[tuple[StageResult, Window, Mapping[str, str]]],
        *,
        trigger: Trigger,
        started_at: datetime,
        finished_at: datetime,
    ) -> Sequence[Run]:
        """Write finished runs that found nothing, with their versions, in one statement; those that are new."""
        values = {
            Run.identity(result.workflow, Stage(result.stage), trigger): _values(
                result, window, trigger, versions, (started_at, finished_at)
            )
            for result, window, versions in results
        }
        new = self._claim(list(values), finished_at)
        if not new:
            return ()
        rows = [{"id": run_id, **row} for run_id, row in values.items() if run_id in new]
        added = self._connection.execute(sa.insert(runs).values(rows).returning(runs)).mappings().all()
        Ledger(self._connection).append_many([run_recorded(row) for row in rows])
        return [_run(row) for row in added]

    def _claim(self, which: Sequence[uuid.UUID], finished_at: datetime) -> Collection[uuid.UUID]:
        """Those of the ids that no run has yet. They are this transaction's from now on: another attempt waits here until it is
        over. In the order of the ids, so that two attempts at many runs never wait for each other.
        """
        if not which:
            return ()
        rows = [{"id": run_id, "finished_at": finished_at} for run_id in sorted(which)]
        statement = insert(run_ids).values(rows).on_conflict_do_nothing().returning(run_ids.c.id)
        new = set(self._connection.scalars(statement))
        if new:
            partitions.ready(self._connection, "runs", [finished_at])
        return new

    def find(self, workflow: str, stage: Stage, trigger: Trigger, *, corrects: uuid.UUID | None = None) -> Run | None:
        """The run that an earlier attempt of this trigger has finished, if any."""
        return self.get(Run.identity(workflow, stage, trigger, corrects=corrects))

    def get(self, run_id: uuid.UUID) -> Run | None:
        """One run, or None."""
        row = self._connection.execute(sa.select(runs).where(is_run(run_id))).mappings().first()
        return _run(row) if row else None

    def latest(self, workflow: str, stage: Stage) -> Run | None:
        """What stands of the run of this stage that finished last, or None where it never ran. A correction is no news of
        its own: it stands in the place of the run that it corrects.
        """
        statement = (
            sa.select(runs)
            .where(runs.c.workflow == workflow, runs.c.stage == str(stage), runs.c.corrects.is_(None))
            .order_by(runs.c.finished_at.desc())
            .limit(1)
        )
        row = self._connection.execute(statement).mappings().first()
        return self.standing([_run(row)])[0] if row else None

    def latest_each(self, workflows: Sequence[str], stage: Stage) -> Mapping[str, Run]:
        """The run of this stage that finished last, of many workflows at once; those where it never ran are left out."""
        asked = sa.select(sa.func.unnest(sa.cast(list(workflows), sa.ARRAY(sa.Text))).label("workflow")).subquery()
        newest = (
            sa.select(runs)
            .where(runs.c.workflow == asked.c.workflow, runs.c.stage == str(stage), runs.c.corrects.is_(None))
            .order_by(runs.c.finished_at.desc())
            .limit(1)
            .lateral()
        )
        rows = self._connection.execute(sa.select(newest).select_from(asked).join(newest, sa.true())).mappings()
        return {row["workflow"]: _run(row) for row in rows}

    def caps_before(
        self, asked: Collection[tuple[str, datetime]]
    ) -> Mapping[tuple[str, datetime], Sequence[Mapping[str, Any]]]:
        """The caps of each workflow as the last run of spend before the moment had them; nothing where there was none."""
        if not asked:
            return {}
        columns = sa.column("workflow", sa.Text), sa.column("moment", sa.DateTime(timezone=True))
        wanted = sa.values(*columns, name="wanted").data(sorted(asked))
        newest = (
            sa.select(runs.c.evidence["caps"].label("caps"))
            .where(
                runs.c.workflow == wanted.c.workflow,
                runs.c.stage == str(Stage.SPEND),
                runs.c.corrects.is_(None),
                runs.c.evidence.has_key("caps"),
                runs.c.finished_at < wanted.c.moment,
            )
            .order_by(runs.c.finished_at.desc())
            .limit(1)
            .lateral()
        )
        statement = sa.select(wanted, newest).select_from(wanted).join(newest, sa.true())
        return {(row.workflow, row.moment): row.caps for row in self._connection.execute(statement)}

    def standing(self, found: Sequence[Run]) -> Sequence[Run]:
        """The runs, each replaced by the newest of its corrections where it has one."""
        if not found:
            return ()
        newest = (
            sa.select(runs)
            .distinct(runs.c.corrects)
            .where(runs.c.corrects.in_([run.id for run in found]))
            .where(
                runs.c.finished_at >= min(run.finished_at for run in found)
            )  # no correction comes first: fewer months
            .order_by(runs.c.corrects, runs.c.finished_at.desc())
        )
        instead = {row["corrects"]: _run(row) for row in self._connection.execute(newest).mappings()}
        return [instead.get(run.id, run) for run in found]

    def corrections(self, run_id: uuid.UUID) -> Sequence[uuid.UUID]:
        """The runs that correct this one, oldest first."""
        statement = sa.select(runs.c.id).where(
            runs.c.corrects == run_id, runs.c.finished_at >= run_lookup.finished_at(run_id)
        )
        return list(self._connection.scalars(statement.order_by(runs.c.finished_at)))

    def latest_ran(self, workflow: str, stage: Stage) -> Run | None:
        """The run of this stage that finished last and really did its work: none that crashed or had nothing to work on."""
        statement = sa.select(runs).where(*_ran(workflow, stage)).order_by(runs.c.finished_at.desc()).limit(1)
        row = self._connection.execute(statement).mappings().first()
        return _run(row) if row else None

    def ran_since(self, workflow: str, stage: Stage, moment: datetime | None) -> Sequence[Run]:
        """The runs of this stage that did their work and finished after the moment, oldest first; all where there is none."""
        statement = sa.select(runs).where(*_ran(workflow, stage)).order_by(runs.c.finished_at)
        if moment is not None:
            statement = statement.where(runs.c.finished_at > moment)
        return [_run(row) for row in self._connection.execute(statement).mappings()]

    def unknown_before(self, workflow: str, stage: Stage) -> tuple[int, datetime | None]:
        """How many runs of the stage were UNKNOWN in a row up to now, and when the first of them ended; 0 and None for none."""
        own = (runs.c.workflow == workflow, runs.c.stage == str(stage), runs.c.corrects.is_(None))
        said = sa.select(sa.func.max(runs.c.finished_at)).where(*own, runs.c.verdict != "UNKNOWN").scalar_subquery()
        since = sa.or_(said.is_(None), runs.c.finished_at > said)
        statement = sa.select(sa.func.count(), sa.func.min(runs.c.finished_at)).where(*own, since)
        count, first = self._connection.execute(statement).one()
        return count, first

    def kinds_found(self, run_id: uuid.UUID) -> Sequence[str]:
        """The kinds of what a run found, each with what it is about, in alphabetical order."""
        statement = sa.select(findings.c.kind, findings.c.about).where(found_by(run_id))
        return sorted(f"{kind} {about}".strip() for kind, about in self._connection.execute(statement))

    def between(self, workflow: str, window: Window) -> Sequence[Run]:
        """What stands of the runs of a workflow that finished in the window, in the order in which they did."""
        statement = (
            sa.select(runs)
            .where(runs.c.workflow == workflow, runs.c.finished_at >= window.start, runs.c.finished_at < window.end)
            .where(runs.c.corrects.is_(None))
            .order_by(runs.c.finished_at)
        )
        return self.standing([_run(row) for row in self._connection.execute(statement).mappings()])


def _ran(workflow: str, stage: Stage) -> tuple[sa.ColumnElement[bool], ...]:
    said = runs.c.evidence["ran"].astext
    own = (runs.c.workflow == workflow, runs.c.stage == str(stage), runs.c.corrects.is_(None))
    return (*own, said.is_distinct_from("false"))


def _values(
    result: StageResult,
    window: Window,
    trigger: Trigger,
    versions: Mapping[str, str],
    at: tuple[datetime, datetime],
) -> dict[str, Any]:
    """The columns of a run, without its id; ``at`` is when it began and when it was done."""
    return {
        "workflow": result.workflow,
        "stage": result.stage,
        "window_start": window.start,
        "window_end": window.end,
        "verdict": str(result.verdict),
        "summary": result.summary,
        "reasons": list(result.reasons),
        "evidence": plain({**result.evidence, "checked": result.checked}),
        "versions": dict(versions),
        "trigger": asdict(trigger),
        "actor": actor_of(trigger),
        "started_at": at[0],
        "finished_at": at[1],
    }


def _row(run_id: uuid.UUID, finding: Finding) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "fingerprint": finding.fingerprint,
        "workflow": finding.workflow,
        "stage": finding.stage,
        "kind": finding.kind,
        "about": finding.about,
        "severity": str(finding.severity),
        "title": finding.title,
        "detail": finding.detail,
        "evidence": plain(finding.evidence),
    }


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(
        id=row["id"],
        workflow=row["workflow"],
        stage=Stage(row["stage"]),
        window=Window(row["window_start"], row["window_end"]),
        verdict=Verdict(row["verdict"]),
        summary=row["summary"],
        reasons=tuple(row["reasons"]),
        evidence=row["evidence"],
        versions=row["versions"],
        trigger=Trigger(**row["trigger"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        corrects=row["corrects"],
    )
