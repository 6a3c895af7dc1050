"""Runs in their months: written once whoever comes first, found by their ids, listed whatever is asked for."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record.history.paging import Page
from afterpilot.record.history.runs import RunFilter, actors, list_runs
from afterpilot.record.ops import Ops
from afterpilot.record.runs import Runs
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
TRIGGER = Trigger("airflow", "scheduled__2026-11-01", "records.hourly", "check", 3, 1)
WORKFLOWS, ACTORS = ("a", "b", "rare"), ("airflow:records.hourly", "airflow:spend", "cli")


def add(connection: sa.Connection, at: datetime) -> tuple[uuid.UUID, bool]:
    """The run of one trigger, finished at a moment, with a finding."""
    finding = Finding("a", "check", "quality.not_null", Severity.CRITICAL, "an order is missing")
    result = StageResult(workflow="a", stage="check", summary="1 of 9 failed", findings=(finding,), checked=9)
    window = Window(at - timedelta(hours=1), at)
    return Runs(connection).add(result, window=window, trigger=TRIGGER, versions={}, started_at=at, finished_at=at)


def test_a_run_is_found_by_its_id_in_whatever_month_it_lies(ops: sa.Engine) -> None:
    """It lies in the month in which it was finished, with its findings and who started it."""
    with Ops(ops).begin() as unit:
        run_id, new = add(unit.connection, NOW - timedelta(microseconds=1))
        kept = unit.runs.get(run_id)
        kinds = unit.runs.kinds_found(run_id)
        where = unit.connection.execute(
            sa.text(
                "SELECT tableoid::regclass::text, actor FROM runs UNION SELECT tableoid::regclass::text, '' FROM findings"
            )
        )
        assert {tuple(row) for row in where} == {("runs_2026_10", "airflow:records.hourly"), ("findings_2026_10", "")}
        assert unit.runs.get(uuid.uuid4()) is None
    assert new
    assert kept is not None
    assert (kept.id, kept.trigger, kinds) == (run_id, TRIGGER, ["quality.not_null"])


def test_attempts_that_race_over_the_end_of_a_month_write_one_run(ops: sa.Engine) -> None:
    """The second waits until the first is over, and finds its run, although its own would lie in another month."""
    told: list[bool] = []

    def second() -> None:
        with Ops(ops).begin() as unit:
            told.append(add(unit.connection, NOW)[1])

    with Ops(ops).begin() as unit:
        assert add(unit.connection, NOW - timedelta(seconds=1))[1]
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(20)
    with ops.connect() as connection:
        counts = [
            connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) for table in ("runs", "findings", "run_ids")
        ]
    assert told == [False]
    assert counts == [1, 1, 1]


def test_an_attempt_that_is_taken_back_leaves_the_run_to_the_next(ops: sa.Engine) -> None:
    """What was rolled back holds no id."""
    with ops.connect() as connection:
        add(connection, NOW)
        connection.rollback()
    with ops.begin() as connection:
        assert add(connection, NOW)[1]


@pytest.fixture(scope="module")
def many(new_ops: Any, postgres: Any) -> Iterator[tuple[sa.Engine, list[dict[str, Any]]]]:
    """700 runs of three months, many of the same moment, and all that is known of each."""
    chance = random.Random(3)  # noqa: S311 - no secret
    rows = []
    for number in range(700):
        at = NOW + timedelta(hours=chance.randrange(-600, 900, 5) if number % 3 else 7)
        rows.append(
            {
                "workflow": "rare" if number % 97 == 5 else chance.choice("ab"),
                "stage": str(chance.choice([Stage.CHECK, Stage.PULL, Stage.GATE] if number % 59 else [Stage.REPORT])),
                "verdict": chance.choice(["PASS", "PASS", "PASS", "WARN", "FAIL", "UNKNOWN"]),
                "actor": "cli" if number % 101 == 4 else chance.choice(ACTORS[:2]),
                "id": uuid.UUID(int=chance.getrandbits(128)),
                **dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), at),
            }
        )
    engine = sa.create_engine(postgres.url(new_ops()))
    with engine.begin() as connection:
        put_runs(connection, *rows)
    yield engine, rows
    engine.dispose()


def walked(
    connection: sa.Connection, wanted: RunFilter, *, limit: int, most: int
) -> tuple[list[uuid.UUID], list[Page]]:
    """The ids of all pages in their order, and the pages."""
    pages = [list_runs(connection, wanted, limit=limit, most=most)]
    while pages[-1].after:
        pages.append(list_runs(connection, wanted, after=pages[-1].after, limit=limit, most=most))
        assert len(pages) < 5_000
    return [row["id"] for page in pages for row in page.rows], pages


def expected(rows: list[dict[str, Any]], wanted: RunFilter) -> list[uuid.UUID]:
    """The same by looking at every run."""
    fits = [
        row
        for row in rows
        if all(getattr(wanted, name) in {"", row[name]} for name in ("workflow", "stage", "verdict", "actor"))
        and (wanted.since is None or row["finished_at"] >= wanted.since)
        and (wanted.until is None or row["finished_at"] < wanted.until)
        and (wanted.only is None or row["workflow"] in wanted.only)
    ]
    return [row["id"] for row in sorted(fits, key=lambda row: (row["finished_at"], row["id"]), reverse=True)]


MOMENTS = st.none() | st.integers(-700, 1000).map(lambda hours: NOW + timedelta(hours=hours))
FILTERS = st.builds(
    RunFilter,
    workflow=st.sampled_from(("", "", *WORKFLOWS, "nobody")),
    stage=st.sampled_from(("", "", "check", "report", "bills")),
    verdict=st.sampled_from(("", "", "PASS", "UNKNOWN")),
    actor=st.sampled_from(("", "", *ACTORS, "nobody")),
    since=MOMENTS,
    until=MOMENTS,
    only=st.none() | st.frozensets(st.sampled_from((*WORKFLOWS, "other"))),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=FILTERS, limit=st.integers(1, 60), most=st.integers(1, 3_000))
def test_whatever_is_asked_for_every_run_comes_once_in_order(
    many: tuple[sa.Engine, list[dict[str, Any]]], wanted: RunFilter, limit: int, most: int
) -> None:
    """However few runs a page holds and however soon a look ends, the pages together are what a look at every run finds."""
    engine, rows = many
    with engine.connect() as connection:
        found, pages = walked(connection, wanted, limit=limit, most=most)
    assert found == expected(rows, wanted)
    assert all(len(page.rows) == limit or page.looked_to or not page.after for page in pages)


def test_a_look_that_ends_early_says_how_far_back_it_came(many: tuple[sa.Engine, list[dict[str, Any]]]) -> None:
    """What it has not found does not lie after that moment, and the next one goes on there."""
    engine, rows = many
    wanted = RunFilter(stage="report", verdict="UNKNOWN", actor="cli", workflow="a")
    with engine.connect() as connection:
        _, pages = walked(connection, wanted, limit=50, most=1)
    ends = [page.looked_to for page in pages if page.looked_to]
    assert ends == sorted(ends, reverse=True)
    assert len(ends) > 2
    assert pages[-1].looked_to is None
    assert ends[-1] >= datetime(2026, 10, 1, tzinfo=UTC) > min(row["finished_at"] for row in rows) - timedelta(days=31)


def test_a_month_that_was_dropped_is_not_looked_into(ops_owner: sa.Engine) -> None:
    """The list ends with the oldest month that is kept; an id of what was dropped is no run."""
    with ops_owner.begin() as connection:
        times = ("window_start", "window_end", "started_at", "finished_at")
        old, new = (NOW - timedelta(days=40), NOW)
        run = {"workflow": "a", "stage": "check", "verdict": "PASS"}
        ids = put_runs(connection, {**run, **dict.fromkeys(times, old)}, {**run, **dict.fromkeys(times, new)})
        connection.exec_driver_sql("DROP TABLE runs_2026_09")
        assert [row["id"] for row in list_runs(connection, RunFilter()).rows] == [ids[1]]
        assert Runs(connection).get(ids[0]) is None


def test_who_has_started_runs_is_known_by_name(many: tuple[sa.Engine, list[dict[str, Any]]]) -> None:
    """Each once, in alphabetical order."""
    engine, _ = many
    with engine.connect() as connection:
        assert list(actors(connection)) == sorted(ACTORS)
        assert len(actors(connection, limit=2)) == 2
