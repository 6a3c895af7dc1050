"""Findings with one fingerprint over time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from afterpilot.domain.verdict import Severity


class IncidentState(StrEnum):
    """Open until acknowledged, waived until a date, or resolved; a resolved one that returns is a new incident."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble of one workflow since ``opened_at``; ``occurrences`` counts the runs that found it."""

    id: uuid.UUID
    fingerprint: str
    workflow: str
    stage: str
    kind: str
    severity: Severity
    state: IncidentState
    title: str
    detail: str
    opened_at: datetime
    last_seen_at: datetime
    occurrences: int
    resolved_at: datetime | None = None
    acknowledged_by: str = ""
    run_id: uuid.UUID | None = None
