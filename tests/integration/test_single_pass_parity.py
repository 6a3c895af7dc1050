"""The single pass gives what Great Expectations gives, on the same table."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from gx_parity import asset, by_gx, by_us, check, differences, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.check.single_pass import Rows, compiles
from afterpilot.check.single_pass.registry import COMPILED
from afterpilot.domain.workflow import Check

pytestmark = pytest.mark.integration

NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
JUNE = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
ABOVE_5 = {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 5}
KNOWN_TEXT = {"type": "nullity", "column": {"name": "s"}, "is_null": False}
BOTH = {"type": "and", "conditions": [ABOVE_5, KNOWN_TEXT]}
EITHER = {
    "type": "or",
    "conditions": [
        {"type": "comparison", "column": {"name": "s"}, "operator": "IN", "parameter": ["ab", "abc"]},
        {"type": "comparison", "column": {"name": "n"}, "operator": "!=", "parameter": 3},
    ],
}
NOT_TWO = {"type": "comparison", "column": {"name": "n"}, "operator": "NOT_IN", "parameter": [2, 7]}
NOBODY = {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 10_000}
CONDITIONS = [ABOVE_5, KNOWN_TEXT, BOTH, EITHER, NOT_TWO, NOBODY]
QUANTILES = {"quantiles": [0.07, 0.5, 0.9, 1.0], "value_ranges": [[0, 2], [None, 5], [1, None], [3, 100]]}
NAMES = ["id", "n", "m", "d", "f", "s", "t", "at", "b", "void"]


class Site(NamedTuple):
    """A table, as the single pass and as Great Expectations see it."""

    engine: sa.Engine
    table: sa.Table
    rows: Rows
    batch: Any


def _table() -> sa.Table:
    return sa.Table(
        "vals",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("n", sa.Integer),
        sa.Column("m", sa.BigInteger),
        sa.Column("d", sa.Numeric(12, 2)),
        sa.Column("f", sa.Float(53)),
        sa.Column("s", sa.Text),
        sa.Column("t", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("b", sa.Boolean),
        sa.Column("void", sa.Integer),
    )


def _site(url: str) -> Site:
    engine, table = sa.create_engine(url), _table()
    table.metadata.create_all(engine)
    return Site(engine, table, rows_of(engine, "vals"), asset(url, table="vals"))


@pytest.fixture(scope="module")
def postgres_site(postgres: Any) -> Iterator[Site]:
    """An empty table in PostgreSQL."""
    name = f"t{uuid.uuid4().hex}"
    postgres.create(name)
    site = _site(postgres.url(name))
    yield site
    site.engine.dispose()


@pytest.fixture(scope="module")
def sqlite_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An empty table in SQLite."""
    folder: Path = tmp_path_factory.mktemp("sqlite")
    site = _site(f"sqlite:///{folder / 'vals.db'}")
    yield site
    site.engine.dispose()


def _fill(site: Site, rows: list[dict[str, Any]]) -> None:
    with site.engine.begin() as connection:
        connection.execute(site.table.delete())
        if rows:
            connection.execute(
                site.table.insert(), [{"id": index, "void": None, **row} for index, row in enumerate(rows)]
            )


def _known_rows() -> list[dict[str, Any]]:
    return [
        {
            "n": None if index % 7 == 3 else index * 5 % 13,
            "m": None if index % 11 == 5 else index * 3 % 11,
            "d": [None, 1.5, 2.25, 3, 99.99][index % 5],
            "f": [0.1, None, 1e10, -3.5, 2.0, 0.1][index % 6],
            "s": ["ab", "", None, "abc", "Ünï", "x%y", "a_b", "ab"][index % 8],
            "t": ["ab", None, "abc", "zz"][index * 3 % 4],
            "at": [NOON, None, JUNE][index % 3],
            "b": [True, False, None, True][index % 4],
        }
        for index in range(53)
    ]


def _column_checks(column: str, **more: Any) -> list[Check]:
    """What can be asked of a column of any type."""
    return [
        check("column_values_to_not_be_null", column=column, mostly=0.8, **more),
        check("column_values_to_be_null", column=column, mostly=0.2, **more),
        check("column_values_to_be_unique", column=column, mostly=0.1, **more),
        check("column_unique_value_count_to_be_between", column=column, min_value=2, max_value=5, **more),
        check(
            "column_proportion_of_unique_values_to_be_between", column=column, min_value=0.1, strict_min=True, **more
        ),
        check(
            "column_proportion_of_non_null_values_to_be_between", column=column, max_value=1, strict_max=True, **more
        ),
        check("column_most_common_value_to_be_in_set", column=column, value_set=[1, "ab", 1.5, True], **more),
        check(
            "column_most_common_value_to_be_in_set", column=column, value_set=[1, "ab", True], ties_okay=True, **more
        ),
    ]


def _number_checks(column: str, **more: Any) -> list[Check]:
    return [
        check("column_max_to_be_between", column=column, min_value=2, **more),
        check("column_min_to_be_between", column=column, max_value=2, strict_max=True, **more),
        check("column_mean_to_be_between", column=column, min_value=2, max_value=30, **more),
        check("column_sum_to_be_between", column=column, min_value=2, **more),
        check("column_stdev_to_be_between", column=column, max_value=4, **more),
        check("column_median_to_be_between", column=column, min_value=2, max_value=3, **more),
        check("column_quantile_values_to_be_between", column=column, quantile_ranges=QUANTILES, **more),
        check("column_values_to_be_between", column=column, min_value=1.5, max_value=10, mostly=0.4, **more),
        check("column_values_to_be_between", column=column, min_value=1.5, strict_min=True, **more),
        check("column_values_to_be_between", column=column, max_value=99.99, strict_max=True, **more),
        check("column_value_z_scores_to_be_less_than", column=column, threshold=1.2, double_sided=True, **more),
        check("column_value_z_scores_to_be_less_than", column=column, threshold=1, double_sided=False, **more),
        check("column_values_to_not_be_outliers", column=column, **more),
        check("column_values_to_not_be_outliers", column=column, method="std", multiplier=1, **more),
        check("column_values_to_not_be_outliers", column=column, method="std", multiplier=0, **more),
    ]


def _text_checks(**more: Any) -> list[Check]:
    return [
        check("column_value_lengths_to_be_between", column="s", min_value=1, max_value=3, strict_max=True, **more),
        check("column_value_lengths_to_equal", column="s", value=3, **more),
        check("column_values_to_match_regex", column="s", regex="^a[b-c]+$", mostly=0.3, **more),
        check("column_values_to_not_match_regex", column="s", regex="b", **more),
        check("column_values_to_match_regex_list", column="s", regex_list=["^a", "c$"], match_on="any", **more),
        check("column_values_to_match_regex_list", column="s", regex_list=["^a", "c$"], match_on="all", **more),
        check("column_values_to_not_match_regex_list", column="s", regex_list=["^a", "c$"], **more),
        check("column_values_to_match_like_pattern", column="s", like_pattern="a%", **more),
        check("column_values_to_match_like_pattern", column="s", like_pattern="a!_b", escape="!", **more),
        check("column_values_to_match_like_pattern_list", column="s", like_pattern_list=["a%", "%c"], **more),
        check(
            "column_values_to_match_like_pattern_list",
            column="s",
            like_pattern_list=["a%", "%c"],
            match_on="all",
            **more,
        ),
        check("column_values_to_not_match_like_pattern", column="s", like_pattern="%b%", **more),
        check("column_values_to_not_match_like_pattern_list", column="s", like_pattern_list=["a%", "%c"], **more),
    ]


def _set_checks(column: str, values: list[Any], **more: Any) -> list[Check]:
    return [
        check("column_values_to_be_in_set", column=column, value_set=values, mostly=0.5, **more),
        check("column_values_to_not_be_in_set", column=column, value_set=values, mostly=0.5, **more),
        check("column_distinct_values_to_be_in_set", column=column, value_set=values or ["ab"], **more),
        check("column_distinct_values_to_contain_set", column=column, value_set=values, **more),
        check("column_distinct_values_to_equal_set", column=column, value_set=values, **more),
    ]


def _several_checks(**more: Any) -> list[Check]:
    found = []
    pair, pairs = {"column_A": "n", "column_B": "m"}, [[1, "ab"], [2, "abc"], [None, "ab"]]
    for ignored in ("both_values_are_missing", "either_value_is_missing", "neither"):
        one = {"ignore_row_if": ignored, **more}
        found += [
            check("column_pair_values_to_be_equal", **pair, mostly=0.05, **one),
            check("column_pair_values_a_to_be_greater_than_b", **pair, or_equal=True, **one),
            check("column_pair_values_a_to_be_greater_than_b", **pair, **one),
            check("column_pair_values_to_be_in_set", column_A="n", column_B="s", value_pairs_set=pairs, **one),
        ]
    for ignored in ("all_values_are_missing", "any_value_is_missing", "never"):
        one = {"ignore_row_if": ignored, **more}
        found += [
            check("multicolumn_sum_to_equal", column_list=["n", "m"], sum_total=12, **one),
            check("multicolumn_values_to_be_equal", column_list=["s", "t"], **one),
            check("select_column_values_to_be_unique_within_record", column_list=["n", "m"], **one),
            check("compound_columns_to_be_unique", column_list=["s", "t"], **one),
            check("compound_columns_to_be_unique", column_list=["id", "t"], **one),
        ]
    return found


def _table_checks() -> list[Check]:
    types = ["INTEGER", "integer", "NUMERIC(12, 2)", "NUMERIC", "Nope"]
    return [
        check("column_to_exist", column="n"),
        check("column_to_exist", column="N"),
        check("column_to_exist", column="nope"),
        check("column_to_exist", column="n", column_index=1),
        check("column_to_exist", column="n", column_index=99),
        *(check("column_type_to_be", column=column, type_=name) for column in ("n", "d") for name in types),
        *(check("column_values_to_be_of_type", column="d", type_=name) for name in types),
        *(check("column_values_to_be_in_type_list", column="d", type_list=[name, "X"]) for name in types),
        check("table_columns_to_match_set", column_set=NAMES),
        check("table_columns_to_match_set", column_set=NAMES[1:]),
        check("table_columns_to_match_set", column_set=NAMES[1:], exact_match=False),
        check("table_columns_to_match_set", column_set=[*NAMES, "zz"], exact_match=False),
        check("table_columns_to_match_set", column_set=[name.upper() for name in NAMES]),
        check("table_columns_to_match_ordered_list", column_list=NAMES),
        check("table_columns_to_match_ordered_list", column_list=NAMES[:3]),
        check("table_column_count_to_equal", value=10),
        check("table_column_count_to_be_between", min_value=1, max_value=3),
        check("table_row_count_to_be_between", min_value=10, max_value=53, strict_max=True),
        check("table_row_count_to_equal", value=53),
    ]


def _time_checks() -> list[Check]:
    return [
        check("column_values_to_be_between", column="at", min_value="2024-01-01T12:00:00+00:00"),
        check("column_values_to_be_between", column="at", max_value="2024-03-01"),
        check("column_max_to_be_between", column="at", min_value="2024-01-01"),
        check("column_max_to_be_between", column="at", min_value=NOON),
        check("column_min_to_be_between", column="at", max_value=NOON, strict_max=True),
    ]


def _all_checks() -> list[Check]:
    found = [*_table_checks(), *_time_checks(), *_text_checks(), *_several_checks()]
    for column in ("n", "d", "f", "s", "at", "b"):
        found += _column_checks(column)
    for column in ("n", "d", "f"):
        found += _number_checks(column)
    for column, values in (("n", [1, 2, 3]), ("d", [1.5, 3]), ("s", ["ab", None]), ("s", []), ("b", [True])):
        found += _set_checks(column, values)
    return found + _column_checks("void") + _number_checks("void")


def test_the_matrix_holds_every_type_that_compiles() -> None:
    """Every expectation that the single pass knows is in the matrix."""
    assert {one.expect for one in _all_checks()} == set(COMPILED)


def test_every_type_agrees_on_postgresql(postgres_site: Site) -> None:
    """Each type of expectation gives the verdict and the figures of Great Expectations."""
    _fill(postgres_site, _known_rows())
    checks = _all_checks()
    ours = by_us(postgres_site.engine, postgres_site.rows, checks)
    assert differences(checks, ours, by_gx(postgres_site.batch, checks)) == []
    assert [one.error for one in ours if one.error and one.error != "no values"] == []


def test_every_type_agrees_on_sqlite(sqlite_site: Site) -> None:
    """On SQLite too, for what compiles there."""
    _fill(sqlite_site, _known_rows())
    checks = [one for one in _all_checks() if compiles(one, "sqlite")]
    ours = by_us(sqlite_site.engine, sqlite_site.rows, checks)
    assert differences(checks, ours, by_gx(sqlite_site.batch, checks)) == []


@pytest.mark.parametrize("condition", range(len(CONDITIONS)))
def test_row_conditions_agree(postgres_site: Site, condition: int) -> None:
    """Each form of row_condition keeps the rows that it keeps in Great Expectations."""
    _fill(postgres_site, _known_rows())
    asked = {"row_condition": CONDITIONS[condition]}
    checks = [
        *_column_checks("n", **asked)[:6],
        *_number_checks("d", **asked)[:4],
        *_number_checks("n", **asked)[7:13:2],
        *_text_checks(**asked)[2:5],
        *_set_checks("s", ["ab"], **asked)[:2],
        *_several_checks(**asked)[1:25:3],
        check("table_row_count_to_be_between", min_value=1, max_value=20, **asked),
    ]
    ours = by_us(postgres_site.engine, postgres_site.rows, checks)
    assert differences(checks, ours, by_gx(postgres_site.batch, checks)) == []


_TEXT = st.sampled_from(["", "ab", "abc", "a_b", "x%y", "Ünï", "\u200b", "A", "o'k", '"', "\\", "100%", "ab\nc"])
_NUMBER = st.one_of(st.integers(-20, 20), st.sampled_from([0.1, 0.3, 1.005, 2.5, -0.0]))
_FLOAT = st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from([float("nan"), float("inf"), float("-inf"), 0.1]))


def _row() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "n": st.none() | st.integers(-20, 20),
            "m": st.none() | st.integers(-20, 20),
            "d": st.none() | st.decimals(-100, 100, places=2),
            "f": st.none() | _FLOAT,
            "s": st.none() | _TEXT,
            "t": st.none() | _TEXT,
            "at": st.none() | st.sampled_from([NOON, JUNE, NOON + dt.timedelta(microseconds=1)]),
            "b": st.none() | st.booleans(),
        }
    )


@st.composite
def _bounded(draw: st.DrawFn) -> Check:
    low, high = sorted([draw(_NUMBER), draw(_NUMBER)])
    bounds = draw(st.sampled_from([{"min_value": low}, {"max_value": high}, {"min_value": low, "max_value": high}]))
    strict = {"strict_min": draw(st.booleans()), "strict_max": draw(st.booleans())}
    kinds = ["column_values", "column_max", "column_min", "column_mean", "column_sum", "column_stdev", "column_median"]
    kind = draw(st.sampled_from(kinds))
    expect = f"{kind}_to_be_between"
    more = {"mostly": draw(st.sampled_from([1.0, 0.5, 0.9, 1 / 3]))} if kind == "column_values" else {}
    return check(expect, column=draw(st.sampled_from(["n", "m", "d", "f"])), **bounds, **strict, **more)


@st.composite
def _in_set(draw: st.DrawFn) -> Check:
    column = draw(st.sampled_from(["n", "d", "s", "t"]))
    values = draw(st.lists(_TEXT if column in "st" else _NUMBER, min_size=1, max_size=4, unique=True))
    kinds = ["values_to_be", "values_to_not_be", "distinct_values_to_be", "most_common_value_to_be"]
    return check(f"column_{draw(st.sampled_from(kinds))}_in_set", column=column, value_set=values)


@st.composite
def _on_text(draw: st.DrawFn) -> Check:
    pattern = draw(st.sampled_from(["a%", "%", "_", "%\\%", "100%", "%o'k%", "", "a_b"]))
    regex = draw(st.sampled_from(["^a", "b$", ".", "[A-Z]", "o'k", "^$", "%", "Ü"]))
    no = draw(st.sampled_from(["", "not_"]))
    shape = {"mostly": draw(st.sampled_from([1.0, 0.7, 0.25]))}
    return draw(
        st.sampled_from(
            [
                check(f"column_values_to_{no}match_like_pattern", column="s", like_pattern=pattern, **shape),
                check(f"column_values_to_{no}match_regex", column="s", regex=regex, **shape),
                check(f"column_values_to_{no}match_regex_list", column="t", regex_list=[regex, "^x"], **shape),
                check(
                    "column_value_lengths_to_be_between", column="s", min_value=1, max_value=len(pattern) + 1, **shape
                ),
            ]
        )
    )


_ASKED = st.one_of(
    _bounded(),
    _in_set(),
    _on_text(),
    st.sampled_from([*_several_checks(), *_column_checks("s"), *_column_checks("f")[:6], *_number_checks("n")[6:]]),
)


@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(_row(), max_size=12), checks=st.lists(_ASKED, min_size=6, max_size=12))
def test_any_rows_and_parameters_agree(postgres_site: Site, rows: list[dict[str, Any]], checks: list[Check]) -> None:
    """Whatever the rows hold and the parameters ask, both engines say the same."""
    _fill(postgres_site, rows)
    ours = by_us(postgres_site.engine, postgres_site.rows, checks)
    assert differences(checks, ours, by_gx(postgres_site.batch, checks)) == []


@pytest.mark.parametrize("site", ["postgres_site", "sqlite_site"])
def test_long_lists_of_values_are_compared_as_great_expectations_does(
    request: pytest.FixtureRequest, site: str
) -> None:
    """A long list goes to the database as one value; each verdict and figure, and what cannot be compared, stay the same."""
    found: Site = request.getfixturevalue(site)
    _fill(found, _known_rows())
    lists: list[list[Any]] = [
        list(range(-60, 60)),
        [number / 10 for number in range(-60, 60)],
        [*(f"v{number}" for number in range(120)), "ab", ""],
        [str(number) for number in range(120)],
        [*range(120), 2**40],
        [*range(120), None],
    ]
    if site == "sqlite_site":
        lists.append([*range(120), "ab", 1.5])
    checks = [
        check(f"column_{expect}", column=column, value_set=values, mostly=0.5)
        for column in ("n", "f", "s")
        for values in lists
        for expect in ("values_to_be_in_set", "values_to_not_be_in_set")
    ]
    differing = differences(checks, by_us(found.engine, found.rows, checks), by_gx(found.batch, checks))
    assert not differing, "\n".join(differing)[:3000]
