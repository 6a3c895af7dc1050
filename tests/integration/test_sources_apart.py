"""Records in one database, decisions and KPI in others."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import EmbeddedPostgres
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ports import LineSource
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.source import Decisions
from afterpilot.pull.sources import source_of
from afterpilot.pull.sql import SqlSource
from doubles.sources import START, WINDOW, Places, source, workflow_of

pytestmark = pytest.mark.integration


def database(postgres: EmbeddedPostgres, *statements: str) -> str:
    """A new database with these tables."""
    name = f"t{uuid.uuid4().hex}"
    postgres.create(name)
    engine = sa.create_engine(postgres.url(name))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return postgres.url(name)


def test_each_is_read_where_it_lies(postgres: EmbeddedPostgres) -> None:
    """And the records still come as fast as a table's can: such a source can do all that a table can."""
    runs = database(
        postgres,
        "CREATE TABLE runs (id text, finished_at timestamptz, output text)",
        "INSERT INTO runs VALUES ('r1', '2026-11-16T00:10Z', 'yes')",
    )
    desk = database(
        postgres,
        "CREATE TABLE verdicts (id text, at timestamptz, said text)",
        "INSERT INTO verdicts VALUES ('r1', '2026-11-16T00:20Z', 'accepted'), ('r2', '2026-11-16T00:20Z', 'maybe')",
    )
    figures = database(
        postgres,
        "CREATE TABLE weekly (week date, value numeric)",
        "INSERT INTO weekly VALUES ('2026-11-16', 4.25)",
    )
    decided = Decisions(table="verdicts", key="id", time="at", decision="said", connection="desk")
    workflow = workflow_of(source(table="runs", decisions=decided), kpi_connection="figures")
    found = source_of(workflow, Places(place=runs, desk=desk, figures=figures))
    assert isinstance(found, SqlSource)
    assert isinstance(found, LineSource)
    assert [(record.key, record.data) for record in found.records(WINDOW)] == [("r1", {"output": "yes"})]
    assert list(found.decisions(WINDOW)) == [HumanDecision("refunds", "r1", START + timedelta(minutes=20), "accepted")]
    assert dict(found.skipped) == {"decision with an unknown word 'maybe'": 1}
    assert list(found.kpi(START)) == [(START, Decimal("4.25"))]


def test_a_missing_database_of_the_kpi_stops_no_record(postgres: EmbeddedPostgres) -> None:
    """It is looked up when the KPI is read."""
    runs = database(
        postgres,
        "CREATE TABLE runs (id text, finished_at timestamptz, output text)",
        "INSERT INTO runs VALUES ('r1', '2026-11-16T00:10Z', 'yes')",
    )
    found = source_of(workflow_of(source(table="runs"), kpi_connection="figures"), Places(place=runs))
    assert [record.key for record in found.records(WINDOW)] == ["r1"]
    assert list(found.decisions(WINDOW)) == []
    with pytest.raises(ConfigurationError, match="there is no connection 'figures'"):
        found.kpi(START)
