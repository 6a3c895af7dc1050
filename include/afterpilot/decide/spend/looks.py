"""What is seen of a cap: the calls of its period, its burn rate, its forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from afterpilot.domain.metered import Metered
from afterpilot.domain.money import Money
from afterpilot.domain.outlook import Burn, Forecast
from afterpilot.domain.spend import CapRule, CapState
from afterpilot.domain.window import Window

_FIRST_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls under a cap. Those without a price, and those priced in another currency than the cap's, are not known."""

    currency: str
    lines: tuple[Metered, ...] = ()

    @property
    def count(self) -> int:
        """All calls."""
        return sum(line.calls for line in self.lines)

    @property
    def not_known(self) -> int:
        """Calls whose cost in the cap's currency nobody knows."""
        return sum(line.calls for line in self.unknown_lines)

    @property
    def unknown_lines(self) -> tuple[Metered, ...]:
        """Those calls; what has cost nothing is known in every currency."""
        return tuple(line for line in self.lines if line.cost is None or (line.cost and line.currency != self.currency))

    @property
    def known_lines(self) -> tuple[Metered, ...]:
        """The others."""
        unknown = set(map(id, self.unknown_lines))
        return tuple(line for line in self.lines if id(line) not in unknown)

    def spent(self, kind: str = "") -> Money:
        """What the calls that are known have cost, of one kind or of all."""
        costs = (line.cost or Decimal(0) for line in self.known_lines if kind in {"", line.kind})
        return Money(sum(costs, Decimal(0)), self.currency)

    @property
    def coverage(self) -> Decimal | None:
        """The share of calls whose cost is known; None without any call."""
        return Decimal(self.count - self.not_known) / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Look:
    """A cap as this run sees it. ``before`` are the calls of the period before, where some of them may still come in;
    ``rule_before`` is the cap as it was declared then, None where that is not known: then it is as it is now. ``limit_before`` is
    what it was raised to, None where it was not. ``reached_at`` is when the quarter of an hour began in which a cap was reached that
    is, in the zone of its calendar; None where that is not known.
    """

    state: CapState
    calls: Calls
    before: Calls | None = None
    began_before: date | None = None
    rule_before: CapRule | None = None
    limit_before: Money | None = None
    reached_at: datetime | None = None
    burn: Burn | None = None
    leak: Burn | None = None
    forecast: Forecast = field(default_factory=lambda: Forecast(0, reason="no forecast was made"))

    @property
    def spent(self) -> Money:
        """The known part."""
        return self.calls.spent()

    @property
    def share(self) -> Decimal:
        """Of the cap."""
        return self.spent.share_of(self.state.limit)


def still_open(period: Window, late_by: timedelta, *, now: datetime, pulled_to: datetime | None) -> bool:
    """Whether calls of the period before ``period`` may still come in, or came in so lately that nobody has judged them."""
    return now < period.start + _FIRST_DAY or pulled_to is None or pulled_to < period.start + late_by
