"""What an attempt of a run finds of those before it: samples to go on from, and what was paid for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.evals import Sample
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.evaluate.results import Asked
from afterpilot.pipeline.evals import judges
from afterpilot.pipeline.evals.locking import Lock
from afterpilot.pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a run: ``began`` is when its first one did; ``done`` and ``failed`` are what earlier ones have left.

    ``asked`` is the hash of the suite as it is now: what an earlier attempt has asked of another one is paid for and of no use.
    """

    run_id: uuid.UUID
    began: datetime
    started: datetime
    done: Mapping[tuple[str, int], Sample]
    failed: Sequence[Sample]
    advisory: frozenset[str]
    asked: str
    lock: Lock


def attempt_of(
    services: Services, workflow: Workflow, evals: Evals, run_id: uuid.UUID, *, started: datetime, lock: Lock
) -> Attempt:
    """The attempt that starts now."""
    with services.ops.begin() as unit:
        began = unit.samples.began_at(run_id) or started
        advisory = judges.advisory(unit, workflow, before=began)
        asked = Asked.of(workflow.slug, evals, advisory=advisory).sha256
        return Attempt(
            run_id=run_id,
            began=began,
            started=started,
            done=unit.samples.scored(run_id, asked),
            failed=unit.samples.failed(run_id, asked),
            advisory=advisory,
            asked=asked,
            lock=lock,
        )
