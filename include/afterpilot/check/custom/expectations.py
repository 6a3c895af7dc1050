"""Our expectations as classes of Great Expectations 1.24, for suites and checkpoints of its own.

Parameters are named as in a declaration. What the path knows of a workflow is said besides where it is needed: ``time`` (the
column that places a row in time) with ``window`` (``{"from": …, "to": …}``), and ``connection``, which may be left out where a
table lies in the batch's own database. An expectation that cannot say raises, so that it is never a success.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, TypeAlias

from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.validator.metric_configuration import MetricConfiguration

from afterpilot.check.custom.metric import METRIC, JudgedMetric
from afterpilot.domain.errors import CheckError

Number: TypeAlias = int | float | SuiteParameterDict | None
Text: TypeAlias = str | SuiteParameterDict
Mapping: TypeAlias = dict[str, Any] | SuiteParameterDict

_OF_GX = {"batch_id", "result_format", "catch_exceptions", "rendered_content", "windows"}


class AfterpilotExpectation(BatchExpectation):  # type: ignore[misc]  # Great Expectations is not typed here
    """What all of ours have in common: one metric that judges the batch."""

    time: Text | None = None
    window: Mapping | None = None
    no_rows_are_fine: bool = False

    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    metric_dependencies: ClassVar[tuple[str, ...]] = (METRIC,)

    @classmethod
    def is_abstract(cls) -> bool:
        """This class alone is no expectation."""
        return cls.__name__ == "AfterpilotExpectation"

    def get_validation_dependencies(self, execution_engine: Any = None, runtime_configuration: Any = None) -> Any:  # noqa: ANN401, ARG002 - Great Expectations'
        """The one metric, with all parameters as JSON: a metric is known by its parameters."""
        kwargs = self.configuration.kwargs
        dependencies = super(BatchExpectation, self).get_validation_dependencies(
            runtime_configuration=runtime_configuration
        )
        names = dependencies.result_format.get("unexpected_index_column_names") or [""]
        params = {name: value for name, value in kwargs.items() if name not in _OF_GX}
        values = {
            "expect": self.configuration.type.removeprefix("expect_"),
            "params": json.dumps(params, sort_keys=True, default=str),
            "key": names[0],
        }
        metric = MetricConfiguration(METRIC, {"batch_id": kwargs.get("batch_id")}, values)
        dependencies.set_metric_configuration(METRIC, metric)
        return dependencies

    def _validate(self, metrics: Any, runtime_configuration: Any = None, execution_engine: Any = None) -> Any:  # noqa: ANN401, ARG002 - as above
        judged = metrics[METRIC]
        if judged.success is None:
            raise CheckError(judged.error)
        result = dict(judged.result)
        names = (runtime_configuration or {}).get("result_format") or {}
        columns = names.get("unexpected_index_column_names") if isinstance(names, dict) else None
        if columns and judged.failing_keys:
            result["partial_unexpected_index_list"] = [{columns[0]: key} for key in judged.failing_keys]
        return {"success": judged.success, "result": result}


class ExpectFreshWithin(AfterpilotExpectation):
    """The newest value of a time column is at most ``max_age`` old when the window ends (now, where none is given)."""

    column: Text
    max_age: Text


class ExpectVolumeBetween(AfterpilotExpectation):
    """The batch holds so many rows, or so many per cent of the same weekday's history (``like_weekdays``)."""

    min_value: Number = None
    max_value: Number = None
    like_weekdays: Mapping | None = None


class ExpectJsonSchema(AfterpilotExpectation):
    """A column's texts are JSON that follows the schema."""

    column: Text
    json_schema: bool | dict[str, Any] | SuiteParameterDict
    mostly: Number = None


class ExpectJsonPath(AfterpilotExpectation):
    """What stands at a JSONPath of a column is there, and is as declared."""

    column: Text
    path: Text
    type: Text | None = None
    min_value: Number = None
    max_value: Number = None
    value_set: list[Any] | None = None
    regex: Text | None = None
    required: bool = True
    mostly: Number = None


class ExpectInTable(AfterpilotExpectation):
    """A column's values are keys of a table, in the batch's database or another one."""

    column: Text
    table: Text
    key: Text
    connection: Text = ""
    name: Text | None = None
    mostly: Number = None


class ExpectDistributionLike(AfterpilotExpectation):
    """A column's values are spread as in a reference window."""

    column: Text
    reference: str | dict[str, Any] | SuiteParameterDict
    max_psi: Number = None
    max_js: Number = None


class ExpectRowsNotRepeated(AfterpilotExpectation):
    """The texts of the columns stand in one row only, exactly and nearly."""

    columns: list[str]
    near: bool = True
    threshold: Number = None
    near_rows: Number = None
    mostly: Number = None


class ExpectLabelsAgree(AfterpilotExpectation):
    """Two columns name the same label."""

    column: Text
    against: Text
    min_agreement: int | float | str | SuiteParameterDict | None = None
    min_kappa: Number = None


class ExpectSourcesFresh(AfterpilotExpectation):
    """The sources that a column names are in the index table, up to date and in use."""

    column: Text
    table: Text
    key: Text
    connection: Text = ""
    updated: Text | None = None
    max_age: Text | None = None
    status: Mapping | None = None
    mostly: Number = None


class ExpectLanguageIs(AfterpilotExpectation):
    """A column's texts are in one of the languages."""

    column: Text
    languages: list[str]
    mostly: Number = None


class ExpectLengthBetween(AfterpilotExpectation):
    """A column's texts are so many characters, words or (about) tokens long."""

    column: Text
    unit: Text = "characters"
    min_value: Number = None
    max_value: Number = None
    mostly: Number = None


class ExpectPercentileBetween(AfterpilotExpectation):
    """A percentile of a number lies within its bounds; with ``of`` (cost, tokens) a missing value makes it unknown."""

    column: Text
    percentile: Number
    min_value: Number = None
    max_value: Number = None
    of: Text | None = None


__all__ = [
    "ExpectDistributionLike",
    "ExpectFreshWithin",
    "ExpectInTable",
    "ExpectJsonPath",
    "ExpectJsonSchema",
    "ExpectLabelsAgree",
    "ExpectLanguageIs",
    "ExpectLengthBetween",
    "ExpectPercentileBetween",
    "ExpectRowsNotRepeated",
    "ExpectSourcesFresh",
    "ExpectVolumeBetween",
    "JudgedMetric",
]
