"""Keeps samples and what their calls used, a batch at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from afterpilot.domain.evals import Sample
from afterpilot.domain.ports import Probed
from afterpilot.domain.workflow import JsonTarget, ScriptedTarget, Workflow
from afterpilot.pipeline.evals.locking import Lock
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.usage import EvalCall
from afterpilot.record.ops import Unit


class Keeper:
    """Writes the samples of one attempt of a run.

    ``attempt`` is when it started: each attempt pays for its own calls. ``asked`` is the hash of the suite as it is asked.
    """

    def __init__(
        self,
        services: Services,
        workflow: Workflow,
        run_id: uuid.UUID,
        *,
        began: datetime,
        attempt: datetime,
        asked: str,
        lock: Lock,
    ) -> None:
        self._lock = lock
        self._services = services
        self._workflow = workflow
        self._run_id = run_id
        self._began = began
        self._asked = asked
        self._attempt = f"{attempt:%Y%m%dT%H%M%S.%f}"
        with services.ops.begin() as unit:
            unit.samples.prepare(began)
            unit.eval_usage.prepare(began)

    def __call__(self, batch: Sequence[Sample]) -> None:
        """Samples and usage of a batch in one transaction of two statements. Raises where another run has begun meanwhile."""
        if not batch:
            return
        calls = [call for sample in batch for call in self._calls(sample)]
        slug = self._workflow.slug

        def write(unit: Unit) -> None:
            unit.samples.add(
                batch, workflow=slug, run_id=self._run_id, began_at=self._began, asked=self._asked, prepared=True
            )
            if calls:
                unit.eval_usage.add(slug, calls, at=self._began, book=self._services.prices)

        self._lock.write(write)

    def _calls(self, sample: Sample) -> Iterator[EvalCall]:
        """The call for the answer, and those of scorers: each with its own model and price."""
        ref = f"{self._run_id}/{sample.case_id}/{sample.epoch}/{self._attempt}"
        target = self._workflow.evals.target if self._workflow.evals else None
        if sample.attempts and not isinstance(target, ScriptedTarget):
            said = sample.said_cost if isinstance(target, JsonTarget) else None
            currency = target.currency if isinstance(target, JsonTarget) and said is not None else ""
            yield EvalCall(ref, sample.usage, said, currency)
        for number, call in enumerate(sample.calls):
            yield EvalCall(f"{ref}/{call.purpose}/{number}", call.usage, kind="judge")


def keep_probe(services: Services, workflow: Workflow, probed: Probed, *, at: datetime) -> None:
    """Keep what a probe's question used."""
    if probed.usage is None:
        return
    with services.ops.begin() as unit:
        unit.eval_usage.prepare(at)
        call = EvalCall(f"probe/{at:%Y%m%dT%H%M%S.%f}", probed.usage)
        unit.eval_usage.add(workflow.slug, [call], at=at, book=services.prices)
