"""Quality expectations over a window, judged by Great Expectations in the ops database.

Great Expectations is imported when it is needed and not before: that takes seconds and 230 MB.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check.expectations import INDEX, build, could_not, judged
from afterpilot.check.own import fresh_within, of_declared_type, volume_between
from afterpilot.check.window import MOST_KEYS, Counts, WindowRows
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

STATEMENT_TIMEOUT_SECONDS = 120

_VOLUME = {"table_row_count_to_be_between", "table_row_count_to_equal"}
_LIBRARY = "great_expectations"
_COMPOUND = "compound_columns_to_be_unique"


class GxChecker:
    """Judges a workflow's expectations, all in one validation; where that fails as a whole, one by one."""

    def __init__(self, ops_url: str) -> None:
        """Nothing is connected or imported yet."""
        limits = (
            "-c timezone=UTC -c default_transaction_read_only=on "
            f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS * 1000}"
        )
        url = sa.make_url(ops_url).update_query_dict({"options": limits, "application_name": "afterpilot check"})
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)

    def judge(self, workflow: Workflow, window: Window) -> Sequence[Judged]:
        """One result for each declared expectation, in order; then one for each column that is declared as a number, time
        or boolean. An expectation that cannot be built or raises, or has nothing to look at, has ``success`` None.

        Raises:
            CheckError: the ops database cannot be read.
        """
        rows = WindowRows(workflow, window)
        try:
            with self._engine.connect() as connection:
                counts = rows.counts(connection)
                results = self._own(workflow, rows, window, counts, connection)
                typed = of_declared_type(rows, counts, connection) if counts.rows else []
                results |= self._by_library(workflow, rows, counts, connection, already=results)
        except SQLAlchemyError as error:
            raise CheckError(f"the records cannot be read: {' '.join(str(error).split())[:300]}") from error
        return [*(results[index] for index in range(len(workflow.quality))), *typed]

    def _own(
        self, workflow: Workflow, rows: WindowRows, window: Window, counts: Counts, connection: sa.Connection
    ) -> dict[int, Judged]:
        """What is judged without Great Expectations: our own checks, and all that a window without records says nothing on."""
        results = {}
        for index, check in enumerate(workflow.quality):
            if check.expect == "fresh_within":
                results[index] = fresh_within(check, rows, window, connection)
            elif check.expect == "volume_between":
                results[index] = volume_between(check, counts)
            elif not counts.rows and check.expect not in _VOLUME:
                results[index] = could_not(check, "no rows")
        return results

    def _by_library(
        self,
        workflow: Workflow,
        rows: WindowRows,
        counts: Counts,
        connection: sa.Connection,
        *,
        already: Mapping[int, Judged],
    ) -> dict[int, Judged]:
        checks = {index: check for index, check in enumerate(workflow.quality) if index not in already}
        results: dict[int, Judged] = {}
        expectations: dict[int, Any] = {}
        if checks:
            _quiet()
        for index, check in checks.items():
            try:
                expectations[index] = build(check, index, rows)
            except CheckError as error:
                results[index] = could_not(check, str(error))
        for index, outcome in self._validate(rows, expectations).items():
            check = checks[index]
            if isinstance(outcome, str):
                results[index] = could_not(check, outcome)
                continue
            values = counts.valid.get(check.column) if not check.params.get("row_condition") else None
            results[index] = judged(check, outcome, rows.key_label, rows=counts.rows, values=values)
            if check.expect == _COMPOUND and results[index].success is False:
                results[index] = _with_keys(results[index], rows, connection)
        return results

    def _validate(self, rows: WindowRows, expectations: Mapping[int, Any]) -> dict[int, Any]:
        """Great Expectations' results by index, or the reason why there is none."""
        if not expectations:
            return {}
        import great_expectations as gx

        try:
            batch = self._batch(rows)
        except Exception as error:  # noqa: BLE001 - it raises what its drivers raise; every check then says why it could not run
            return dict.fromkeys(expectations, f"Great Expectations cannot read the window: {_brief(error)}")
        try:
            suite = gx.ExpectationSuite(name="window", expectations=list(expectations.values()))
            found = {
                result.expectation_config.meta[INDEX]: result
                for result in batch.validate(suite, result_format=_format(rows)).results
            }
        except Exception:  # noqa: BLE001 - one bad expectation can end all; each is then tried alone and says so itself
            found = {}
        return {index: found.get(index) or _alone(batch, one, rows) for index, one in expectations.items()}

    def _batch(self, rows: WindowRows) -> Any:  # noqa: ANN401 - Great Expectations'
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # The address is a stand-in: connections come from us, so that Great Expectations never holds the real one.
        source = context.data_sources.add_postgres(
            "ops",
            connection_string=f"{self._engine.url.drivername}://afterpilot@ops/ops",
            kwargs={"creator": self._connect, "poolclass": sa.NullPool},
        )
        asset = source.add_query_asset("window", query=rows.query())
        return asset.add_batch_definition_whole_table("window").get_batch()

    def _connect(self) -> Any:  # noqa: ANN401 - a connection of the driver
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        return self._engine.dialect.connect(*arguments, **options)


def _quiet() -> None:
    """No analytics and no log lines: what it logs of a check that raised is in that check's result."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger(_LIBRARY).setLevel(logging.ERROR)
    __import__(_LIBRARY)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith(f"{_LIBRARY}.") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)  # some set their own level while they are imported


def _with_keys(result: Judged, rows: WindowRows, connection: sa.Connection) -> Judged:
    """Great Expectations names no rows for this one."""
    columns = [str(name) for name in result.check.params.get("column_list", ())]
    return dataclasses.replace(result, failing_keys=tuple(rows.repeated_keys(connection, columns)))


def _alone(batch: Any, expectation: Any, rows: WindowRows) -> Any:  # noqa: ANN401 - Great Expectations'
    try:
        return batch.validate(expectation, result_format=_format(rows))
    except Exception as error:  # noqa: BLE001 - whatever it raises, this check could not run
        return _brief(error)


def _format(rows: WindowRows) -> dict[str, Any]:
    return {
        "result_format": "SUMMARY",
        "unexpected_index_column_names": [rows.key_label],
        "partial_unexpected_count": MOST_KEYS,
    }


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
