"""Rows, decisions and outcomes that come late: what was said of their window or week is corrected where everybody sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from path_site import HOUR, NOW, SLUG, Site, checked, gated, pulled, spent, trigger

from afterpilot import pipeline
from afterpilot.domain.delivery import Posted
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("error::sqlalchemy.exc.SAWarning")]

NOT_NULL = (
    "  - {expect: column_values_to_not_be_null, column: supplier, severity: critical}\n  - {expect: volume_between"
)
MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
DECIDED = "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, note, clerk) VALUES (:key, :at, :said, 4, 'x', 'Ann')"


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose rows may be a whole day late."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    site.edit(f"{SLUG}/workflow.yaml", "  - {expect: volume_between", NOT_NULL)
    site.edit(f"{SLUG}/workflow.yaml", "late_by: 2h", "late_by: 1d")
    return site


def hour(site: Site, *, started_by: Trigger | None = None) -> tuple[Run, Run]:
    """Pull, check and gate, as the DAG runs them every hour."""
    started_by = started_by or trigger()
    site.now += HOUR
    pull = pulled(site, started_by=started_by)
    check = checked(site, pull.window, started_by=started_by)
    gated(site, pull.window, started_by=started_by)
    wired = site.wired()
    pipeline.correct_reports(wired.services, wired.workflow(SLUG), trigger=started_by, pull=pull.id)
    return pull, check


def corrections(site: Site, stage: str = "check") -> list[dict[str, Any]]:
    """The runs that stand in the place of others, oldest first."""
    return site.rows(
        "SELECT * FROM runs WHERE corrects IS NOT NULL AND stage = :stage ORDER BY finished_at", stage=stage
    )


def test_late_rows_correct_the_verdict_of_their_own_windows(site: Site) -> None:
    """Each window that a late row lies in is judged again, the others are not; the newest verdict of the workflow stays."""
    site.invoices(range(1, 4))
    hours = [hour(site)[1]]
    for number in (10, 20, 30):
        site.invoices([number], at=site.now + HOUR / 2)
        hours.append(hour(site)[1])
    assert {run.verdict for run in hours} == {Verdict.PASS}
    site.invoices([11, 12], at=hours[1].window.start + HOUR / 4, supplier=None)
    site.invoices([31], at=hours[3].window.start + HOUR / 4)
    site.invoices([40], at=site.now + HOUR / 2)
    pull, newest = hour(site)
    assert (pull.evidence["pulled"], pull.evidence["late"]) == (4, 3)
    assert (newest.window, newest.verdict) == (pull.window, Verdict.PASS)
    first, second = corrections(site)
    assert (first["corrects"], first["verdict"], first["window_end"]) == (hours[1].id, "FAIL", hours[1].window.end)
    assert (second["corrects"], second["verdict"]) == (hours[3].id, "PASS")
    assert first["summary"].startswith("corrected, as 2 rows came late or changed: ")
    assert first["summary"].endswith("; the verdict was PASS")
    (incident,) = site.incidents()
    assert incident["run_id"] == first["id"]
    assert len([one for one in site.letters() if one["incident_id"] == incident["id"]]) == 1
    with site.wired().services.ops.begin() as unit:
        latest = unit.runs.latest_ran(SLUG, newest.stage)
        assert latest is not None
        assert latest.id == newest.id
    assert site.rows("SELECT count(*) AS n FROM reopened_windows WHERE corrected_by IS NULL") == [{"n": 0}]


def test_a_failing_row_that_is_mended_ends_its_incident(site: Site) -> None:
    """Good rows of later windows do not; the row mended at the source does, and the failed verdict is corrected."""
    site.invoices([1], supplier=None)
    _, failed = hour(site)
    assert failed.verdict is Verdict.FAIL
    for number in (10, 20):
        site.invoices([number], at=site.now + HOUR / 2)
        assert hour(site)[1].verdict is Verdict.PASS
    (incident,) = site.incidents()
    assert (incident["state"], incident["occurrences"]) == ("open", 1)
    assert "It is over when these records were read again and are good" in incident["detail"]
    site.now += timedelta(days=2)  # later than any row may be
    site.produce("UPDATE ai_invoice_runs SET supplier = 'Harbour Lights Ltd' WHERE run_id = 'r-00001'")
    pull, _ = hour(site)
    assert pull.evidence["changed"] == 1
    (again,) = corrections(site)
    assert (again["corrects"], again["verdict"]) == (failed.id, "PASS")
    assert again["evidence"]["corrects"]["verdict_before"] == "FAIL"
    assert [row["state"] for row in site.incidents()] == ["resolved"]
    assert site.letters()[-1]["kind"] == "resolved"


def test_a_window_that_is_corrected_twice_has_one_standing_verdict(site: Site) -> None:
    """Both corrections name the first run; the last one stands, and its reason tells what stood before."""
    site.invoices([1])
    _, first = hour(site)
    site.invoices([2], at=site.now - HOUR / 2, supplier=None)
    hour(site)
    site.produce("UPDATE ai_invoice_runs SET supplier = 'Harbour Lights Ltd' WHERE run_id = 'r-00002'")
    hour(site)
    assert [(row["corrects"], row["verdict"]) for row in corrections(site)] == [(first.id, "FAIL"), (first.id, "PASS")]
    with site.wired().services.ops.begin() as unit:
        (standing,) = unit.runs.standing([first])
        week = unit.runs.between(SLUG, Window(NOW - HOUR, NOW + 5 * HOUR))
    assert (standing.verdict, standing.summary.endswith("the verdict was FAIL")) == (Verdict.PASS, True)
    assert first.id not in {run.id for run in week}
    assert standing.id in {run.id for run in week}


def test_the_same_trigger_corrects_once(site: Site) -> None:
    """A repeated task finds the correction that stands; an hour with nothing late corrects nothing."""
    site.invoices([1])
    hour(site)
    site.invoices([2], at=site.now - HOUR / 2)
    attempt = trigger()
    hour(site, started_by=attempt)
    before = site.counts()
    site.now -= HOUR
    hour(site, started_by=attempt)
    assert site.counts() == before
    hour(site)
    assert len(corrections(site)) == 1


def test_late_rows_of_a_window_that_nobody_judged_are_in_the_next_check(site: Site) -> None:
    """Rows older than the very first window, since the team says that they may be three days late."""
    site.edit(f"{SLUG}/workflow.yaml", "history: 35d", "history: 1d")
    site.invoices([1])
    _, first = hour(site)
    site.edit(f"{SLUG}/workflow.yaml", "late_by: 1d", "late_by: 3d")
    site.edit(f"{SLUG}/workflow.yaml", "history: 1d", "history: 3d")
    site.invoices([2], at=first.window.start - HOUR, supplier=None)
    _, check = hour(site)
    assert (check.verdict, check.window.start) == (Verdict.FAIL, first.window.start - HOUR)


def reported(site: Site) -> Run:
    """The week's report, made on its Monday."""
    site.now = MONDAY
    wired = site.wired()
    return pipeline.report(wired.services, wired.workflow(SLUG), at=MONDAY, trigger=trigger())


def test_late_rows_correct_the_week_that_was_reported(site: Site) -> None:
    """The report is put together again: the message is edited, a line in its thread says what changed, and both are kept."""
    site.invoices(range(1, 6), at=MONDAY - 8 * HOUR)
    site.now = MONDAY - 7 * HOUR
    hour(site)
    spent(site)
    report = reported(site)
    assert site.wired().deliver().sent > 0
    assert corrections(site, "report") == []
    site.invoices([10], at=MONDAY - 9 * HOUR, total="1.00")
    hour(site)
    (again,) = corrections(site, "report")
    assert (again["corrects"], again["window_start"]) == (report.id, report.window.start)
    assert again["evidence"]["corrected"]["handled alone"] == {"was": "5 of 5 (100 %)", "now": "5 of 6 (83 %)"}
    assert again["evidence"]["corrected"]["to people"] == {"was": "0 routed", "now": "1 routed"}
    assert site.count("reports") == 2
    first, edit = [one for one in site.letters() if one["kind"] in {"weekly", "corrected"}]
    assert edit["message"]["notification"].startswith(
        "Corrected: invoice_matching, week of 16 November: handled alone: 5 of 5 (100 %) → 5 of 6 (83 %)"
    )
    assert "(corrected)" in edit["message"]["title"]
    outbox = site.wired()._outbox()
    letters = {letter.id: letter for letter in outbox.claim(50)}
    assert letters[edit["id"]].stands is not None
    assert letters[edit["id"]].stands.ts == first["posted_ts"]
    assert letters[edit["id"]].thread_text == edit["message"]["notification"]
    hour(site)
    assert len(corrections(site, "report")) == 1  # nothing more has changed


def test_a_decision_ten_days_late_is_joined_to_its_record(site: Site) -> None:
    """It counts in the week of the record, whose report says so; the week in which it was made has nothing of it."""
    site.invoices(range(1, 6), at=MONDAY - 8 * HOUR)
    site.now = MONDAY - 7 * HOUR
    hour(site)
    spent(site)
    reported(site)
    site.now = MONDAY + timedelta(days=10)
    site.produce(DECIDED, key="r-00002", at=site.now, said="fixed")
    pull, _ = hour(site)
    assert pull.evidence["decisions"] == 1
    (again,) = corrections(site, "report")
    assert again["evidence"]["corrected"]["handled alone"] == {"was": "5 of 5 (100 %)", "now": "4 of 5 (80 %)"}
    with site.wired().services.ops.begin() as unit:
        weeks = unit.reports.weekly_counts(SLUG, Window(MONDAY - timedelta(weeks=2), site.now))
    assert [(row.week.isoformat(), row.judged, row.overridden) for row in weeks] == [("2026-11-16", 1, 1)]


def test_a_kpi_that_is_measured_late_corrects_the_week(site: Site) -> None:
    """Seen by the report of the week after."""
    site.invoices(range(1, 6), at=MONDAY - 8 * HOUR)
    site.now = MONDAY - 7 * HOUR
    hour(site)
    spent(site)
    assert reported(site).verdict is Verdict.UNKNOWN  # the KPI among others
    (site.folder / SLUG / "kpi.sql").write_text("SELECT DATE '2026-11-16', 2.5")
    wired, site.now = site.wired(), MONDAY + timedelta(weeks=1)
    later = trigger()
    runs = [pipeline.correct_reports(wired.services, wired.workflow(SLUG), trigger=later) for _ in range(2)]
    ((again,), none) = runs
    assert none == []
    assert again.evidence["corrected"]["minutes per invoice"]["now"].startswith("2.5 min; target 1.2")
    assert Decimal(again.evidence["outcome"]["kpi"]["value"]) == Decimal("2.5")


def test_a_correction_waits_for_the_report_that_was_not_sent_yet(site: Site) -> None:
    """One message, whatever the order in which they come to be sent."""
    site.invoices(range(1, 6), at=MONDAY - 8 * HOUR)
    site.now = MONDAY - 7 * HOUR
    hour(site)
    spent(site)
    reported(site)
    site.invoices([10], at=MONDAY - 9 * HOUR, total="1.00")
    hour(site)
    outbox = site.wired()._outbox()
    outbox.tidy()
    claimed: list[str] = []
    while letters := outbox.claim(50):
        claimed += [letter.kind for letter in letters]
        for letter in letters:
            outbox.sent(letter, Posted("C1", "1.2"), "slack", pace=0.0)
    assert claimed.index("weekly") < claimed.index("corrected")


def test_decisions_that_are_entered_days_later_are_taken_once(site: Site) -> None:
    """By the first pull of the next day, although they are of a time that is not read any more."""
    site.invoices(range(1, 4))
    hour(site)
    site.now += timedelta(days=3)
    hour(site)
    site.produce(DECIDED, key="r-00001", at=site.now - timedelta(days=2), said="fixed")
    assert hour(site)[0].evidence["decisions"] == 0
    for expected in (1, 0):
        site.now += timedelta(days=1)
        assert hour(site)[0].evidence["decisions"] == expected
    assert [row["key"] for row in site.rows("SELECT key FROM human_decisions")] == ["r-00001"]


def test_rows_that_come_after_the_history_are_decided_on(site: Site) -> None:
    """Whatever a pull brings is released or goes to a person."""
    site.edit(f"{SLUG}/workflow.yaml", "history: 35d", "history: 1d")
    site.invoices([1])
    hour(site)
    site.now += timedelta(days=4)
    hour(site)
    site.invoices([2], at=site.now - timedelta(days=3))
    site.now += timedelta(days=1)
    assert hour(site)[0].evidence["late"] == 1
    assert {row["key"] for row in site.rows("SELECT key FROM gate_decisions")} == {"r-00001", "r-00002"}


def test_windows_that_failed_are_read_again_in_turn_however_many_they_are(site: Site) -> None:
    """Those of three days do not fit into one pull: the next one goes on where it stopped, and none of them has to be good
    before another has its turn.
    """
    site.edit(f"{SLUG}/workflow.yaml", "late_by: 1d", "late_by: 1h")
    hour(site)
    for number in (1, 2, 3):
        site.now += timedelta(hours=22)
        site.invoices([number], supplier=None)
        hour(site)
    site.produce("UPDATE ai_invoice_runs SET supplier = 'Harbour Lights Ltd' WHERE run_id IN ('r-00001', 'r-00003')")
    pulls = [hour(site)[0] for _ in range(8)]
    assert sum(pull.evidence["changed"] for pull in pulls) == 2
    assert max(map(_read_again, pulls)) == timedelta(days=1)
    assert round(_read_again(pulls[-1]) / HOUR) == 23  # that of the second invoice alone, which is still wrong
    site.produce("UPDATE ai_invoice_runs SET supplier = 'Harbour Lights Ltd' WHERE run_id = 'r-00002'")
    hour(site)
    site.invoices([4], at=site.now + HOUR / 2)
    hour(site)
    assert {row["state"] for row in site.incidents()} == {"resolved"}


def _read_again(pull: Run) -> timedelta:
    spans = pull.evidence["read_again"]
    lengths = (datetime.fromisoformat(one["end"]) - datetime.fromisoformat(one["start"]) for one in spans)
    return sum(lengths, timedelta())


def test_a_failed_window_of_many_days_is_read_again_part_by_part(site: Site) -> None:
    """As the first one is, which holds the whole history."""
    site.invoices([1], at=NOW - timedelta(days=30), supplier=None)
    site.invoices([2], at=NOW)
    _, failed = hour(site)
    assert (failed.verdict, failed.window.length) == (Verdict.FAIL, timedelta(days=35))
    site.produce("UPDATE ai_invoice_runs SET supplier = 'Harbour Lights Ltd' WHERE run_id = 'r-00001'")
    changed = [hour(site)[0].evidence["changed"] for _ in range(8)]
    assert sum(changed) == 1
    assert [row["state"] for row in site.incidents()] == ["resolved"]
    assert corrections(site)[-1]["corrects"] == failed.id


def test_an_old_row_that_is_read_again_leaves_the_newer_one_of_its_key(site: Site) -> None:
    """The window of the old row is read again for another record's sake."""
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT ai_invoice_runs_pkey CASCADE")
    site.edit(f"{SLUG}/workflow.yaml", "late_by: 1d", "late_by: 0m")
    hour(site)
    site.invoices([1, 2], at=site.now + HOUR / 2, supplier=None)
    hour(site)
    site.now += 3 * HOUR
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object('supplier', 'Newer Ltd', 'finished_at', "
        "CAST(:at AS timestamptz)))).* FROM ai_invoice_runs r WHERE run_id = 'r-00001'",
        at=site.now - HOUR / 2,
    )
    for _ in range(3):
        hour(site)
        kept = site.rows("SELECT data ->> 'supplier' AS supplier FROM records WHERE key = 'r-00001'")
        assert kept == [{"supplier": "Newer Ltd"}]
