"""When a table's rows came: the newest times, rows by hour and day, and the longest times without any."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.looking import AHEAD
from afterpilot.domain.profile import Silence
from afterpilot.pull.shape import bound
from afterpilot.pull.values import moment

MOST = 3
_HOUR = timedelta(hours=1)
_DAYS = 56
_OLDEST = datetime(1900, 1, 1, tzinfo=UTC)
_TIMES = 20_000  # that are read; of what lies before them the hours are known


def newest_times(connection: sa.Connection, place: sa.TableClause, time: str) -> list[datetime]:
    """The newest times, oldest first. What lies in the future is left out, as are times that no driver takes."""
    column = place.c[time]
    inside = (column >= bound(_OLDEST, column.type), column <= bound(datetime.now(UTC) + AHEAD, column.type))
    statement = sa.select(column).where(*inside).order_by(column.desc()).limit(_TIMES)
    found = [at for value in connection.scalars(statement) if (at := moment(value)) is not None]
    since = found[0] - timedelta(days=_DAYS) if found else datetime.now(UTC)
    return sorted(at for at in found if at >= since)


def rows_by_hour(connection: sa.Connection, place: sa.TableClause, time: str, newest: datetime) -> dict[datetime, int]:
    """Rows by hour (UTC) of the last eight weeks; those of a day at its first hour where the column holds days."""
    column = place.c[time]
    start, end = (bound(at, column.type) for at in (newest - timedelta(days=_DAYS), newest))
    day: sa.ColumnElement[Any] = sa.func.date(column)
    whole = isinstance(column.type, sa.Date) and not isinstance(column.type, sa.DateTime)
    hour: sa.ColumnElement[Any] = sa.literal(0) if whole else sa.extract("hour", column)
    inner = sa.select(day.label("day"), hour.label("hour")).where(column >= start, column <= end).subquery("hours")
    statement = sa.select(inner.c.day, inner.c.hour, sa.func.count()).group_by(inner.c.day, inner.c.hour)
    return {
        datetime.combine(_as_date(day), clock(int(hour)), UTC): count
        for day, hour, count in connection.execute(statement)
    }


def rows_by_day(hours: Mapping[datetime, int]) -> dict[date, int]:
    """The rows of each day, oldest first."""
    days: Counter[date] = Counter()
    for hour, rows in sorted(hours.items()):
        days[hour.date()] += rows
    return dict(days)


def _as_date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def longest_silences(moments: Sequence[datetime], hours: Mapping[datetime, int]) -> tuple[Silence, ...]:
    """The longest, at most three, longest first. ``moments`` are the newest times of rows, oldest first, which a busy table fills
    with its last hours; of what lies before them ``hours``, the rows by hour, tell to the hour.
    """
    exact = (Silence(before, after - before) for before, after in itertools.pairwise(moments))
    older = sorted(hour for hour, rows in hours.items() if rows and (not moments or hour + _HOUR <= moments[0]))
    rough = (Silence(before, after - before) for before, after in itertools.pairwise([*older, *moments[:1]]))
    return _longest([*exact, *(one for one in rough if one.length > _HOUR)])


def _longest(found: Iterable[Silence]) -> tuple[Silence, ...]:
    return tuple(sorted(found, key=lambda one: (one.length, one.since), reverse=True)[:MOST])
