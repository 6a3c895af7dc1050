"""What Slack's errors mean for a message."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryGone,
    DeliveryRefused,
    DeliveryUnclear,
)
from afterpilot.notify.slack_errors import translated


class Answer:
    """As much of slack_sdk's response as an error carries."""

    def __init__(self, code: str, status: int = 200, headers: dict[str, Any] | None = None, **more: Any) -> None:
        self.status_code = status
        self.data = {"ok": False, "error": code, **more}
        self.headers = headers or {}


def error(code: str, status: int = 200, headers: dict[str, Any] | None = None, **more: Any) -> SlackApiError:
    """An error as slack_sdk raises it."""
    return SlackApiError("The request failed.", Answer(code, status, headers, **more))


@pytest.mark.parametrize(
    "code", ["channel_not_found", "is_archived", "invalid_blocks", "not_in_channel", "msg_too_long"]
)
def test_definitive_answers_refuse_the_message(code: str) -> None:
    """They go to the dead letters."""
    found = translated("chat.postMessage", error(code))
    assert type(found) is DeliveryRefused
    assert code in str(found)


@pytest.mark.parametrize("code", ["token_revoked", "invalid_auth", "account_inactive", "not_authed", "missing_scope"])
def test_a_fault_of_the_installation_gives_no_message_up(code: str) -> None:
    """The fallback channel would fail in the same way: the operator has to act."""
    assert isinstance(translated("chat.postMessage", error(code)), ConfigurationError)


def test_a_missing_scope_is_named() -> None:
    """The operator reads which right to add."""
    found = translated("conversations.history", error("missing_scope", needed="channels:history"))
    assert str(found) == "conversations.history: missing_scope, the token needs channels:history"


@pytest.mark.parametrize(
    ("code", "status"),
    [("internal_error", 200), ("fatal_error", 200), ("x", 503), ("", 200), ("<html>Bad gateway</html>", 200)],
)
def test_answers_that_do_not_say_whether_it_was_posted_are_unclear(code: str, status: int) -> None:
    """They are reconciled before anything is sent again."""
    assert isinstance(translated("chat.postMessage", error(code, status)), DeliveryUnclear)


@pytest.mark.parametrize(
    "broken", [TimeoutError("timed out"), ConnectionResetError(), ValueError("Bearer xoxb-secret")]
)
def test_a_lost_reply_is_unclear_and_repeats_nothing_of_the_request(broken: Exception) -> None:
    """No text of a lower layer, which may hold the token, gets through."""
    found = translated("chat.postMessage", broken)
    assert isinstance(found, DeliveryUnclear)
    assert "xoxb" not in str(found)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"retry-after": ["3"]}, 3.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "99999999"}, 3600.0),
        ({"Retry-After": "soon"}, 30.0),
        ({}, 30.0),
    ],
)
def test_slack_says_how_long_to_wait(headers: dict[str, Any], seconds: float) -> None:
    """The wait is Slack's own, within reason."""
    found = translated("chat.postMessage", error("ratelimited", 429, headers))
    assert isinstance(found, DeliveryDeferred)
    assert found.retry_after == seconds


def test_a_message_that_was_deleted_is_gone_for_an_edit_and_refused_for_a_post() -> None:
    """Only an edit can be answered by posting anew."""
    assert isinstance(translated("chat.update", error("message_not_found")), DeliveryGone)
    assert isinstance(translated("chat.update", error("cant_update_message")), DeliveryGone)
    assert type(translated("chat.postMessage", error("message_not_found"))) is DeliveryRefused


def test_refused_blocks_are_explained_in_slacks_words() -> None:
    """The reason helps to mend the renderer."""
    found = translated(
        "chat.postMessage", error("invalid_blocks", response_metadata={"messages": ["[ERROR] too long\x1b"]})
    )
    assert str(found) == "chat.postMessage: invalid_blocks ([ERROR] too long)"
