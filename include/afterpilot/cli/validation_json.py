"""Judged expectations in the shape in which Great Expectations gives its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.declare.gx_suite import EMPTY_IS_FINE, GxSuite, SuiteExpectation
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity, Verdict

_NO_GROUP = "null"  # the rows without a value in the group's column
_BY_SEVERITY = {Severity.INFO: Verdict.WARN, Severity.WARNING: Verdict.WARN}
_KEYS = (
    "partial_unexpected_index_list",
    "unexpected_index_column_names",
    "unexpected_index_query",
    "unexpected_index_list",
)


def verdict_of(one: Judged) -> Verdict:
    """PASS where it holds, UNKNOWN where it could not be judged, else WARN or FAIL as its severity says."""
    if one.success is None:
        return Verdict.UNKNOWN
    return Verdict.PASS if one.success else _BY_SEVERITY.get(one.check.severity, Verdict.FAIL)


def validation_json(judged: Sequence[Judged], suite: GxSuite, about: Mapping[str, str]) -> dict[str, Any]:
    """One validation: ``success``, ``results``, ``statistics``, and a ``verdict`` that may be UNKNOWN."""
    good = sum(one.success is True for one in judged)
    return {
        "success": good == len(judged),
        "verdict": str(Verdict.worst(verdict_of(one) for one in judged)),
        "results": [
            _result(one, said, about.get("key", "")) for one, said in zip(judged, suite.expectations, strict=True)
        ],
        "suite_name": suite.name,
        "statistics": {
            "evaluated_expectations": len(judged),
            "successful_expectations": good,
            "unsuccessful_expectations": len(judged) - good,
            "success_percent": 100 * good / len(judged) if judged else None,
        },
        "meta": dict(about),
    }


def grouped_json(found: Mapping[Any, Sequence[Judged]], suite: GxSuite, about: Mapping[str, str]) -> dict[str, Any]:
    """One validation for each group, by the group's value as text; no group hides another whose value is the text ``null``."""
    texts, no_group = {str(group) for group in found if group is not None}, _NO_GROUP
    while no_group in texts:
        no_group += "_"
    groups = {
        no_group if group is None else str(group): validation_json(judged, suite, about)
        for group, judged in sorted(found.items(), key=lambda item: str(item[0]))
    }
    return {"success": all(one["success"] for one in groups.values()) and bool(groups), "groups": groups}


def _result(one: Judged, said: SuiteExpectation, key: str) -> dict[str, Any]:
    params = {name: value for name, value in one.check.params.items() if name != EMPTY_IS_FINE}
    result = {name: value for name, value in one.result.items() if name not in _KEYS}
    if one.failing_keys:
        result["unexpected_index_column_names"] = [key]
        result["partial_unexpected_index_list"] = [{key: value} for value in one.failing_keys]
    return {
        "success": one.success is True,
        "verdict": str(verdict_of(one)),
        "expectation_config": {
            "type": f"expect_{one.check.expect}",
            "kwargs": params,
            "severity": str(one.check.severity),
            "meta": dict(said.meta),
        },
        "result": result,
        "exception_info": {
            "raised_exception": one.success is None,
            "exception_message": one.error or None,
            "exception_traceback": None,
        },
    }
