"""What the cases of a suite have taken before, so that the next run's cost is foreseen from experience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterpilot.domain.evals import Typical
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.evals.fingerprinting import declared
from afterpilot.pipeline.services import Services

_COSTS = ("prompt", "declaration", "model")  # a change of any of these may change what a case costs


def typical(services: Services, workflow: Workflow, evals: Evals) -> Mapping[str, Typical]:
    """By case id, from the newest valid run: the costs where prompt, declaration and model are the same, else only the lengths."""
    now = services.now()
    with services.ops.begin() as unit:
        newest = next(iter(unit.eval_results.before(workflow.slug, now, limit=1)), None)
        found = unit.samples.typical(newest.run_id, newest.at) if newest else {}
    if newest is None:
        return {}
    marks = declared(evals)
    same = newest.currency == evals.max_cost.currency and all(
        newest.fingerprint.get(part) == marks[part] for part in _COSTS
    )
    return found if same else {case: replace(one, cost=None) for case, one in found.items()}
