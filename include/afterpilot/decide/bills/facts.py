"""What the bills are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from afterpilot.domain.bills import NO_NAMES, KeptLine, MeteredDay, ProjectNames
from afterpilot.domain.spend import BillAccount, Billed
from afterpilot.domain.workflow import Workflow

DAY = timedelta(days=1)
GRACE = timedelta(hours=48)  # after its end a day's bill may lack so long, or grow, without a word
CORRECTED = 5  # days after which a day's bill is taken for final; as long it is read again each day
LOOK_BACK = 35  # days that are reconciled, and read where they were not read yet


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account's bill as it is on record. ``trouble`` says why it could not be read now, empty where it was."""

    account: BillAccount
    lines: tuple[KeptLine, ...] = ()
    read: Mapping[date, datetime] = field(default_factory=dict)
    trouble: str = ""
    names: ProjectNames = NO_NAMES


@dataclass(frozen=True, slots=True)
class Spender:
    """A workflow as far as bills know it: what of them is its own, its team, and its owner's name."""

    slug: str
    billed: tuple[Billed, ...] = ()
    team: str = ""
    person: str = ""

    @classmethod
    def of(cls, workflow: Workflow) -> Spender:
        """A workflow that is declared."""
        return cls(workflow.slug, workflow.spend.billed, workflow.spend.team, workflow.owner.name)


@dataclass(frozen=True, slots=True)
class Facts:
    """Bills and meter of the UTC days from ``first`` to before ``end``, which is today. ``pulled_to`` is up to when each
    workflow's calls are known, ``metered_since`` the day of its first call ever.
    """

    first: date
    end: date
    now: datetime
    accounts: tuple[AccountFacts, ...]
    workflows: tuple[Spender, ...]
    metered: tuple[MeteredDay, ...]
    pulled_to: Mapping[str, datetime] = field(default_factory=dict)
    metered_since: Mapping[str, date] = field(default_factory=dict)

    @property
    def days(self) -> tuple[date, ...]:
        """All days of the span."""
        return tuple(self.first + n * DAY for n in range((self.end - self.first).days))


def over(day: date) -> datetime:
    """When a UTC day is over."""
    return datetime.combine(day + DAY, time(), UTC)
