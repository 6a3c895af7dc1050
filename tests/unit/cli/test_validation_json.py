"""Validations in Great Expectations' shape, group by group."""

from __future__ import annotations

from afterpilot.cli.validation_json import grouped_json
from afterpilot.declare.gx_suite import GxSuite, SuiteExpectation
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check


def test_rows_without_a_value_are_not_hidden_by_a_group_that_is_called_null() -> None:
    """Each has its validation, and the one that fails makes the whole fail."""
    check = Check("column_values_to_not_be_null", Severity.CRITICAL, {"column": "total"})
    suite = GxSuite("orders", (SuiteExpectation(check, {}),), ())
    found = {
        None: [Judged(check, False, "1 of 1", 1, 1, (), {})],
        "null": [Judged(check, True, "0 of 1", 1, 0, (), {})],
    }
    said = grouped_json(found, suite, {})
    assert said["success"] is False
    assert {name: one["success"] for name, one in said["groups"].items()} == {"null": True, "null_": False}
