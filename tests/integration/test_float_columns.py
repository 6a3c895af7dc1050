"""Columns of floats are numbers wherever a column's type decides; SQLAlchemy 2.1 no longer counts them among ``Numeric``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from afterpilot.check.any_table import kind_of
from afterpilot.check.references import SqlReferences
from afterpilot.domain.releasing import Effect
from afterpilot.domain.review import StatusColumn
from afterpilot.review.status_column import perform
from afterpilot.settings import EnvConnections

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def rates(empty_database: str) -> Iterator[sa.Engine]:
    """A table whose key is a float."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE rates (rate float8 PRIMARY KEY, state text)")
        connection.exec_driver_sql("INSERT INTO rates VALUES (0.1, 'waiting'), (7, 'waiting')")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("kind", [sa.Float(), sa.Double(), postgresql.REAL(), sa.Numeric(), sa.BigInteger()], ids=str)
def test_a_column_of_any_numbers_is_one_of_numbers(kind: sa.types.TypeEngine[object]) -> None:
    """Whole, exact and floating numbers alike."""
    assert kind_of(kind) == "number"


def test_a_reference_to_a_float_is_found_however_it_is_written(rates: sa.Engine) -> None:
    """As text, as a whole number, as a float; what is no number has no row."""
    with rates.connect() as opened:
        found = SqlReferences(EnvConnections()).rows_of(
            opened, "rates", "rate", ["0.1", 7, 7.0, "7", "x", "NaN"], ["state"]
        )
    assert found.keys() == {"0.1", 7, "7"}


def test_a_reference_to_a_float_of_single_precision_is_found(rates: sa.Engine) -> None:
    """No such number is the 0.1 that is asked for; the column keeps the nearest one. What it cannot keep has no row."""
    with rates.begin() as opened:
        opened.exec_driver_sql("CREATE TABLE shares (share real PRIMARY KEY, state text)")
        opened.exec_driver_sql("INSERT INTO shares VALUES (0.1, 'a'), (7, 'b'), (16777.217, 'c')")
        found = SqlReferences(EnvConnections()).rows_of(
            opened, "shares", "share", ["0.1", 0.1, 7, "16777.217", "0.2", "1e39"], ["share", "state"]
        )
    assert {value: row["state"] for value, row in found.items()} == {"0.1": "a", 0.1: "a", 7: "b", "16777.217": "c"}
    assert found["0.1"]["share"] == pytest.approx(0.1, abs=1e-15)


def test_a_float_of_another_database_is_no_single_one(tmp_path: Path) -> None:
    """SQLite calls its numbers of double precision REAL."""
    with sa.create_engine(f"sqlite:///{tmp_path / 'rates.db'}").begin() as opened:
        opened.exec_driver_sql("CREATE TABLE shares (share REAL PRIMARY KEY, state TEXT)")
        opened.exec_driver_sql("INSERT INTO shares VALUES (0.1, 'a')")
        found = SqlReferences(EnvConnections()).rows_of(opened, "shares", "share", ["0.1", 0.2], ["state"])
    assert found == {"0.1": {"state": "a"}}


def test_a_row_whose_key_is_a_float_is_released(rates: sa.Engine) -> None:
    """The key that we keep may be written otherwise than the database writes it."""
    said = StatusColumn("rates", "rate", "state", released="released")
    effects = [Effect("w", key, 1, NOW, "", True, "", NOW, 1, uuid.uuid4()) for key in ("7", "0.10")]
    done = perform(rates.url.render_as_string(hide_password=False), said, "erp", effects)
    assert [(one.state, one.error) for one in done] == [("done", ""), ("done", "")]
