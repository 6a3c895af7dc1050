"""``afterpilot check table`` where a database or its driver has limits: one expectation beyond them spoils no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from gx_parity import check

from afterpilot.check.table import TableChecker, connect
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

MANY = 70_000  # values; a statement takes 65,535 parameters


@pytest.fixture(params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database with a table of three numbers, some of them missing."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'numbers.db'}" if sqlite else str(request.getfixturevalue("empty_database"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (id integer PRIMARY KEY, a integer, s text, f float)")
        connection.exec_driver_sql(
            "INSERT INTO numbers VALUES (1, 1, '1', 0.5), (2, 3, '3', 1.5), (3, -7, 'x', 2.5), (4, NULL, NULL, NULL)"
        )
    engine.dispose()
    found = connect(url)
    yield found
    found.dispose()


def judged(engine: sa.Engine, *checks: Check, table: str = "numbers", **options: Any) -> Sequence[Judged]:
    """The results over the whole table."""
    return TableChecker(engine, table).judge(checks, **options)[None]


def figures(results: Sequence[Judged]) -> list[tuple[bool | None, str, tuple[str, ...]]]:
    """Verdict, figure and keys of failing rows of each."""
    return [(one.success, one.observed, one.failing_keys) for one in results]


def in_set(values: Sequence[Any], column: str = "a", **more: Any) -> Check:
    """The column's values are of this set."""
    return check("column_values_to_be_in_set", column=column, value_set=values, **more)


def test_an_expectation_that_no_statement_can_hold_spoils_no_other(engine: sa.Engine) -> None:
    """Values of several kinds cannot be sent together; with more of them than a statement takes, that one says why."""
    mixed = [*range(MANY * 4), "x"]
    kept, spoilt, known = judged(
        engine, in_set([1.0, 3.0]), in_set(mixed), check("column_values_to_not_be_null", column="s")
    )
    assert (kept.success, kept.observed) == (False, "1 of 4")
    assert spoilt.success is None
    assert spoilt.error
    assert (known.success, known.observed) == (False, "1 of 4")


@pytest.mark.parametrize("value", [10**30, "\ud800"], ids=["number", "text"])
def test_a_value_that_the_driver_refuses_spoils_no_other(engine: sa.Engine, value: Any) -> None:
    """SQLite's driver raises Python's own errors for some values."""
    kept, spoilt = judged(engine, in_set([1, 3]), in_set([value], column="s"))
    assert (kept.success, kept.observed) == (False, "1 of 4")
    assert spoilt.success is None
    assert spoilt.error
