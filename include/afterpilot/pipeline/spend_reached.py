"""Says when the caps that are reached were, in one or two statements for the whole fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from afterpilot.decide.spend import Look
from afterpilot.record.ops import Unit
from afterpilot.record.spend.reached import Reaching, reached_at
from afterpilot.spend.periods import period_days


def with_reached(
    unit: Unit, looks: Mapping[str, tuple[Look, ...]], zones: Mapping[str, str], now: datetime
) -> Mapping[str, tuple[Look, ...]]:
    """The looks by slug, those of reached caps with the quarter of an hour in which that happened, in the zone of their slug."""
    reached = [(slug, at) for slug, each in looks.items() for at, look in enumerate(each) if look.state.reached]
    if not reached:
        return looks
    found = reached_at(unit.connection, [_reaching(looks[slug][at], zones[slug], now) for slug, at in reached])
    moments = {
        place: found[number].astimezone(ZoneInfo(zones[place[0]]))
        for number, place in enumerate(reached)
        if number in found
    }
    return {
        slug: tuple(replace(look, reached_at=moments.get((slug, at))) for at, look in enumerate(each))
        for slug, each in looks.items()
    }


def _reaching(look: Look, zone: str, now: datetime) -> Reaching:
    rule = look.state.rule
    under = tuple(sorted({(line.workflow, line.model) for line in look.calls.known_lines}))
    if rule.cap.length is not None:
        return Reaching(look.state.limit, under, length=rule.cap.length, end=look.state.period.end)
    days = period_days(rule.cap.period, now, zone)
    return Reaching(look.state.limit, under, first=days.first, last=days.until - timedelta(days=1))
