"""Until when, as people say it: a duration from now, a date, or a date with a time of day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DURATION = re.compile(r"([0-9]{1,5})\s?([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MORNING = time(9)  # of a date without a time of day: when people are there again
HOW = "a duration such as 30m, 2h, 3d or 1w, tomorrow, a date such as 2026-12-01, or one with a time such as 2026-12-01 14:30"


def until(text: str, *, now: datetime, zone: str = "UTC") -> datetime:
    """The moment (UTC) that ``30m``, ``2h``, ``3d``, ``1w``, ``tomorrow``, ``2026-12-01`` or ``2026-12-01 14:30`` names.

    A date means nine in the morning; dates and times without an offset are of ``zone``.

    Raises:
        ValueError: it is none of them; the text says what is wanted.
    """
    said = text.strip()
    if match := _DURATION.fullmatch(said.lower()):
        return now + timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
    try:
        moment = _moment(said, now, ZoneInfo(zone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{said[:40]!r} is no time: say {HOW}.") from error


def _moment(said: str, now: datetime, zone: ZoneInfo) -> datetime:
    if said.lower() == "tomorrow":
        return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), MORNING, zone)
    if "T" not in said and " " not in said:
        return datetime.combine(date.fromisoformat(said), MORNING, zone)
    moment = datetime.fromisoformat(said.removesuffix(" UTC") + ("+00:00" if said.endswith(" UTC") else ""))
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
