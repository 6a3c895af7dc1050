"""The table of expectations that declarations may name, against the Great Expectations that is installed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from afterpilot.declare.gx_table import GX_EXPECTATIONS, LEFT_OUT

pytestmark = pytest.mark.integration

# Fields of every expectation that are no parameters of the check.
COMMON = {
    "id",
    "meta",
    "notes",
    "description",
    "windows",
    "rendered_content",
    "batch_id",
    "result_format",
    "catch_exceptions",
    "domain_kwargs",
    "user_id",
    "severity",
    "condition_parser",
    "library_metadata",
}
# Where we are stricter: without these the check would always pass.
REQUIRED_BY_US = {"regex", "type_list", "column_list", "column_set", "partition_object", "threshold"}


@pytest.fixture(scope="module")
def installed() -> dict[str, Any]:
    """The classes by name, as a declaration writes it."""
    from great_expectations.expectations import core
    from great_expectations.expectations.expectation import Expectation

    classes = [one for _, one in inspect.getmembers(core, inspect.isclass) if issubclass(one, Expectation)]
    return {(one.expectation_type or "multicolumn_values_to_be_unique").removeprefix("expect_"): one for one in classes}


def test_the_names_are_those_of_the_installed_version(installed: dict[str, Any]) -> None:
    """All of them, but for those that are left out on purpose."""
    assert GX_EXPECTATIONS.keys() | LEFT_OUT.keys() == installed.keys()
    assert not GX_EXPECTATIONS.keys() & LEFT_OUT.keys()


def test_the_parameters_are_those_of_the_installed_version(installed: dict[str, Any]) -> None:
    """The same names, required where Great Expectations requires them."""
    for name, written in GX_EXPECTATIONS.items():
        fields = {key: field for key, field in installed[name].__fields__.items() if key not in COMMON}
        ours = {word.removesuffix("?"): not word.endswith("?") for word in written.split()}
        assert ours.keys() == fields.keys(), name
        theirs = {key: bool(field.required) or key in REQUIRED_BY_US for key, field in fields.items()}
        assert ours == theirs, name
