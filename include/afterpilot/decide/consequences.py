"""Which trouble of a workflow explains which: the cause is told, what follows from it is not.

The table holds only what is certain. What is merely likely stands for itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from afterpilot.decide import declaring, eval_findings, pulling, quality, regressions, sources
from afterpilot.decide.bills.findings import UNREAD, UNREADABLE
from afterpilot.decide.reporting import INCOMPLETE as REPORT_INCOMPLETE
from afterpilot.decide.spend.kinds import STALE
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Severity
from afterpilot.domain.watching import OVERDUE

LASTS = "unknown_lasts"  # after the name of the stage


@dataclass(frozen=True, slots=True)
class Rule:
    """``cause`` explains ``follows``, which are kinds of findings, a whole family with ``.*``.

    Args:
        because: why that is certain, in words.
        unknown_only: of what follows, only what could not say.
        same_thing: both hang on the same thing.
        same_run: the same run found both, and so they are two views of one trouble.
        graver: the cause is the graver one; without it, and of the same run, it is at least as grave.
        late: the cause may be found after what follows from it.
    """

    cause: tuple[str, ...]
    follows: tuple[str, ...]
    because: str
    unknown_only: bool = False
    same_thing: bool = False
    same_run: bool = False
    graver: bool = False
    late: bool = False


RULES = (
    Rule(
        (declaring.KIND, declaring.GONE),
        (OVERDUE, *(f"{stage}.{LASTS}" for stage in Stage)),
        "nothing runs from a declaration that cannot be used",
        late=True,
    ),
    Rule(
        (pulling.UNREADABLE,),
        (REPORT_INCOMPLETE,),
        "the report's figures come from the source",
    ),
    Rule(
        (pulling.UNREADABLE, f"{Stage.PULL}.did_not_run"),
        (
            "quality.fresh_within",
            "quality.volume_between",
            quality.NO_ROWS,
            STALE,
            f"{Stage.CHECK}.{LASTS}",
            f"{Stage.GATE}.{LASTS}",
        ),
        "nothing new was read",
    ),
    Rule(
        (sources.COLUMN_LOST,),
        ("quality.*",),
        "a column that is gone cannot be judged",
        unknown_only=True,
        same_thing=True,
    ),
    Rule(
        (eval_findings.OUT_OF_REACH,),
        (eval_findings.INCOMPLETE, f"{Stage.EVALUATE}.did_not_run", f"{Stage.EVALUATE}.{LASTS}"),
        "a model that does not answer cannot be measured",
        late=True,
    ),
    Rule((UNREADABLE,), (UNREAD,), "a bill that cannot be read is not known", same_thing=True),
    Rule((regressions.REGRESSED,), (eval_findings.BELOW,), "the same run fell below its bar by it", same_run=True),
    Rule(
        (eval_findings.BELOW,),
        (regressions.REGRESSED,),
        "the same run is below its bar, which is graver",
        same_run=True,
        graver=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """The incident that explains another one, and why."""

    incident: Incident
    because: str


def causes(standing: Sequence[Incident], found: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Cause]:
    """For each incident of a workflow that another one explains, by its id, the cause: the first by the table.

    ``standing`` are those that are not over, ``found`` what the run of this moment has found of them. A tie is made where what
    follows is found while its cause stands, or the cause is found late by a rule that allows it; one that was made holds on
    while the rule fits.
    """
    return {one.id: cause for one in standing if (cause := _cause(one, standing, found)) is not None}


def explains(kind: str, other: str) -> bool:
    """Whether trouble of one kind can explain that of another by the table."""
    return any(_of(kind, rule.cause) and _of(other, rule.follows) for rule in RULES)


def may_explain(kind: str) -> bool:
    """Whether trouble of this kind can explain any other."""
    return any(_of(kind, rule.cause) for rule in RULES)


def _cause(one: Incident, standing: Sequence[Incident], found: Collection[uuid.UUID]) -> Cause | None:
    for rule in RULES:
        for other in standing:
            if other.id == one.id or not _fits(rule, other, one):
                continue
            if one.id in found or one.cause_id == other.id or (rule.late and other.id in found):
                return Cause(other, rule.because)
    return None


def _fits(rule: Rule, cause: Incident, one: Incident) -> bool:
    return (
        _of(cause.kind, rule.cause)
        and _of(one.kind, rule.follows)
        and (not rule.unknown_only or one.severity is Severity.UNKNOWN)
        and (not rule.same_thing or (one.hangs_on != "" and one.hangs_on == cause.hangs_on))
        and (not rule.same_run or _one_trouble(rule, cause, one))
    )


def _one_trouble(rule: Rule, cause: Incident, one: Incident) -> bool:
    if one.run_id is None or one.run_id != cause.run_id:
        return False
    if rule.graver:
        return cause.severity.graver_than(one.severity)
    return not one.severity.graver_than(cause.severity)


def _of(kind: str, names: Sequence[str]) -> bool:
    return any(kind == name or (name.endswith(".*") and kind.startswith(name[:-1])) for name in names)
