"""What judged expectations mean for their workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.decide.columns import hangs_on_lost
from afterpilot.decide.quality_words import affected, in_words, parameters
from afterpilot.domain.counting import plural
from afterpilot.domain.ports import Judged
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

NO_ROWS = "quality.no_rows"
COULD_NOT_RUN = "quality.could_not_run"

_VOLUME = {"volume_between", "table_row_count_to_be_between", "table_row_count_to_equal"}  # they may allow no rows
_NOTHING = "no rows"  # the error of a check that had no record to look at
_TOGETHER = 3  # checks with the same error are told as one trouble
_KEYS = 20
_NAMED = 5
_UNCHECKED = "a fault in these records would go unnoticed until this is mended"
_ABOUT = 60
# Newer records that are good say nothing about those that failed.
_UNTIL = "It is over when these records were read again and are good, or when a person says so."
_LEFT_OUT = {"partial_unexpected_index_list", "partial_unexpected_counts", "unexpected_index_column_names"}


def judge_quality(workflow: Workflow, judged: Sequence[Judged], *, window: Window) -> StageResult:
    """The check's result: a finding for each expectation that failed, with the declared severity, and an UNKNOWN one for each
    that could not say.

    Checks that could not say for one and the same reason are one finding. A window without records is UNKNOWN, unless a
    declared check of volume allows no rows at all: then it is told without alarm.
    """
    abouts = _abouts(judged)
    grouped = _grouped(judged)
    findings = [_group(workflow, judged, error, window) for error in grouped]
    for one, about in zip(judged, abouts, strict=True):
        if one.success is False:
            findings.append(_failed(workflow, one, about))
        elif one.success is None and one.error not in grouped:
            findings.append(_unknown(workflow, one, about))
    said = [one for one in judged if one.success is not None]
    failed = sum(one.success is False for one in said)
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.CHECK,
        summary=_quiet(findings) + _summary(len(judged), len(said), failed),
        findings=tuple(findings),
        evidence={
            "expectations": [_evidence(one) for one in judged],
            "judged": len(said),
            "failed": failed,
            "could_not_say": len(judged) - len(said),
        },
        checked=len(said),
        covered=_covered(judged, grouped),
    )


def _abouts(judged: Sequence[Judged]) -> list[str]:
    """What each is about: its columns; where several checks of one kind look at the same, their parameters too."""
    columns = [_columns(one) for one in judged]
    times = Counter((one.check.expect, about) for one, about in zip(judged, columns, strict=True))
    return [
        f"{about} ({parameters(one.check)})".strip() if times[one.check.expect, about] > 1 else about
        for one, about in zip(judged, columns, strict=True)
    ]


def _columns(one: Judged) -> str:
    params = one.check.params
    pair = [str(params[name]) for name in ("column_A", "column_B") if name in params]
    return one.check.column or ", ".join(
        pair or [str(name) for name in params.get("column_list") or params.get("columns", ())]
    )


def _grouped(judged: Sequence[Judged]) -> tuple[str, ...]:
    """Errors that are told as one trouble, in the order in which they occur."""
    times = Counter(one.error for one in judged if one.success is None)
    return tuple(error for error, count in times.items() if error == _NOTHING or count >= _TOGETHER)


def _group(workflow: Workflow, judged: Sequence[Judged], error: str, window: Window) -> Finding:
    hit = [one for one in judged if one.success is None and one.error == error]
    names = [one.check.expect for one in hit]
    checks = plural(len(hit), "expectation")
    if error != _NOTHING:
        severity, kind, title = Severity.UNKNOWN, COULD_NOT_RUN, f"{checks} could not be checked: {error}"
    else:
        normal = any(one.success for one in judged if one.check.expect in _VOLUME)
        severity, kind = (Severity.INFO if normal else Severity.UNKNOWN), NO_ROWS
        title = f"No new record of {workflow.slug}: {checks} had nothing to look at"
    return Finding(
        workflow=workflow.slug,
        stage=Stage.CHECK,
        kind=kind,
        severity=severity,
        title=title,
        about="" if kind == NO_ROWS else error[:_ABOUT],  # several errors are several troubles
        hangs_on=hangs_on_lost(workflow, error),
        detail=f"Window: {window}",
        evidence={
            "expectations": names,
            "error": error,
            "certainty": "there was no record to look at" if kind == NO_ROWS else error,
            "cost": "if production did write records, nothing is known about them"
            if kind == NO_ROWS
            else f"{checks} not judged in this window; {_UNCHECKED}",
            "to_do": "See whether production wrote nothing, or the pull stopped."
            if kind == NO_ROWS
            else "Mend what the reason names; the next run checks again.",
            "examples": names[:_NAMED],
        },
    )


def _failed(workflow: Workflow, one: Judged, about: str) -> Finding:
    more = f", {one.failing_total - _KEYS:,} more" if one.failing_total > _KEYS and one.failing_keys else ""
    keys = ", ".join(one.failing_keys[:_KEYS])
    return Finding(
        workflow=workflow.slug,
        stage=Stage.CHECK,
        kind=_kind(one),
        severity=one.check.severity,
        title=in_words(one),
        about=about,
        detail=f"Records: {keys}{more}. {_UNTIL}" if keys else "",
        evidence={
            **_evidence(one),
            "cost": affected(one),
            "to_do": "See what the failing records have in common; mend the source, or the expectation in workflow.yaml.",
            "examples": [f"record {key}" for key in one.failing_keys[:_NAMED]],
        },
    )


def _unknown(workflow: Workflow, one: Judged, about: str) -> Finding:
    place = f" of {about}" if about else ""
    return Finding(
        workflow=workflow.slug,
        stage=Stage.CHECK,
        kind=_kind(one),
        severity=Severity.UNKNOWN,
        title=f"{one.check.expect}{place} could not be checked: {one.error or 'it gave no result'}",
        about=about,
        evidence={
            **_evidence(one),
            "certainty": one.error or "the check gave no result",
            "cost": _UNCHECKED,
            "to_do": "Mend what the reason names, or the expectation in workflow.yaml.",
            "examples": [],
        },
        hangs_on=hangs_on_lost(workflow, one.error),
    )


def _covered(judged: Sequence[Judged], grouped: Sequence[str]) -> tuple[str, ...]:
    """All kinds, those of checks that are no longer declared too; not the ones that a group of errors stands for."""
    if not judged:
        return ()
    if not grouped:
        return ("quality.*",)
    hidden = {_kind(one) for one in judged if one.success is None and one.error in grouped}
    own = {_kind(one) for one in judged} - hidden
    return tuple(sorted(own | {NO_ROWS, COULD_NOT_RUN}))


def _kind(one: Judged) -> str:
    return f"quality.{one.check.expect}"


def _quiet(findings: Sequence[Finding]) -> str:
    """The head of a summary over no rows at all, where the declaration allows them."""
    quiet = any(finding.kind == NO_ROWS and finding.severity is Severity.INFO for finding in findings)
    return "no new records, as the declaration allows: " if quiet else ""


def _summary(declared: int, said: int, failed: int) -> str:
    text = f"{said - failed} of {declared} expectations hold"
    parts = [f"{failed} fail"] if failed else []
    if said < declared:
        parts.append(f"{declared - said} could not be checked")
    return ", ".join([text, *parts])


def _evidence(one: Judged) -> Mapping[str, Any]:
    return {
        "expect": one.check.expect,
        "column": _columns(one),
        "severity": one.check.severity.value,
        "parameters": parameters(one.check),
        "success": one.success,
        "observed": one.observed,
        "elements": one.elements,
        "failing": one.failing_total,
        "failing_keys": list(one.failing_keys[:_KEYS]),
        "error": one.error,
        "result": {name: value for name, value in one.result.items() if name not in _LEFT_OUT},
    }
