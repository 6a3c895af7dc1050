"""What it means that outputs changed after the gate had released them."""

from __future__ import annotations

from dataclasses import replace

from afterpilot.domain.record import ChangedReleases
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

CHANGED = "gate.changed_after_release"


def with_changed(result: StageResult, workflow: Workflow, changed: ChangedReleases) -> StageResult:
    """The gate's result with a warning where outputs changed after they were released."""
    findings = (*result.findings, _finding(workflow, changed)) if changed.outputs else result.findings
    return replace(
        result,
        findings=findings,
        evidence={**result.evidence, "decided_again": changed.outputs, "taken_back": changed.taken_back},
        covered=(*result.covered, CHANGED),
    )


def _finding(workflow: Workflow, changed: ChangedReleases) -> Finding:
    outputs = "1 output" if changed.outputs == 1 else f"{changed.outputs:,} outputs"
    back = changed.taken_back
    more = f", {changed.outputs - len(changed.keys):,} more" if changed.outputs > len(changed.keys) else ""
    now = "all pass as they are now" if not back else f"{back:,} fail now and went to people"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.GATE,
        kind=CHANGED,
        severity=Severity.WARNING,
        title=f"{outputs} changed at the source after the gate had released them; {now}",
        detail=f"What was released may be in use already. Records: {', '.join(changed.keys)}{more}",
        evidence={"changed": changed.outputs, "taken_back": back, "keys": list(changed.keys)},
    )
