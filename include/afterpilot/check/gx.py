"""Great Expectations itself, over a SELECT of any database or over the rows that it gives.

It is imported when it is needed and not before: that takes seconds and 230 MB.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from afterpilot.check.expectations import INDEX, NO_ROWS_ARE_FINE, build, could_not, judged
from afterpilot.check.window import MOST_KEYS
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.source import FieldType
from afterpilot.domain.workflow import Check

MOST_FRAMED = 100_000  # rows that are brought into memory for an expectation that no database can judge

FRAMES_ONLY = frozenset(
    {
        "column_values_to_be_dateutil_parseable",
        "column_values_to_be_decreasing",
        "column_values_to_be_increasing",
        "column_values_to_be_json_parseable",
        "column_values_to_match_json_schema",
        "column_values_to_match_strftime_format",
    }
)

_OF_TYPES = {"column_type_to_be", "column_values_to_be_in_type_list", "column_values_to_be_of_type"}
_LIBRARY = "great_expectations"
_COMPOUND = "compound_columns_to_be_unique"
_BATCHES = 50  # it keeps all that it has read for as long as its context lives
_STAND_INS = {"postgresql": "{driver}://afterpilot@ops/ops", "sqlite": "sqlite:///afterpilot.db"}


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows to be judged: a SELECT in the order of the keys, the kinds of its columns, and what is known of it.

    ``key`` is the column that names a row to people, empty where there is none; ``rows`` is how many rows there are,
    ``values`` how many of them have a value in a column. ``table`` is where they come from, if that is one table: of its types
    Great Expectations knows nothing when it is given a SELECT.
    """

    select: sa.Select[Any]
    kinds: Mapping[str, FieldType | None]
    key: str
    rows: int
    values: Mapping[str, int] = field(default_factory=dict)
    table: sa.Table | None = None

    @property
    def columns(self) -> Sequence[str]:
        """The names that a check may use."""
        return tuple(self.kinds)

    def kind(self, column: str) -> FieldType | None:
        """The kind of a column."""
        return self.kinds.get(column)


class Library:
    """Judges checks by Great Expectations, all in one validation; where that fails as a whole, one by one."""

    def __init__(self, engine: sa.Engine) -> None:
        """Nothing is connected or imported yet."""
        self._engine = engine
        self._source: Any = None
        self._batches = 0

    def judge(self, rows: Selected, checks: Mapping[int, Check], connection: sa.Connection) -> dict[int, Judged]:
        """A result for each check, under its index. One that cannot be built or raises, or has nothing to look at, has
        ``success`` None.
        """
        if not checks:
            return {}
        _quiet()
        results: dict[int, Judged] = {}
        expectations: dict[int, Any] = {}
        for index, check in checks.items():
            try:
                expectations[index] = build(check, index, rows)
            except CheckError as error:
                results[index] = could_not(check, str(error))
        for index, outcome in self._outcomes(rows, checks, expectations, connection).items():
            results[index] = _judged(checks[index], outcome, rows, connection)
        return results

    def _outcomes(
        self, rows: Selected, checks: Mapping[int, Check], built: Mapping[int, Any], connection: sa.Connection
    ) -> dict[int, Any]:
        framed = {index: one for index, one in built.items() if checks[index].expect in FRAMES_ONLY}
        typed = {
            index: one for index, one in built.items() if checks[index].expect in _OF_TYPES and rows.table is not None
        }
        selected = {index: one for index, one in built.items() if index not in framed.keys() | typed.keys()}
        outcomes: dict[int, Any] = {}
        if typed:
            outcomes |= _validated(lambda: self._whole(rows.table), typed, rows)
        if selected:
            outcomes |= _validated(lambda: self._select(rows), selected, rows)
        if framed and rows.rows > MOST_FRAMED:
            why = f"it is judged in memory, which holds at most {MOST_FRAMED:,} rows; here are {rows.rows:,}"
            outcomes |= dict.fromkeys(framed, why)
        elif framed:
            outcomes |= _validated(lambda: _frame(rows, connection), framed, rows)
        return outcomes

    def _whole(self, table: sa.Table | None) -> Any:  # noqa: ANN401 - Great Expectations'
        if table is None:  # pragma: no cover - asked before
            raise CheckError("there is no table")
        name = table.name if table.name == table.name.lower() else f'"{table.name}"'
        asset = self._next_source().add_table_asset(f"rows {self._batches}", table_name=name, schema_name=table.schema)
        return asset.add_batch_definition_whole_table("rows").get_batch()

    def _select(self, rows: Selected) -> Any:  # noqa: ANN401 - Great Expectations'
        query = written_out(rows.select.order_by(None), self._engine.dialect)  # else each of its statements would sort
        asset = self._next_source().add_query_asset(f"rows {self._batches}", query=query)
        return asset.add_batch_definition_whole_table("rows").get_batch()

    def _next_source(self) -> Any:  # noqa: ANN401 - Great Expectations'
        if self._source is None or self._batches >= _BATCHES:
            self._source, self._batches = self._new_source(), 0
        self._batches += 1
        return self._source

    def _new_source(self) -> Any:  # noqa: ANN401 - Great Expectations'
        sources, name = _context().data_sources, self._engine.dialect.name
        add = {"postgresql": sources.add_postgres, "sqlite": sources.add_sqlite}.get(name, sources.add_sql)
        # The address is a stand-in: connections come from us, so that Great Expectations never holds the real one.
        stand_in = _STAND_INS.get(name, "{driver}://afterpilot@ops/ops")
        pool = {} if name == "sqlite" else {"poolclass": sa.NullPool}  # there it says so itself
        return add(
            "ops",
            connection_string=stand_in.format(driver=self._engine.url.drivername),
            kwargs={"creator": self._connect, **pool},
        )

    def _connect(self) -> Any:  # noqa: ANN401 - a connection of the driver
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        return self._engine.dialect.connect(*arguments, **options)


def without_rows(check: Check) -> Judged:
    """What is said of a check that had no row to look at."""
    if check.params.get(NO_ROWS_ARE_FINE):
        return Judged(check, success=True, observed="", elements=0, failing_total=0, failing_keys=(), result={})
    return could_not(check, "no rows")


def written_out(select: sa.Select[Any], dialect: sa.Dialect) -> str:
    """A SELECT with its values written out, as Great Expectations takes it.

    Raises:
        CheckError: a name holds a percent sign or a colon before a word. Great Expectations would double the one and take
            the other for a parameter, and silently find no rows.
    """
    kind: Any = type(dialect)
    plain = kind(paramstyle="named")  # leaves % alone
    text = str(select.compile(dialect=plain, compile_kwargs={"literal_binds": True}))
    if "%" in text or sa.text(text).compile().params:
        raise CheckError("the name of the workflow, the group or a column holds a percent sign or a colon")
    return text


def _validated(make: Any, expectations: Mapping[int, Any], rows: Selected) -> dict[int, Any]:  # noqa: ANN401 - makes a batch
    """Great Expectations' results by index, or the reason why there is none."""
    import great_expectations as gx

    try:
        batch = make()
    except Exception as error:  # noqa: BLE001 - it raises what its drivers raise; every check then says why it could not run
        return dict.fromkeys(expectations, f"Great Expectations cannot read the rows: {_brief(error)}")
    try:
        suite = gx.ExpectationSuite(name="rows", expectations=list(expectations.values()))
        found = {
            result.expectation_config.meta[INDEX]: result
            for result in batch.validate(suite, result_format=_format(rows)).results
        }
    except Exception:  # noqa: BLE001 - one bad expectation can end all; each is then tried alone and says so itself
        found = {}
    return {index: found.get(index) or _alone(batch, one, rows) for index, one in expectations.items()}


def _alone(batch: Any, expectation: Any, rows: Selected) -> Any:  # noqa: ANN401 - Great Expectations'
    try:
        return batch.validate(expectation, result_format=_format(rows))
    except Exception as error:  # noqa: BLE001 - whatever it raises, this check could not run
        return _brief(error)


def _judged(check: Check, outcome: Any, rows: Selected, connection: sa.Connection) -> Judged:  # noqa: ANN401 - Great Expectations'
    if isinstance(outcome, str):
        return could_not(check, outcome)
    of_values = not check.params.get("row_condition") and check.expect not in _OF_TYPES
    values = rows.values.get(check.column) if of_values else None
    result = judged(check, outcome, rows.key, rows=rows.rows, values=values)
    if check.expect == _COMPOUND and result.success is False and rows.key:
        # Great Expectations names no rows for this one.
        columns = [str(name) for name in check.params.get("column_list", ())]
        return dataclasses.replace(result, failing_keys=_repeated(rows, columns, connection))
    return result


def _repeated(rows: Selected, columns: Sequence[str], connection: sa.Connection) -> tuple[str, ...]:
    """Keys of rows whose values in these columns, taken together, occur more than once; at most 200."""
    inner = rows.select.order_by(None).subquery()
    values = [inner.c[name] for name in columns]
    counted = sa.select(inner.c[rows.key].label("key"), sa.func.count().over(partition_by=values).label("times"))
    found = counted.where(*(value.is_not(None) for value in values)).subquery()
    keys = sa.select(found.c.key).where(found.c.times > 1).order_by(found.c.key).limit(MOST_KEYS)
    return tuple(str(key) for key in connection.scalars(keys))


def _frame(rows: Selected, connection: sa.Connection) -> Any:  # noqa: ANN401 - Great Expectations'
    """The rows as a batch of a data frame."""
    import pandas as pd

    found = connection.execute(rows.select)
    frame = pd.DataFrame(found.fetchall(), columns=list(found.keys()))
    for name in rows.columns:
        if rows.kind(name) == "number":
            frame[name] = pd.to_numeric(frame[name])
    asset = _context().data_sources.add_pandas("memory").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows").get_batch(batch_parameters={"dataframe": frame})


def _context() -> Any:  # noqa: ANN401 - Great Expectations'
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _format(rows: Selected) -> dict[str, Any]:
    names = {"unexpected_index_column_names": [rows.key]} if rows.key else {}
    return {"result_format": "SUMMARY", "partial_unexpected_count": MOST_KEYS, **names}


def _quiet() -> None:
    """No analytics and no log lines: what it logs of a check that raised is in that check's result."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger(_LIBRARY).setLevel(logging.ERROR)
    __import__(_LIBRARY)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith(f"{_LIBRARY}.") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)  # some set their own level while they are imported


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
