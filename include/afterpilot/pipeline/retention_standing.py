"""How each class of data stands: its rule and where that comes from, the oldest that is kept, what goes next and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from afterpilot.domain.counting import plural
from afterpilot.domain.retention import CLASSES, FOR_GOOD, DataClass, goes_at
from afterpilot.pipeline.retaining import Rules
from afterpilot.record import months
from afterpilot.record.history.retention import oldest
from afterpilot.record.retention.removals import kept_since

DECLARED, DEFAULT, OWN = "_fleet.yaml", "default", "governance.retention"


@dataclass(frozen=True, slots=True)
class Standing:
    """One class. ``days`` None: kept for good; ``rule_from`` is who says so, but for ``own`` workflows that say so themselves; ``size`` in bytes, of tables with months; ``stays`` is why what is due stays."""

    data_class: DataClass
    days: int | None
    rule_from: str
    oldest: datetime | None
    next: str
    next_at: datetime | None
    size: int | None
    stays: str = ""
    removed_before: datetime | None = None  # months before that were dropped
    own: int = 0

    @property
    def rule(self) -> str:
        """In words."""
        return "for good" if self.days is None else plural(self.days, "day")

    @property
    def said_by(self) -> str:
        """Who says so, in words."""
        return f"{self.rule_from}; {OWN} of {plural(self.own, 'workflow')}" if self.own else self.rule_from


def standings(connection: sa.Connection, rules: Rules, *, now: datetime) -> tuple[Standing, ...]:
    """All classes, in their order."""
    return tuple(_standing(connection, one, rules, now) for one in CLASSES.values())


def _standing(connection: sa.Connection, one: DataClass, rules: Rules, now: datetime) -> Standing:
    days = rules.fleet.of(one.name)
    there = [month for table in one.partitions for month in months.months(connection, table)]
    first = oldest(connection, one.name)
    following, at, stays = _next(connection, one, rules, now)
    return Standing(
        one,
        days,
        DECLARED if one.name in rules.fleet.days else DEFAULT,
        first,
        following,
        at,
        sum(month.size for month in there) if one.partitions else None,
        stays,
        kept_since(connection, one.partitions[0]) if one.partitions else None,
        len(rules.own) if one.name == "records" else 0,
    )


def _next(connection: sa.Connection, one: DataClass, rules: Rules, now: datetime) -> tuple[str, datetime | None, str]:
    """What goes next, from when on, and why it stays where that is over."""
    days = rules.fleet.of(one.name)
    if days is None:
        return "", None, ""
    if not one.partitions:
        first = oldest(connection, one.name)
        return ("", None, "") if first is None else ("what is older", max(first + timedelta(days=days), now), "")
    found = sorted({month.month for table in one.partitions for month in months.months(connection, table)})
    if not found:
        return "", None, ""
    month, longest = found[0], days
    if one.name == "records":
        whose = months.workflows_in(connection, "records", month)
        longest = max([rules.of(workflow) for workflow in whose], default=min([days, *rules.own.values()]))
    if longest >= FOR_GOOD:
        return "", None, ""
    at = goes_at(month, longest)
    return f"{month:%Y-%m}", at, months.needed_by(connection, one, month) if at <= now else ""
