"""A weekly report is complete, or says which of its figures nobody knows."""

from __future__ import annotations

import json

from afterpilot.decide.reporting import judge_report
from afterpilot.domain.verdict import Severity, Verdict
from doubles.weeks import WORKFLOW


def test_a_report_with_all_its_figures_passes() -> None:
    """Each figure was looked at."""
    result = judge_report(WORKFLOW, {"minutes": "", "cost": ""}, summary="a week", evidence={"week": "2026-11-16"})
    assert (result.verdict, result.checked, result.findings) == (Verdict.PASS, 2, ())
    assert (result.covered, result.summary) == (("report.incomplete",), "a week")


def test_each_figure_without_a_value_is_named_with_its_reason() -> None:
    """One finding for all of them: UNKNOWN, whatever else is known."""
    reasons = {"minutes": "UNKNOWN: the query failed", "handled alone": "", "cost": "UNKNOWN per item: no outputs"}
    result = judge_report(WORKFLOW, reasons, summary="", evidence={})
    (finding,) = result.findings
    assert (result.verdict, finding.severity, result.checked) == (Verdict.UNKNOWN, Severity.UNKNOWN, 1)
    assert finding.title == "2 of 3 figures of the weekly report are not known: minutes, cost"
    assert finding.detail == "minutes: the query failed; cost: UNKNOWN per item: no outputs"
    assert json.loads(json.dumps(finding.evidence))["examples"] == finding.detail.split("; ")


def test_the_same_trouble_of_the_next_week_is_the_same_incident() -> None:
    """Also where another figure is missing then."""
    one, other = (judge_report(WORKFLOW, {name: "none"}, summary="", evidence={}) for name in ("cost", "minutes"))
    assert one.findings[0].fingerprint == other.findings[0].fingerprint
    assert one.findings[0].title == "1 of 1 figures of the weekly report is not known: cost"


def test_what_it_is_too_early_for_is_no_finding_and_no_pass() -> None:
    """Beside it, what is really missing is told."""
    lacking = {"overridden": "UNKNOWN: nobody has looked", "cost": ""}
    result = judge_report(WORKFLOW, lacking, summary="", evidence={}, early=("overridden",))
    assert (result.verdict, result.findings) == (Verdict.UNKNOWN, ())
    assert result.reasons == ("overridden: nobody has looked, and the week had begun when the workflow was declared",)
    both = judge_report(WORKFLOW, {**lacking, "cost": "no price"}, summary="", evidence={}, early=("overridden",))
    assert [one.detail for one in both.findings] == ["cost: no price"]
