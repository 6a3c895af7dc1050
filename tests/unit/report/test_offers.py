"""Corrections that wait are told once a week, with what to do."""

from __future__ import annotations

import pytest

from afterpilot.report.outcome import weekly_outcome
from doubles.weeks import WORKFLOW, facts


@pytest.mark.parametrize(
    ("waiting", "line"),
    [(1, "1 correction waits to become a case"), (3, "3 corrections wait to become cases")],
)
def test_corrections_that_wait_are_named_with_their_command(waiting: int, line: str) -> None:
    """After everything that is graver."""
    assert weekly_outcome(WORKFLOW, facts(offers=waiting)).needs == (
        f"{line}: afterpilot evals corrections {WORKFLOW.slug}",
    )
