"""Sums what calls cost, whenever sums are about to be read."""

from __future__ import annotations

from collections.abc import Iterable

from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record import metering


def meter(services: Services, workflows: Iterable[Workflow]) -> metering.Settled:
    """Sum what was written or changed since the last time, of all workflows; those given have their days by their time zones."""
    zones = {workflow.slug: workflow.spend.zone for workflow in workflows}
    with services.ops.begin() as unit:
        return metering.settle(unit.connection, zones, services.prices)
