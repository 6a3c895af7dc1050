"""One execution of one stage for one workflow and window."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window

FLEET = "_fleet"  # whose runs and incidents those are that concern no single workflow


class Stage(StrEnum):
    """The stages of the path, in its order."""

    DECLARE = "declare"
    PULL = "pull"
    CHECK = "check"
    GATE = "gate"
    REVIEW = "review"
    EVALUATE = "evaluate"
    SPEND = "spend"
    BILLS = "bills"  # of the whole fleet: no workflow has it by itself
    REPORT = "report"


OF_WORKFLOWS: tuple[Stage, ...] = tuple(stage for stage in Stage if stage is not Stage.BILLS)


@dataclass(frozen=True, slots=True)
class Trigger:
    """What started a run. ``run_id`` is the same for every attempt, so that a repeated task finds its own result.

    ``origin`` is ``airflow`` or ``cli``; the other fields lead back to Airflow's own page and log.
    """

    origin: str
    run_id: str
    dag_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run as it is kept. ``versions`` holds declaration, code, model, prompt and case hashes."""

    id: uuid.UUID
    workflow: str
    stage: Stage
    window: Window
    verdict: Verdict
    summary: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    versions: Mapping[str, str]
    trigger: Trigger
    started_at: datetime
    finished_at: datetime
    findings: tuple[Any, ...] = field(default=())
    corrects: uuid.UUID | None = None  # the run in whose place this one stands: its window or week came up again

    @staticmethod
    def identity(workflow: str, stage: Stage, trigger: Trigger, *, corrects: uuid.UUID | None = None) -> uuid.UUID:
        """The id of a run: the same for every attempt of the same trigger, different for any other. A trigger may correct
        several runs beside its own.
        """
        parts = [
            workflow,
            stage,
            trigger.origin,
            trigger.dag_id,
            trigger.run_id,
            *([str(corrects)] if corrects else []),
        ]
        text = "\x1f".join(parts)
        return uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)
