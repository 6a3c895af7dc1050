"""Which judges may decide, and which of them have moved."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.judging import is_judge
from afterpilot.domain.workflow import Workflow
from afterpilot.record.ops import Unit


def advisory(unit: Unit, workflow: Workflow) -> frozenset[str]:  # noqa: ARG001 - agreement with people will be read from it
    """The labels of the scorers that decide nothing: judges on probation, which every judge is."""
    if workflow.evals is None:
        return frozenset()
    specs = (*workflow.evals.scorers, *(spec for case in workflow.evals.cases for spec in case.scorers))
    return frozenset(spec.label for spec in specs if is_judge(spec))


def drifted(unit: Unit, workflow: Workflow) -> Sequence[str]:  # noqa: ARG001 - re-judged answers will be read from it
    """A sentence for each judge that says something else of frozen answers than it did: a cause that is not the model's."""
    return ()
