"""What the gate's decisions mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from afterpilot.decide.gating import judge_gate
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import GateTally
from afterpilot.domain.verdict import Severity, Verdict
from afterpilot.domain.workflow import Workflow

WORKFLOW = cast("Workflow", SimpleNamespace(slug="invoice_matching"))


def tally(*, passed: int = 0, spot: int = 0, failed: int = 0) -> GateTally:
    """So many decisions of each kind; each failed output has failed two checks."""
    routed_by = {("in_table", "supplier"): failed, ("match_reference", "total"): failed} if failed else {}
    return GateTally(passed + spot + failed, passed + spot, spot, routed_by)


def test_routing_is_normal_work() -> None:
    """30 of 203 to people is a pass, with the figures in the summary and by check and field in the evidence."""
    result = judge_gate(WORKFLOW, tally(passed=164, spot=9, failed=30), undecided=0, error=None)
    assert result.verdict is Verdict.PASS
    assert result.summary == "173 of 203 outputs released, 30 to people, 9 spot-checked"
    assert result.evidence["routed_by"] == [
        {"check": "in_table", "field": "supplier", "outputs": 30},
        {"check": "match_reference", "field": "total", "outputs": 30},
    ]
    assert result.evidence["routed_share"] == 0.1478
    assert result.checked == 203


@pytest.mark.parametrize(("failed", "verdict"), [(40, Verdict.PASS), (41, Verdict.WARN), (100, Verdict.WARN)])
def test_more_than_forty_percent_to_people_is_a_warning(failed: int, verdict: Verdict) -> None:
    """The ceiling itself is still fine."""
    result = judge_gate(WORKFLOW, tally(passed=100 - failed, failed=failed), undecided=0, error=None)
    assert result.verdict is verdict
    if result.findings:
        assert (
            result.findings[0].title == f"{failed} of 100 outputs went to people ({failed} %, at most 40 % is expected)"
        )
        assert "supplier (in_table)" in result.findings[0].detail


def test_a_few_outputs_say_little_about_the_share() -> None:
    """Of 19, even all may go to people; and an open warning is not taken back by so few."""
    result = judge_gate(WORKFLOW, tally(failed=19), undecided=0, error=None)
    assert result.verdict is Verdict.PASS
    assert "gate.routes_too_many" not in result.covered
    assert "gate.routes_too_many" in judge_gate(WORKFLOW, tally(passed=20), undecided=0, error=None).covered


def test_no_new_outputs_are_fine_for_the_gate() -> None:
    """Whether enough comes is for freshness and volume to say."""
    result = judge_gate(WORKFLOW, GateTally(), undecided=0, error=None)
    assert (result.verdict, result.summary, result.evidence["routed_share"]) == (Verdict.PASS, "no new outputs", None)


@pytest.mark.parametrize("passed", [0, 50])
def test_a_gate_that_could_not_run_is_unknown_however_many_it_released_before(passed: int) -> None:
    """What waits is counted, and the reason is told."""
    result = judge_gate(WORKFLOW, tally(passed=passed), undecided=12, error=CheckError("erp is away"))
    assert result.verdict is Verdict.UNKNOWN
    (finding,) = result.findings
    assert (finding.kind, finding.severity) == ("gate.could_not_run", Severity.UNKNOWN)
    assert finding.title == "12 outputs were neither released nor routed: the gate could not check them"
    assert "erp is away" in finding.detail


def test_outputs_without_a_decision_are_never_a_pass() -> None:
    """Even where nothing reported an error."""
    assert judge_gate(WORKFLOW, tally(passed=5), undecided=1, error=None).verdict is Verdict.UNKNOWN


def test_a_message_of_the_gate_says_what_it_costs_in_outputs() -> None:
    """No money is made up: how many are held back is what is known."""
    (finding,) = judge_gate(WORKFLOW, tally(passed=5), undecided=12, error=CheckError("erp is away")).findings
    assert finding.evidence["cost"] == "12 outputs are held back until the gate can decide"
    assert finding.evidence["certainty"] == "erp is away"
    assert finding.evidence["to_do"]
