"""Incidents over time, on a real ops database: back again, flapping, explained, lasting UNKNOWN, gone with their workflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import HOUR, SLUG, Site, trigger

from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Finding, Severity, StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.pipeline import declare, not_run
from afterpilot.pipeline.answering import acknowledge
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.telling import tell
from afterpilot.wiring import Wired

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("error::sqlalchemy.exc.SAWarning")]
DAY = timedelta(days=1)


class Desk:
    """A site of which only the ends of stages are played."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.wired: Wired = site.wired()
        self.workflow = self.wired.workflow(SLUG)

    def ends(self, stage: str, *findings: Finding, covered: tuple[str, ...] = (), checked: int = 1) -> Run:
        """A run of the stage, an hour after the last one."""
        self.site.now += HOUR
        result = StageResult(SLUG, stage, "a run", findings=findings, checked=checked, covered=covered)
        window = Window(self.site.now - HOUR, self.site.now)
        return concluded(self.wired.services, result, self.workflow, window, trigger(), self.site.now)

    def check(self, *findings: Finding) -> Run:
        """A check that looks for everything."""
        return self.ends("check", *findings, covered=("quality.*",))

    def sweeps(self, *findings: Finding, every: timedelta = HOUR) -> None:
        """A sweep that looks for odd things and for write-backs that failed, so long after the last one."""
        self.site.now += every
        covered = ("spend.odd", "review.odd", "review.write_back_failed")
        stage = findings[0].stage if findings else "review"
        result = StageResult(SLUG, stage, "", findings=findings, covered=covered)
        with self.wired.services.ops.begin() as unit:
            tell(self.wired.services, unit, self.workflow, result)

    def sends(self) -> None:
        """Everything that waits has been sent."""
        with self.site.ops.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE outbox SET state = 'sent', posted_channel = channel, posted_ts = id::text, sent_at = now() "
                "WHERE state = 'pending'"
            )

    def letters(self, kind: str = "") -> list[dict[str, Any]]:
        """The letters about incidents whose kind begins so, in the order of their news."""
        return self.site.rows(
            "SELECT o.*, i.kind AS trouble, i.title FROM outbox o JOIN incidents i ON i.id = o.incident_id "
            "WHERE i.kind LIKE :kind ORDER BY o.created_at, o.id",
            kind=f"{kind}%",
        )

    def events(self) -> list[str]:
        """The time line of all incidents."""
        return [row["what"] for row in self.site.rows("SELECT what FROM incident_events ORDER BY id")]


def facts(letter: dict[str, Any]) -> dict[str, str]:
    return {fact["label"]: fact["value"] for fact in letter["message"]["facts"]}


def quality(kind: str = "quality.not_null", severity: Severity = Severity.CRITICAL) -> Finding:
    return Finding(SLUG, "check", kind, severity, f"{kind} fails", about="total")


UNREADABLE = Finding(
    SLUG, "pull", "pull.source_unreadable", Severity.UNKNOWN, "The source cannot be read", hangs_on="source erp"
)
READ = ("pull.source_unreadable",)


@pytest.fixture
def desk(tmp_path: Path, ops_url: str, empty_database: str) -> Desk:
    """A desk of one workflow."""
    return Desk(Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database))


def test_what_is_back_within_a_day_is_the_same_incident(desk: Desk) -> None:
    """Its message is edited, with a line in the thread each time; whoever had it has not taken up its return."""
    desk.check(quality())
    acknowledge(desk.wired.services, str(desk.site.incidents()[0]["id"]), by="Dana Ruiz", known={})
    desk.check()
    desk.check(quality())
    desk.check()
    (incident,) = desk.site.incidents()
    assert (incident["state"], incident["reopened"], incident["occurrences"]) == ("resolved", 1, 2)
    desk.check(quality())
    (incident,) = desk.site.incidents()
    assert (incident["state"], incident["reopened"], incident["acknowledged_by"]) == ("open", 2, "")
    assert incident["resolved_at"] is None
    kinds = [letter["kind"] for letter in desk.letters()]
    assert kinds == ["incident", "acknowledged", "resolved", "reopened", "resolved", "reopened"]
    assert desk.events() == ["opened", "acknowledged", "resolved", "reopened", "resolved", "reopened"]
    desk.check()
    desk.site.now += DAY
    desk.check(quality())
    assert [row["state"] for row in desk.site.incidents()] == ["resolved", "open"]


def test_what_comes_and_goes_is_damped(desk: Desk) -> None:
    """At the third return it is told that it flaps; then nothing until three good runs in a row, all on its time line."""
    for _ in range(3):
        desk.check(quality())
        desk.check()
    desk.check(quality())
    before = len(desk.letters())
    assert "over only after 3 good runs in a row" in desk.letters()[-1]["message"]["notification"]
    for good in (1, 2, 1, 2):
        for _ in range(good):
            desk.check()
        desk.check(quality())
    (incident,) = desk.site.incidents()
    assert (incident["state"], incident["flapping"], incident["good_runs"]) == ("open", True, 0)
    assert len(desk.letters()) == before
    assert desk.events().count("gone") == 6
    for _ in range(3):
        desk.check()
    assert (desk.site.incidents()[0]["state"], desk.letters()[-1]["kind"]) == ("resolved", "resolved")


def test_a_sweep_and_a_run_follow_up_in_one_way(desk: Desk) -> None:
    """What a sweep finds again without a change is not counted; what it finds back is the same incident."""
    found = Finding(
        SLUG, "review", "review.write_back_failed", Severity.WARNING, "1 decision does not reach the source"
    )

    for findings in ((found,), (found,), (), (found,)):
        desk.sweeps(*findings)
    (incident,) = desk.site.incidents()
    assert (incident["state"], incident["occurrences"], incident["reopened"]) == ("open", 2, 1)
    assert [letter["kind"] for letter in desk.letters()] == ["incident", "resolved", "reopened"]


def test_what_gets_graver_under_the_same_words_is_told_by_a_sweep_too(desk: Desk) -> None:
    """Title and detail are as before."""
    found = Finding(SLUG, "spend", "spend.odd", Severity.WARNING, "More than usual")
    for severity in (Severity.WARNING, Severity.WARNING, Severity.CRITICAL):
        desk.sweeps(replace(found, severity=severity))
    assert [letter["kind"] for letter in desk.letters()] == ["incident", "graver"]
    assert desk.site.incidents()[0]["severity"] == "critical"


def test_one_that_flaps_is_over_an_hour_after_sweeps_have_seen_it_last(desk: Desk) -> None:
    """They come every few minutes and write nothing while nothing changes: the hour does not count from when it came back."""
    found, some = Finding(SLUG, "review", "review.odd", Severity.WARNING, "odd"), timedelta(minutes=5)
    for _ in range(3):
        desk.sweeps(found, every=some)
        desk.sweeps(every=some)
    for _ in range(20):
        desk.sweeps(found, every=some)
    states = []
    for _ in range(16):
        desk.sweeps(every=some)
        states.append(desk.site.incidents()[0]["state"])
    assert states[:11] == ["open"] * 11
    assert states[-1] == "resolved"


def test_what_nobody_looks_for_any_more_is_told_a_week_after_its_cause_is_over(desk: Desk) -> None:
    """It was never told, and no run of its stage says whether it is still there."""
    desk.ends("pull", UNREADABLE)
    desk.check(quality("quality.fresh_within"))
    desk.ends("pull", covered=READ)
    desk.site.now += 7 * DAY
    desk.ends("pull", covered=READ)
    assert [letter["state"] for letter in desk.letters("quality")] == ["suppressed"]
    desk.site.now += DAY
    desk.ends("pull", covered=READ)
    desk.ends("pull", covered=READ)
    assert [(letter["kind"], letter["state"]) for letter in desk.letters("quality")] == [
        ("incident", "suppressed"),
        ("reopened", "pending"),
    ]


def test_a_cause_suppresses_what_follows_from_it(desk: Desk) -> None:
    """The cause is told and names what it explains; the rest is on record, and is told once the cause is over and it is not."""
    desk.ends("pull", UNREADABLE)
    old = quality("quality.fresh_within")
    desk.check(old, quality())
    fresh, null, source = (desk.letters(kind) for kind in ("quality.fresh", "quality.not_null", "pull"))
    assert [(letter["state"], letter["why"][:22]) for letter in fresh] == [("suppressed", "explained by incident ")]
    assert [letter["state"] for letter in null] == ["pending"]
    assert facts(source[-1])["Because of it"] == "quality.fresh_within fails"
    desk.check(old, quality())
    desk.ends("pull", covered=READ)
    assert len(desk.letters("quality.fresh")) == 1
    desk.check(old, quality())
    assert [(letter["kind"], letter["state"]) for letter in desk.letters("quality.fresh")[1:]] == [
        ("reopened", "pending")
    ]
    incident = next(row for row in desk.site.incidents() if row["kind"] == "quality.fresh_within")
    assert (incident["state"], incident["cause_id"]) == ("open", None)
    assert desk.events().count("explained") == desk.events().count("unexplained") == 1


def test_what_follows_and_ends_with_its_cause_is_never_told(desk: Desk) -> None:
    """Not even that it is over."""
    desk.ends("pull", UNREADABLE)
    desk.check(quality("quality.fresh_within"))
    desk.ends("pull", covered=READ)
    desk.check()
    assert {letter["state"] for letter in desk.letters("quality")} == {"suppressed"}
    assert {row["state"] for row in desk.site.incidents()} == {"resolved"}


def test_a_cause_that_is_found_late_edits_what_was_told(desk: Desk) -> None:
    """Without a line in the thread; what ends then is edited too, as its message stands."""
    suite = Finding(SLUG, "evaluate", "evals.incomplete", Severity.UNKNOWN, "Only 0 of 6 samples could be scored")
    reach = Finding(SLUG, "evaluate", "evals.target_out_of_reach", Severity.UNKNOWN, "The model did not answer")
    desk.ends("evaluate", suite)
    desk.sends()
    desk.ends("evaluate", reach, checked=0)
    edit = desk.letters("evals.incomplete")[-1]
    assert (edit["kind"], edit["state"]) == ("incident", "pending")
    assert facts(edit)["Explained by"].startswith("The model did not answer (incident ")
    assert facts(edit)["Since"] == facts(desk.letters("evals.incomplete")[0])["Since"]
    desk.ends("evaluate", covered=("evals.incomplete", "evals.target_out_of_reach"))
    over = desk.letters("evals.incomplete")[-1]
    assert (over["kind"], over["state"], over["message"]["tone"]) == ("incident", "pending", "good")


def test_a_message_that_nobody_can_read_any_more_holds_no_stage_up(desk: Desk) -> None:
    """It is left as it stands where a cause would edit it; the incident is tied all the same."""
    suite = Finding(SLUG, "evaluate", "evals.incomplete", Severity.UNKNOWN, "Only 0 of 6 samples could be scored")
    reach = Finding(SLUG, "evaluate", "evals.target_out_of_reach", Severity.UNKNOWN, "The model did not answer")
    desk.ends("evaluate", suite)
    desk.sends()
    desk.site.rows("""UPDATE outbox SET message = '{"of": "another version"}' RETURNING id""")
    desk.ends("evaluate", reach, checked=0)
    assert len(desk.letters("evals.incomplete")) == 1
    tied = {row["kind"]: row["cause_id"] is not None for row in desk.site.incidents()}
    assert tied == {"evals.incomplete": True, "evals.target_out_of_reach": False}


def test_a_cause_that_comes_before_the_letter_is_sent_keeps_it(desk: Desk) -> None:
    """What nobody has begun to send is not sent."""
    suite = Finding(SLUG, "evaluate", "evals.incomplete", Severity.UNKNOWN, "Only 0 of 6 samples could be scored")
    reach = Finding(SLUG, "evaluate", "evals.target_out_of_reach", Severity.UNKNOWN, "The model did not answer")
    desk.ends("evaluate", suite)
    desk.ends("evaluate", reach, checked=0)
    assert [letter["state"] for letter in desk.letters("evals.incomplete")] == ["suppressed"]


def test_one_bad_night_of_evals_is_told_once(desk: Desk) -> None:
    """The regression explains that the same run is below its bar; the next night with the low rate alone tells it."""
    low = Finding(SLUG, "evaluate", "evals.below_bar", Severity.CRITICAL, "3 of 6 eval cases pass")
    worse = Finding(SLUG, "evaluate", "evals.regressed", Severity.CRITICAL, "Worse than the approved baseline")
    covered = ("evals.below_bar", "evals.regressed")
    desk.ends("evaluate", low, worse, covered=covered)
    assert [(one["trouble"], one["state"]) for one in desk.letters()] == [
        ("evals.below_bar", "suppressed"),
        ("evals.regressed", "pending"),
    ]
    assert facts(desk.letters("evals.regressed")[0])["Because of it"] == "3 of 6 eval cases pass"
    desk.ends("evaluate", low, covered=covered)
    assert [one["state"] for one in desk.letters("evals.below_bar")] == ["suppressed", "pending"]


def test_unknown_that_lasts_is_told(desk: Desk) -> None:
    """After three runs and a day, once, with what to do; the first run that says something ends it."""

    def silent() -> Run:
        desk.site.now += 10 * HOUR
        window = Window(desk.site.now - HOUR, desk.site.now)
        return not_run(desk.wired.services, desk.workflow, "check", "no records", window=window, trigger=trigger())  # type: ignore[arg-type]

    for _ in range(3):
        silent()
    assert desk.site.incidents() == []
    run = silent()
    assert (run.verdict, run.reasons) == (
        Verdict.UNKNOWN,
        (f"The stage check has said nothing since {desk.site.now - 30 * HOUR:%Y-%m-%d}: UNKNOWN in every run",),
    )
    silent()
    (incident,) = desk.site.incidents()
    assert (incident["kind"], incident["severity"], incident["occurrences"]) == ("check.unknown_lasts", "unknown", 2)
    assert len(desk.letters()) == 1
    assert "production still writes records" in facts(desk.letters()[0])["What to do"]
    desk.check()
    assert desk.site.incidents()[0]["state"] == "resolved"


def test_unknown_that_has_a_reason_opens_nothing_of_its_own(desk: Desk) -> None:
    """A source that cannot be read is why nothing is checked."""
    desk.ends("pull", UNREADABLE)
    for _ in range(5):
        desk.site.now += 10 * HOUR
        desk.ends("check", checked=0)
    assert [row["kind"] for row in desk.site.incidents()] == ["pull.source_unreadable"]


def test_incidents_end_with_their_workflow(desk: Desk) -> None:
    """Retired: all of them are over and say why; the review items stay as they are."""
    desk.check(quality())
    desk.ends("pull", UNREADABLE)
    with desk.site.ops.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO review_items (workflow, key, at, reason, run_id) "
            "VALUES ('invoice_matching', 'r-1', now(), 'spot_check', gen_random_uuid())"
        )
    desk.site.edit(f"{SLUG}/workflow.yaml", "stage: live", "stage: retired")
    wired = desk.site.wired()
    declare(wired.services, wired.declarations, trigger=trigger())
    assert {row["state"] for row in desk.site.incidents() if row["workflow"] == SLUG} == {"resolved"}
    assert facts(desk.letters("quality")[-1])["How sure"] == "nobody looks for it any more: the workflow is retired"
    assert desk.site.rows("SELECT key, decided_at FROM review_items") == [{"key": "r-1", "decided_at": None}]


def test_an_incident_that_was_mended_newest_first_ends(desk: Desk) -> None:
    """Two windows fail; the newer one is mended, then the older one: then it is over."""
    keys = {"failing_keys": ["r-1"]}
    bad = Finding(SLUG, "check", "quality.not_null", Severity.CRITICAL, "missing", about="total", evidence=keys)
    runs = [desk.check(bad), desk.check(bad)]

    def mended(run: Run) -> str:
        desk.site.now += HOUR
        result = StageResult(SLUG, "check", "mended", checked=1, covered=("quality.*",))
        concluded(desk.wired.services, result, desk.workflow, run.window, trigger(), desk.site.now, corrects=run.id)
        return str(desk.site.incidents()[0]["state"])

    assert [mended(run) for run in reversed(runs)] == ["open", "resolved"]


def test_a_mended_older_window_does_not_end_what_newer_ones_found(desk: Desk) -> None:
    """Without keys of records, too: the newest window in which it was found has the word."""
    bad = quality()
    runs = [desk.check(bad), desk.check(bad)]
    desk.site.now += HOUR
    result = StageResult(SLUG, "check", "mended", checked=1, covered=("quality.*",))
    for run, state in zip(runs, ("open", "resolved"), strict=True):
        concluded(desk.wired.services, result, desk.workflow, run.window, trigger(), desk.site.now, corrects=run.id)
        assert desk.site.incidents()[0]["state"] == state
