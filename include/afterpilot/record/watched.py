"""What the watchdog holds against the schedules: the newest runs of all workflows, what was declared when, and the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from afterpilot.domain.delivery import UNEXPECTED
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.watching import STAGES, Expected, OutboxState, Seen, Tick
from afterpilot.record.tables import current_declarations, declarations, runs

_DIED_WITHIN = timedelta(hours=1)

# How far back runs are looked for: what has not run for longer is told as such. A history of many years costs no more than this.
LOOKED_BACK = timedelta(days=400)

# For each verdict that is expected: the newest run of its stage, and, where it is older than it should be, whether the declaration
# that stood when it was due named the same schedule and was not retired. Runs of stages that never ran are looked for in vain, each in
# every month there is: not before the time that is asked for.
_NEWEST = """
SELECT wanted.at, newest.finished_at,
  newest.finished_at >= wanted.due OR COALESCE(
    said.document->'schedule'->>wanted.kind = wanted.schedule
      AND said.document->>'stage' IS DISTINCT FROM 'retired', false) AS promised,
  newest.finished_at IS NULL AND (SELECT min(first_loaded_at) FROM declarations AS first WHERE first.workflow = wanted.workflow) < :since
    AS older
FROM unnest(CAST(:workflows AS text[]), CAST(:stages AS text[]), CAST(:kinds AS text[]), CAST(:schedules AS text[]),
            CAST(:dues AS timestamptz[])) WITH ORDINALITY AS wanted(workflow, stage, kind, schedule, due, at)
LEFT JOIN LATERAL (
  SELECT finished_at FROM runs WHERE runs.workflow = wanted.workflow AND runs.stage = wanted.stage AND runs.corrects IS NULL
    AND runs.finished_at >= :since
  ORDER BY finished_at DESC LIMIT 1) AS newest ON true
LEFT JOIN LATERAL (
  SELECT versions->>'declaration' AS sha256 FROM runs
  WHERE runs.workflow = wanted.workflow AND runs.stage = 'declare' AND runs.finished_at <= wanted.due
    AND runs.finished_at >= wanted.due - CAST(:back AS interval)
  ORDER BY finished_at DESC LIMIT 1) AS loaded ON newest.finished_at IS NULL OR newest.finished_at < wanted.due
LEFT JOIN declarations AS said ON said.workflow = wanted.workflow AND said.sha256 = loaded.sha256
ORDER BY wanted.at
"""

_OUTBOX = """
SELECT now() - min(greatest(created_at, not_before)) FILTER (WHERE waits) AS oldest, count(*) FILTER (WHERE waits) AS waiting,
  count(*) FILTER (WHERE died) AS dead,
  (array_agg(error ORDER BY created_at DESC) FILTER (WHERE died))[1] AS why,
  (array_agg(channel ORDER BY created_at DESC) FILTER (WHERE died))[1] AS place,
  count(*) FILTER (WHERE unmade) AS unmade,
  (array_agg(workflow || ' for ' || channel || ' (' || error || ')' ORDER BY created_at) FILTER (WHERE unmade))[1] AS first_unmade
FROM (
  SELECT created_at, not_before, error, channel, workflow, state = 'pending' AND not_before <= now() AS waits, state = 'dead' AS died,
    state = 'pending' AND starts_with(error, :unexpected) AS unmade
  FROM outbox WHERE state = 'pending' OR (state = 'dead' AND greatest(created_at, not_before) > now() - CAST(:within AS interval))
) AS letters
"""


class Watched:
    """Reads; changes nothing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def crons(self, *, at: datetime | None = None) -> Mapping[str, str]:
        """The named schedules of the fleet (``records.hourly``) with their cron expressions, as they were loaded last; or last
        until that time.
        """
        asked = sa.select(runs.c.evidence["schedules"]).where(
            runs.c.workflow == FLEET, runs.c.stage == str(Stage.DECLARE), runs.c.corrects.is_(None)
        )
        if at is not None:
            asked = asked.where(runs.c.finished_at <= at)
        found = self._connection.scalar(asked.order_by(runs.c.finished_at.desc()).limit(1))
        return found or {}

    def first_loaded(self) -> datetime | None:
        """When declarations were loaded for the first time here; None where they never were."""
        first: datetime | None = self._connection.scalar(sa.select(sa.func.min(declarations.c.first_loaded_at)))
        return first

    def expected(self, ticks: Mapping[str, Tick]) -> Sequence[Expected]:
        """Every verdict that a workflow in use promises, of the schedules that are due: those in ``ticks``."""
        here, version = current_declarations.c, declarations.c
        statement = (
            sa.select(here.workflow, version.document["schedule"])
            .join(declarations, sa.and_(version.workflow == here.workflow, version.sha256 == here.sha256))
            .where(here.present, version.usable, version.document["stage"].astext.is_distinct_from("retired"))
            .order_by(here.workflow)
        )
        return [
            Expected(slug, stage, name, ticks[name])
            for slug, schedule in self._connection.execute(statement)
            for kind, stages in STAGES.items()
            if (name := f"{kind}.{(schedule or {}).get(kind)}") in ticks
            for stage in stages
        ]

    def seen(self, expected: Sequence[Expected]) -> Sequence[Seen]:
        """What is on record of each of them, in one statement, as far back as runs are looked for."""
        if not expected:
            return ()
        dues = [one.tick.due for one in expected]
        since = min(max(dues) - LOOKED_BACK, *dues)
        kinds, names = zip(*(one.schedule.split(".", 1) for one in expected), strict=True)
        given = {
            "workflows": [one.workflow for one in expected],
            "stages": [str(one.stage) for one in expected],
            "kinds": list(kinds),
            "schedules": list(names),
            "dues": dues,
            "since": since,
            "back": LOOKED_BACK,
        }
        rows = self._connection.execute(sa.text(_NEWEST), given)
        return [
            Seen(expected[row.at - 1], row.finished_at, bool(row.promised), since if row.older else None)
            for row in rows
        ]

    def outbox(self, *, blocked: str = "") -> OutboxState:
        """How the outbox stands now, by the database's clock."""
        given = {"within": _DIED_WITHIN, "unexpected": UNEXPECTED}
        row = self._connection.execute(sa.text(_OUTBOX), given).one()
        return OutboxState(
            oldest=row.oldest,
            waiting=row.waiting,
            dead=row.dead,
            dead_why=row.why or "",
            dead_where=row.place or "",
            blocked=blocked,
            unmade=row.unmade,
            unmade_what=row.first_unmade or "",
        )

    def did_not_run(self, stages: Collection[Stage]) -> frozenset[tuple[str, str]]:
        """(workflow, stage) of the incidents that say already that a stage could not run."""
        if not stages:
            return frozenset()
        kinds = [f"{stage}.did_not_run" for stage in stages]
        statement = sa.text("SELECT workflow, stage FROM incidents WHERE state <> 'resolved' AND kind = ANY(:kinds)")
        return frozenset((row.workflow, row.stage) for row in self._connection.execute(statement, {"kinds": kinds}))

    def standing(self) -> Mapping[str, frozenset[tuple[str, str, str]]]:
        """The watchdog's incidents that are not over, by workflow: fingerprint, title and detail of each. One that flaps is like
        nothing that is found, as its good runs are counted.
        """
        statement = sa.text(
            "SELECT workflow, array_agg(fingerprint) AS marks, array_agg(title) AS titles,"
            " array_agg(CASE WHEN flapping THEN '(flaps)' ELSE detail END) AS details"
            " FROM incidents WHERE state <> 'resolved' AND stage = 'watch' GROUP BY workflow"
        )
        return {
            row.workflow: frozenset(zip(row.marks, row.titles, row.details, strict=True))
            for row in self._connection.execute(statement)
        }
