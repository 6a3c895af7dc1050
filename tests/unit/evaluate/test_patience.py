"""When servers say that they want to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.evaluate.patience import Retries, asked_pause, back_off, foreseen_pause


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("17ms", 0.017),
        ("1h2m3.5s", 3723.5),
        ("20", 20),
        ("2d", 172_800),
        ("", 0),
        ("s", 0),
        ("5 minutes", 0),
        ("1s and more", 0),
        ("2001-01-01T00:00:00Z", 0),
    ],
)
def test_spans_of_rate_limits(said: str, seconds: float) -> None:
    """As OpenAI writes them, plain seconds, or nothing usable."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": said}
    assert asked_pause(headers) == pytest.approx(seconds)


def test_of_several_limits_that_are_used_up_the_last_one_to_be_reset_counts() -> None:
    """One that is not used up does not."""
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "9s",
        "anthropic-ratelimit-tokens-remaining": "17",
        "anthropic-ratelimit-tokens-reset": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    assert asked_pause(headers) == 9
    assert foreseen_pause(headers) == 9


def test_what_is_foreseen_is_at_most_a_minute() -> None:
    """Limits refill all the time, and nothing was refused."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h"}
    assert (foreseen_pause(headers), asked_pause(headers)) == (60, 86_400)


@given(st.text(max_size=40), st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]))
def test_no_header_breaks_the_client(said: str, name: str) -> None:
    """Whatever it says, there is a pause of 0 seconds or more."""
    assert asked_pause({name: said, "x-ratelimit-remaining-tokens": "0"}) >= 0


def test_our_own_pauses_grow_and_end() -> None:
    """Full jitter below 0.5, 1, 2 … 30 seconds."""
    for attempt in range(1, 2000, 7):
        assert 0 <= back_off(attempt) <= min(30, 0.5 * 2.0 ** min(attempt - 1, 20))


def test_retries_of_a_run_are_fifty_and_one_for_every_five_calls() -> None:
    """Then there are none until more calls are made."""
    retries = Retries()
    assert sum(retries.take() for _ in range(100)) == 50
    for _ in range(10):
        retries.called()
    assert sum(retries.take() for _ in range(100)) == 2
