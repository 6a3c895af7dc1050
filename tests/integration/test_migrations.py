"""The ops database's migrations, on a real PostgreSQL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.metered import DaySpan
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record import migrate
from afterpilot.record.ops import Ops
from afterpilot.record.spend import metering
from afterpilot.spend.prices import Prices

pytestmark = pytest.mark.integration


def test_the_migrated_database_is_what_the_code_declares(ops_url: str) -> None:
    """No table, column, index or constraint is missing or left over after all migrations."""
    assert migrate.differences(ops_url) == []
    assert migrate.current(ops_url) == migrate.head()


def test_an_upgrade_twice_changes_nothing(empty_database: str) -> None:
    """The second upgrade finds the database at the newest version."""
    assert migrate.current(empty_database) is None
    migrate.upgrade(empty_database)
    migrate.upgrade(empty_database)
    assert migrate.current(empty_database) == migrate.head()


def test_a_downgrade_to_the_start_leaves_nothing_behind(empty_database: str) -> None:
    """Down to base and up again gives the same tables."""
    migrate.upgrade(empty_database)
    migrate.downgrade(empty_database, "base")
    engine = sa.create_engine(empty_database)
    left = set(sa.inspect(engine).get_table_names()) - {migrate.VERSION_TABLE}
    engine.dispose()
    assert left == set()
    migrate.upgrade(empty_database)
    assert migrate.differences(empty_database) == []


def test_a_drifted_database_is_noticed(ops_url: str, ops_owner: sa.Engine) -> None:
    """A column that somebody dropped by hand is reported."""
    with ops_owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN summary")
    assert migrate.differences(ops_url) != []


def test_old_calls_are_priced_and_summed_anew(empty_database: str) -> None:
    """What they used is kept, with the costs that endpoints told themselves; the other costs are found again. And back again."""
    migrate.upgrade(empty_database, "0003")
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        for statement in _OLD_CALLS:
            connection.exec_driver_sql(statement)
    migrate.upgrade(empty_database)
    rates = {"input_tokens": "0.000002", "cached_tokens": "0.000001", "output_tokens": "0.000003"}
    book = Prices([ModelPrice("m", tuple((sort, Decimal(rate)) for sort, rate in rates.items()), "USD", "")])
    with Ops(engine).begin() as unit:
        assert metering.settle(unit.connection, {"w": "UTC"}, book).priced == 2
        day = date(2026, 10, 31)
        found = unit.metered.days([DaySpan("w", day, day)])
    assert [(one.kind, one.model, one.currency, one.calls, one.cost) for one in found] == [
        ("eval", "own", "EUR", 1, Decimal("0.25")),
        ("production", "m", "USD", 1, Decimal("0.000004")),
        ("production", "x", "", 1, None),
    ]
    migrate.downgrade(empty_database, "0003")
    with engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT ref, cost, currency, unpriced_reason FROM usage ORDER BY ref").all()
    engine.dispose()
    assert [tuple(row) for row in left] == [
        ("a", Decimal("0.0000040000"), "USD", ""),
        ("b", None, "", "no price is known for x"),
        ("c", Decimal("0.2500000000"), "EUR", ""),
    ]


_OLD_CALLS = (
    "CREATE TABLE usage_2026_10 PARTITION OF usage FOR VALUES FROM ('2026-10-01 00:00+00') TO ('2026-11-01 00:00+00')",
    (
        "INSERT INTO usage (workflow, kind, ref, at, model, input_tokens, output_tokens, cached_tokens, cost, currency, "
        "  price_version, unpriced_reason) VALUES "
        "('w', 'production', 'a', '2026-10-31 10:00+00', 'm', 1, 1, 1, 9, 'USD', 'own price list', ''), "
        "('w', 'production', 'b', '2026-10-31 10:01+00', 'x', 1, 1, 0, NULL, '', 'v', 'no price is known for x'), "
        "('w', 'eval', 'c', '2026-10-31 12:00+00', 'own', NULL, NULL, 0, 0.25, 'EUR', 'as the endpoint said', '')"
    ),
)


def test_runs_and_findings_go_into_their_months_and_back(empty_database: str) -> None:
    """No run, finding or incident is lost when runs come into months; each says who started it and is found by its id. And back."""
    migrate.upgrade(empty_database, "0006")
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        for statement in _OLD_RUNS:
            connection.exec_driver_sql(statement)
        before = [connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all() for table in _OF_RUNS]
    migrate.upgrade(empty_database)
    assert migrate.differences(empty_database) == []
    with engine.connect() as connection:
        months = connection.exec_driver_sql(
            "SELECT runs.tableoid::regclass::text, id, actor, trigger->>'run_id' FROM runs JOIN run_ids USING (id, finished_at) "
            "ORDER BY finished_at"
        )
        assert [(month, actor, run) for month, _, actor, run in months] == [
            ("runs_2026_10", "airflow:records.hourly", "a"),
            ("runs_2026_11", "cli", "b"),
        ]
        found = connection.exec_driver_sql("SELECT tableoid::regclass::text, kind FROM findings")
        assert [tuple(row) for row in found] == [("findings_2026_10", "quality.not_null")]
    migrate.downgrade(empty_database, "0006")
    with engine.connect() as connection:
        after = [connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all() for table in _OF_RUNS]
    engine.dispose()
    assert after == before
    assert [len(rows) for rows in after] == [2, 1, 1]


def test_a_migration_that_fails_on_its_way_leaves_the_database_as_it_was(empty_database: str) -> None:
    """When the runs are copied already and something else is in the way, they stand where they stood; once it is gone, it goes on."""
    migrate.upgrade(empty_database, "0006")
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        for statement in _OLD_RUNS:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("CREATE VIEW in_the_way AS SELECT id FROM runs")
        before = [connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all() for table in _OF_RUNS]
    with pytest.raises(sa.exc.InternalError, match="in_the_way depends on"):
        migrate.upgrade(empty_database)
    assert migrate.current(empty_database) == "0006"
    with engine.begin() as connection:
        after = [connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all() for table in _OF_RUNS]
        connection.exec_driver_sql("DROP VIEW in_the_way")
    engine.dispose()
    assert after == before
    migrate.upgrade(empty_database)
    assert migrate.differences(empty_database) == []


_OF_RUNS = ("runs", "findings", "incidents")
_OLD_RUNS = (
    (
        "INSERT INTO runs (id, workflow, stage, window_start, window_end, verdict, trigger, started_at, finished_at, corrects) "
        "SELECT gen_random_uuid(), 'w', 'check', at, at, verdict, trigger::jsonb, at, at, NULL "
        "FROM (VALUES (timestamptz '2026-10-31 23:59:59.999+00', 'FAIL', "
        '\'{"origin": "airflow", "dag_id": "records.hourly", "run_id": "a"}\'), '
        '(timestamptz \'2026-11-01 00:00+00\', \'PASS\', \'{"origin": "cli", "dag_id": "", "run_id": "b"}\')) '
        "AS made(at, verdict, trigger)"
    ),
    (
        "INSERT INTO findings (run_id, fingerprint, workflow, stage, kind, severity, title) "
        "SELECT id, 'f', workflow, stage, 'quality.not_null', 'critical', 'an order is missing' FROM runs WHERE verdict = 'FAIL'"
    ),
    (
        "INSERT INTO incidents (fingerprint, workflow, stage, kind, severity, title, opened_at, last_seen_at, run_id) "
        "SELECT 'f', workflow, stage, 'quality.not_null', 'critical', 'an order is missing', finished_at, finished_at, id "
        "FROM runs WHERE verdict = 'FAIL'"
    ),
)
