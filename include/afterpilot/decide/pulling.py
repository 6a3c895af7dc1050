"""What a pull means for its workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterpilot.decide import sources
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.looking import Look
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

UNREADABLE = "pull.source_unreadable"
SKIPPED = "pull.rows_skipped"
NOTED = "pull.noted"
REPEATED = "pull.keys_repeated"


def judge_pull(
    workflow: Workflow,
    *,
    window: Window,
    pulled: int,
    late: int,
    skipped: Mapping[str, int],
    error: AfterpilotError | None,
    decisions: int = 0,
    noted: Mapping[str, int] | None = None,
    repeated: int = 0,
    changed: int = 0,
    look: Look | None = None,
    again: Sequence[Window] = (),
) -> StageResult:
    """The pull's result. A source that cannot be read is UNKNOWN, skipped rows are a warning.

    ``changed`` counts records of windows that were judged already and whose data is now another. ``look`` is what was noticed
    about the source beside its rows; what is found there stays found where the source could not be looked at again. ``again``
    holds the windows with failing records that were read again, the one whose turn came last at the end.

    A window without any row passes here (``nothing_is_fine``): reading worked, and whether silence is right is for
    the checks on freshness and volume to say, which know what the team declared.
    """
    findings = []
    if error is not None:
        findings.append(_unreadable(workflow, window, error))
    if skipped:
        findings.append(_counted(workflow, SKIPPED, Severity.WARNING, skipped, "could not be taken"))
    if repeated:
        findings.append(_repeated(workflow, repeated))
    findings += sources.source_findings(workflow, look) if look else ()
    if noted:
        findings.append(_counted(workflow, NOTED, Severity.INFO, noted, "noted while reading"))
    read = f"{plural(pulled, 'new record')} pulled, {late} of them late; {plural(decisions, 'decision')} of people"
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.PULL,
        summary=f"the source could not be read to the end; {read}" if error else read,
        findings=tuple(findings),
        evidence={
            "pulled": pulled,
            "late": late,
            "changed": changed,
            "repeated": repeated,
            "decisions": decisions,
            "skipped": dict(skipped),
            "noted": dict(noted or {}),
            "source": workflow.source.name,
            "error": str(error) if error else "",
            "read_again": [{"start": one.start.isoformat(), "end": one.end.isoformat()} for one in again],
        },
        checked=pulled,
        nothing_is_fine=error is None,
        covered=(UNREADABLE,) if error else (UNREADABLE, SKIPPED, NOTED, REPEATED, *_looked(look)),
    )


def _looked(look: Look | None) -> tuple[str, ...]:
    return sources.KINDS if look and look.looked else ()


def _repeated(workflow: Workflow, rows: int) -> Finding:
    key = workflow.source.key
    return Finding(
        workflow=workflow.slug,
        stage=Stage.PULL,
        kind=REPEATED,
        severity=Severity.WARNING,
        title=f"{plural(rows, 'row')} of {workflow.source.table} {'has' if rows == 1 else 'have'} a {key} that a newer row "
        "has too",
        detail="Only the newest row of a key is taken.",
        evidence={
            "rows": rows,
            "cost": "the older rows are neither checked nor counted; if they are work of their own, it goes unseen",
            "to_do": f"Make {key} unique at the source, or declare as key what names one unit of work.",
        },
    )


def _unreadable(workflow: Workflow, window: Window, error: AfterpilotError) -> Finding:
    return Finding(
        workflow=workflow.slug,
        stage=Stage.PULL,
        kind=UNREADABLE,
        severity=Severity.UNKNOWN,
        title=f"The production data of {workflow.slug} could not be read",
        about=workflow.source.connection or workflow.source.table,
        detail=f"{error} The window {window} is pulled again by the next run.",
        evidence={"connection": workflow.source.connection, "table": workflow.source.table, "error": str(error)},
        hangs_on=f"source {workflow.source.connection}" if workflow.source.connection else "",
    )


def _counted(workflow: Workflow, kind: str, severity: Severity, counts: Mapping[str, int], what: str) -> Finding:
    total = sum(counts.values())
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Finding(
        workflow=workflow.slug,
        stage=Stage.PULL,
        kind=kind,
        severity=severity,
        title=f"{plural(total, 'row')} {what}: {most[0][0]}" + (" and other reasons" if len(most) > 1 else ""),
        detail="; ".join(f"{reason}: {count}" for reason, count in most),
        evidence={"counts": dict(most)},
    )
