"""Patterns in JSON schemas end where ECMA-262 says."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from afterpilot.domain.schema_patterns import ecma, keywords


def flaws(schema: dict[str, Any], value: Any, search: Any = re.search) -> list[str]:
    """What is wrong, by the newest version of JSON Schema with these keywords."""
    usual = jsonschema.Draft202012Validator
    own = keywords(usual.VALIDATORS, search, jsonschema.ValidationError)
    kind = jsonschema.validators.extend(usual, own)  # type: ignore[no-untyped-call]
    return [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in kind(schema).iter_errors(value)]


@pytest.mark.parametrize(
    ("pattern", "strict"),
    [
        ("^a$", r"^a\Z"),
        (r"^a\$$", r"^a\$\Z"),
        (r"\\$", r"\\\Z"),
        ("[$]$", r"[$]\Z"),
        (r"[\]$]", r"[\]$]"),
        ("a|b$|c", r"a|b\Z|c"),
        ("(", "("),
        ("", ""),
    ],
)
def test_the_end_of_a_text_is_its_very_end(pattern: str, strict: str) -> None:
    """A dollar that is a letter stays one; what is no pattern stays what it is."""
    assert ecma(pattern) == strict


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"pattern": "^a$"}, "a", []),
        ({"pattern": "^a$"}, "a\n", [": 'a\\n' does not match '^a$'"]),
        ({"pattern": "^a$"}, 7, []),
        ({"propertyNames": {"pattern": "^a$"}}, {"a": 1}, []),
        ({"propertyNames": {"pattern": "^a$"}}, {"a\n": 1}, [": 'a\\n' does not match '^a$'"]),
        ({"patternProperties": {"^a$": {"type": "null"}}}, {"a": 1}, ["a: 1 is not of type 'null'"]),
        ({"patternProperties": {"^a$": {"type": "null"}}}, {"a\n": 1}, []),
        ({"patternProperties": {"^a$": {"type": "null"}}}, [1], []),
        ({"patternProperties": {"^a$": {}}, "additionalProperties": False}, {"a": 1}, []),
        (
            {"patternProperties": {"^a$": {}}, "properties": {"b": {}}, "additionalProperties": False},
            {"a\n": 1, "b": 1},
            [": 'a\\n' is neither a known property nor of a known form"],
        ),
        (
            {"patternProperties": {"^a$": {}}, "additionalProperties": {"type": "null"}},
            {"a": 1, "a\n": 1},
            ["a\n: 1 is not of type 'null'"],
        ),
        ({"patternProperties": {"^a$": {}}, "additionalProperties": True}, {"x": 1}, []),
        (
            {"additionalProperties": False, "properties": {"a": {}}},
            {"x": 1},
            [": Additional properties are not allowed ('x' was unexpected)"],
        ),
    ],
)
def test_every_keyword_with_patterns_keeps_to_it(schema: dict[str, Any], value: Any, expected: list[str]) -> None:
    """In texts, in names of properties, and in what is left over."""
    assert flaws(schema, value) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "a"},
        {"properties": {"x": {"pattern": "a"}}},
        {"patternProperties": {"a": {}}},
        {"propertyNames": {"pattern": "a"}},
        {"patternProperties": {"a": {}}, "additionalProperties": False},
    ],
)
def test_no_pattern_is_searched_but_by_the_search_given(schema: dict[str, Any]) -> None:
    """Which may have a limit of time."""

    def slow(_pattern: str, _text: str) -> bool:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        flaws(schema, "text" if "pattern" in schema else {"x": "text"}, slow)
