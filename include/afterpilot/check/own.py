"""Checks of our own, besides those of Great Expectations: freshness, volume, declared types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta

import sqlalchemy as sa

from afterpilot.check.expectations import could_not
from afterpilot.check.window import Counts, WindowRows
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

OF_TYPE = "column_values_to_be_of_declared_type"

_AGE = re.compile(r"^(\d+(?:\.\d+)?) ?(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def fresh_within(check: Check, rows: WindowRows, window: Window, connection: sa.Connection) -> Judged:
    """How old the newest value of a time column is when the window ends.

    It looks beyond the window's start: a window without any record does not hide how old the last one is.
    """
    if check.column not in rows.columns or rows.kind(check.column) != "time":
        return could_not(check, f"{check.column or 'its column'} is not a time that is kept")
    try:
        allowed = age(check.params.get("max_age"))
    except CheckError as error:
        return could_not(check, str(error))
    since = min(window.start, window.end - allowed)
    newest = rows.newest(connection, check.column, since)
    if newest is None:
        return could_not(check, f"no record since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC has a value there")
    old = window.end - newest
    return Judged(
        check=check,
        success=old <= allowed,
        observed=f"{span(old)} old (newest {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC)",
        elements=1,
        failing_total=0,
        failing_keys=(),
        result={"observed_value": newest.astimezone(UTC).isoformat(), "age_seconds": old.total_seconds()},
    )


def volume_between(check: Check, counts: Counts) -> Judged:
    """Whether the window holds at least ``min_value`` and at most ``max_value`` records."""
    low, high = check.params.get("min_value"), check.params.get("max_value")
    if low is None and high is None:
        return could_not(check, "it needs min_value, max_value or both")
    within = (low is None or counts.rows >= low) and (high is None or counts.rows <= high)
    return Judged(check, within, str(counts.rows), counts.rows, 0, (), {"observed_value": counts.rows})


def of_declared_type(rows: WindowRows, counts: Counts, connection: sa.Connection) -> Sequence[Judged]:
    """One result for each column that is not text: whether all its values are of the declared type. A column without any
    value is left out: there is nothing to say of it.
    """
    results = []
    for column, kind in rows.types.items():
        wrong, right = counts.invalid[column], counts.valid[column]
        if kind == "text" or not wrong + right:
            continue
        results.append(
            Judged(
                check=Check(OF_TYPE, Severity.CRITICAL, {"column": column, "type": kind}),
                success=wrong == 0,
                observed=f"{wrong} of {wrong + right}",
                elements=wrong + right,
                failing_total=wrong,
                failing_keys=tuple(rows.invalid_keys(connection, column)) if wrong else (),
                result={"element_count": wrong + right, "unexpected_count": wrong, "type": kind},
            )
        )
    return results


def age(value: object) -> timedelta:
    """A duration, as a timedelta or as text such as ``6h``.

    Raises:
        CheckError: it is neither.
    """
    if isinstance(value, timedelta):
        return value
    match = _AGE.match(str(value).strip())
    if not match:
        raise CheckError(f"max_age is {value!r}; a duration such as 6h is needed")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


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
