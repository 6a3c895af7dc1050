"""What it means that decisions of the review queue do not reach the source."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Workflow

FAILED = "review.write_back_failed"


def not_written(workflow: Workflow, failing: Sequence[tuple[str, str]]) -> Finding:
    """The finding about decisions that the source does not take: each with its key and the source's answer, the oldest first."""
    many = len(failing)
    what = "1 decision does" if many == 1 else f"{many} decisions do"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.REVIEW,
        kind=FAILED,
        severity=Severity.WARNING,
        title=f"{what} not reach the source",
        detail=failing[0][1],
        evidence={
            "certainty": "certain: the source's own answer",
            "cost": "the production system does not know yet what people decided",
            "to_do": "Mend the connection or the table that review.write_back names; nothing is lost, it is tried again.",
            "examples": [f"{key}: {error}"[:300] for key, error in failing[:5]],
        },
    )
