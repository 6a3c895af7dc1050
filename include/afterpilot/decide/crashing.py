"""What it means that a stage itself could not run."""

from __future__ import annotations

from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity

_LONGEST = 1000  # characters of an error that are told


def did_not_run(workflow: str, stage: Stage, error: BaseException) -> Finding:
    """UNKNOWN with the reason, never silence. What others have worded may hold a secret: only our own errors are told."""
    return Finding(
        workflow=workflow,
        stage=stage,
        kind=f"{stage}.did_not_run",
        severity=Severity.UNKNOWN,
        title=f"The stage {stage} could not run: {type(error).__name__}",
        detail=str(error)[:_LONGEST] if isinstance(error, AfterpilotError) else "The task's log has the details.",
    )
