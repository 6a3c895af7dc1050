"""The error rate of what was released alone, in the weekly report."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from afterpilot.decide.error_rate import error_rate
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.sampling import Stratum
from afterpilot.report.message import weekly_message
from afterpilot.report.outcome import weekly_outcome
from doubles.weeks import WORKFLOW, facts

SAMPLE = [Stratum("letters", 1500, 120, 100, 1), Stratum("scans", 400, 60, 60, 6), Stratum("faxes", 100, 4, 0, 0)]


def test_the_rate_is_told_with_interval_slices_and_what_it_does_not_cover() -> None:
    """One line, from which an owner knows whether to worry and where."""
    week = weekly_outcome(WORKFLOW, facts(error_rate=error_rate(SAMPLE)))
    assert week.errors.value == Decimal("0.028947")
    assert week.errors.words.startswith("2.9 % (95 % interval 1.")
    assert week.errors.words.endswith(
        "; 160 of 2,000 looked at); most in scans (10 %), letters (1.0 %); nothing is known of 5.0 % of the outputs"
    )


def test_a_rate_that_is_less_precise_than_was_asked_for_says_so() -> None:
    """The owner asked for half a point."""
    workflow = replace(WORKFLOW, spot_check=SpotCheck(precision=Decimal("0.005")))
    week = weekly_outcome(workflow, facts(error_rate=error_rate(SAMPLE[:1])))
    assert week.errors.words.endswith("; less precise than the ±0.5 points that were asked for")


def test_a_week_without_a_spot_check_that_was_looked_at_is_unknown() -> None:
    """Never 0."""
    week = weekly_outcome(WORKFLOW, facts())
    assert week.errors.value is None
    assert week.errors.words.startswith("UNKNOWN")


def test_the_message_shows_the_true_rate_where_there_is_one() -> None:
    """Else what people came to look at, which says less."""
    labels = [
        fact.label for fact in weekly_message(weekly_outcome(WORKFLOW, facts(error_rate=error_rate(SAMPLE)))).facts
    ]
    assert "Wrong when alone" in labels
    assert "Overridden" not in labels
    assert "Overridden" in [fact.label for fact in weekly_message(weekly_outcome(WORKFLOW, facts())).facts]
