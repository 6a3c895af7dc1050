"""What takes people's answers from Slack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from afterpilot.declare import load
from afterpilot.domain.connections import InstalledConnections
from afterpilot.settings import Settings
from afterpilot.wiring.building import Wired, usable_fleet, wire

if TYPE_CHECKING:
    from afterpilot.notify.interactions import Interactions


def interactions(settings: Settings, connections: InstalledConnections) -> Interactions:
    """What takes people's answers from Slack. It builds the rest at the first answer, and reads the declarations anew by itself."""
    from afterpilot.notify.interactions import Interactions
    from afterpilot.pipeline.slack_answers import Declared, SlackAnswers

    built: list[Wired] = []

    def read() -> Declared:
        if not built:
            built.append(wire(settings, connections))
            built[0].deliver_at_once()
            return Declared(built[0].services, built[0].declarations.workflows)
        again = load(settings.workflows)
        return Declared(replace(built[0].services, fleet=usable_fleet(again)), again.workflows)

    return Interactions(
        SlackAnswers(read),
        token=settings.slack_token,
        base_url=settings.slack_api_url,
        clock=lambda: datetime.now(UTC),
    )
