"""Which judges may decide."""

from __future__ import annotations

from afterpilot.domain.judging import is_judge
from afterpilot.domain.workflow import Workflow
from afterpilot.record.ops import Unit


def advisory(unit: Unit, workflow: Workflow) -> frozenset[str]:  # noqa: ARG001 - agreement with people will be read from it
    """The labels of the scorers that decide nothing: judges on probation, which every judge is."""
    if workflow.evals is None:
        return frozenset()
    specs = (*workflow.evals.scorers, *(spec for case in workflow.evals.cases for spec in case.scorers))
    return frozenset(spec.label for spec in specs if is_judge(spec))
