"""The verdict on a declaration: it can be used, or what is wrong with it, or it is gone."""

from __future__ import annotations

from afterpilot.domain.counting import plural
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Loaded

KIND = "declaration.broken"
GONE = "declaration.gone"


def judge_declaration(loaded: Loaded) -> StageResult:
    """PASS for a usable folder; otherwise one finding that names every problem with file and line.

    ``checked`` is 1: the folder. Folders without a workflow and without problems (the fleet's own file) pass too.
    """
    problems = loaded.problems
    findings: tuple[Finding, ...] = ()
    if problems:
        count = plural(len(problems), "problem")
        findings = (
            Finding(
                workflow=loaded.slug,
                stage=Stage.DECLARE,
                kind=KIND,
                severity=Severity.CRITICAL,
                title=f"The declaration {loaded.slug} cannot be used: {count}, first {problems[0]}",
                detail="\n".join(str(problem) for problem in problems),
                evidence={"problems": [str(problem) for problem in problems]},
            ),
        )
    summary = f"{len(problems)} problems in {loaded.path}" if problems else "the declaration can be used"
    return StageResult(
        workflow=loaded.slug,
        stage=Stage.DECLARE,
        summary=summary,
        findings=findings,
        evidence={"sha256": loaded.sha256},
        checked=1,
        covered=(KIND, GONE),
    )


def judge_gone(slug: str, *, retired: bool) -> StageResult:
    """FAIL for a folder that was there and is not any more, unless its last version was retired: then PASS."""
    finding = Finding(
        workflow=slug,
        stage=Stage.DECLARE,
        kind=GONE,
        severity=Severity.CRITICAL,
        title=f"The folder {slug} is gone: nobody watches this workflow any more",
        detail="No record of it is pulled, checked or reported.",
        evidence={
            "cost": "whatever goes wrong in it from now on is not seen",
            "to_do": "Bring the folder back. If the workflow is over: set its stage to retired first, then delete it.",
        },
    )
    return StageResult(
        workflow=slug,
        stage=Stage.DECLARE,
        summary="the folder of the retired workflow is gone" if retired else "the folder is gone",
        findings=() if retired else (finding,),
        checked=1,
        covered=(KIND, GONE),
    )
