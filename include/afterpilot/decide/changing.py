"""What it means that outputs changed after the gate had released them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

CHANGED = "gate.changed_after_release"
_KEYS = 20


def with_changed(result: StageResult, workflow: Workflow, changed: Mapping[str, bool]) -> StageResult:
    """The gate's result with a warning where outputs changed after they were released.

    ``changed`` holds the outputs that were decided on again, by key, and whether they are released now.
    """
    findings = (*result.findings, _finding(workflow, changed)) if changed else result.findings
    return replace(
        result,
        findings=findings,
        evidence={**result.evidence, "decided_again": len(changed), "taken_back": _taken_back(changed)},
        covered=(*result.covered, CHANGED),
    )


def _finding(workflow: Workflow, changed: Mapping[str, bool]) -> Finding:
    outputs = "1 output" if len(changed) == 1 else f"{len(changed):,} outputs"
    back = _taken_back(changed)
    named = sorted(changed, key=lambda key: changed[key])[:_KEYS]  # those that fail now come first
    more = f", {len(changed) - _KEYS:,} more" if len(changed) > _KEYS else ""
    now = "all pass as they are now" if not back else f"{back:,} fail now and went to people"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.GATE,
        kind=CHANGED,
        severity=Severity.WARNING,
        title=f"{outputs} changed at the source after the gate had released them; {now}",
        detail=f"What was released may be in use already. Records: {', '.join(named)}{more}",
        evidence={"changed": len(changed), "taken_back": back, "keys": named},
    )


def _taken_back(changed: Mapping[str, bool]) -> int:
    return sum(not released for released in changed.values())
