"""The periods of caps: calendar days, weeks and months in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.domain.money import Period
from afterpilot.domain.window import Window


def period_window(period: Period, moment: datetime) -> Window:
    """The day, ISO week (from Monday) or month in UTC that the moment lies in, half-open."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return Window(midnight, midnight + timedelta(days=1))
    if period == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return Window(monday, monday + timedelta(days=7))
    first = midnight.replace(day=1)
    return Window(first, (first + timedelta(days=32)).replace(day=1))
