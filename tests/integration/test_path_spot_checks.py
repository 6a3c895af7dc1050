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


def test_of_what_lay_there_before_the_workflow_was_watched_only_one_period_is_asked_for(site: Site) -> None:
    """Four weeks are pulled at first: people get a week's spot checks, a week's time for them, and a rate of that week alone."""
    for week in range(4):
        for part, days in enumerate((1, 3)):  # since Monday, and before
            first = 1 + 10 * week + 5 * part
            site.invoices(range(first, first + 5), at=site.now - timedelta(days=7 * week + days))
    gated(site, pulled(site).window)
    assert {row["key"] for row in site.rows("SELECT key FROM review_items")} == {f"r-{n:05d}" for n in range(1, 11)}
    for _ in range(6):
        site.now += timedelta(days=1)
        run = reviewed(site)
        assert "error rate of the period before UNKNOWN: no spot check was looked at yet" in run.summary
        assert site.incidents() == []
    site.now += timedelta(days=1)
    assert reviewed(site).verdict is Verdict.UNKNOWN
    assert [one["kind"] for one in site.incidents()] == ["review.spot_checks_not_done"]


def test_outputs_that_come_late_after_the_first_pull_have_their_chance_too(site: Site) -> None:
    """The gate could not decide for weeks: what it decides on then was never looked at by anybody."""
    site.invoices([1])
    gated(site, pulled(site).window)
    site.invoices([2], at=site.now + timedelta(days=1))
    site.now += timedelta(days=20)
    gated(site, pulled(site).window)
    assert site.count("review_items") == 2


def test_an_open_flag_stays_while_the_next_period_is_too_young_to_judge(site: Site) -> None:
    """Nobody looks at anything: the flag is raised once, and no Monday takes it back."""
    site.invoices([1], at=site.now - timedelta(hours=1))
    gated(site, pulled(site).window)
    site.now += timedelta(days=4)  # Sunday
    site.invoices([2], at=site.now - timedelta(hours=1))
    gated(site, pulled(site).window)
    for _ in range(12):
        site.now += timedelta(days=1)
        site.invoices([int(site.now.timestamp()) % 86400 + site.now.day * 100])
        gated(site, pulled(site).window)
        reviewed(site)
    (incident,) = site.incidents()
    assert (incident["kind"], incident["state"]) == ("review.spot_checks_not_done", "open")


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
