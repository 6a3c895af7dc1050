"""The single pass over groups: each group its own checks, nothing that one check does spoils another."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from gx_parity import check, rows_of

from afterpilot.check.single_pass import Rows, compiles, failing_keys, judge
from afterpilot.declare.gx_table import DATA_FRAMES, GX_EXPECTATIONS
from afterpilot.domain.errors import CheckError

pytestmark = pytest.mark.integration

HOSTILE = 'a"; DROP TABLE calls; --%(x)s :y \\'
GROUPS = ["w'1", "w%2", HOSTILE, "empty"]


@pytest.fixture(scope="module")
def engine(postgres: Any) -> Iterator[sa.Engine]:
    """A table of calls of three workflows, with names that nobody should choose."""
    name = f"t{uuid.uuid4().hex}"
    postgres.create(name)
    engine = sa.create_engine(postgres.url(name))
    table = sa.Table(
        "calls",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("workflow", sa.Text),
        sa.Column("n", sa.Integer),
        sa.Column("s", sa.Text),
        sa.Column(HOSTILE, sa.Integer),
    )
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            table.insert(),
            [
                {
                    "id": index,
                    "workflow": [*GROUPS[:3], None][index % 4],
                    "n": None if index % 10 == 0 else index % 23,
                    "s": ["a", "b", "100%", "o'k", None][index % 5],
                    HOSTILE: index % 7,
                }
                for index in range(400)
            ],
        )
    yield engine
    engine.dispose()


@pytest.fixture
def rows(engine: sa.Engine) -> Rows:
    """All of them."""
    return rows_of(engine, "calls")


def _group(rows: Rows) -> sa.ColumnElement[Any]:
    return rows.columns["workflow"]


MANY_KINDS = [
    check("column_values_to_be_between", column="n", min_value=3, max_value=20),
    check("column_values_to_be_in_set", column="s", value_set=["a", "o'k"]),
    check("column_values_to_be_unique", column="n"),
    check("column_median_to_be_between", column="n", min_value=1),
    check(
        "column_quantile_values_to_be_between",
        column="n",
        quantile_ranges={"quantiles": [0.9], "value_ranges": [[1, 9]]},
    ),
    check("column_value_z_scores_to_be_less_than", column="n", threshold=1, double_sided=True),
    check("column_most_common_value_to_be_in_set", column="s", value_set=["a"], ties_okay=True),
    check("column_distinct_values_to_equal_set", column="s", value_set=["a", "b"]),
    check("compound_columns_to_be_unique", column_list=["n", "s"]),
    check("column_mean_to_be_between", column=HOSTILE, min_value=1),
    check("table_row_count_to_equal", value=100),
]


def test_groups_are_judged_as_if_each_were_alone(engine: sa.Engine, rows: Rows) -> None:
    """Grouping gives each group what it would get without the other groups' rows, the nameless group too."""
    with engine.connect() as connection:
        found = judge(connection, rows, MANY_KINDS, group=_group(rows))
        assert set(found) == {*GROUPS[:3], None}
        for value, results in found.items():
            only = _group(rows).is_(None) if value is None else _group(rows) == value
            alone = judge(connection, dataclasses.replace(rows, where=only), MANY_KINDS)[None]
            assert [(one.success, one.result) for one in results] == [(one.success, one.result) for one in alone]


def test_bounds_of_a_groups_own_are_kept_apart(engine: sa.Engine, rows: Rows) -> None:
    """Where groups ask the same with other values, each is held against its own."""
    own = [
        [
            check("column_values_to_be_between", column="n", min_value=index, max_value=index + 9.5),
            check("column_values_to_be_between", column=HOSTILE, max_value=index),
            check("column_values_to_be_in_set", column="s", value_set=["a", "b", "100%", "o'k"][: index + 1]),
            check("column_values_to_match_regex", column="s", regex=["a", "%", "^o'k$", "."][index]),
            check("column_max_to_be_between", column="n", max_value=21 + index),
            check("column_values_to_be_unique", column="n", mostly=index / 4),
        ]
        for index in range(len(GROUPS))
    ]
    checks = [one for checks in own for one in checks]
    groups = {name: list(range(6 * index, 6 * index + 6)) for index, name in enumerate(GROUPS)}
    with engine.connect() as connection:
        found = judge(connection, rows, checks, group=_group(rows), groups=groups)
        assert list(found) == GROUPS
        assert {one.error for one in found["empty"]} == {"no rows"}
        for index, name in enumerate(GROUPS[:3]):
            alone = judge(connection, dataclasses.replace(rows, where=_group(rows) == name), own[index])[None]
            assert all(one.success is not None for one in alone)
            assert [(one.success, one.result) for one in found[name]] == [(one.success, one.result) for one in alone]


def test_a_groups_bad_pattern_is_its_own(engine: sa.Engine, rows: Rows) -> None:
    """One group's broken regular expression leaves the other groups' good ones alone."""
    patterns = ["a", "(", ".", "b"]
    checks = [check("column_values_to_match_regex", column="s", regex=pattern) for pattern in patterns]
    groups = {name: [index] for index, name in enumerate(GROUPS)}
    with engine.connect() as connection:
        found = judge(connection, rows, checks, group=_group(rows), groups=groups)
    assert [found[name][0].success for name in GROUPS] == [False, None, True, None]
    assert "parentheses" in found["w%2"][0].error


def test_a_check_that_fails_to_run_spoils_no_other(engine: sa.Engine, rows: Rows) -> None:
    """What the database refuses is named in its own words; the rest is judged."""
    checks = [
        check("column_values_to_match_regex", column="s", regex="a("),
        check("column_values_to_be_between", column="s", min_value=1),
        check("column_values_to_be_in_set", column="n", value_set=["1"]),
        check("column_values_to_not_be_null", column="nope"),
        check("column_values_to_be_between", column="n"),
        check("column_values_to_not_be_null", column="n", mostly=0.5),
    ]
    with engine.connect() as connection:
        found = judge(connection, rows, checks)[None]
        assert connection.scalar(sa.text("select 1")) == 1
    assert [one.success for one in found] == [None] * 5 + [True]
    words = ["parentheses", "operator does not exist", "operator does not exist", "nope is not among", "cannot both"]
    assert all(word in one.error for word, one in zip(words, found, strict=False))


def test_no_rows_are_unknown_unless_they_are_fine(engine: sa.Engine, rows: Rows) -> None:
    """A check over nothing passes only where its declaration says that no rows are fine; a count of rows is a count."""
    nothing = dataclasses.replace(rows, where=sa.false())
    params = {"column": "n", "max_value": 5}
    condition = {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 99}
    with engine.connect() as connection:
        unknown, fine, mean, count = judge(
            connection,
            nothing,
            [
                check("column_values_to_be_between", **params),
                check("column_values_to_be_between", **params, no_rows_are_fine=True),
                check("column_mean_to_be_between", **params, no_rows_are_fine=True),
                check("table_row_count_to_equal", value=0),
            ],
        )[None]
        (none_meets,) = judge(
            connection, rows, [check("column_values_to_be_between", **params, row_condition=condition)]
        )[None]
    assert (unknown.success, unknown.error) == (None, "no rows")
    assert (fine.success, mean.success, count.success) == (True, True, True)
    assert (none_meets.success, none_meets.error) == (None, "no record meets the row_condition")


def test_rows_that_cannot_be_read_are_an_error(engine: sa.Engine) -> None:
    """A table that is not there is no verdict on its checks."""
    missing = sa.table("not_there", sa.column("n", sa.Integer))
    with engine.connect() as connection, pytest.raises(CheckError, match="not_there"):
        judge(connection, Rows(missing, {"n": missing.c.n}), [check("column_values_to_not_be_null", column="n")])


def test_the_failing_rows_are_named_by_their_keys(engine: sa.Engine, rows: Rows) -> None:
    """Keys come in order, of one group, no more than asked for; as many as the check counts."""
    kinds = [MANY_KINDS[index] for index in (0, 1, 2, 5, 8)]
    with engine.connect() as connection:
        found = judge(connection, rows, kinds, group=_group(rows))
        for value in (HOSTILE, None):
            for one, result in zip(kinds, found[value], strict=True):
                keys = failing_keys(connection, rows, one, group=_group(rows), group_value=value, limit=1_000)
                assert keys == sorted(keys)
                assert len(keys) == result.failing_total
        assert failing_keys(connection, rows, kinds[0], group=_group(rows), group_value=HOSTILE, limit=2) == [2, 22]
        assert failing_keys(connection, rows, MANY_KINDS[9]) == []


def test_every_declared_expectation_is_compiled_or_left_to_great_expectations() -> None:
    """Nothing is silently missing: what does not compile is listed here by name."""
    left = {name for name in GX_EXPECTATIONS if not compiles(check(name, column="n"))}
    assert left - DATA_FRAMES.keys() == {"column_kl_divergence_to_be_less_than"}
    on_sqlite = {name for name in GX_EXPECTATIONS if not compiles(check(name, column="n"), "sqlite")}
    assert on_sqlite - left == {
        "column_stdev_to_be_between",
        "column_value_z_scores_to_be_less_than",
        "column_values_to_not_be_outliers",
    }
    assert not compiles(check("column_values_to_not_be_null", column="n"), "mysql")
    assert not compiles(check("column_values_to_not_be_null", column="n", row_condition='col("n") > 1'))
    assert not compiles(check("column_max_to_be_between", column="n", min_value={"$PARAMETER": "low"}))
