"""What earlier attempts of an eval run have cost counts for all that follow."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.evals import Sample, Score
from afterpilot.record.ops import Ops

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 21, tzinfo=UTC)
RUN = uuid.UUID(int=7)


def failed(cost: str | None, *, attempts: int = 1) -> Sample:
    """A case that was answered and could not be scored."""
    return Sample("c", 0, "yes", (), error="no word", cost=None if cost is None else Decimal(cost), attempts=attempts)


def scored(cost: str) -> Sample:
    """The case once it could."""
    return Sample("c", 0, "yes", (Score("exact", 1.0, passed=True),), cost=Decimal(cost), attempts=1)


def costs(ops: sa.Engine, *attempts: Sample, before: str = "now") -> list[Decimal | None]:
    """What of these attempts was paid and is of no use, where all but the last one are of the suite ``before``."""
    for number, sample in enumerate(attempts, 1):
        with Ops(ops).begin() as unit:
            of = "now" if number == len(attempts) else before
            unit.samples.add([sample], workflow="w", run_id=RUN, began_at=AT, asked=of)
    with Ops(ops).begin() as unit:
        found = unit.samples.failed(RUN, "now")
    assert all(sample.attempts and sample.case_id == "c" for sample in found)
    return sorted((sample.cost for sample in found), key=lambda cost: cost or 0)


def test_every_attempt_that_failed_counts(ops: sa.Engine) -> None:
    """The third one knows what the first one cost, also where nobody knows how much."""
    assert costs(ops, failed("1"), failed(None), failed("3")) == [None, Decimal(1), Decimal(3)]


def test_an_attempt_that_failed_counts_when_a_later_one_was_scored_or_was_not_asked(ops: sa.Engine) -> None:
    """A word that is of use does not make the others free; what cost nothing is not counted."""
    assert costs(ops, failed("1"), failed("2"), scored("4")) == [Decimal(1), Decimal(2)]


def test_what_was_not_asked_costs_nothing_and_forgets_nothing(ops: sa.Engine) -> None:
    """As where the run's limit was reached."""
    assert costs(ops, failed(None, attempts=0), failed("1"), failed(None, attempts=0)) == [Decimal(1)]


def test_a_word_on_another_suite_stays_paid_when_the_case_was_asked_anew(ops: sa.Engine) -> None:
    """Who mends a suite and starts its run again has one limit for both."""
    assert costs(ops, scored("1"), scored("2"), before="before") == [Decimal(1)]
