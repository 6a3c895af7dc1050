"""Scorer of dates, and how dates are read."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Any

from afterpilot.evaluate.answers import short
from afterpilot.evaluate.scorers.numbers import limit
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError, verdict

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        r"(?<![\d.])(?P<year>\d{4})(?P<between>[-/.])(?P<m>\d{1,2})(?P=between)(?P<day>\d{1,2})(?!\d)",  # 2026-03-04
        r"^(?P<year>\d{4})(?P<m>\d{2})(?P<day>\d{2})(?:T\d+Z?)?$",  # 20260304
        rf"(?<!\d){_DAY}[ \-]{{1,2}}(?:of )?{_MONTH}[ ,\-]{{1,2}}(?P<year>\d{{4}})(?!\d)",  # 4 March 2026, 4-Mar-2026
        rf"\b{_MONTH} {{1,2}}{_DAY},? {{1,2}}(?P<year>\d{{4}})(?!\d)",  # March 4, 2026
        r"(?<![\d.])(?P<one>\d{1,2})(?P<between>[-/.])(?P<two>\d{1,2})(?P=between)(?P<year>\d{4}|\d{2})(?!\d)",  # 04.03.2026
    )
)
_LONGEST = 1_000  # characters of a text in which a date is looked for
_MONTHS_A_YEAR = 12
_CENTURY = 2000


def date_is(question: Question) -> Result:
    """The expected day, or at most ``tolerance`` days from it."""
    wanted, order = question.wanted(), question.param("order", "")
    known(wanted, order)
    found = question.found()
    return verdict(date_flaw(found, wanted, order=order, tolerance=question.param("tolerance", 0)))


def date_flaw(found: Any, wanted: Any, *, order: str = "", tolerance: Any = 0) -> str:  # noqa: ANN401
    """Why the value is not the wanted day, or "" where it is. Raises ScorerError where the expected value is no date."""
    target, days = known(wanted, order), limit(tolerance, "tolerance")
    day = read_date(found, order)
    if day is None:
        return f"{short(found)} is not a date, or could be more than one"
    allowed = f" (tolerance {days} days)" if days else ""
    return "" if abs((day - target).days) <= days else f"{day} instead of {target}{allowed}"


def known(wanted: Any, order: str) -> date:  # noqa: ANN401 - any JSON value
    """The expected value as a date."""
    day = read_date(wanted, order)
    if day is None:
        raise ScorerError(f"the expected value {short(wanted)} is not a date, or could be more than one")
    return day


def read_date(value: Any, order: str = "") -> date | None:  # noqa: ANN401 - any JSON value
    """The first date of a text; None where there is none, or where it could be more than one day.

    Years first (2026-03-04, 2026/3/4, 20260304, with or without a time after it), and months by their English name, can be read
    one way only. Of digits alone, ``order`` (day_first or month_first) says which is the day; without it they are read where one
    of the two is above 12 or both are the same. A year of two digits is of this century, and is read with ``order`` only.
    """
    if isinstance(value, date):
        return value if type(value) is date else date(value.year, value.month, value.day)
    if not isinstance(value, str):
        return None
    matches = [match for form in _FORMS if (match := form.search(value.strip()[:_LONGEST]))]
    if not matches:
        return None
    return _day_of(min(matches, key=lambda match: match.start()).groupdict(), order)


def _day_of(parts: dict[str, str | None], order: str) -> date | None:
    year = int(parts["year"] or 0)
    if (name := parts.get("month")) is not None:
        month, day = _MONTHS.index(name[:3].lower()) + 1, int(parts["day"] or 0)
    elif (digits := parts.get("m")) is not None:
        month, day = int(digits), int(parts["day"] or 0)
    else:
        one, two = int(parts["one"] or 0), int(parts["two"] or 0)
        if not order and len(parts["year"] or "") == 2:  # noqa: PLR2004 - digits
            return None
        order = order or _only_order(one, two)
        month, day = (one, two) if order == "month_first" else (two, one)
        year += 0 if year >= 100 or not order else _CENTURY  # noqa: PLR2004 - two digits
    with suppress(ValueError):
        return date(year, month, day) if order or "one" not in parts else None
    return None


def _only_order(one: int, two: int) -> str:
    """The order in which two numbers can be a day and a month; "" where both can."""
    if one == two or one > _MONTHS_A_YEAR:
        return "day_first"
    return "month_first" if two > _MONTHS_A_YEAR else ""
