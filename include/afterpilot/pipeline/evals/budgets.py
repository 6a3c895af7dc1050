"""What is left of a workflow's eval budget."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from afterpilot.decide.eval_figures import LEAST_SCORED
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.evals import Estimate
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.usage import Spent
from afterpilot.spend.periods import period_window


@dataclass(frozen=True, slots=True)
class Budget:
    """The cap of a period, and what other eval runs and probes have spent of it."""

    cap: Cap
    spent: Money

    @property
    def left(self) -> Money:
        """What is left, 0 where it is overdrawn."""
        return Money(max(self.cap.limit.amount - self.spent.amount, Decimal(0)), self.cap.limit.currency)

    def allows(self, estimate: Estimate) -> bool:
        """Whether enough is left to score enough of the suite: what ends as UNKNOWN is not worth paying for."""
        if estimate.expected is None or estimate.currency != self.left.currency:
            return self.left.amount > 0
        return self.left.amount > 0 and self.left.amount >= estimate.expected * Decimal(str(LEAST_SCORED))

    def lowered(self, evals: Evals) -> Evals:
        """The suite with its own limit lowered to what is left."""
        return replace(evals, max_cost=min(evals.max_cost, self.left)) if self.left < evals.max_cost else evals

    def as_evidence(self) -> dict[str, str]:
        """The budget as JSON-serialisable data."""
        return {"cap": str(self.cap), "spent": str(self.spent), "left": str(self.left)}


def budget_of(
    services: Services, workflow: Workflow, *, at: datetime, run_id: uuid.UUID | None = None
) -> Budget | None:
    """The budget of the period that ``at`` lies in, without what the run itself has spent; None where none is declared.

    A call without a known price counts as the dearest one of the period.

    Raises:
        ConfigurationError: the cap and the suite's own limit are in different currencies.
    """
    evals = workflow.evals
    if evals is None or evals.cap is None:
        return None
    currency = evals.cap.limit.currency
    if currency != evals.max_cost.currency:
        raise ConfigurationError(
            f"evals.cap is in {currency}, evals.max_cost in {evals.max_cost.currency}: use one currency"
        )
    with services.ops.begin() as unit:
        period = period_window(evals.cap.period, at, workflow.spend.zone)
        spent = unit.eval_usage.spent(workflow.slug, period, apart_from=f"{run_id}/" if run_id else "\x01")
    return Budget(evals.cap, Money(_sum(services, spent, currency), currency))


def _sum(services: Services, spent: Spent, currency: str) -> Decimal:
    """The known costs, those that can be priced now, and the dearest for each that cannot."""
    costs: Mapping[str, Decimal] = spent.costs
    total, dearest, unknown = costs.get(currency, Decimal(0)), spent.dearest.get(currency, Decimal(0)), 0
    for at, used in spent.unpriced:
        priced = services.prices.price(used, at)
        if priced.cost is None or priced.currency != currency:
            unknown += 1
        else:
            total += priced.cost
            dearest = max(dearest, priced.cost)
    return total + unknown * dearest
