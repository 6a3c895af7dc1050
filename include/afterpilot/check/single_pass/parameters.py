"""Parameters of expectations as Great Expectations' own model reads them: numbers become floats, ISO texts dates or times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from afterpilot.check.single_pass.outcomes import Between
from afterpilot.domain.errors import CheckError

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SET = "value_set"

Params = Mapping[str, Any]


def number(value: Any, name: str) -> float:  # noqa: ANN401 - what a declaration may hold
    """A float.

    Raises:
        CheckError: it is no number.
    """
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise CheckError(f"{name} is {value!r}; a number is needed") from error


def whole(value: Any, name: str) -> int:  # noqa: ANN401 - what a declaration may hold
    """A whole number; a fraction is cut off.

    Raises:
        CheckError: it is no number.
    """
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckError(f"{name} is {value!r}; a whole number is needed") from error


def comparable(value: Any, name: str, *, times: bool = False) -> float | date | None:  # noqa: ANN401 - what a declaration may hold
    """A bound: a float, a date or a time. Where a column is declared as a time (``times``), a text is a moment, in UTC unless it
    says otherwise.

    Raises:
        CheckError: it is neither a number nor a time.
    """
    if value is None or isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return _moment(value) if times else float(value)
        except ValueError:
            return _moment_or_date(value, name)
    return number(value, name)


def between(params: Params, *, kind: str = "comparable", times: bool = False) -> Between:
    """The bounds of a check; ``kind`` is comparable, number or whole.

    Raises:
        CheckError: a bound is of the wrong kind.
    """
    low, high = (_bound(params.get(name), name, kind, times=times) for name in ("min_value", "max_value"))
    return Between(low, high, bool(params.get("strict_min")), bool(params.get("strict_max")))


def value_set(params: Params) -> list[Any]:
    """The values of a set.

    Raises:
        CheckError: it is no list.
    """
    values = params.get(_SET)
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise CheckError(f"{_SET} is {values!r}; a list is needed")
    return list(values)


def dates_of(values: Sequence[Any]) -> list[Any]:
    """The values of a set of distinct values, where Great Expectations reads ISO dates as dates."""
    found = []
    for value in values:
        if isinstance(value, str) and _ISO_DATE.fullmatch(value):
            try:
                found.append(date.fromisoformat(value))
                continue
            except ValueError:
                pass
        found.append(value)
    return found


def _bound(value: Any, name: str, kind: str, *, times: bool) -> Any:  # noqa: ANN401 - what a declaration may hold
    if value is None:
        return None
    if kind == "comparable":
        return comparable(value, name, times=times)
    return whole(value, name) if kind == "whole" else number(value, name)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment_or_date(text: str, name: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date(*(int(part) for part in text.split("-")))
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise CheckError(f"{name} is {text!r}; a number, a date or a time is needed") from error
