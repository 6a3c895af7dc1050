"""The form of a waiver, notes to one person, and Slack's signature."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.notify.interactions import genuine
from afterpilot.notify.slack_forms import LENGTHS, note, sent_form, waiver_form
from doubles.slack import block_problems, texts
from doubles.slack_app import SECRET, signed, view_problems

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
INCIDENT = "5d1f2c3a-1111-4222-8333-944455556666"


def test_the_form_is_within_every_limit_of_slack() -> None:
    """Whatever it carries."""
    assert view_problems(waiver_form(INCIDENT, "https://hooks.slack.com/" + "a" * 100)) == []
    long = waiver_form("x" * 5000, "https://hooks.slack.com/" + "a" * 5000)
    assert view_problems(long) == []
    assert sent_form(long).response_url == ""
    assert max(length for _, length in LENGTHS.values()) <= timedelta(days=90)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_a_note_shows_any_text_and_obeys_none(text: str) -> None:
    """What was typed into a reason may come back in a note."""
    shown = note(text)
    assert list(block_problems(shown["blocks"])) == []
    assert all("<" not in one for one in (shown["text"], *texts(shown["blocks"])))
    json.dumps(shown, ensure_ascii=False).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["length", "reason", "values", "state", "value", "private_metadata", "selected_option"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["state", "private_metadata", "blocks"]), JSON))
def test_a_form_of_any_shape_is_read(view: dict[str, Any]) -> None:
    """What is not as our form sends it is empty."""
    asked = sent_form(view)
    assert all(isinstance(part, str) for part in (asked.incident, asked.length, asked.reason, asked.response_url))


def test_slacks_own_example_of_a_signature_holds() -> None:
    """The example of Slack's documentation: its secret, time stamp, body and signature."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    at = datetime.fromtimestamp(1531420618, UTC)
    good = {"body": body, "timestamp": "1531420618", "signature": signature}
    assert genuine(SECRET, **good, at=at)  # type: ignore[arg-type]
    assert genuine(SECRET, **good, at=at + timedelta(seconds=300))  # type: ignore[arg-type]
    assert not genuine(SECRET, **good, at=at + timedelta(seconds=301))  # type: ignore[arg-type]
    assert not genuine(SECRET, **good, at=at - timedelta(seconds=301))  # type: ignore[arg-type]
    assert not genuine(SECRET, **{**good, "body": body + b"x"}, at=at)  # type: ignore[arg-type]
    assert not genuine("another", **good, at=at)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", " "])
def test_without_a_secret_nothing_is_genuine(secret: str) -> None:
    """Not even what an empty secret signs."""
    body, headers = signed({}, secret=secret, at=NOW.timestamp())
    stamp, signature = headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"]
    assert not genuine(secret, body=body, timestamp=stamp, signature=signature, at=NOW)


@pytest.mark.parametrize("timestamp", ["", "x", "1e9", "9" * 400, "9" * 5000, "-", "1.5", "\u00b2"])
def test_a_time_stamp_of_any_kind_is_refused_quietly(timestamp: str) -> None:
    """Nothing breaks over it."""
    assert not genuine(SECRET, body=b"x", timestamp=timestamp, signature="v0=00", at=NOW)


def test_a_signature_or_body_that_is_no_text_is_refused_quietly() -> None:
    """Headers may hold any bytes."""
    stamp = str(int(NOW.timestamp()))
    assert not genuine(SECRET, body=b"\xff", timestamp=stamp, signature="v0=00", at=NOW)
    assert not genuine(SECRET, body=b"x", timestamp=stamp, signature="v0=\u00ff", at=NOW)
