"""How old the newest value is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from afterpilot.check.custom.outcome import by_figure
from afterpilot.check.custom.parameters import length, needs
from afterpilot.check.custom.scope import EARLIEST, Scope
from afterpilot.check.words import moment
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check


def fresh_within(check: Check, scope: Scope) -> Judged:
    """How old the newest value of a time column is when the window ends.

    It looks beyond the window's start: a window without any record does not hide how old the last one is.

    Raises:
        CheckError: the column is no time, or holds none.
    """
    if check.column not in scope.rows.columns or scope.kind(check.column) not in {"time", "text"}:
        raise CheckError(f"{check.column or 'its column'} is not a time that is kept")
    allowed = length(needs(check, "max_age"), "max_age")
    end = scope.end
    since = min(scope.window.start if scope.window else end, end - allowed)
    newest = _newest(check, scope, since)
    if newest is None:
        raise CheckError(f"no record since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC has a value there")
    old = end - newest
    return by_figure(
        check,
        success=old <= allowed,
        observed=f"{span(old)} old (newest {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC)",
        value=newest.astimezone(UTC).isoformat(),
        elements=1,
        age_seconds=old.total_seconds(),
    )


def _newest(check: Check, scope: Scope, since: datetime) -> datetime | None:
    """The newest value; the column that places rows in time is looked up over all rows before the end, another one in rows
    since then only.
    """
    rows = scope.rows
    if scope.span:
        rows = scope.span(Window(EARLIEST if check.column == scope.time else since, scope.end))
    value = scope.connection.scalar(scope.select(sa.func.max(rows.columns[check.column]), rows=rows))
    found = moment(value)
    if value is not None and found is None:
        raise CheckError(f"{check.column} holds {str(value)[:50]!r}, which is not a time")
    return found


def span(length: timedelta) -> str:
    """A length of time in words, such as ``3 h 20 min``."""
    minutes = round(abs(length.total_seconds()) / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        words = f"{days} d {hours} h" if hours else f"{days} d"
    elif hours:
        words = f"{hours} h {rest} min" if rest else f"{hours} h"
    else:
        words = f"{rest} min"
    return f"-{words}" if length < timedelta(0) and minutes else words
