"""Values that only alerts have: days, times, addresses, patterns, spans counted in working hours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time
from typing import Annotated, Any

from afterpilot.declare.problems import describe
from afterpilot.declare.values import Wrong, duration, matching, one_of, text_of, typed
from afterpilot.domain.alerting import Escalation, Hours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$", re.ASCII)
_MIDNIGHT = "24:00"  # as people write the end of a day
_WORKING = " working"
# As a mail is sent: an address of other letters would be refused when there is something to tell.
_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL = rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
_MOST = 50
_YEARS = range(2000, 3000)  # the first and the last day of the calendar have no time in other zones


def _days(value: Any) -> tuple[int, ...]:  # noqa: ANN401 - YAML holds anything
    """Read ``mon-fri``, ``sun-thu`` or ``mon, wed, fri``."""
    found: set[int] = set()
    for part in text_of(value).split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS or (dash and not last):
            raise Wrong(f"{describe(value)} names no days", "such as mon-fri, or mon, wed, fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if begin <= end else end + 8)}
    return tuple(sorted(found))


def _clock(value: Any) -> time:  # noqa: ANN401
    text = text_of(value)
    if text == _MIDNIGHT:
        return time(0)
    match = _CLOCK.match(text)
    if not match:
        raise Wrong(f"{describe(value)} is not a time of day", "hours and minutes, such as 08:30")
    return time(int(match.group(1)), int(match.group(2)))


def _moment(value: Any) -> datetime:  # noqa: ANN401
    """A moment with its offset, or one that is meant in the zone of the working hours."""
    text = text_of(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or len(text) < len("2026-12-01T20:00"):
        raise Wrong(f"{describe(value)} is not a day with a time", "such as 2026-12-01T20:00")
    if moment.year not in _YEARS:
        raise Wrong(f"{describe(value)} is not of this millennium", "such as 2026-12-01T20:00")
    return moment


def _escalation(value: Any) -> Escalation:  # noqa: ANN401
    text = text_of(value)
    hours: Hours = "working" if text.endswith(_WORKING) else "any"
    try:
        after = duration(text.removesuffix(_WORKING).strip())
    except Wrong as error:
        raise Wrong(str(error), "such as 15m, or 4h working for hours in which people work") from error
    if not after:
        raise Wrong("must be longer than nothing")
    return Escalation(after, hours)


def _address(value: Any) -> str:  # noqa: ANN401
    return matching(
        _MAIL, "an e-mail address", "such as ops@example.com; other letters than a to z are not sent to", most=254
    )(value)


def _several(read: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    """A reader of one value or a list of them."""

    def parse(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - YAML holds anything
        given = value if isinstance(value, list) else [value]
        if len(given) > _MOST:
            raise Wrong(f"has {len(given)} items, more than {_MOST}")
        return tuple(read(one) for one in given)

    return parse


def _filled(read: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    several = _several(read)

    def parse(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - YAML holds anything
        if value == []:
            raise Wrong("is empty", "fill it in, or remove the key")
        return several(value)

    return parse


_place = matching(
    r"[a-z][a-z0-9_]{0,59}|#[^\sA-Z#@,.:<>&]{1,80}|[CG][A-Z0-9]{8,20}",
    "a place",
    'a target of _fleet.yaml, channel, digest, owner, or a Slack channel in quotes, such as "#on-call"',
)
_kind = matching(r"[a-z0-9_.*]{1,100}", "a kind of alert", "such as spend.over_cap, or spend.* for a family")
_slug = matching(r"[a-z_*][a-z0-9_*]{0,59}", "a workflow's name", "such as invoice_matching, or invoice_* for several")

DaysOfWeek = Annotated[tuple[int, ...], *typed(_days, "days, such as `mon-fri` or `mon, wed, fri`")]
Clock = Annotated[time, *typed(_clock, "time of day, such as `08:30`")]
Moment = Annotated[
    datetime, *typed(_moment, "day and time, such as `2026-12-01T20:00`, in the zone of the working hours")
]
EscalationText = Annotated[Escalation, *typed(_escalation, "duration, such as `15m`, or `4h working`")]
Address = Annotated[str, *typed(_address, "e-mail address")]
Addresses = Annotated[tuple[str, ...], *typed(_filled(_address), "e-mail address, or a list of them")]
TargetName = Annotated[
    str,
    *typed(
        matching(r"[a-z][a-z0-9_]{0,59}", "a target's name", "small letters, digits and _, such as on_call"),
        "small letters, digits and _",
    ),
]
Places = Annotated[
    tuple[str, ...], *typed(_several(_place), "`channel`, `digest`, `owner`, a target, a Slack channel; or a list")
]
Severities = Annotated[
    tuple[str, ...],
    *typed(_filled(one_of("critical", "unknown", "warning")), "`critical`, `unknown`, `warning`; or a list"),
]
Kinds = Annotated[tuple[str, ...], *typed(_filled(_kind), "kind of alert, such as `spend.*`; or a list")]
Slugs = Annotated[tuple[str, ...], *typed(_filled(_slug), "workflow, such as `invoice_*`; or a list")]
