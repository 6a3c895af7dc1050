"""Spot checks through the path: the gate picks, people decide, and the stage of reviews and the report say what that means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from path_site import SLUG, Site, gated, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict

pytestmark = pytest.mark.integration

EVERYTHING = "spot_check: {share: 100%, by: currency}"


@pytest.fixture
def site(site: Site) -> Site:
    """Every output that is released alone is looked at."""
    site.edit(f"{SLUG}/workflow.yaml", "spot_check: 0%", EVERYTHING)
    return site


def reviewed(site: Site) -> Run:
    """Look at the reviewers' work."""
    wired = site.wired()
    return pipeline.judge_review(wired.services, wired.workflow(SLUG), trigger=trigger())


def decided(site: Site, numbers: range, decision: str, *, minutes: float = 2.0) -> None:
    """A clerk decides in the office's own system, and it is pulled."""
    for number in numbers:
        site.produce(
            "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, note, clerk) "
            "VALUES (:run_id, :at, :decision, :minutes, '', 'Kim')",
            run_id=f"r-{number:05d}",
            at=site.now - timedelta(minutes=5),
            decision=decision,
            minutes=minutes,
        )
    pulled(site)


def test_the_error_rate_of_what_was_released_alone_reaches_the_owner(site: Site) -> None:
    """30 invoices are released, all are spot checks; people mend 3: 10 %, in the week's message and in the stage of reviews."""
    site.invoices(range(1, 31))
    gated(site, pulled(site).window)
    assert site.count("review_items") == 30
    decided(site, range(1, 28), "ok")
    decided(site, range(28, 31), "fixed")
    wired = site.wired()
    report = pipeline.report(wired.services, wired.workflow(SLUG), at=site.now, trigger=trigger())
    assert report.evidence["outcome"]["errors"]["words"].startswith(
        "10 % (95 % interval 10 % to 10 %; 30 of 30 looked at)"
    )
    (weekly,) = [letter for letter in site.letters() if letter["kind"] == "weekly"]
    assert "Wrong when alone" in str(weekly["message"])
    assert "3 of 30 released outputs overridden" in reviewed(site).summary


def test_spot_checks_of_a_period_that_nobody_looked_at_are_unknown(site: Site) -> None:
    """The week after, the owner is told once that nobody knows how often the workflow is wrong; then people look, and it is over."""
    site.invoices(range(1, 6))
    gated(site, pulled(site).window)
    site.now += timedelta(days=7)
    run = reviewed(site)
    assert run.verdict is Verdict.UNKNOWN
    assert [one["kind"] for one in site.incidents()] == ["review.spot_checks_not_done"]
    decided(site, range(1, 6), "ok")
    assert reviewed(site).verdict is Verdict.PASS
    assert [one["state"] for one in site.incidents()] == ["resolved"]


def test_who_accepts_faster_than_anybody_reads_is_noticed(site: Site) -> None:
    """25 documents of a thousand words, each in six seconds."""
    site.invoices(range(1, 26), document="word " * 1000)
    gated(site, pulled(site).window)
    decided(site, range(1, 26), "ok", minutes=0.1)
    assert "review.blind_acceptance" not in [one["kind"] for one in site.incidents()]
    site.edit(f"{SLUG}/workflow.yaml", "  source_field: document", "  source_field: document\n  reading_speed: 700")
    run = reviewed(site)
    assert [one["kind"] for one in site.incidents() if one["stage"] == "review"] == ["review.blind_acceptance"]
    assert run.verdict is Verdict.WARN
    assert any("accepted 25 of 25 outputs" in reason for reason in run.reasons)


def test_a_review_run_twice_is_one_run(site: Site) -> None:
    """The same trigger finds its own result."""
    once = trigger()
    wired = site.wired()
    first = pipeline.judge_review(wired.services, wired.workflow(SLUG), trigger=once)
    assert pipeline.judge_review(wired.services, wired.workflow(SLUG), trigger=once).id == first.id
    assert site.count("runs") == 1
