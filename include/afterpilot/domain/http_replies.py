"""What an HTTP reply to a command means for the next attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

LONGEST_PAUSE = 3600.0  # seconds, whatever a receiver asks for
_PEOPLE = {401, 403, 407}
_LATER = {408, 409, 425, 429}


def meaning(status: int) -> Literal["done", "later", "refused", "failed"]:
    """``done``; ``later``: try again; ``refused``: somebody must mend the right or the secret; ``failed``: never like this."""
    if 200 <= status < 300:  # noqa: PLR2004 - the successful ones
        return "done"
    if status in _PEOPLE:
        return "refused"
    return "later" if status in _LATER or status >= 500 else "failed"  # noqa: PLR2004 - the server's own


def asked_to_wait(said: str) -> float | None:
    """Seconds that a ``Retry-After`` asks to wait (RFC 9110: a number of them, or a date); None where it says nothing."""
    said = said.strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_PAUSE)
