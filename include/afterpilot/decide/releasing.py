"""What it means that decisions of the gate did not reach production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterpilot.domain.releasing import Standing, Trouble
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

_SEVERITY = {
    "waiting": Severity.WARNING,
    "refused": Severity.CRITICAL,
    "failed": Severity.CRITICAL,
    "overtaken": Severity.WARNING,
}
KINDS = {kind: f"gate.release_{kind}" for kind in _SEVERITY}
_WHAT = {
    "waiting": "decided on more than 15 minutes ago, and production has not heard of it",
    "refused": "decided on, but production does not take the decision",
    "failed": "decided on, and production has refused the decision for good",
    "overtaken": "used or changed in production before the gate's decision arrived",
}
_TO_DO = {
    "waiting": "See whether the system that takes the decisions is up; they are tried again by themselves.",
    "refused": "Mend what the reason names: a right to write, a word, a table, a token. They are tried again by themselves.",
    "failed": "Mend what the reason names, then `afterpilot release WORKFLOW --again`; or handle these outputs by hand.",
    "overtaken": "Find out who moves these rows on without waiting for the gate; they were left as they are.",
}


def with_releases(
    result: StageResult, workflow: Workflow, standing: Standing, *, done: Mapping[str, int]
) -> StageResult:
    """The gate's result with what became of its decisions in production.

    ``done`` is how many attempts of this run ended how. Each kind of trouble is one finding, whatever the number of outputs.
    """
    if workflow.release is None and not standing.pending and not standing.troubles:
        return replace(result, covered=(*result.covered, *KINDS.values()))
    findings = tuple(_finding(workflow, trouble) for trouble in standing.troubles)
    return replace(
        result,
        findings=(*result.findings, *findings),
        evidence={**result.evidence, "releases": {**done, "pending": standing.pending}},
        covered=(*result.covered, *KINDS.values()),
    )


def troubled(standing: Standing) -> frozenset[str]:
    """The kinds of findings that this standing makes."""
    return frozenset(KINDS[trouble.kind] for trouble in standing.troubles)


def _finding(workflow: Workflow, trouble: Trouble) -> Finding:
    outputs = "1 output was" if trouble.outputs == 1 else f"{trouble.outputs:,} outputs were"
    more = f", {trouble.outputs - len(trouble.keys):,} more" if trouble.outputs > len(trouble.keys) else ""
    return Finding(
        workflow=workflow.slug,
        stage=Stage.GATE,
        kind=KINDS[trouble.kind],
        severity=_SEVERITY[trouble.kind],
        title=f"{outputs} {_WHAT[trouble.kind]}",
        detail=f"{trouble.error or 'No attempt was made yet.'} Outputs: {', '.join(trouble.keys)}{more}",
        evidence={
            "outputs": trouble.outputs,
            "since": trouble.since.isoformat(),
            "error": trouble.error,
            "certainty": trouble.error or "no attempt was made yet",
            "cost": f"{trouble.outputs:,} {'output' if trouble.outputs == 1 else 'outputs'} in production without the decision",
            "to_do": _TO_DO[trouble.kind],
            "examples": list(trouble.keys),
        },
    )
