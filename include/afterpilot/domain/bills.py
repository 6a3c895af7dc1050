"""A provider's bill by UTC day, and what stands against it: the calls that were metered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

USAGE = "usage"  # the item of a line that tells of tokens alone; "usage, batch" where a service tier is told
NO_CURRENCY = "XXX"  # ISO 4217's own code for none
_SNAPSHOT = re.compile(r"[-@](?:\d{4}-?\d{2}-?\d{2}|\d{4}|latest)(?:-v\d+(?::\d+)?)?$")
_TIER = re.compile(r"\b(batch|flex|priority|fast)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a day's bill. ``project`` is the provider's project, workspace or team; ``model`` is empty where the item is no
    model's; ``item`` is the provider's name of the line.

    ``amount`` is in whole units of ``currency`` (capital letters), None where the bill does not say; a line of usage alone has
    neither amount nor currency. Tokens and calls are None where the line does not tell them; ``cached_tokens`` are part of
    ``input_tokens``.
    """

    day: date
    project: str
    model: str
    item: str
    amount: Decimal | None = None
    currency: str = ""
    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    cached_tokens: Decimal | None = None
    calls: Decimal | None = None

    @property
    def is_usage(self) -> bool:
        """Whether it tells of tokens alone."""
        return not self.currency

    @property
    def tier(self) -> str:
        """The service tier that the item names: batch, flex, priority, fast; empty for the standard one."""
        found = _TIER.search(self.item)
        return found[1].lower() if found else ""


@dataclass(frozen=True, slots=True)
class ProjectNames:
    """Project → what the account calls it. ``trouble`` says why that cannot be known, empty where it is."""

    of: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


NO_NAMES = ProjectNames()


@dataclass(frozen=True, slots=True)
class Bill:
    """What was read of a bill. ``days`` are those that the provider answered for, also where they cost nothing; ``names`` is what
    the account calls its projects, where it has names besides ids.
    """

    lines: tuple[BillLine, ...]
    days: frozenset[date]
    names: ProjectNames = NO_NAMES


class BillReader(Protocol):
    """Reads the bill of one account."""

    def read(self, first: date, end: date) -> Bill:
        """The bill of the UTC days from ``first`` to before ``end``.

        Raises:
            SourceError: it cannot be read, or is not of the documented shape.
        """
        ...


@dataclass(frozen=True, slots=True)
class MeteredDay:
    """What a workflow's calls of one model at one price were on one UTC day. ``cost`` is None where the price is not known, for
    the ``reason``.
    """

    day: date
    workflow: str
    model: str
    calls: int
    input_tokens: Decimal
    output_tokens: Decimal
    cached_tokens: Decimal
    cost: Decimal | None
    currency: str = ""
    reason: str = ""
    tier: str = ""
    rates: Mapping[str, Decimal] = field(default_factory=dict)  # sort of tokens → amount for one


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line as it stands on record: with what it said first, and when it changed last."""

    line: BillLine
    first_amount: Decimal | None
    changed_at: datetime


@lru_cache(maxsize=4096)  # a bill has the same few names thousands of times
def family(model: str) -> str:
    """What a model is called whatever its snapshot and whoever passes the call on: ``openai/gpt-4o-2024-08-06`` is ``gpt-4o``.

    Bills name the snapshot that answered, and calls often the name that was asked for.
    """
    name = model.rpartition("/")[2].strip().casefold()
    return _SNAPSHOT.sub("", name) or name
