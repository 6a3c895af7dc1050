"""What an answer is worth, and whose fault it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_score import NobodyAsked, asked, reply, scored

from afterpilot.domain.evals import Case, Score, ScorerSpec
from afterpilot.evaluate.scorers import SCORERS, ScorerError, score_all

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("name", "answer", "expected", "field", "params"),
    [
        ("exact", " discussion\n", {"": "discussion"}, "", {}),
        ("exact", {"po": "PO-1 "}, {"po": "PO-1"}, "po", {}),
        ("exact", {"n": 453}, {"n": 453.0}, "n", {}),
        ("exact", {"n": None}, {"n": None}, "n", {}),
        ("exact", {"l": [1, {"a": True}]}, {"l": [1, {"a": True}]}, "l", {}),
        ("exact", {"a": 1}, {"": {"a": 1}}, "", {}),
        ("exact", '```json\n{"po": "PO-1"}\n```', {"po": "PO-1"}, "po", {}),
        ("contains", "the order is PO-1.", {"": "PO-1"}, "", {}),
        ("contains", {"t": ["PO-1"]}, {}, "t", {"text": "PO-1"}),
        ("regex", {"no": "INV-0000001"}, {}, "no", {"pattern": "^INV-[0-9]{7}$"}),
        ("numeric", {"t": "453.60 GBP"}, {"t": 453.6}, "t", {}),
        ("numeric", {"t": 453.61}, {"t": "453.60"}, "t", {"tolerance": 0.01}),
        ("one_of", "discussion ", {}, "", {"values": ("discussion", "advertisement")}),
        ("one_of", {"n": 2}, {}, "n", {"values": (1, 2)}),
        ("json_schema", {"n": 1}, {}, "", {"schema": SCHEMA}),
        ("json_schema", {"inner": {"n": 1}}, {}, "inner", {"schema": SCHEMA}),
    ],
)
def test_right_answers_score_one(name: str, answer: object, expected: Any, field: str, params: Any) -> None:
    """Each scorer on answers that are right, in each form that it knows."""
    assert scored(name, answer, expected, field, **params) == Score(
        ScorerSpec(name, field).label, value=1.0, passed=True, reason=""
    )


@pytest.mark.parametrize(
    ("name", "answer", "expected", "field", "params", "reason"),
    [
        ("exact", "Discussion", {"": "discussion"}, "", {}, "'Discussion' instead of 'discussion'"),
        ("exact", {"n": "453"}, {"n": 453}, "n", {}, "'453' instead of '453'"),
        ("exact", {"n": True}, {"n": 1}, "n", {}, "'true' instead of '1'"),
        ("exact", {"n": [1]}, {"n": [1, 2]}, "n", {}, "'[1]' instead of '[1, 2]'"),
        ("exact", {"m": 1}, {"n": 1}, "n", {}, "the answer has no field n"),
        ("exact", "sorry", {"n": 1}, "n", {}, "the answer is not JSON: 'sorry'"),
        ("contains", "order po-1", {"": "PO-1"}, "", {}, "'order po-1' does not contain 'PO-1'"),
        ("regex", {"no": "INV-1"}, {}, "no", {"pattern": "^INV-[0-9]{7}$"}, "'INV-1' does not match ^INV-[0-9]{7}$"),
        ("numeric", {"t": "none"}, {"t": 1}, "t", {}, "'none' is not a number"),
        ("numeric", {"t": None}, {"t": 1}, "t", {}, "'null' is not a number"),
        (
            "numeric",
            {"t": 453.62},
            {"t": 453.6},
            "t",
            {"tolerance": 0.01},
            "'453.62' instead of 453.6 (tolerance 0.01)",
        ),
        ("one_of", "disclaimer", {}, "", {"values": ("a", "b")}, "'disclaimer' is none of a, b"),
        ("json_schema", {"n": "x"}, {}, "", {"schema": SCHEMA}, "n: \"'x' is not of type 'integer'\""),
        ("json_schema", {}, {}, "", {"schema": SCHEMA}, "the answer: \"'n' is a required property\""),
        ("json_schema", "sorry", {}, "", {"schema": SCHEMA}, "the answer is not JSON: 'sorry'"),
    ],
)
def test_wrong_answers_score_zero_with_a_plain_reason(
    name: str, answer: object, expected: Any, field: str, params: Any, reason: str
) -> None:
    """Each scorer on answers that are wrong: the model's failure."""
    result = scored(name, answer, expected, field, **params)
    assert (result.value, result.passed, result.reason) == (0.0, False, reason)


@pytest.mark.parametrize(
    ("name", "expected", "field", "params", "reason"),
    [
        ("exact", {}, "", {}, "no expected value"),
        ("exact", {"other": 1}, "n", {}, "no expected value"),
        ("contains", {}, "", {}, "no expected value"),
        ("contains", {"": ""}, "", {}, "no text to look for"),
        ("contains", {}, "", {"any": ["a", ""]}, "no text to look for"),
        ("numeric", {}, "", {}, "no expected value"),
        ("numeric", {"": "none"}, "", {}, "not a number"),
        ("numeric", {"": 1}, "", {"tolerance": "wide"}, "tolerance"),
        ("regex", {}, "", {"pattern": "(a"}, "cannot be used"),
        ("regex", {}, "", {}, "cannot be used"),
        ("one_of", {}, "", {}, "no values"),
        ("json_schema", {}, "", {}, "no schema"),
        ("json_schema", {}, "", {"schema": {"type": "no such type"}}, "cannot be used"),
        ("guess", {}, "", {}, "known: contains, cost"),
    ],
)
def test_a_broken_scorer_is_the_harness_s_fault(name: str, expected: Any, field: str, params: Any, reason: str) -> None:
    """It raises, even where the answer is wrong too; the model is never blamed."""
    with pytest.raises(ScorerError, match=reason):
        scored(name, "{}", expected, field, **params)


def test_all_scorers_speak_in_their_order() -> None:
    """One score for each, also where an earlier one fails."""
    specs = [ScorerSpec("exact", "a"), ScorerSpec("json_schema", "", {"schema": SCHEMA})]
    case = Case("case-1", {}, {"a": 1})
    found = asyncio.run(score_all(specs, case, reply('{"a": 2, "n": 1}'), asking=NobodyAsked(), cost=None))
    assert [(one.scorer, one.passed) for one in found] == [("exact(a)", False), ("json_schema", True)]


PARAMS: Mapping[str, Mapping[str, Any]] = {
    "regex": {"pattern": "a+"},
    "one_of": {"values": ("a", "b")},
    "json_schema": {"schema": SCHEMA},
    "numeric": {"tolerance": 0.5},
    "date": {"value": "2026-03-04"},
    "latency": {"most_ms": 5},
    "cost": {"most": 1},
    "tool_call": {"calls": ("a",)},
    "retrieval": {"ids": ("a",)},
}


@given(
    name=st.sampled_from(sorted(SCORERS.keys() - {"judge", "python"})),
    field=st.sampled_from(["", "n"]),
    answer=st.text(max_size=60),
)
def test_whatever_a_model_says_is_scored_from_zero_to_one(name: str, field: str, answer: str) -> None:
    """No answer makes a sound scorer raise, and a reason stands exactly where it did not pass."""
    spec = ScorerSpec(name, field, PARAMS.get(name, {}))
    found = asked(spec, Case("case-1", {}, {"": "1", "n": "1"}), reply(answer), cost=Decimal(2))
    assert 0.0 <= found.value <= 1.0
    assert found.passed is (found.value == 1.0) is (found.reason == "")
    json.dumps(found.details, allow_nan=False)


@given(st.decimals(min_value=-1000, max_value=1000, places=3), st.decimals(min_value=0, max_value=10, places=3))
def test_numeric_holds_its_tolerance_exactly(wanted: Decimal, tolerance: Decimal) -> None:
    """On the edge it passes, a thousandth beyond it fails: no binary rounding."""
    beyond = Decimal("0.001")
    for said, passed in ((wanted + tolerance, True), (wanted - tolerance, True), (wanted + tolerance + beyond, False)):
        assert scored("numeric", f"{said:f}", {"": str(wanted)}, tolerance=str(tolerance)).passed is passed


@given(st.text(alphabet="abc 1.,-", max_size=20))
def test_exact_holds_for_what_was_expected_to_the_letter(text: str) -> None:
    """An answer is exactly itself, and never itself with a letter more."""
    assert scored("exact", text, {"": text}).passed
    assert not scored("exact", f"{text}x", {"": text}).passed
