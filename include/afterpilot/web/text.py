"""Data as people read it: times, ages, amounts, and texts in which nothing is hidden."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from afterpilot.domain.money import digits_of

SHORT = 280
LONGEST = 60_000

# Control characters, marks that turn the direction of text, and characters of no width: they can make a text look like another.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Fold:
    """A text cut for reading: its ``start``, and the ``rest`` of it where it was cut; ``lost`` characters are not shown."""

    start: str
    whole: str
    length: int
    lost: int

    @property
    def folded(self) -> bool:
        """Whether the start is not the whole."""
        return self.length > len(self.start)


def visible(text: str) -> str:
    """The text with every hidden character shown: control characters as their pictures, others as their number."""
    return _HIDDEN.sub(_shown, text.replace("\r\n", "\n"))


_BEGAN = (
    ("scheduled__", "by schedule"),
    ("manual__", "by hand"),
    ("asset_triggered__", "when its data came"),
    ("backfill__", "by a backfill"),
)  # with which Airflow begins the id of a DAG run


def began(run_id: str) -> str:
    """What made Airflow start a DAG run, as its id says; empty where it does not say."""
    return next((words for prefix, words in _BEGAN if str(run_id).startswith(prefix)), "")


def finished(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    """What a template prints for a value, before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "\N{EM DASH}"
    return visible(value) if isinstance(value, str) else value


def moment(at: datetime) -> str:
    """A time to the minute, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def clock(at: datetime) -> str:
    """The time of a day, in UTC."""
    return f"{at.astimezone(UTC):%H:%M} UTC"


def exact_moment(at: datetime) -> str:
    """A time to the millisecond, in UTC."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03d} UTC"


def day(on: date) -> str:
    """A day."""
    return f"{on:%Y-%m-%d}"


def ago(at: datetime, *, now: datetime) -> str:
    """How long ago, or in how long, in the largest unit that is not vain."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < _MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    span = _span(abs(seconds))
    return f"{span} ago" if seconds > 0 else f"in {span}"


def duration(length: timedelta) -> str:
    """How long something took."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return _span(seconds)


def words(name: str) -> str:
    """A name of ours as words: ``failed_check`` is ``failed check``."""
    return name.replace("_", " ") if _SNAKE.fullmatch(name) else name


def breakable(name: str) -> Markup:
    """A long name as markup that may be broken after its dots and underscores."""
    whole = str(escape(visible(name)))
    return Markup(whole.replace("_", "_<wbr>").replace(".", ".<wbr>"))  # noqa: S704 - escaped above


def fold(text: str, limit: int = SHORT) -> Fold:
    """Cut a text for reading, at a space where one is near; very long ones lose their end, which is said."""
    shown = visible(str(text))
    if len(shown) <= limit:
        return Fold(shown, shown, len(shown), 0)
    start = shown[:limit]
    space = start.rfind(" ", limit * 3 // 4)
    return Fold(start[: space if space > 0 else limit], shown[:LONGEST], len(shown), max(0, len(shown) - LONGEST))


def money(amount: Decimal | None, currency: str = "", *, exact: bool = False) -> str:
    """An amount with as many digits as it needs, or (``exact``) with all; none is said to be unknown, never 0."""
    if amount is None:
        return "unknown"
    return f"{digits_of(amount, exact=exact)} {currency}".strip()


def per_million(rate: object) -> Decimal | None:
    """What a million of something costs, from what one costs; None where that is no number."""
    try:
        return (Decimal(str(rate)) * 1_000_000).normalize()
    except ArithmeticError:
        return None


def minutes(amount: Decimal) -> str:
    """Somebody's time in minutes, without vain zeros; in seconds below one."""
    if 0 < amount < 1:
        return f"{max(1, round(amount * 60))} s"
    return f"{amount.normalize():f} min"


def _span(seconds: float) -> str:
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} h"
    return f"{int(seconds // _DAY)} days"


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < ord(" "):
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == ord("\x7f") else f"[U+{code:04X}]"
