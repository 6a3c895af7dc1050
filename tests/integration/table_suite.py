"""A table with a bit of everything, and a suite that names every expectation of Great Expectations, for both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROWS = 240
START = datetime(2026, 11, 16, tzinfo=UTC)

calls = sa.Table(
    "calls",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("workflow", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("total", sa.Float),
    sa.Column("tax", sa.Float),
    sa.Column("tokens", sa.Integer),
    sa.Column("limit", sa.Integer),
    sa.Column("empty", sa.Integer),
    sa.Column("day", sa.Text),
    sa.Column("answer", sa.Text),
)


def fill(engine: sa.Engine) -> None:
    """Three workflows of different size and faults, one of them with a name that SQL could stumble over, and rows of none."""
    calls.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(calls), list(_rows()))


def _rows() -> Iterator[dict[str, Any]]:
    names = ["bills", "bills", "mails", "mails", "100% :noon's", None]
    for number in range(ROWS):
        workflow = names[number % len(names)]
        broken = workflow == "mails" and number % 3 == 0
        yield {
            "id": number,
            "workflow": workflow,
            "status": "bad" if broken else ("ok", "routed")[number % 2],
            "total": None if number % 17 == 0 else number * 1.25,
            "tax": number * 1.25 if number % 5 else number * 1.5,
            "tokens": number % 40,
            "limit": 41 if not broken else 1,
            "empty": None,
            "day": (START + timedelta(days=number % 30)).strftime("%Y-%m-%d") if not broken else "soon",
            "answer": json.dumps({"n": number}) if not broken else "{",
        }


def _of(kind: str, *, severity: str = "critical", meta: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": meta or {}}


_OK = {"type": "comparison", "column": {"name": "status"}, "operator": "==", "parameter": "ok"}

# Every one that a suite may name; some hold, some fail, some cannot say.
SUITE: list[dict[str, Any]] = [
    _of("column_distinct_values_to_be_in_set", column="status", value_set=["ok", "routed"]),
    _of("column_distinct_values_to_contain_set", column="status", value_set=["ok"]),
    _of("column_distinct_values_to_equal_set", column="status", value_set=["ok", "routed", "bad"]),
    _of(
        "column_kl_divergence_to_be_less_than",
        column="status",
        partition_object={"values": ["ok", "routed", "bad"], "weights": [0.45, 0.45, 0.1]},
        threshold=0.5,
    ),
    _of("column_max_to_be_between", column="total", min_value=1, max_value=290, strict_max=True),
    _of("column_mean_to_be_between", column="total", min_value=140, max_value=160),
    _of("column_median_to_be_between", column="tokens", min_value=10, max_value=30),
    _of("column_min_to_be_between", column="tokens", min_value=0, max_value=0),
    _of("column_most_common_value_to_be_in_set", column="status", value_set=["ok", "routed"], ties_okay=True),
    _of("column_pair_values_a_to_be_greater_than_b", column_A="limit", column_B="tokens", or_equal=True),
    _of("column_pair_values_to_be_equal", column_A="total", column_B="tax", mostly=0.7),
    _of(
        "column_pair_values_to_be_in_set",
        column_A="status",
        column_B="limit",
        value_pairs_set=[["ok", 41], ["routed", 41]],
    ),
    _of("column_proportion_of_non_null_values_to_be_between", column="total", min_value=0.9),
    _of("column_proportion_of_unique_values_to_be_between", column="tokens", min_value=0.1, max_value=0.3),
    _of(
        "column_quantile_values_to_be_between",
        column="tokens",
        quantile_ranges={"quantiles": [0.25, 0.5], "value_ranges": [[5, 15], [15, 25]]},
    ),
    _of("column_stdev_to_be_between", column="tokens", min_value=11, max_value=12),
    _of("column_sum_to_be_between", column="tokens", min_value=1000),
    _of("column_to_exist", column="nowhere"),
    _of("column_unique_value_count_to_be_between", column="tokens", min_value=20, max_value=40),
    _of("column_value_lengths_to_be_between", column="status", min_value=2, max_value=6, severity="warning"),
    _of("column_value_lengths_to_equal", column="day", value=10),
    _of("column_value_z_scores_to_be_less_than", column="tokens", threshold=1.6, double_sided=True),
    _of("column_values_to_be_between", column="total", min_value=0, max_value=250),
    _of("column_values_to_be_between", column="empty", min_value=0),
    _of("column_values_to_be_dateutil_parseable", column="day"),
    _of("column_values_to_be_decreasing", column="tokens"),
    _of("column_values_to_be_in_set", column="status", value_set=["ok", "routed"], mostly=0.5),
    _of("column_values_to_be_in_set", column="limit", value_set=[41], row_condition=_OK),
    _of("column_values_to_be_in_type_list", column="tokens", type_list=["INTEGER", "BIGINT"]),
    _of("column_values_to_be_increasing", column="id"),
    _of("column_values_to_be_json_parseable", column="answer"),
    _of("column_values_to_be_null", column="empty"),
    _of("column_values_to_be_of_type", column="tokens", type_="INTEGER"),
    _of("column_type_to_be", column="tokens", type_="INTEGER"),
    _of("column_values_to_be_unique", column="tokens"),
    _of("column_values_to_be_unique", column="id"),
    _of(
        "column_values_to_match_json_schema",
        column="answer",
        json_schema={"type": "object"},
        row_condition=_OK,
    ),
    _of("column_values_to_match_like_pattern", column="day", like_pattern="2026-%"),
    _of("column_values_to_match_like_pattern_list", column="day", like_pattern_list=["2026-%", "s%"], match_on="any"),
    _of("column_values_to_match_regex", column="day", regex="^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    _of("column_values_to_match_regex_list", column="day", regex_list=["^2026", "^soon$"], match_on="any"),
    _of("column_values_to_match_strftime_format", column="day", strftime_format="%Y-%m-%d"),
    _of("column_values_to_not_be_in_set", column="status", value_set=["bad"]),
    _of("column_values_to_not_be_null", column="total", mostly=0.9),
    _of("column_values_to_not_be_outliers", column="tokens", method="iqr", multiplier=1.5),
    _of("column_values_to_not_match_like_pattern", column="day", like_pattern="s%"),
    _of("column_values_to_not_match_like_pattern_list", column="day", like_pattern_list=["s%", "x%"]),
    _of("column_values_to_not_match_regex", column="day", regex="^s"),
    _of("column_values_to_not_match_regex_list", column="day", regex_list=["^s", "^x"]),
    _of("compound_columns_to_be_unique", column_list=["tokens", "status"]),
    _of("multicolumn_sum_to_equal", column_list=["tokens", "limit"], sum_total=41),
    _of("multicolumn_values_to_be_equal", column_list=["total", "tax"]),
    _of("select_column_values_to_be_unique_within_record", column_list=["tokens", "limit"]),
    _of("table_column_count_to_be_between", min_value=5, max_value=12),
    _of("table_column_count_to_equal", value=10),
    _of("table_columns_to_match_ordered_list", column_list=["id", "workflow"]),
    _of("table_columns_to_match_set", column_set=["id", "workflow"], exact_match=False),
    _of("table_row_count_to_be_between", min_value=50),
    _of("table_row_count_to_equal", value=ROWS),
]


def suite_file(folder: Path, expectations: list[dict[str, Any]] | None = None) -> Path:
    """The suite as Great Expectations would save it."""
    path = folder / "suite.json"
    path.write_text(json.dumps({"name": "calls", "expectations": SUITE if expectations is None else expectations}))
    return path
