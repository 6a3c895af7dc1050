"""What calls cost, as it is summed: by workflow, sort of call, model and price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Metered:
    """Calls of one kind (production, eval or judge) of a workflow to one model that have one currency, source of price, and reason why
    they have none, if so.

    ``cost`` is None where there is a reason, and 0 for calls that cost nothing. Tokens that nobody counted are not in the sums.
    ``label`` is that of the span that was asked for; ``day`` is set where days were asked for one by one.
    """

    workflow: str
    kind: str
    model: str
    currency: str
    source: str
    reason: str
    calls: int
    cost: Decimal | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    label: str = ""
    day: date | None = None

    @property
    def unpriced(self) -> int:
        """Calls whose cost is not known."""
        return self.calls if self.cost is None else 0


@dataclass(frozen=True, slots=True)
class Span:
    """Calls of a workflow (None: of all) from ``start`` to before ``end``, both on whole quarters of an hour. ``label`` comes back
    as :attr:`Metered.label`.
    """

    workflow: str | None
    start: datetime
    end: datetime
    label: str = ""


@dataclass(frozen=True, slots=True)
class DaySpan:
    """The days of a workflow's own calendar (None: of all workflows, each by its own) from ``first`` to ``last``."""

    workflow: str | None
    first: date
    last: date
    label: str = ""
