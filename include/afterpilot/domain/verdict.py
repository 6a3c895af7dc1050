"""Findings and the verdict that follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a run says of its workflow. UNKNOWN is never green."""

    PASS = "PASS"  # noqa: S105 - no password
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """The gravest: FAIL, then UNKNOWN, then WARN, then PASS; UNKNOWN where there is none at all."""
        return max(verdicts, key=_GRAVITY.__getitem__, default=cls.UNKNOWN)


_GRAVITY = {Verdict.PASS: 0, Verdict.WARN: 1, Verdict.UNKNOWN: 2, Verdict.FAIL: 3}


class Severity(StrEnum):
    """How grave a finding is; ``unknown`` marks a check that could not say."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def gravity(self) -> int:
        """The graver, the higher: info, then warning, then unknown, then critical."""
        return _ORDER.index(self)

    def graver_than(self, other: Severity) -> bool:
        """Whether this is the graver one."""
        return self.gravity > other.gravity


_ORDER = (Severity.INFO, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL)
_VERDICT_OF = {
    Severity.INFO: Verdict.PASS,
    Severity.WARNING: Verdict.WARN,
    Severity.CRITICAL: Verdict.FAIL,
    Severity.UNKNOWN: Verdict.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    ``kind`` is a short stable name such as ``quality.column_values_to_not_be_null``; ``about`` narrows it down (a column, a
    field, a model). Both with the workflow make the fingerprint, so that the same trouble of tomorrow is the same incident.
    ``title`` is one plain sentence; ``detail`` may be several. ``evidence`` holds JSON-serialisable facts; messages tell four of
    them, each a sentence: how sure it is (``certainty``), what it costs (``cost``), what somebody can do (``to_do``), and, as a
    list, ``examples``. ``hangs_on`` names what the trouble comes from where other workflows may suffer from the same:
    ``source erp``, ``model openai_prod``.
    """

    workflow: str
    stage: str
    kind: str
    severity: Severity
    title: str
    about: str = ""
    detail: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    hangs_on: str = ""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that name the trouble, whenever and however often it occurs."""
        text = "\x1f".join([self.workflow, self.stage, self.kind, self.about])  # noqa: FLY002 - easier to read
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def verdict(self) -> Verdict:
        """The verdict that this finding alone would give."""
        return _VERDICT_OF[self.severity]


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage found out about one workflow.

    ``checked`` says how many things were looked at; 0 means that nothing was, and then the verdict is UNKNOWN unless
    ``nothing_is_fine``. ``summary`` is one plain sentence with the figures, ``evidence`` the figures themselves.
    ``covered`` names the kinds of findings this run was able to make: an open incident of a covered kind that was not
    found again is over; one that was not covered stays open. ``not_yet`` says why a part cannot be known yet where that is
    no trouble to tell of: there is no finding then, and the verdict is no better than UNKNOWN.
    """

    workflow: str
    stage: str
    summary: str
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    checked: int = 0
    nothing_is_fine: bool = False
    covered: tuple[str, ...] = ()
    not_yet: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings and of what cannot be known yet; PASS needs at least one thing that was really checked."""
        if found := [finding.verdict for finding in self.findings] + [Verdict.UNKNOWN] * bool(self.not_yet):
            return Verdict.worst(found)
        return Verdict.PASS if self.checked > 0 or self.nothing_is_fine else Verdict.UNKNOWN

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each finding, gravest first; the lack of anything to check is a reason too."""
        ordered = sorted(self.findings, key=lambda finding: -_GRAVITY[finding.verdict])
        reasons = (*(finding.title for finding in ordered), *filter(None, [self.not_yet]))
        return reasons or (("nothing was there to be checked",) if self.verdict is Verdict.UNKNOWN else ())
