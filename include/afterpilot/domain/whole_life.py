"""What a workflow costs as a whole: its calls, its evals, their judges, and the time of the people who look at its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import Spend
from afterpilot.domain.window import Window

BEFORE_LAUNCH = frozenset({"experiment", "shadow"})  # stages of life
CALLS, EVALS, JUDGES, PEOPLE = "production", "evals", "judges", "people"


@dataclass(frozen=True, slots=True)
class LifeTerms:
    """What of a declaration the whole cost depends on. ``decisions_read``: the source says what people decide."""

    workflow: str
    spend: Spend
    before_launch: bool = False
    decisions_read: bool = True

    @classmethod
    def of(cls, slug: str, spend: Spend, *, stage: str, decisions_read: bool) -> LifeTerms:
        """The terms of a workflow in that stage of its life."""
        return cls(slug, spend, stage in BEFORE_LAUNCH, decisions_read)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the cost: :data:`CALLS`, :data:`EVALS`, :data:`JUDGES` or :data:`PEOPLE`.

    ``cost`` is the known one, 0 where nothing was done, None where nothing is known. ``unknown`` says why more or all of it is
    not known; empty where all of it is. ``minutes`` of people's time and ``count`` (calls, or decisions) are what it is made of;
    ``note`` says how, where that needs a word.
    """

    name: str
    cost: Money | None
    count: int
    minutes: Decimal | None = None
    unknown: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Each:
    """The cost of one record, one that was handled alone, or one accepted outcome: of so many. ``cost`` None: ``unknown`` says why."""

    name: str
    count: int
    cost: Money | None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a month costs at ``volume`` records, with 95 % intervals by the spread from day to day, or from case to case.

    ``calls`` is what models cost (it is what the cap is over), ``whole`` with people's time too: None where that is not known.
    ``basis`` says what it rests on. Where ``calls`` is None, ``unknown`` says why. Without an interval, low and high are None.
    """

    volume: Decimal
    cap: Cap
    basis: str = ""
    calls: Money | None = None
    calls_low: Money | None = None
    calls_high: Money | None = None
    whole: Money | None = None
    whole_low: Money | None = None
    whole_high: Money | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class WholeLife:
    """What a workflow cost in a window, part by part, and what that makes for one of its outputs.

    ``total`` is None where the calls are not known as a whole; ``known`` is the part that is. What ``left_out`` names is in
    neither: people's time, where an hour has no price. ``projection`` is None where no volume is declared.
    """

    workflow: str
    window: Window
    before_launch: bool
    parts: tuple[Part, ...]
    known: Money
    total: Money | None
    unknown: str
    left_out: str
    each: tuple[Each, ...]
    projection: Projection | None

    def part(self, name: str) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)


@dataclass(frozen=True, slots=True)
class CallSum:
    """Calls of one kind (production, eval, judge) and currency on a day, counted from the window's first: ``cost`` None: nobody knows it."""

    day: int
    kind: str  # production, eval, judge
    currency: str
    reason: str
    calls: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class PeopleSum:
    """Decisions that people made on a day, how many of them noted their time, and the minutes of those."""

    day: int
    decisions: int
    timed: int
    minutes: Decimal


@dataclass(frozen=True, slots=True)
class OutputSum:
    """Outputs of a day: all that the gate decided on, those handled alone, and those that were accepted, alone or by a person."""

    day: int
    records: int
    alone: int
    accepted: int


@dataclass(frozen=True, slots=True)
class LifeFacts:
    """What the whole cost is made from. ``case_costs`` are those of the newest eval run's cases: what one answer cost, judges apart,
    with the currency that they are in.
    """

    window: Window
    calls: tuple[CallSum, ...] = ()
    people: tuple[PeopleSum, ...] = ()
    outputs: tuple[OutputSum, ...] = ()
    case_costs: tuple[Decimal, ...] = ()
    case_currency: str = ""
