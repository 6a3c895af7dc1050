"""What the gate's decisions mean for its workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import GateDecision
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

COULD_NOT_RUN = "gate.could_not_run"
ROUTES_TOO_MANY = "gate.routes_too_many"

CEILING = Decimal("0.40")  # share of outputs routed to people above which the workflow itself is in doubt
FEWEST = 20  # outputs; of fewer, a share says little
_NAMED = 3


def judge_gate(
    workflow: Workflow, decisions: Sequence[GateDecision], *, undecided: int, error: CheckError | None
) -> StageResult:
    """The gate's result. Routing an output to a person is its normal work and no finding; routing more than 40 % is a
    warning, and outputs that could not be decided on are UNKNOWN.

    A window without new outputs passes (``nothing_is_fine``): the gate decides on what comes, and whether enough comes is
    for the checks on freshness and volume to say.
    """
    released = sum(decision.released for decision in decisions)
    routed = len(decisions) - released
    spot_checked = sum(decision.released and decision.reason == "spot_check" for decision in decisions)
    reasons = _reasons(decisions)
    findings = []
    if error is not None or undecided:
        findings.append(_could_not_run(workflow, undecided, error))
    enough = len(decisions) >= FEWEST
    if enough and Decimal(routed) / len(decisions) > CEILING:
        findings.append(_too_many(workflow, routed, len(decisions), reasons))
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.GATE,
        summary=_summary(len(decisions), released, routed, spot_checked, undecided),
        findings=tuple(findings),
        evidence={
            "decided": len(decisions),
            "released": released,
            "routed": routed,
            "spot_checked": spot_checked,
            "undecided": undecided,
            "routed_share": float(round(Decimal(routed) / len(decisions), 4)) if decisions else None,
            "ceiling": float(CEILING),
            "routed_by": [
                {"check": check, "field": field, "outputs": count} for (check, field), count in reasons.most_common()
            ],
            "error": str(error) if error else "",
        },
        checked=len(decisions),
        nothing_is_fine=error is None and not undecided,
        covered=(COULD_NOT_RUN, ROUTES_TOO_MANY) if enough else (COULD_NOT_RUN,),
    )


def _reasons(decisions: Sequence[GateDecision]) -> Counter[tuple[str, str]]:
    """How many outputs failed each check on each field; an output counts once for each."""
    return Counter(
        pair
        for decision in decisions
        if not decision.released
        for pair in sorted({(found.check, found.field) for found in decision.discrepancies})
    )


def _summary(decided: int, released: int, routed: int, spot_checked: int, undecided: int) -> str:
    if not decided:
        return f"no output was decided on, {undecided:,} wait" if undecided else "no new outputs"
    text = f"{released:,} of {decided:,} outputs released, {routed:,} to people, {spot_checked:,} spot-checked"
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


def _too_many(workflow: Workflow, routed: int, decided: int, reasons: Counter[tuple[str, str]]) -> Finding:
    share = f"{100 * routed / decided:.0f} %"
    ordinary = int(CEILING * decided)
    most = ", ".join(f"{field} ({check}): {count}" for (check, field), count in reasons.most_common(_NAMED))
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
            "examples": [
                f"{field} ({check}): {count:,} outputs" for (check, field), count in reasons.most_common(_NAMED)
            ],
        },
    )
