"""The list of past alarms, and the curve of the evidence that raised them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from afterpilot.decide.eval_words import points
from afterpilot.web.evals.alarms import alarm_rows, in_words, spans
from afterpilot.web.evals.charts import evidence_chart

START = datetime(2026, 11, 1, 2, tzinfo=UTC)


def night(number: int, alarm: str, evidence: float | None = 0.5, **more: Any) -> dict[str, Any]:
    """The result of a night; its run's id is the number."""
    at = START + timedelta(days=number)
    return {"run_id": number, "at": at, "valid": True, "alarm": alarm, "evidence": evidence, **more}


def test_an_alarm_is_told_from_its_raise_to_its_end() -> None:
    """The cause is that of the run with the most evidence, the drop that of the newest, as in the incident; a run that could not say
    ends nothing.
    """
    rows = [
        night(0, "none"),
        night(1, "alarm", 9000.0),
        night(2, "none", None, valid=False),
        night(3, "alarm", 5000.0),
        night(4, "none"),
        night(5, "alarm", 4e8),
    ]
    said = {
        1: {"drop": {"value": 0.23, "low": 0.05, "high": 0.4}, "cause": "our prompt changed", "alarm_at": 3652.0},
        3: {"drop": {"value": 0.2, "low": 0.1, "high": 0.3}, "cause": "late word", "alarm_at": 3652.0},
    }
    open_one, past = alarm_rows(spans(rows), said, {3: {"id": "i"}}, None)
    assert (past.run_id, past.at, past.over, past.over_run) == (1, rows[1]["at"], rows[4]["at"], 4)
    assert str(past.drop) == "worse than the approved baseline by about 20 points (10 to 30)"
    assert past.at_first is not None
    assert past.at_first.points == "about 23 points"
    assert past.cause == "our prompt changed"
    assert past.evidence == "Evidence 9,000 at its highest, above the threshold: 3,652"
    assert past.incident == {"id": "i"}
    assert (open_one.over, open_one.drop, open_one.cause, open_one.incident) == (None, None, "", None)


def test_the_page_says_the_drop_of_the_incident() -> None:
    """Both in the same words, and nothing of an earlier figure that was the same."""
    drop = {"value": 0.1758, "low": 0.08, "high": 0.27}
    (one,) = alarm_rows(spans([night(0, "alarm"), night(1, "alarm")]), {0: {"drop": drop}, 1: {"drop": drop}}, {}, None)
    assert str(one.drop).startswith(f"worse than the approved baseline by about {points(0.1758)} (")
    assert one.at_first is None


def test_evidence_is_set_against_the_threshold_in_words() -> None:
    """Far beyond it, how much more says nothing more; what is not recorded is not made up."""
    assert in_words(6e15, 3652) == "Evidence far beyond the threshold: 3,652"
    assert in_words(None, 3652) == "Evidence not recorded; the threshold is 3,652"
    assert "below the threshold" in in_words(40.0, 3652)


def test_a_curve_that_is_cut_says_so() -> None:
    """Beyond the top, the place where it leaves the chart is marked, and each point still says its true figure."""
    rows = [night(0, "none"), night(1, "none"), night(2, "alarm", 6e5), night(3, "none")]
    chart = evidence_chart(rows, 3652)
    (note,) = chart.notes
    assert (note.text, note.kind) == ("> 100,000", "end")
    assert "The curve is cut at 100,000." in chart.words
    assert "3 Nov: evidence 600,000" in [dot.title for dot in chart.dots]
    assert min(dot.y for dot in chart.dots) == 12.0
    assert evidence_chart(rows[:2], 3652).notes == ()
    assert "cut" not in evidence_chart(rows[:2], 3652).words
