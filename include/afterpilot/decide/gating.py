"""What the gate's decisions mean for its workflow."""

from __future__ import annotations

from decimal import Decimal

from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import GateTally
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

COULD_NOT_RUN = "gate.could_not_run"
ROUTES_TOO_MANY = "gate.routes_too_many"

CEILING = Decimal("0.40")  # share of outputs routed to people above which the workflow itself is in doubt
FEWEST = 20  # outputs; of fewer, a share says little
_NAMED = 3


def judge_gate(workflow: Workflow, made: GateTally, *, undecided: int, error: CheckError | None) -> StageResult:
    """The gate's result. Routing an output to a person is its normal work and no finding; routing more than 40 % is a
    warning, and outputs that could not be decided on are UNKNOWN.

    A window without new outputs passes (``nothing_is_fine``): the gate decides on what comes, and whether enough comes is
    for the checks on freshness and volume to say.
    """
    findings = []
    if error is not None or undecided:
        findings.append(_could_not_run(workflow, undecided, error))
    enough = made.decided >= FEWEST
    if enough and Decimal(made.routed) / made.decided > CEILING:
        findings.append(_too_many(workflow, made))
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.GATE,
        summary=_summary(made, undecided),
        findings=tuple(findings),
        evidence={
            "decided": made.decided,
            "released": made.released,
            "routed": made.routed,
            "spot_checked": made.spot_checked,
            "undecided": undecided,
            "routed_share": float(round(Decimal(made.routed) / made.decided, 4)) if made.decided else None,
            "ceiling": float(CEILING),
            "routed_by": [
                {"check": check, "field": field, "outputs": count} for (check, field), count in made.routed_by.items()
            ],
            "error": str(error) if error else "",
        },
        checked=made.decided,
        nothing_is_fine=error is None and not undecided,
        covered=(COULD_NOT_RUN, ROUTES_TOO_MANY) if enough else (COULD_NOT_RUN,),
    )


def _summary(made: GateTally, undecided: int) -> str:
    if not made.decided:
        return f"no output was decided on, {undecided:,} wait" if undecided else "no new outputs"
    text = (
        f"{made.released:,} of {made.decided:,} outputs released, {made.routed:,} to people, "
        f"{made.spot_checked:,} spot-checked"
    )
    return f"{text}; {undecided:,} wait for a decision" if undecided else text


def _could_not_run(workflow: Workflow, undecided: int, error: CheckError | None) -> Finding:
    outputs = "1 output was" if undecided == 1 else f"{undecided:,} outputs were"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.GATE,
        kind=COULD_NOT_RUN,
        severity=Severity.UNKNOWN,
        title=f"{outputs} neither released nor routed: the gate could not check them",
        detail=f"{error or 'The run ended before all were decided on.'} They are taken up again by the next run.",
        evidence={
            "undecided": undecided,
            "error": str(error) if error else "",
            "certainty": str(error) if error else "the run ended before all were decided on",
            "cost": f"{undecided:,} {'output is' if undecided == 1 else 'outputs are'} held back until the gate can decide",
            "to_do": "Mend what the reason names; the next run takes them up again.",
            "examples": [],
        },
    )


def _too_many(workflow: Workflow, made: GateTally) -> Finding:
    routed, decided = made.routed, made.decided
    share = f"{100 * routed / decided:.0f} %"
    ordinary = int(CEILING * decided)
    reasons = list(made.routed_by.items())[:_NAMED]
    most = ", ".join(f"{field} ({check}): {count:,}" for (check, field), count in reasons)
    return Finding(
        workflow=workflow.slug,
        stage=Stage.GATE,
        kind=ROUTES_TOO_MANY,
        severity=Severity.WARNING,
        title=f"{routed:,} of {decided:,} outputs went to people ({share}, at most {100 * CEILING:.0f} % is expected)",
        detail=f"Most failed at: {most}." if most else "",
        evidence={
            "routed": routed,
            "decided": decided,
            "cost": f"{routed:,} outputs went to people, {routed - ordinary:,} more than the {100 * CEILING:.0f} % that are expected at most",
            "to_do": "See which check fails most: was the prompt, the model, the input or a reference table changed?",
            "examples": [f"{field} ({check}): {plural(count, 'output')}" for (check, field), count in reasons],
        },
    )
