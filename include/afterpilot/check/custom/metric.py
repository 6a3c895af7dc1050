"""The metric of Great Expectations that judges one of our expectations over a batch in a SQL database."""

from __future__ import annotations

import json

from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from afterpilot.check.custom.batches import judge_batch
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check

METRIC = "afterpilot.judged"


class JudgedMetric(TableMetricProvider):  # type: ignore[misc]  # Great Expectations is not typed here
    """What one of our expectations says of a batch."""

    metric_name = METRIC
    value_keys = ("expect", "params", "key")

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(  # type: ignore[no-untyped-def]  # noqa: ANN202 - its signature is Great Expectations'
        cls,  # noqa: N805 - as above
        execution_engine,  # noqa: ANN001
        metric_domain_kwargs,  # noqa: ANN001
        metric_value_kwargs,  # noqa: ANN001
        metrics,  # noqa: ANN001, ARG002
        runtime_configuration,  # noqa: ANN001, ARG002
    ):
        check = Check(metric_value_kwargs["expect"], Severity.CRITICAL, json.loads(metric_value_kwargs["params"]))
        batch = execution_engine.get_domain_records(domain_kwargs=metric_domain_kwargs)
        with execution_engine.get_connection() as connection:
            return judge_batch(check, batch, connection, key=metric_value_kwargs["key"])
