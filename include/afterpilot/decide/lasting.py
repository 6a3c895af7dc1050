"""UNKNOWN that lasts: a stage that says nothing for days, and of which no incident tells why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.decide.consequences import LASTS, explains
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult, Verdict

RUNS = 3  # in a row, this one counted
AT_LEAST = timedelta(days=1)
_PEOPLE = timedelta(days=8)  # spot checks come for a week, and people have a week for them
_TO_DO = {
    "check": "See whether production still writes records, and whether workflow.yaml still reads the right table.",
    "gate": "See whether outputs still come, and whether they are pulled.",
    "evaluate": "See in the run why nothing was measured, and whether cases and scorers are declared.",
    "review": "See whether anything is still routed to people or spot-checked, and whether they answer.",
    "report": "See in the report which figure has no value, and why.",
}


@dataclass(frozen=True, slots=True)
class Silent:
    """The runs of a stage since it last said something: how many, and when the first of them ended."""

    runs: int
    since: datetime | None


def lasts(result: StageResult, before: Silent, *, at: datetime) -> bool:
    """Whether this UNKNOWN, which no finding of its own tells, has lasted for three runs in a row and for a day; where it waits for
    people, for as long as they have.
    """
    told = any(finding.severity is not Severity.INFO for finding in result.findings)
    if told or result.verdict is not Verdict.UNKNOWN or before.since is None:
        return False
    patience = _PEOPLE if result.stage == Stage.REVIEW else AT_LEAST
    return before.runs + 1 >= RUNS and at - before.since >= patience


def accounted_for(result: StageResult, unresolved: Sequence[Incident]) -> bool:
    """Whether an incident that is not over says already why the stage does not know.

    ``unresolved`` are those of the workflow and of the fleet. One that is explained by what is over was perhaps never told.
    """
    kind, standing = f"{result.stage}.{LASTS}", {None, *(one.id for one in unresolved)}
    return any(
        one.kind != kind
        and one.workflow == result.workflow
        and one.cause_id in standing
        and ((one.stage == result.stage and one.severity is Severity.UNKNOWN) or explains(one.kind, kind))
        for one in unresolved
    )


def lasting(result: StageResult, before: Silent, *, at: datetime) -> Finding:
    """The finding about it, with what to do."""
    since = before.since or at
    days = max((at - since).days, 1)
    reason = result.summary.removeprefix("not run: ") or "; ".join(result.reasons)
    return Finding(
        workflow=result.workflow,
        stage=result.stage,
        kind=f"{result.stage}.{LASTS}",
        severity=Severity.UNKNOWN,
        title=f"The stage {result.stage} has said nothing since {since:%Y-%m-%d}: UNKNOWN in every run",
        detail=f"{before.runs + 1} runs in a row, the last one: {reason}.",
        evidence={
            "runs": before.runs + 1,
            "days": days,
            "certainty": f"{before.runs + 1} runs had nothing to say",
            "cost": "not known; what goes wrong meanwhile is not seen",
            "to_do": _TO_DO.get(result.stage, "See in the run why it cannot say anything, and mend that.")
            + " It is over with the first run that knows something.",
            "examples": [],
        },
    )
