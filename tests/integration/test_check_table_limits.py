"""``afterpilot check table`` where a database or its driver has limits: one expectation beyond them spoils no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from gx_parity import check

from afterpilot.check.any_table import connect
from afterpilot.check.table import TableChecker
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
    mixed = [*range(MANY if engine.dialect.name == "postgresql" else 4 * MANY), "x"]
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


def _large(expect: str, values: Sequence[Any], column: str, **more: Any) -> Check:
    return check(f"column_{expect}", column=column, value_set=values, **more)


def _large_sets() -> list[Check]:
    """Long lists of numbers and texts, which hold and which do not."""
    numbers, halves = list(range(MANY)), [number / 2 for number in range(MANY)]
    texts = [str(number) for number in numbers]
    among = {"type": "comparison", "column": {"name": "a"}, "operator": "IN", "parameter": numbers}
    others = {"type": "comparison", "column": {"name": "s"}, "operator": "NOT_IN", "parameter": texts}
    return [
        in_set(numbers),
        in_set([2**40, *numbers]),
        in_set(halves),
        in_set(halves, column="f"),
        in_set(texts, column="s"),
        in_set([*numbers, None]),
        _large("values_to_not_be_in_set", numbers, "a"),
        _large("values_to_not_be_in_set", [*numbers, None], "a"),
        _large("values_to_not_be_in_set", texts, "s", mostly=0.1),
        _large("distinct_values_to_be_in_set", numbers, "a"),
        _large("distinct_values_to_contain_set", texts, "s"),
        _large("distinct_values_to_equal_set", halves, "f"),
        check("column_values_to_not_be_null", column="f", row_condition=among),
        check("column_values_to_not_be_null", column="f", row_condition=others),
    ]


def test_a_long_list_of_values_is_judged_as_it_is_in_short_ones(engine: sa.Engine) -> None:
    """With more values than a statement takes parameters, verdicts, figures and failing rows are those of their plain reading."""
    found = judged(engine, *_large_sets())
    assert [one.error for one in found] == [""] * len(found)
    assert [(one.success, one.failing_total, one.failing_keys) for one in found[:9]] == [
        (False, 1, ("3",)),
        (False, 1, ("3",)),
        (False, 1, ("3",)),
        (True, 0, ()),
        (False, 1, ("3",)),
        (False, 1, ("3",)),
        (False, 2, ("1", "2")),
        (False, 2, ("1", "2")),
        (True, 2, ()),
    ]
    assert [(one.success, dict(one.result)) for one in found[9:12]] == [
        (False, {"observed_value": None, "unexpected_count": 1}),
        (False, {"observed_value": None, "missing_count": MANY - 2}),
        (False, {"observed_value": None, "unexpected_count": 0, "missing_count": MANY - 3}),
    ]
    assert [(one.success, one.elements) for one in found[12:]] == [(True, 2), (True, 1)]


def test_failing_rows_are_named_for_more_expectations_than_a_statement_has_columns(engine: sa.Engine) -> None:
    """Each of two thousand names the row that fails it."""
    checks = [check("column_values_to_be_between", column="a", min_value=-6 - part / 5000) for part in range(2000)]
    assert {one.failing_keys for one in judged(engine, *checks)} == {("3",)}


@pytest.fixture
def odd_groups(empty_database: str) -> Iterator[sa.Engine]:
    """Rows whose groups are no number, infinite, or beyond the years that Python knows."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE odd (id integer PRIMARY KEY, a integer, f float8, n numeric, t timestamptz, p timestamp, d date)"
        )
        connection.exec_driver_sql(
            "INSERT INTO odd VALUES (1, 1, 'NaN', 'NaN', 'infinity', '-infinity', 'infinity'),"
            " (2, 1, 'NaN', 'NaN', 'infinity', '-infinity', 'infinity'),"
            " (3, NULL, 'Infinity', 1.50, '2026-01-01 12:30:00.25+00', '0044-03-15 BC', '2026-01-01'),"
            " (4, 2, NULL, NULL, NULL, NULL, NULL), (5, 2, 1.5, 2, '20260-01-01+00', '2026-01-01', '20260-01-01')"
        )
    engine.dispose()
    found = connect(empty_database)
    yield found
    found.dispose()


@pytest.mark.parametrize("by_library", [False, True], ids=["single-pass", "gx"])
@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("f", {"NaN", "inf", "1.5", "None"}),
        ("n", {"NaN", "1.50", "2", "None"}),
        ("t", {"infinity", "2026-01-01 12:30:00.250000+00:00", "20260-01-01 00:00:00+00", "None"}),
        ("p", {"-infinity", "0044-03-15 00:00:00 BC", "2026-01-01 00:00:00", "None"}),
        ("d", {"infinity", "2026-01-01", "20260-01-01", "None"}),
    ],
)
def test_each_group_is_judged_whatever_its_value(
    odd_groups: sa.Engine, column: str, names: set[str], *, by_library: bool
) -> None:
    """All rows that are no number are one group, and times that Python cannot say have names of their own."""
    checks = [
        check("column_values_to_not_be_null", column="a"),
        check("column_values_to_be_unique", column="a"),
        check("column_values_to_be_increasing", column="id"),
    ]
    with sa.create_engine(odd_groups.url.difference_update_query(["options"])).begin() as connection:
        connection.exec_driver_sql(f"CREATE VIEW seen AS SELECT id, a, {column} FROM odd")
    found = TableChecker(odd_groups, "seen", group=column, key="id").judge(checks, by_library=by_library)
    assert {str(group) for group in found} == names
    odd = next(results for group, results in found.items() if str(group) in {"NaN", "infinity", "-infinity"})
    assert figures(odd[:2]) == [(True, "0 of 2", ()), (False, "2 of 2", ("1", "2"))]
    if column in {"f", "n"}:
        assert odd[2].success is True
    else:  # that one is judged in memory, to which the driver must bring the rows
        assert odd[2].success is None
        assert "timestamp too" in odd[2].error or "date too" in odd[2].error
    plain = found[None]
    assert figures(plain) == [(True, "0 of 1", ()), (True, "0 of 1", ()), (True, "0 of 1", ())]
