"""What has changed in a week that was reported already."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from afterpilot.report.correcting import corrected_figures, corrected_message
from afterpilot.report.message import weekly_message
from afterpilot.report.outcome import weekly_outcome
from doubles.weeks import MONDAY, WORKFLOW, counts, facts

AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def test_figures_that_read_the_same_are_no_correction() -> None:
    """Also where a later digit changed, or only how many outputs still wait."""
    reported = weekly_outcome(WORKFLOW, facts(kpi=((MONDAY, Decimal("1.26001")),))).as_dict()
    outcome = weekly_outcome(WORKFLOW, facts(kpi=((MONDAY, Decimal("1.26002")),), waiting=99))
    assert corrected_figures(reported, outcome) == ()


def test_each_figure_that_changed_is_told_as_it_was_and_is() -> None:
    """In the message's points, and in the line of its thread, which calls nobody."""
    reported = weekly_outcome(WORKFLOW, facts(counts=(counts(outputs=200, released=170, routed=30),))).as_dict()
    outcome = weekly_outcome(WORKFLOW, facts(counts=(counts(outputs=201, released=170, routed=31),)))
    changes = corrected_figures(reported, outcome)
    told = {one.name: (one.was, one.now) for one in changes}
    assert told["to people"] == ("30 routed", "31 routed")
    assert "handled alone" in told
    message = corrected_message(weekly_message(outcome, mention="U1"), outcome, changes, at=AT)
    assert message.title.endswith("(corrected)")
    assert message.notification.startswith("Corrected: ")
    assert "to people: 30 routed → 31 routed" in " ".join(message.points)
    assert message.footer.endswith("corrected 2026-11-25 09:30 UTC")
    assert message.mention == ""


def test_a_figure_that_cannot_be_told_now_takes_nothing_back() -> None:
    """A KPI that was known stays as it was reported; one that is known only now is a correction."""
    known = weekly_outcome(WORKFLOW, facts(kpi=((MONDAY, Decimal("1.5")),)))
    unknown = weekly_outcome(WORKFLOW, facts(kpi=()))
    assert [one.name for one in corrected_figures(known.as_dict(), unknown)] == []
    assert corrected_figures(unknown.as_dict(), known)[0].was.startswith("UNKNOWN")
