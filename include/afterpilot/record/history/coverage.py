"""What coverage is told from: what was declared when, the runs of a span of days, what they judged, and what may explain a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from afterpilot.domain.run import FLEET, Stage
from afterpilot.record.history.paging import Row, all_rows
from afterpilot.record.tables import declarations, incidents, runs, task_failures

MOST_RUNS = 20_000  # of one page; more are not counted, and that is said
MOST = 500
_MINUTELY = "gate"  # the DAG that looks every two minutes; its runs answer no schedule of a declaration
_SCHEDULED = "scheduled__"  # with which Airflow begins the id of a DAG run that its schedule made
_KINDS = ("watch.overdue", "watch.scheduler", "watch.task_failed", "declaration.broken", "declaration.gone")

# The declare runs of a span at which the version changed, and the last one before it. A run without a version says that the folder
# was gone.
_CHANGES = """
SELECT workflow, at, sha256 FROM (
  SELECT told.workflow, told.at, told.sha256,
    lag(told.sha256, 1, '-') OVER (PARTITION BY told.workflow ORDER BY told.at) AS before
  FROM (
    SELECT workflow, finished_at AS at,
      COALESCE(evidence->>'sha256', versions->>'declaration', '') AS sha256 FROM runs
    WHERE workflow = ANY(:workflows) AND stage = 'declare' AND corrects IS NULL AND finished_at >= :since AND finished_at < :until
    UNION ALL
    SELECT wanted.workflow, last.finished_at, last.sha256 FROM unnest(CAST(:workflows AS text[])) AS wanted(workflow)
    CROSS JOIN LATERAL (
      SELECT finished_at,
        COALESCE(evidence->>'sha256', versions->>'declaration', '') AS sha256 FROM runs
      WHERE runs.workflow = wanted.workflow AND stage = 'declare' AND corrects IS NULL AND finished_at < :since
      ORDER BY finished_at DESC LIMIT 1) AS last
  ) AS told
) AS changes
WHERE sha256 <> before ORDER BY workflow, at LIMIT :most
"""

_RHYTHMS = """
SELECT at, schedules FROM (
  SELECT at, schedules, lag(schedules) OVER (ORDER BY at) AS before FROM (
    SELECT finished_at AS at, evidence->'schedules' AS schedules FROM runs
    WHERE workflow = :fleet AND stage = 'declare' AND corrects IS NULL AND finished_at >= :since AND finished_at < :until
    UNION ALL (
      SELECT finished_at, evidence->'schedules' FROM runs
      WHERE workflow = :fleet AND stage = 'declare' AND corrects IS NULL AND finished_at < :since
      ORDER BY finished_at DESC LIMIT 1)
  ) AS told WHERE jsonb_typeof(schedules) = 'object'
) AS changes
WHERE schedules IS DISTINCT FROM before ORDER BY at LIMIT :most
"""

_JUDGED = """
SELECT one->>'expect' AS expect, COALESCE(one->>'column', '') AS "column", COALESCE(one->>'parameters', '') AS parameters,
  (finished_at AT TIME ZONE 'UTC')::date AS day, count(*) AS runs,
  count(*) FILTER (WHERE jsonb_typeof(one->'success') = 'boolean') AS judged,
  count(*) FILTER (WHERE one->'success' = 'false') AS failed
FROM runs, LATERAL jsonb_array_elements(
  CASE jsonb_typeof(evidence->'expectations') WHEN 'array' THEN evidence->'expectations' ELSE '[]' END) AS one
WHERE workflow = :workflow AND stage = 'check' AND corrects IS NULL AND finished_at >= :since AND finished_at < :until
  AND jsonb_typeof(one) = 'object'
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :most
"""


def changes(connection: sa.Connection, workflows: Sequence[str], since: datetime, until: datetime) -> Sequence[Row]:
    """When each workflow's declaration became another one (``at``, ``sha256``; empty: the folder was gone), as its runs say."""
    given = {"workflows": list(workflows), "since": since, "until": until, "most": MOST_RUNS}
    return [dict(row) for row in connection.execute(sa.text(_CHANGES), given).mappings()]


def versions(connection: sa.Connection, workflows: Sequence[str], until: datetime) -> Sequence[Row]:
    """Every version that was loaded before ``until``, in the order of its time, with what it says of schedules and its stage."""
    here = declarations.c
    statement = (
        sa.select(
            here.workflow,
            here.sha256,
            here.usable,
            here.first_loaded_at,
            here.document["schedule"].label("schedule"),
            here.document["stage"].astext.label("life"),
            here.document["quality"].label("quality"),
            here.document["alerts"]["maintenance"].label("maintenance"),
        )
        .where(here.workflow.in_(workflows), here.first_loaded_at < until)
        .order_by(here.first_loaded_at, here.sha256)
    )
    return all_rows(connection, statement.limit(MOST_RUNS))


def rhythms(connection: sa.Connection, since: datetime, until: datetime) -> Sequence[Row]:
    """When the named schedules of the fleet changed (``at``, ``schedules``), the last time before the span included."""
    given = {"fleet": FLEET, "since": since, "until": until, "most": MOST}
    return [dict(row) for row in connection.execute(sa.text(_RHYTHMS), given).mappings()]


def runs_between(
    connection: sa.Connection, workflows: Sequence[str], since: datetime, until: datetime
) -> Sequence[Row]:
    """The runs that ended in a span, oldest first, at most :data:`MOST_RUNS`, without those of the gate that looks every two
    minutes; ``verdict`` is that of the newest correction, ``scheduled`` whether a schedule of Airflow's began it.
    """
    corrected = runs.alias("corrected")
    newest = (
        sa.select(corrected.c.verdict)
        .where(corrected.c.corrects == runs.c.id, corrected.c.finished_at >= since)
        .order_by(corrected.c.finished_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        sa.select(
            runs.c.workflow,
            runs.c.stage,
            runs.c.started_at,
            runs.c.finished_at,
            sa.func.coalesce(newest, runs.c.verdict).label("verdict"),
            sa.func.coalesce(runs.c.trigger["run_id"].astext.startswith(_SCHEDULED), sa.false()).label("scheduled"),
        )
        .where(
            runs.c.workflow.in_(workflows),
            runs.c.finished_at >= since,
            runs.c.finished_at < until,
            runs.c.corrects.is_(None),
            sa.or_(runs.c.stage != str(Stage.GATE), runs.c.trigger["dag_id"].astext.is_distinct_from(_MINUTELY)),
        )
        .order_by(runs.c.finished_at, runs.c.id)
    )
    return all_rows(connection, statement.limit(MOST_RUNS))


def judged(connection: sa.Connection, workflow: str, since: datetime, until: datetime) -> Sequence[Row]:
    """Which expectations the checks of each day (UTC) listed, how often they were judged, and how often they failed."""
    given = {"workflow": workflow, "since": since, "until": until, "most": MOST_RUNS}
    return [dict(row) for row in connection.execute(sa.text(_JUDGED), given).mappings()]


def troubles(connection: sa.Connection, workflows: Sequence[str], since: datetime, until: datetime) -> Sequence[Row]:
    """Incidents that held in a span and say why something may not have run: the watchdog's, and those of declarations and crashes."""
    here = incidents.c
    statement = (
        sa.select(
            here.id,
            here.workflow,
            here.stage,
            here.kind,
            here.title,
            here.opened_at,
            here.resolved_at,
            here.fingerprint,
        )
        .where(
            here.workflow.in_([*workflows, FLEET]),
            sa.or_(here.kind.in_(_KINDS), here.kind.like("%.did\\_not\\_run")),
            here.opened_at < until,
            sa.or_(here.resolved_at.is_(None), here.resolved_at > since),
        )
        .order_by(here.opened_at.desc(), here.id)
    )
    return all_rows(connection, statement.limit(MOST))


def failed_tasks(connection: sa.Connection, since: datetime, until: datetime) -> Sequence[Row]:
    """Airflow's tasks that failed for good in a span, newest first."""
    here = task_failures.c
    statement = sa.select(task_failures).where(here.at >= since, here.at < until).order_by(here.at.desc(), here.run_id)
    return all_rows(connection, statement.limit(MOST))


def bounds(first: date, last: date) -> tuple[datetime, datetime]:
    """From the beginning of the first day (UTC) until before the day after the last one."""
    return datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC) + timedelta(days=1)
