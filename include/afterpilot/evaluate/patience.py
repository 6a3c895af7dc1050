"""When to ask again: what servers say about it in their headers, our own back-off, and how many retries a run may make."""

from __future__ import annotations

import email.utils
import math
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime

LONGEST_BACK_OFF = 30.0  # seconds
_FIRST_BACK_OFF = 0.5
_LONGEST_FORESIGHT = 60.0  # seconds; limits refill all the time, and no answer has been refused yet
_FREE_RETRIES = 50
_CALLS_PER_RETRY = 5
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)")
# remaining → reset, as OpenAI and those who follow it, and Anthropic, name them
_LIMITS = {
    "x-ratelimit-remaining-requests": "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens": "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-remaining": "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining": "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-remaining": "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-remaining": "anthropic-ratelimit-output-tokens-reset",
}


class Retries:
    """The retries of a whole run: 50, and one for every five calls, so that a broken provider gets no storm."""

    def __init__(self) -> None:
        self._calls = _FREE_RETRIES * _CALLS_PER_RETRY

    def called(self) -> None:
        """One call was begun."""
        self._calls += 1

    def take(self) -> bool:
        """Whether there is one more, which is used up by this."""
        if self._calls < _CALLS_PER_RETRY:
            return False
        self._calls -= _CALLS_PER_RETRY
        return True


def back_off(attempt: int) -> float:
    """Seconds: exponential with full jitter, at most 0.5, 1, 2, 4 … 30."""
    return random.uniform(0.0, min(LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** min(attempt - 1, 10)))  # noqa: S311 - no secret hangs on it


def asked_pause(headers: Mapping[str, str]) -> float:
    """Seconds that a refusal asks to wait: ``retry-after-ms``, ``Retry-After``, else until a used-up limit is reset; 0 if it does not say."""
    said = headers.get("retry-after-ms")
    if said is not None and (milliseconds := _seconds(said)) is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    if said is not None:
        seconds = _seconds(said)
        return _until_date(said) if seconds is None else seconds
    return _until_reset(headers)


def foreseen_pause(headers: Mapping[str, str]) -> float:
    """Seconds until a limit that an answer has just used up is reset, at most 60; 0 where none is."""
    return min(_LONGEST_FORESIGHT, _until_reset(headers))


def _until_reset(headers: Mapping[str, str]) -> float:
    longest = 0.0
    for remaining, reset in _LIMITS.items():
        if headers.get(remaining) == "0":
            longest = max(longest, _span(headers.get(reset, "")))
    return longest


def _span(text: str) -> float:
    """Seconds of ``6m0s``, ``17ms``, ``20`` or, from now, of an RFC 3339 time; 0 for anything else."""
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    parts = _SPAN.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return _from_now(moment)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return 0.0 if math.isnan(seconds) else max(0.0, seconds)


def _until_date(text: str) -> float:
    try:
        return _from_now(email.utils.parsedate_to_datetime(text))
    except (ValueError, OverflowError):  # a year beyond any calendar is the latter
        return 0.0


def _from_now(moment: datetime) -> float:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
