"""What it means that outputs changed after their release."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from afterpilot.decide.changing import CHANGED, with_changed
from afterpilot.domain.record import ChangedReleases
from afterpilot.domain.verdict import StageResult, Verdict
from afterpilot.domain.workflow import Workflow

WORKFLOW = cast("Workflow", SimpleNamespace(slug="w"))
RESULT = StageResult("w", "gate", "3 of 3", checked=3, evidence={"decided": 3}, covered=("gate.could_not_run",))


def test_nothing_changed() -> None:
    """No finding, and an open incident is over."""
    result = with_changed(RESULT, WORKFLOW, ChangedReleases())
    assert result.verdict is Verdict.PASS
    assert result.evidence == {"decided": 3, "decided_again": 0, "taken_back": 0}
    assert result.covered == ("gate.could_not_run", CHANGED)


def test_all_pass_as_they_are_now() -> None:
    """It is told all the same: what was released is not what stands there."""
    result = with_changed(RESULT, WORKFLOW, ChangedReleases(1, 0, ("a",)))
    assert result.verdict is Verdict.WARN
    assert result.findings[0].title.startswith("1 output changed")
    assert "all pass" in result.findings[0].title


def test_the_rest_of_those_that_are_named_is_counted() -> None:
    """One of them fails now."""
    changed = ChangedReleases(1025, 1, ("k24", *(f"k{number:02d}" for number in range(19))))
    (finding,) = with_changed(RESULT, WORKFLOW, changed).findings
    assert "1,025 outputs" in finding.title
    assert "1 fail now" in finding.title
    assert "Records: k24, k00" in finding.detail
    assert finding.detail.endswith("k18, 1,005 more")
