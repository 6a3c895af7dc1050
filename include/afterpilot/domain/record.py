"""Units of production work as they are pulled, what people decided on them, and what a call used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.prices import PLAIN, CallDetails, Price


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. ``input_tokens`` includes the cached ones. None means: not reported, which is never 0."""

    model: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int = 0
    details: CallDetails = PLAIN

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        names = ("model", "input_tokens", "output_tokens", "cached_tokens")
        more = {} if self.details.plain else {"details": self.details.as_json()}
        return {**{name: getattr(self, name) for name in names}, **more}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Usage:
        """What was stored. Raises KeyError or TypeError where it was something else."""
        counts = (stored["input_tokens"], stored["output_tokens"], stored.get("cached_tokens", 0))
        return cls(stored["model"], *counts, CallDetails.of(stored.get("details")))


@dataclass(frozen=True, slots=True)
class Record:
    """One unit of production work. ``data`` holds the declared fields, personal ones already redacted."""

    workflow: str
    key: str
    at: datetime
    data: Mapping[str, Any]
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class HumanDecision:
    """What a person decided on a record, in the production system or in the review queue, however many days later.

    ``decision`` is accepted, corrected or rejected; ``minutes`` is the human time it took, None where nobody noted it;
    ``corrected`` is what the output should have been, by the source's field, where that is kept. ``origin`` is source or
    review; ``seconds`` is how long the item was on the reviewer's screen, None for a decision of the source.
    """

    workflow: str
    key: str
    decided_at: datetime
    decision: str
    minutes: Decimal | None = None
    note: str = ""
    corrected: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "source"
    decided_by: str = ""
    seconds: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PricedUsage:
    """A call's cost, or the reason why none is known; ``price_version`` names the price list that was used."""

    cost: Decimal | None
    currency: str
    price_version: str
    unpriced_reason: str = ""
    price: Price | None = None  # the one that was used


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One way in which an output failed its check, in words that a clerk understands.

    ``said`` is what the output says, ``expected`` what the check or the other source (``source``, e.g. "purchase order
    PO-51187") says; ``text`` is the whole sentence.
    """

    check: str
    field: str
    said: str
    expected: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Released for use, or routed to a person with the discrepancies; ``reason`` is passed, failed_check or spot_check."""

    workflow: str
    key: str
    at: datetime
    released: bool
    reason: str
    discrepancies: tuple[Discrepancy, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class GateTally:
    """What a run of the gate decided: of ``decided`` outputs ``released``, of those ``spot_checked`` go to people all the same.

    ``routed_by`` is how many held outputs failed which check on which field, the most first; an output counts once for each.
    """

    decided: int = 0
    released: int = 0
    spot_checked: int = 0
    routed_by: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def routed(self) -> int:
        """Outputs that were held for a person."""
        return self.decided - self.released


@dataclass(frozen=True, slots=True)
class ChangedReleases:
    """Outputs that changed after their release and were decided on again: how many, how many of them are held now, and some of
    their keys, those that are held first.
    """

    outputs: int = 0
    taken_back: int = 0
    keys: tuple[str, ...] = ()
