"""What is common to all replies, without a network."""

from __future__ import annotations

import json

import pytest

from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable_json
from afterpilot.evaluate.exchange import Secret, Unreadable, counted, document, same_model, together

KEY = 'sk-a/b"c\\1234'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a": ',
        b"[1]",
        b"<html>",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xff",
        b"[" * 100_000,
        b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_what_is_no_json_object_is_unreadable(content: bytes) -> None:
    """Cut, nested without end, of another kind, or such as no database takes."""
    with pytest.raises(Unreadable):
        document(content)


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(KEY),
        json.dumps(KEY).replace("/", "\\/"),
        '"' + "".join(f"\\u{ord(letter):04x}" for letter in KEY) + '"',
        '"sk-a\\/b\\u0022c\\\\1234"',
    ],
)
def test_a_key_is_hidden_however_json_writes_it(written: str) -> None:
    """Also as the name of a field."""
    body = document(f'{{"said": ["it is ", {written}], {written}: 1}}'.encode(), Secret(KEY))
    assert body == {"said": ["it is ", "[key]"], "[key]": 1}


def test_a_key_is_hidden_in_a_text_that_escapes_letters_of_it() -> None:
    """As servers in .NET write a plus; what else is escaped stays as it is."""
    secret = Secret("sk+0123456789")
    assert secret.hide_escaped(b'{"error": "no \\u002b sk\\u002B0123456789"}') == b'{"error": "no + [key]"}'
    assert secret.hide_escaped(b'{"error": "no \\u002b"}') == b'{"error": "no \\u002b"}'
    with pytest.raises(Unreadable) as caught:
        document(b'{"error": "sk\\u002B0123456789"', secret)
    assert "0123456789" not in str(caught.value.exchange)


def test_what_is_nested_as_deep_as_is_taken_can_be_made_storable_from_any_stack() -> None:
    """A task of Airflow stands on a hundred frames of its own."""
    deep = document(b'{"a": ' + b"[" * 490 + b'"\\u0000"' + b"]" * 490 + b"}")

    def below(frames: int) -> object:
        return below(frames - 1) if frames else storable_json(deep)

    assert below(300) == deep


def test_what_no_database_takes_is_replaced() -> None:
    """NUL, and half of a surrogate pair."""
    assert document(b'{"a": "x\\u0000\\ud800"}') == {"a": "x\N{SYMBOL FOR NULL}?"}


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-5-mini", "gpt-5-mini", True),
        ("gpt-5-mini", "gpt-5-mini-2026-08-01", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", True),
        ("gpt-4", "gpt-4-0613", True),
        ("mistral-large-latest", "mistral-large-2411", True),
        ("openai/gpt-5-mini", "gpt-5-mini-2026-08-01", True),
        ("gpt-5-mini", "openai/gpt-5-mini", True),
        ("gpt-5", "gpt-5-mini", False),
        ("gpt-5-mini", "gpt-5", False),
        ("gpt-5-mini-2026-08-01", "gpt-5-mini-2026-10-01", False),
        ("gpt-5-mini-2026-08-01", "gpt-5-mini", False),
        ("meta-llama/llama-3", "somebody-else/llama-3", False),
        ("smollm2-135m-instruct", "gpt-4o", False),
    ],
)
def test_the_model_that_answers_is_the_one_that_was_asked(asked: str, answered: str, same: bool) -> None:  # noqa: FBT001 - a table
    """Dated versions are the same, neighbours are not."""
    assert same_model(asked, answered) is same


def test_more_cached_tokens_than_were_given_are_none() -> None:
    """A count that cannot be is not taken to make the call cheaper."""
    assert counted("m", 10, 1, 10) == Usage("m", 10, 1, 10)
    assert counted("m", 10, 1, 11) == Usage("m", 10, 1, 0)
    assert counted("m", None, 1, 5) == Usage("m", None, 1, 0)
    assert counted("m", None, None, 5) is None


def test_a_call_that_used_nothing_was_not_counted() -> None:
    """Then its cost is unknown and counts with the most, not with 0."""
    assert counted("m", 0, 0, 0) is None
    assert counted("m", 0, None, 0) is None
    assert counted("m", 12, 0, 0) == Usage("m", 12, 0, 0)


def test_usage_of_two_calls_is_known_as_far_as_both_tell_it() -> None:
    """What one of them does not say is not known of both."""
    assert together(Usage("m", 1, 2, 1), Usage("m", 10, None, 3)) == Usage("m", 11, None, 4)
    sound, fast = CallDetails((("input_audio_tokens", 1),)), CallDetails(tier="fast")
    assert together(Usage("m", 1, 2, 0, sound), Usage("m", 3, 4)) == Usage("m", 4, 6, 0, sound)
    assert together(Usage("m", 1, 2, 0, fast), Usage("m", 3, 4, 0, fast)) == Usage("m", 4, 6, 0, fast)
    assert together(Usage("m", 1, 2, 0, fast), Usage("m", 3, 4)) is None
    assert together(None, Usage("m", 1, 2)) is None
    assert together(Usage("m", 1, 2), None) is None
