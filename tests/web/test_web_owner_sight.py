"""What is of all workflows together: an owner is told that it happened, and nothing that is others'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import audit_site
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import Site, mounted
from sample_data import NOW, add_run, finding

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.domain.message import Message
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Severity
from afterpilot.record import tables
from afterpilot.record.ops import Ops
from afterpilot.web.access import Access, Role, Sight

OPENED = datetime(2026, 11, 19, 1, 30, tzinfo=UTC)
OTHERS = "secret_takeover"
COVERAGE = f"/coverage?workflow={audit_site.ORDERS}&from=2026-11-14&to=2026-11-20"
LOADED = NOW - timedelta(hours=3, microseconds=-17)
CRONS = {**audit_site.CRONS, "records.six_hourly": "25 */6 * * *"}


@pytest.fixture(scope="module")
def engine(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[sa.Engine]:
    """A history in which the fleet had trouble that its words tell of other workflows."""
    made = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    audit_site.everything(made)
    _trouble(made)
    yield made
    made.dispose()


def _trouble(engine: sa.Engine) -> None:
    words = f"A task failed that {OTHERS} needs"
    with Ops(engine).begin() as unit:
        trouble = finding(FLEET, Stage.PULL, "watch.scheduler", Severity.CRITICAL, words)
        unit.incidents.open(trouble, run_id=None, at=OPENED)
        failed = {"dag_id": "records.six_hourly", "run_id": "scheduled__19", "map_index": 0, "at": OPENED}
        for task, workflows in (("records_path.all", []), ("records_path.two", [audit_site.ORDERS, OTHERS])):
            values = {"task_id": task, "workflows": workflows, "error": f"KeyError: {OTHERS}", "over_at": NOW}
            unit.connection.execute(sa.insert(tables.task_failures).values(**failed, **values))
        raised = {"id": sa.func.gen_random_uuid(), "workflow": FLEET, "cap": "9000 USD/month", "amount": 9999}
        raised |= {"period_start": NOW.replace(day=1), "period_end": NOW + timedelta(days=9), "currency": "USD"}
        raised |= {"reason": f"for {OTHERS}", "state": "pending", "asked_by": "Olga Opera", "asked_at": OPENED}
        unit.connection.execute(sa.insert(tables.cap_raises).values(**raised))
        add_run(unit, FLEET, Stage.DECLARE, LOADED, evidence={"schedules": CRONS, "sha256": ""})


def site(engine: sa.Engine, role: Role) -> Site:
    app = mounted(engine, access=Access(who=lambda: Sight("Mara Lindqvist", role=role)))
    return Site(TestClient(app, follow_redirects=False), app, engine, None)  # type: ignore[arg-type] # nobody asks for ids


def test_a_gap_tells_an_owner_what_the_fleet_suffered_from_and_nothing_of_others(engine: sa.Engine) -> None:
    """That the scheduler stood still and a task failed explains the gap; whose else it was is not told."""
    html = site(engine, Role.OWNER).get(COVERAGE)
    assert "scheduler did not start what was due" in html
    assert "The task records_path.two of records.six_hourly failed" in html
    assert OTHERS not in html
    assert "shop does not answer" in html  # the error of a task that is the workflow's alone


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ENGINEER])
def test_a_gap_tells_everything_to_whoever_sees_all(engine: sa.Engine, role: Role) -> None:
    """An auditor and an engineer read the incident's own words, and the way to it."""
    assert f"A task failed that {OTHERS} needs" in site(engine, role).get(COVERAGE)


def test_a_raise_of_the_fleets_cap_tells_an_owner_no_amount_and_no_reason(engine: sa.Engine) -> None:
    """What it holds for all is known by its time alone; an auditor reads all of it."""
    address = f"/as-of?workflow={audit_site.ORDERS}"
    owner, auditor = (site(engine, role).get(address) for role in (Role.OWNER, Role.AUDITOR))
    assert "a raise of a cap of the fleet" in owner
    for word in ("9,999.00", "9000 USD", OTHERS, "Olga Opera"):
        assert word not in owner
        assert word in auditor


def test_at_the_very_moment_of_a_load_its_schedules_hold(engine: sa.Engine) -> None:
    """A microsecond before it the old ones do."""
    there = site(engine, Role.OWNER)
    at, before = (
        there.get(f"/as-of?workflow={audit_site.ORDERS}&at={moment:%Y-%m-%dT%H:%M:%S.%f}")
        for moment in (LOADED, LOADED - timedelta(microseconds=1))
    )
    assert "six_hourly (25 */6 * * *, UTC)" in at
    assert "six_hourly (5 */6 * * *, UTC)" in before


def test_at_the_very_moment_of_a_version_it_is_in_force(engine: sa.Engine) -> None:
    """Its first load is the beginning of its time."""
    there = site(engine, Role.OWNER)
    at, before = (
        there.get(f"/as-of?workflow={audit_site.ORDERS}&at={moment:%Y-%m-%dT%H:%M:%S.%f}")
        for moment in (audit_site.CHANGED, audit_site.CHANGED - timedelta(microseconds=1))
    )
    assert '<th scope="row">cap</th><td>30 USD/month' in at
    assert '<th scope="row">cap</th><td>20 USD/month' in before


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (NOW - timedelta(hours=11), "first good week"),
        (NOW - timedelta(days=3), "a campaign"),
        (NOW - timedelta(days=3) + timedelta(hours=1), "Jon Reyes answered"),
        (NOW - timedelta(hours=6), "a known drop"),
    ],
)
def test_what_people_said_holds_at_the_very_moment(engine: sa.Engine, moment: datetime, words: str) -> None:
    """An approval, a raise, its answer and a silence: said at the moment is said, a microsecond before it is not."""
    there = site(engine, Role.OWNER)
    at, before = (
        there.get(f"/as-of?workflow={audit_site.ORDERS}&at={one:%Y-%m-%dT%H:%M:%S.%f}")
        for one in (moment, moment - timedelta(microseconds=1))
    )
    assert words in at
    assert words not in before


def test_a_file_of_a_workflow_that_is_not_seen_is_no_look_at_it(engine: sa.Engine) -> None:
    """Its owner does not read in its own ledger that somebody took what they were not given."""
    there = site(engine, Role.OWNER)
    assert there.get("/runs.csv?workflow=email_triage").count("\n") == 2
    statement = sa.select(tables.ledger.c.workflow).where(tables.ledger.c.subject == "runs:csv")
    with engine.connect() as connection:
        assert connection.scalars(statement.order_by(tables.ledger.c.id.desc())).first() == FLEET


def test_the_page_of_an_incident_shows_an_owner_no_message_of_others(engine: sa.Engine) -> None:
    """A message may be about incidents of several workflows: it stands on the page of whoever sees them all."""
    with Ops(engine).begin() as unit:
        mine = finding(audit_site.ORDERS, Stage.CHECK, "quality.no_rows", Severity.WARNING, "Nothing came")
        incident = unit.incidents.open(mine, run_id=None, at=OPENED)
        message = Message("info", f"5 incidents, of {OTHERS} too", "", "")
        for workflow in (FLEET, audit_site.ORDERS):
            row = {"dedupe_key": f"sight {workflow}", "workflow": workflow, "kind": "incident", "channel": "#c"}
            own = message if workflow == FLEET else Message("info", "Only mine", "", "")
            row["created_at"] = NOW if workflow == FLEET else OPENED
            unit.connection.execute(
                sa.insert(tables.outbox).values(**row, message=own.as_dict(), incident_id=incident.id)
            )
    owner, engineer = (site(engine, role).get(f"/incidents/{incident.id}") for role in (Role.OWNER, Role.ENGINEER))
    assert OTHERS not in owner
    assert "Only mine" in owner
    assert OTHERS in engineer
