"""What a weekly report is made from, and what it says: plain data that can be kept and replayed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from afterpilot.domain.incident import Incident
from afterpilot.domain.sampling import ErrorRate
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.whole_life import WholeLife


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """The gate's decisions on the outputs of one week (``week`` is its Monday).

    Of the released outputs people have looked at ``judged`` and overridden ``overridden`` of those. ``spot_checked`` ones are
    released too.
    """

    week: date
    outputs: int
    released: int
    routed: int
    spot_checked: int
    judged: int
    overridden: int

    @property
    def alone(self) -> int:
        """Released, and not overridden by a person as far as is known."""
        return self.released - self.overridden


@dataclass(frozen=True, slots=True)
class StageWeek:
    """One stage in the week: its latest verdict, since when that holds without a break, and its runs by verdict."""

    stage: str
    latest: Verdict
    since: datetime
    runs: Mapping[Verdict, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekFacts:
    """Everything that was measured, as of ``as_of``.

    Args:
        week: the Monday of the week that is reported.
        kpi: (Monday, value) of each measured week, oldest first; a week without a value is absent, never 0.
        kpi_error: why the KPI could not be read, or empty.
        counts: the weeks that had outputs, oldest first.
        waiting, waiting_old: failing outputs on which no person has decided yet; those older than two days.
        life: what the week cost as a whole, and what a month will cost at the declared volume by the last weeks; None where it
            was not looked at.
        stages: stages that ran in the week.
        incidents: incidents that are not over.
        offers: corrections that wait for the owner to make them eval cases.
        error_rate: of what was released alone, from the spot checks that people have looked at; None where there is none.
    """

    week: date
    as_of: datetime
    kpi: tuple[tuple[date, Decimal], ...] = ()
    kpi_error: str = ""
    counts: tuple[WeekCounts, ...] = ()
    waiting: int = 0
    waiting_old: int = 0
    life: WholeLife | None = None
    stages: tuple[StageWeek, ...] = ()
    incidents: tuple[Incident, ...] = ()
    offers: int = 0
    error_rate: ErrorRate | None = None

    @property
    def this_week(self) -> WeekCounts | None:
        """The reported week's counts; None where it had no outputs."""
        return next((counts for counts in self.counts if counts.week == self.week), None)

    def as_dict(self) -> dict[str, Any]:
        """The facts as JSON-serialisable data."""
        return {name.name: plain(getattr(self, name.name)) for name in dataclasses.fields(self)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the report: in ``words`` for people; ``value`` is None where it is UNKNOWN, and the words say why.

    ``low`` and ``high`` are the ends of a 95 % interval, where there is one.
    """

    words: str
    value: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyOutcome:
    """What a workflow achieved in one week.

    ``verdict`` is the worst of the stages and of what could not be known. ``needs`` names what the owner has to do, gravest
    first. ``month`` is the cost of a month at the declared volume, None where none is declared. ``facts`` are what all of it was computed from.
    """

    workflow: str
    purpose: str
    week: date
    verdict: Verdict
    kpi_name: str
    kpi_unit: str
    baseline: Decimal
    target: Decimal
    kpi: Figure
    trend: Figure
    alone: Figure
    people: Figure
    overrides: Figure
    errors: Figure
    cost: Figure
    month: Figure | None
    saved: Figure | None
    stages: str
    needs: tuple[str, ...]
    facts: WeekFacts

    def as_dict(self) -> dict[str, Any]:
        """The outcome and the facts behind it as JSON-serialisable data; amounts are texts, so that none is rounded."""
        return {name.name: plain(getattr(self, name.name)) for name in dataclasses.fields(self)}


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any field to any JSON value
    """A field as JSON-serialisable data."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {name.name: plain(getattr(value, name.name)) for name in dataclasses.fields(value)}
    return value
