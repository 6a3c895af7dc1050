"""Decisions reach production: what waits in the outbox of releases is done, each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services

MOST = 20_000  # effects of one call; the next one goes on


def release(services: Services, workflow: Workflow) -> Mapping[str, int]:
    """Tell production of the decisions that are due; returns how many attempts ended how (done, later, refused, failed,
    overtaken). Ends early where the other side takes nothing.
    """
    ended: Counter[str] = Counter()
    size = services.releaser.batch(workflow)
    while ended.total() < MOST:
        with services.ops.begin() as unit:
            effects = unit.releases.claim(workflow.slug, size)
        if not effects:
            break
        performed = services.releaser.perform(workflow, effects)
        with services.ops.begin() as unit:
            unit.releases.settle(performed)
        ended.update(one.state for one in performed)
        if all(one.state in {"later", "refused"} for one in performed):
            break
    return dict(ended)
