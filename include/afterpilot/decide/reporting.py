"""What a weekly report that was put together is worth: complete, or which of its figures nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

INCOMPLETE = "report.incomplete"


def judge_report(
    workflow: Workflow,
    figures: Mapping[str, str],
    *,
    summary: str,
    evidence: Mapping[str, Any],
    early: Collection[str] = (),
) -> StageResult:
    """The report's result. ``figures`` holds each figure's name and why it has no value, or an empty text where it has one.

    A figure without a value is UNKNOWN, and so is the report; all of them are one finding, but for those for which it is too
    ``early``: they are no trouble to tell of.
    """
    lacking = {name: why.removeprefix("UNKNOWN: ") for name, why in figures.items() if why}
    unknown = {name: why for name, why in lacking.items() if name not in early}
    not_yet = [
        f"{name}: {why}, and the week had begun when the workflow was declared"
        for name, why in lacking.items()
        if name in early
    ]
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.REPORT,
        summary=summary,
        findings=(_incomplete(workflow, unknown, len(figures)),) if unknown else (),
        evidence=evidence,
        checked=len(figures) - len(lacking),
        covered=(INCOMPLETE,),
        not_yet="; ".join(not_yet),
    )


def _incomplete(workflow: Workflow, unknown: Mapping[str, str], whole: int) -> Finding:
    lines = [f"{name}: {why}" for name, why in unknown.items()]
    verb = "is" if len(unknown) == 1 else "are"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.REPORT,
        kind=INCOMPLETE,
        severity=Severity.UNKNOWN,
        title=f"{len(unknown)} of {whole} figures of the weekly report {verb} not known: {', '.join(unknown)}",
        detail="; ".join(lines),
        evidence={
            "figures": dict(unknown),
            "certainty": "; ".join(lines),
            "cost": "nobody can say from this report whether the workflow is worth its money",
            "to_do": "Mend what the reason names, then let the report of the same week be made again.",
            "examples": lines,
        },
    )
