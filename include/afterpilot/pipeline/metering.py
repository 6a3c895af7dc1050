"""Sums what calls cost, whenever sums are about to be read, and gives them the prices that the book says now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.spend import metering, repricing

_REPRICED = timedelta(days=62)  # this month and the one before, at least


def meter(services: Services, workflows: Iterable[Workflow]) -> None:
    """Sum what was written or changed since the last time, of all workflows; those given have their days by their time zones."""
    zones = {workflow.slug: workflow.spend.zone for workflow in workflows}
    more = True
    while more:
        with services.ops.begin() as unit:
            more = metering.settle(unit.connection, zones, services.prices).more


def reprice(
    services: Services, workflows: Iterable[Workflow], *, since: date | None = None, run_id: uuid.UUID | None = None
) -> Sequence[sa.Row[Any]]:
    """Sum what is new, and re-price calls since that day (without one: of 62 days) where the book says another price now.

    While some of the team's own prices cannot be read, calls keep those that they have. Returns what was re-priced, as it stands
    in ``repricings``: by workflow, model, old and new price.
    """
    workflows = list(workflows)
    meter(services, workflows)
    if not services.fleet.prices_whole:
        return ()
    day = since or services.now().astimezone(UTC).date() - _REPRICED
    with services.ops.begin() as unit:
        if not repricing.keep_prices(unit.connection, services.prices, since=day):
            return ()
    with services.ops.begin() as unit:
        found = repricing.reprice(unit.connection, services.prices, since=day, run_id=run_id)
    meter(services, workflows)
    return found
