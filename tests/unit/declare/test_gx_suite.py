"""A suite in Great Expectations' JSON form: what is read, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from afterpilot.declare.gx_suite import load_gx_suite
from afterpilot.domain.verdict import Severity

NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "po"}}
BETWEEN = "expect_column_values_to_be_between"


def written(folder: Path, *expectations: Any, **more: Any) -> Path:
    """A suite's file."""
    path = folder / "suite.json"
    path.write_text(json.dumps({"name": "orders", "expectations": list(expectations), **more}, indent=1))
    return path


def test_a_suite_as_great_expectations_saves_it_is_read(tmp_path: Path) -> None:
    """Nulls and what says nothing of the data are left out; severity and meta are kept."""
    saved = {
        "type": BETWEEN,
        "kwargs": {"column": "total", "min_value": 0, "max_value": None, "batch_id": "x", "mostly": 0.9},
        "severity": "warning",
        "meta": {"owner": "dana", "no_rows_are_fine": True},
        "id": "c5a1a3a8-0000-4000-8000-000000000000",
        "description": None,
    }
    suite = load_gx_suite(written(tmp_path, NOT_NULL, saved, id=None, notes=None, meta={}))
    assert suite.problems == ()
    assert suite.name == "orders"
    first, second = suite.expectations
    assert (first.check.expect, first.check.severity) == ("column_values_to_not_be_null", Severity.CRITICAL)
    assert second.check.severity is Severity.WARNING
    assert second.check.params == {"column": "total", "min_value": 0, "mostly": 0.9, "no_rows_are_fine": True}
    assert second.meta["owner"] == "dana"


@pytest.mark.parametrize(
    ("wrong", "key", "said"),
    [
        ({"type": "expect_column_values_to_be_nul"}, "expectations[1].type", "did you mean"),
        ({"type": "column_values_to_be_null"}, "expectations[1].type", "did you mean"),
        ({"type": "unexpected_rows_expectation"}, "expectations[1].type", "it runs free SQL"),
        ({"kwargs": {"column": "po"}}, "expectations[1].type", "is missing"),
        ({**NOT_NULL, "severity": "grave"}, "expectations[1].severity", "accepted words"),
        ({**NOT_NULL, "kwargs": {"colum": "po"}}, "expectations[1].kwargs", "column is missing"),
        ({"type": BETWEEN, "kwargs": {"column": "po", "min_valu": 0}}, "expectations[1].kwargs.min_valu", "min_value"),
        ({"type": BETWEEN, "kwargs": {"column": "po"}}, "expectations[1].kwargs", "min_value, max_value or both"),
        ({**NOT_NULL, "kwargs": {"column": "po", "mostly": 95}}, "expectations[1].kwargs.mostly", "from 0 to 1"),
        (
            {**NOT_NULL, "kwargs": {"column": {"$PARAMETER": "c"}}},
            "expectations[1].kwargs.column",
            "write the value out",
        ),
        ({**NOT_NULL, "kwargs": ["po"]}, "expectations[1].kwargs", "must be an object"),
        ({**NOT_NULL, "expectation_type": "x"}, "expectations[1].expectation_type", "0.x"),
        ("x", "expectations[1]", "must be an object"),
    ],
)
def test_what_would_be_dropped_or_misread_is_an_error_with_its_place(
    tmp_path: Path, wrong: Any, key: str, said: str
) -> None:
    """Great Expectations itself drops an unknown type or severity with a log line."""
    suite = load_gx_suite(written(tmp_path, NOT_NULL, wrong))
    assert suite.expectations == ()
    found = [problem for problem in suite.problems if problem.key == key]
    assert found, suite.problems
    assert said in str(found[0])
    assert found[0].line >= 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must be an object"),
        ('{"name": "x"}', "at least one expectation"),
        ('{"expectations": []}', "at least one expectation"),
        ('{"expectations": [', "is not valid JSON"),
        ('{"expectation_suite_name": "x", "expectations": []}', "0.x"),
        ('{"name": "x", "name": "y", "expectations": []}', "twice"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """It says what is wrong, and holds no expectation."""
    path = tmp_path / "suite.json"
    path.write_text(text)
    suite = load_gx_suite(path)
    assert suite.expectations == ()
    assert any(said in str(problem) for problem in suite.problems), suite.problems


def test_a_suite_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Never an empty suite, which would hold."""
    assert load_gx_suite(tmp_path / "none.json").problems
