"""Stretches of time in which the prices of a model do not change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from afterpilot.domain.charging import Linear, linear
from afterpilot.domain.prices import Price


class Span(NamedTuple):
    """From ``since`` to before ``until``; None: open."""

    since: datetime | None = None
    until: datetime | None = None

    def __and__(self, other: Span) -> Span:
        starts = [moment for moment in (self.since, other.since) if moment is not None]
        ends = [moment for moment in (self.until, other.until) if moment is not None]
        return Span(max(starts, default=None), min(ends, default=None))

    def __contains__(self, moment: object) -> bool:
        return (
            isinstance(moment, datetime)
            and (self.since is None or self.since <= moment)
            and (self.until is None or moment < self.until)
        )


def span_of(boundaries: Iterable[datetime], at: datetime) -> Span:
    """The stretch between two boundaries that the moment lies in."""
    moments = set(boundaries)
    before = {moment for moment in moments if moment <= at}
    return Span(max(before, default=None), min(moments - before, default=None))


def midnight(day: date) -> datetime:
    """When the day begins, in UTC."""
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True, slots=True)
class Bracket:
    """The prices of a model in a stretch of time, by size of the request, that of the smallest first."""

    span: Span
    prices: tuple[Linear, ...]

    @classmethod
    def of(cls, span: Span, prices: Sequence[Price]) -> Bracket:
        """Of prices that ascend by size and leave none out."""
        return cls(span, tuple(linear(price, *span) for price in prices))

    def of_size(self, given: int) -> Linear:
        """The price of a request of so many tokens."""
        return next(found for found in reversed(self.prices) if found.least_input <= max(given, 0))
