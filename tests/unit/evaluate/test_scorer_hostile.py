"""Answers that are made to break scorers: each is scored, and quickly enough to be scored here."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from one_score import asked, reply

from afterpilot.domain.evals import Case, ScorerSpec, ToolCall

MEGABYTE = 1_000_000
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "number", "multipleOf": 0.01, "maximum": 9}},
    "required": ["n"],
}
ANSWERS = {
    "a megabyte": "x" * MEGABYTE,
    "a megabyte of blanks": " " * MEGABYTE,
    "a megabyte of fences": "```" * 300_000,
    "a megabyte of digits": "9" * MEGABYTE,
    "a megabyte of dates": "2026-13-45 " * 90_000,
    "deep lists": "[" * 100_000,
    "closed deep lists": "[" * 400 + "]" * 400,
    "deep objects": '{"n":' * 400 + "1" + "}" * 400,
    "as deep as may be": '{"n":' * 64 + "1" + "}" * 64,
    "lone surrogates": '{"n": "\\ud800", "\\udfff": "\ud800"}',
    "NaN": '{"n": NaN}',
    "infinity": '{"n": -Infinity}',
    "beyond floats": '{"n": 1e999}',
    "as large as floats are": '{"n": 1e308}',
    "an integer of 4,000 digits": '{"n": ' + "9" * 4_000 + "}",
    "an integer of 5,000 digits": '{"n": ' + "9" * 5_000 + "}",
    "keys twice": '{"n": 1, "n": 2}',
    "nul": '{"n": "\\u0000"}\0',
    "a mark of byte order": '\ufeff{"n": 1}',
    "a pattern": "(a+)+$",
    "many fields": json.dumps({f"k{number}": number for number in range(20_000)}),
}
SPECS = [
    ScorerSpec("exact", "n"),
    ScorerSpec("exact", ""),
    ScorerSpec("one_of", "", {"values": ("a", "b")}),
    ScorerSpec("contains", "n", {"text": "a"}),
    ScorerSpec("contains", "", {"any": ("a", "b"), "negate": True}),
    ScorerSpec("numeric", "n", {"tolerance": 0.1, "relative": 0.1}),
    ScorerSpec("numeric", ""),
    ScorerSpec("date", "", {"value": "2026-03-04"}),
    ScorerSpec("is_json", ""),
    ScorerSpec("json_fields", "", {"fields": {"n": "numeric"}, "value": {"n": 1}}),
    ScorerSpec("similarity", "", {"value": "short"}, threshold=0.5),
    ScorerSpec("similarity", "n", {"value": "short", "method": "token_sort"}, threshold=0.5),
    ScorerSpec("refusal", "", {"expected": True}),
    ScorerSpec("latency", "", {"most_ms": 1}),
    ScorerSpec("cost", "", {"most": 1}),
    ScorerSpec("tool_call", "", {"calls": ({"name": "pay", "arguments": {"n": 1}},)}),
    ScorerSpec("retrieval", "", {"ids": ("a",)}),
]
CASE = Case("c", {}, {"": "1", "n": 1})


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_scored_by_every_scorer(name: str) -> None:
    """A value from 0 to 1 that agrees with the threshold, a short reason where it fails, details that are JSON."""
    answer = ANSWERS[name]
    said = reply(answer, tool_calls=(ToolCall(answer[:1_000], answer),) * 300, sources=(answer,) * 50)
    for spec in SPECS:
        found = asked(spec, CASE, said, cost=Decimal(2))
        assert 0.0 <= found.value <= 1.0, spec.label
        assert found.passed == (found.value >= spec.threshold), spec.label
        assert bool(found.reason) != found.passed, spec.label
        assert len(found.reason) < 1_000, spec.label
        assert len(json.dumps(found.details, allow_nan=False)) < 20_000, spec.label


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_held_against_a_schema_and_a_pattern(name: str) -> None:
    """Long ones in a process of their own: they pass or fail, and nothing is left undecided."""
    for spec in (
        ScorerSpec("json_schema", "", {"schema": SCHEMA}),
        ScorerSpec("regex", "", {"pattern": "^[a-z]+ [0-9]+$"}),
    ):
        found = asked(spec, CASE, reply(ANSWERS[name]), waits=True)
        assert (found.value, found.passed) == (0.0, False), found
        assert 0 < len(found.reason) < 1_000


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("keys twice", "the key 'n' stands twice"),
        ("NaN", "NaN is no number"),
        ("infinity", "-Infinity is no number"),
        ("beyond floats", "the number '1e999' is too large"),
        ("closed deep lists", "nested deeper than 64"),
        ("deep lists", "the answer is not JSON"),
        ("an integer of 5,000 digits", "the answer is not JSON"),
        ("a megabyte of blanks", "the answer is empty"),
    ],
)
def test_json_that_nobody_could_rely_on_is_a_flaw_that_is_said(name: str, flaw: str) -> None:
    """It is the model's failure, by name."""
    found: Any = asked(ScorerSpec("exact", "n"), CASE, reply(ANSWERS[name]))
    assert (found.value, flaw in found.reason) == (0.0, True), found.reason
