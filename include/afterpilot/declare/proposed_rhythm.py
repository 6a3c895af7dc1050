"""The expectations of when rows come and how many: from the silences and the days that were seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from afterpilot.declare.proposed_checks import Proposal
from afterpilot.declare.proposed_text import duration
from afterpilot.domain.counting import plural
from afterpilot.domain.profile import Silence, TableProfile

_LEAST, _DAY, _WEEKEND = timedelta(hours=1), timedelta(days=1), timedelta(days=3)
_SATURDAY = 5


def rhythm_checks(table: TableProfile) -> Iterator[Proposal]:
    """Freshness from the longest silences that were seen, volume from the days that were."""
    if table.silences:
        age, reason = _allowed(table)
        yield (
            {"expect": "fresh_within", "column": table.time, "max_age": duration(age), "severity": "critical"},
            reason,
        )
    counts = table.days.values()
    seen = f"{min(counts):,} to {plural(max(counts), 'row')} on a day" if counts else "no day was seen whole"
    yield (
        {
            "expect": "volume_between",
            "min_value": 0,
            "like_weekdays": {"weeks": 8, "at_least": "50%", "at_most": "200%"},
            "severity": "warning",
        },
        f"{seen}; min_value alone holds until three weeks are on record",
    )


def _allowed(table: TableProfile) -> tuple[timedelta, str]:
    """Twice the longest silence, half as much again where it lasted a day or more; three days where no weekend was seen."""
    longest = table.silences[0].length
    age = max(_LEAST, longest * 2 if longest < _DAY else longest * 3 / 2)
    reason = f"the longest silences so far: {', '.join(map(_told, table.silences))}"
    if not _has_weekend(table):
        return max(age, _WEEKEND), f"{reason}; no weekend was seen: 3 days allow for one"
    if longest < _DAY:
        return age, f"{reason}; rows came at weekends too: a pause over one would be told"
    return age, reason


def _told(silence: Silence) -> str:
    """``66h from Fri 13 November``."""
    return f"{duration(silence.length)} from {silence.since:%a} {silence.since.day} {silence.since:%B}"


def _has_weekend(table: TableProfile) -> bool:
    """Whether a Saturday and the Sunday after it lie between the first and the last day that were seen."""
    first, last = min(table.days, default=None), max(table.days, default=None)
    if first is None or last is None:
        return False
    saturday = first + timedelta(days=(_SATURDAY - first.weekday()) % 7)
    return saturday + timedelta(days=1) < last
