"""Findings with one fingerprint over time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from afterpilot.domain.verdict import Severity


class IncidentState(StrEnum):
    """Open until acknowledged, waived until a date, or resolved; one that returns soon after it was resolved is open again."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble of one workflow since ``opened_at``; ``occurrences`` counts the runs that found it.

    ``hangs_on`` names what the trouble comes from where others may hang on the same (``source erp``, ``model openai_prod``);
    ``cause_id`` is the incident that explains this one: it is told, this one is not. ``reopened`` counts how often it came back
    after it was resolved. A ``flapping`` one, which came and went too often, is over only after several good runs in a row,
    of which ``good_runs`` have been seen. ``escalation`` is 0 while the owner is called, 1 from the deputy on, 2 from the channel on.
    """

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
    acknowledged_at: datetime | None = None
    waived_until: datetime | None = None
    waived_by: str = ""
    waived_reason: str = ""
    hangs_on: str = ""
    cause_id: uuid.UUID | None = None
    reopened: int = 0
    flapping: bool = False
    good_runs: int = 0
    escalation: int = 0


@dataclass(frozen=True, slots=True)
class Hanging:
    """Whose incidents hang on one thing: how many workflows, the first of them by name, how grave their troubles are, and examples
    as ``workflow: title``.
    """

    NAMED: ClassVar[int] = 10
    EXAMPLES: ClassVar[int] = 5

    workflows: int
    named: tuple[str, ...]
    severities: frozenset[Severity]
    examples: tuple[str, ...]

    @classmethod
    def of(cls, incidents: Sequence[Incident]) -> Hanging:
        """Of these incidents, none of them the fleet's own."""
        slugs = sorted({one.workflow for one in incidents})
        titles = [f"{one.workflow}: {one.title}" for one in sorted(incidents, key=lambda one: one.workflow)]
        found = frozenset(one.severity for one in incidents)
        return cls(len(slugs), tuple(slugs[: cls.NAMED]), found, tuple(titles[: cls.EXAMPLES]))
