"""Great Expectations itself over a table, to be compared with the single pass."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.expectations import _class, _exception, trimmed
from afterpilot.check.single_pass import Rows, judge
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

LISTS = {
    "partial_unexpected_list",
    "partial_unexpected_counts",
    "partial_unexpected_index_list",
    "partial_missing_list",
}


def check(expect: str, **params: Any) -> Check:
    """A check with these parameters."""
    return Check(expect, Severity.CRITICAL, params)


def asset(url: str, *, query: str = "", table: str = "") -> Any:
    """A batch of a table or a query, in Great Expectations."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    if url.startswith("sqlite"):
        source = context.data_sources.add_sqlite("source", connection_string=url)
    else:  # a socket's address is none that it accepts
        source = context.data_sources.add_postgres(
            "source",
            connection_string="postgresql+psycopg://nobody@nowhere/nothing",
            kwargs={"creator": lambda: _connect(url), "poolclass": sa.NullPool},
        )
    made = source.add_query_asset("rows", query=query) if query else source.add_table_asset("rows", table_name=table)
    return made.add_batch_definition_whole_table("rows").get_batch()


def _connect(url: str) -> Any:
    engine = sa.create_engine(url)
    arguments, options = engine.dialect.create_connect_args(engine.url)
    return engine.dialect.connect(*arguments, **options)


def by_gx(batch: Any, checks: Sequence[Check]) -> list[tuple[bool | None, dict[str, Any] | str]]:
    """Success and result of each check; None and the reason where it raised."""
    import great_expectations as gx

    made, results = [], {}
    for index, one in enumerate(checks):
        try:
            made.append(_class(one.expect)(**dict(one.params), meta={"index": index}))
        except Exception as error:  # noqa: BLE001 - pydantic's
            results[index] = (None, f"refused: {error}")
    found = batch.validate(
        gx.ExpectationSuite(name="suite", expectations=made),
        result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
    )
    for one in found.results:
        index = one.expectation_config.meta["index"]
        error = _exception(one.exception_info)
        results[index] = (None, error) if error else (bool(one.success), without_lists(trimmed(dict(one.result))))
    return [results[index] for index in range(len(checks))]


def without_lists(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without what only the rows themselves can tell."""
    return {name: value for name, value in result.items() if name not in LISTS}


def rows_of(engine: sa.Engine, table: str, *, key: str = "id") -> Rows:
    """All rows of a table, its columns as the database declares them."""
    found = sa.Table(table, sa.MetaData(), autoload_with=engine)
    return Rows(found, {column.name: column for column in found.columns}, key=found.c[key])


def by_us(engine: sa.Engine, rows: Rows, checks: Sequence[Check]) -> list[Judged]:
    """The results of the single pass."""
    with engine.connect() as connection:
        return list(judge(connection, rows, checks)[None])


NOTHING_SEEN = {"no rows", "no values", "no record meets the row_condition"}


def differences(
    checks: Sequence[Check], ours: Sequence[Judged], theirs: Sequence[tuple[bool | None, Any]]
) -> list[str]:
    """Where the single pass and Great Expectations disagree. Where there is nothing to see we say so, and only the figures are
    compared; where it cannot run a check that we can, that is listed in :func:`cannot_run`.
    """
    found = []
    for one, mine, (success, result) in zip(checks, ours, theirs, strict=True):
        if success is None:
            agreed = mine.success is None or cannot_run(one)
        elif mine.error in NOTHING_SEEN:
            agreed = agree(without_lists(mine.result), result)
        else:
            agreed = mine.success is success and agree(without_lists(mine.result), result)
        if not agreed and not counts_other_rows(one):
            found.append(
                f"{one.expect} {dict(one.params)}: {mine.success} {mine.error} {mine.result} / {success} {result}"
            )
    return found


_NOT_WITH_CONDITION = (
    "column_median", "column_quantile", "column_most_common", "column_distinct_values",
)  # fmt: skip


def cannot_run(one: Check) -> bool:
    """Great Expectations 1.24 raises there with SQLAlchemy 2.1: it hands on a SELECT where a table is needed."""
    if not one.params.get("row_condition"):
        return False
    return one.expect.startswith(_NOT_WITH_CONDITION) or one.params.get("ignore_row_if") in ("neither", "never")


def counts_other_rows(one: Check) -> bool:
    """Great Expectations 1.24 forgets the row_condition when it counts the failing pairs of this one."""
    return one.expect == "column_pair_values_to_be_in_set" and bool(one.params.get("row_condition"))


def agree(ours: Any, theirs: Any) -> bool:
    """Whether two results are the same, figures to the twelfth digit: sums of floats depend on the order of rows."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(agree(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(agree(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12)
    return bool(ours == theirs)
