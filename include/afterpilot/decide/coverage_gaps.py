"""What did not run: the stretches in which it did not, and what is on record of that time. Pure: everything is given."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.decide.coverage import Answer
from afterpilot.domain.run import Stage


@dataclass(frozen=True, slots=True)
class Stretch:
    """Verdicts of one stage that were due one after the other and did not come; ``until`` is when one came again, None: not yet."""

    stage: Stage
    schedule: str
    first: datetime
    last: datetime
    times: int
    until: datetime | None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Something on record that may explain why a stage did not run, from ``start`` to ``end`` (None: it is not over)."""

    start: datetime
    end: datetime | None
    text: str
    stage: str = ""  # empty: any
    kind: str = ""  # of what ``id`` names
    id: str = ""


def stretches(answers: Sequence[Answer]) -> tuple[Stretch, ...]:
    """What did not run, newest first; what was missed one after the other is one stretch."""
    of: defaultdict[tuple[Stage, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if not answer.pending:
            of[answer.due.stage, answer.due.schedule].append(answer)
    found = [stretch for those in of.values() for stretch in _gaps(those)]
    order = list(Stage)
    return tuple(sorted(found, key=lambda one: (-one.first.timestamp(), order.index(one.stage))))


def _gaps(answers: Sequence[Answer]) -> Iterator[Stretch]:
    """The stretches of one stage and schedule."""
    for missed, those in itertools.groupby(enumerate(answers), key=lambda pair: pair[1].missed):
        gap = list(those)
        if not missed:
            continue
        (_, first), (place, last) = gap[0], gap[-1]
        until = answers[place + 1].due.at if place + 1 < len(answers) else None
        broken = any(one.due.standing == "broken" for _, one in gap)
        yield Stretch(first.due.stage, first.due.schedule, first.due.at, last.due.at, len(gap), until, broken)


def why(stretch: Stretch, reasons: Sequence[Reason], *, most: int = 3) -> tuple[Reason, ...]:
    """What is on record of the time in which something did not run, the narrowest first; empty: nothing is."""
    end = stretch.until or stretch.last + timedelta(hours=1)
    fits = [
        one
        for one in reasons
        if one.stage in {"", stretch.stage} and one.start < end and (one.end is None or one.end > stretch.first)
    ]
    return tuple(sorted(fits, key=lambda one: (not one.stage, -one.start.timestamp()))[:most])
