"""A source that misbehaves: it loses a column, changes a type, shrinks, repeats keys, goes back in time; and is right again."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import HOUR, NOW, SLUG, Site, checked, gated, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict
from afterpilot.pipeline import records as pipeline_records

pytestmark = pytest.mark.integration

NOT_NULL = "  - {expect: column_values_to_not_be_null, column: total, severity: critical}\n  - {expect: volume_between"


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose five invoices were pulled an hour ago."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    site.edit(f"{SLUG}/workflow.yaml", "  - {expect: volume_between", NOT_NULL)
    site.invoices(range(1, 6))
    assert pulled(site).verdict is Verdict.PASS
    site.now = NOW + HOUR
    site.invoices([10, 11], at=NOW + timedelta(minutes=30))
    return site


def after_an_hour(site: Site) -> Run:
    """The pull of the next hour, with a new invoice."""
    site.now += HOUR
    number = 100 + int((site.now - NOW).total_seconds() // 3600)
    site.invoices([number], at=site.now - timedelta(minutes=20))
    return pulled(site)


def faults(site: Site) -> dict[str, str]:
    """The state of each incident of the pull, by kind and what it is about."""
    rows = site.rows("SELECT * FROM incidents WHERE stage = 'pull' ORDER BY opened_at")
    return {f"{row['kind']} {row['title']}": row["state"] for row in rows}


def test_a_lost_column_leaves_the_rest(site: Site) -> None:
    """The other columns are pulled, old values stay, expectations on it are UNKNOWN; when it is back, the gap is filled and the
    verdicts are corrected.
    """
    first = checked(site, pulled(site).window)
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN total TO amount_due")
    site.now += HOUR
    site.produce(
        "INSERT INTO ai_invoice_runs (run_id, invoice_id, received_at, finished_at, document, supplier_contact, amount_due, "
        "model_name, tok_in, tok_cached, tok_out, latency_ms) VALUES ('r-lost', 's', :at, :at, 'd', 'Ann', 7, 'm', 1, 0, 1, 1)",
        at=site.now - timedelta(minutes=5),
    )
    run = pulled(site)
    assert (run.verdict, run.evidence["pulled"], run.evidence["changed"]) == (Verdict.FAIL, 1, 0)
    (title,) = faults(site)
    assert title == "pull.column_lost ai_invoice_runs has no column total"
    (letter,) = [one for one in site.letters() if one["kind"] == "incident"]
    said = {fact["label"]: fact["value"] for fact in (*letter["message"]["facts"], *letter["message"]["details"])}
    assert "Rows since 2026-11-18 11:00 UTC lack it; " in letter["message"]["summary"]
    assert "UNKNOWN" in said["What it costs"]
    assert "declare its new name" in said["What to do"]
    kept = dict(totals(site))
    assert (kept["r-00001"], kept["r-lost"]) == ("101.00", None)
    judged = checked(site, run.window)
    assert judged.verdict is Verdict.UNKNOWN
    assert judged.reasons == (
        "column_values_to_not_be_null of total could not be checked: the source has lost the column total",
    )

    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN amount_due TO total")
    run = after_an_hour(site)
    assert (run.verdict, run.evidence["changed"]) == (Verdict.PASS, 1)
    assert set(faults(site).values()) == {"resolved"}
    assert dict(totals(site))["r-lost"] == "7.00"
    checked(site, run.window)
    (again,) = site.rows("SELECT verdict, corrects FROM runs WHERE corrects IS NOT NULL")
    assert (again["verdict"], again["corrects"]) == ("PASS", judged.id)
    assert first.id != judged.id


def totals(site: Site) -> list[tuple[str, Any]]:
    """The total of each record on file."""
    return [(row["key"], row["total"]) for row in site.rows("SELECT key, data ->> 'total' AS total FROM records")]


def test_a_lost_column_under_a_new_name(site: Site) -> None:
    """The finding names what is there instead; declaring it ends the incident."""
    pulled(site)
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN latency_ms TO latency")
    site.now += HOUR
    pulled(site)
    (incident,) = site.incidents()
    assert "did you mean latency?" in incident["detail"]
    site.edit(f"{SLUG}/workflow.yaml", "    latency_ms: number\n", "    latency: number\n")
    site.now += HOUR
    assert pulled(site).verdict is Verdict.PASS
    assert site.incidents()[0]["state"] == "resolved"


def test_a_changed_type_is_told_until_it_is_as_before(site: Site) -> None:
    """Rows are pulled all the same; another width of the same type is no change."""
    pulled(site)
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN latency_ms TYPE bigint")
    assert after_an_hour(site).verdict is Verdict.PASS
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN latency_ms TYPE text")
    site.now += HOUR
    run = pulled(site)
    assert run.verdict is Verdict.WARN
    assert faults(site) == {"pull.type_changed ai_invoice_runs.latency_ms holds text where it held number": "open"}
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN latency_ms TYPE integer USING latency_ms::integer")
    assert after_an_hour(site).verdict is Verdict.PASS
    assert set(faults(site).values()) == {"resolved"}


def test_rows_that_vanish_are_counted_and_named(site: Site) -> None:
    """Also where new ones hide it in the sum; the records stay, and the incident ends when the rows are back."""
    pulled(site)
    site.produce("CREATE TABLE saved AS SELECT * FROM ai_invoice_runs WHERE run_id IN ('r-00002', 'r-00010')")
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id IN ('r-00002', 'r-00010')")
    site.invoices([20, 21, 22], at=NOW + HOUR)
    site.now += HOUR
    run = pulled(site)
    assert (run.verdict, run.evidence["pulled"]) == (Verdict.FAIL, 3)
    (incident,) = site.incidents()
    assert incident["title"] == "2 rows that were pulled from ai_invoice_runs are not there any more"
    assert incident["detail"].startswith("2026-11-18: 2 of 10. Records: r-00010, r-00002.")
    assert site.count("records") == 10
    site.produce("INSERT INTO ai_invoice_runs SELECT * FROM saved")
    assert after_an_hour(site).verdict is Verdict.PASS
    assert site.incidents()[0]["state"] == "resolved"


def test_rows_of_last_week_that_vanish_are_noticed_the_next_day(site: Site) -> None:
    """The first pull of a day counts the days before again, although their rows are not read any more."""
    pulled(site)
    site.now = NOW + timedelta(days=3)
    assert pulled(site).verdict is Verdict.PASS
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id = 'r-00003'")
    site.now += HOUR
    assert pulled(site).verdict is Verdict.PASS  # not of a day that is read again
    site.now = NOW + timedelta(days=4)
    assert pulled(site).verdict is Verdict.FAIL
    site.now += HOUR
    assert pulled(site).verdict is Verdict.FAIL  # the short day is counted until it is whole
    (incident,) = site.incidents()
    assert (incident["occurrences"], incident["detail"][:49]) == (
        2,
        "2026-11-18: 1 of 7. Records: r-00003. They stay o",
    )


def test_rows_later_than_they_may_be_are_read_the_next_day(site: Site) -> None:
    """Also those of a day that had none; their windows are judged again. Rows that are no records are read once more at most."""
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT ai_invoice_runs_pkey CASCADE")
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN run_id DROP NOT NULL")
    judged = []
    for days in (0, 1, 2):
        site.now = NOW + timedelta(days=days, hours=2)
        judged.append(checked(site, pulled(site).window))
    site.invoices([50], at=NOW)
    site.invoices([51, 52], at=NOW + timedelta(days=1))
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object('run_id', NULL))).* "
        "FROM ai_invoice_runs r WHERE run_id = 'r-00050'"
    )
    site.now += HOUR
    assert pulled(site).evidence["late"] == 0  # not of a time that is read again
    site.now = NOW + timedelta(days=3, hours=2)
    run = pulled(site)
    assert (run.evidence["late"], run.evidence["skipped"]) == (3, {"row without run_id": 1})
    checked(site, run.window)
    corrected = {row["corrects"] for row in site.rows("SELECT corrects FROM runs WHERE corrects IS NOT NULL")}
    assert corrected == {judged[0].id, judged[1].id}
    site.now = NOW + timedelta(days=4, hours=2)
    run = pulled(site)
    assert (run.verdict, run.evidence["late"], run.evidence["skipped"]) == (Verdict.PASS, 0, {})


def test_what_lies_before_the_history_is_not_read(site: Site) -> None:
    """The first pull says where the records begin, even within a day."""
    path = site.folder / SLUG / "workflow.yaml"
    path.write_text(re.sub(r"history: \w+", "history: 1d", path.read_text()))
    site.add("second")
    shutil.copy(path, site.folder / "second")
    site.edit("second/workflow.yaml", f"workflow: {SLUG}", "workflow: second")
    site.invoices([30], at=NOW - 25 * HOUR)
    site.invoices([31], at=NOW - 20 * HOUR)
    assert pulled(site, slug="second").evidence["pulled"] == 8
    site.now += timedelta(days=1)
    assert pulled(site, slug="second").evidence["pulled"] == 0


def test_a_row_whose_time_moved_has_not_vanished(site: Site) -> None:
    """It is read at its new time; where it stood is judged again."""
    first = checked(site, pulled(site).window)
    site.produce("UPDATE ai_invoice_runs SET finished_at = :at WHERE run_id = 'r-00010'", at=NOW + 9 * HOUR)
    site.now += HOUR
    assert pulled(site).verdict is Verdict.WARN  # it lies in the future
    site.produce("UPDATE ai_invoice_runs SET finished_at = :at WHERE run_id = 'r-00010'", at=NOW + 90 * HOUR / 60)
    site.now += HOUR
    run = pulled(site)
    assert run.verdict is Verdict.PASS
    checked(site, run.window)
    corrected = [row["corrects"] for row in site.rows("SELECT corrects FROM runs WHERE corrects IS NOT NULL")]
    assert first.id in corrected


def test_a_source_that_was_restored_went_back(site: Site) -> None:
    """The newest time is older than one that was seen; new rows end it."""
    pulled(site)
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id IN ('r-00010', 'r-00011')")
    site.now += timedelta(minutes=10)
    run = pulled(site)
    assert run.verdict is Verdict.FAIL
    told = [title for title in faults(site) if title.startswith("pull.went_back")]
    assert told == [
        "pull.went_back The newest row of ai_invoice_runs is of 2026-11-18 11:00 UTC; one of 2026-11-18 12:30 UTC was seen before"
    ]
    after_an_hour(site)
    assert faults(site)[told[0]] == "resolved"


def test_times_in_the_future_are_told_and_taken_when_they_come(site: Site) -> None:
    """A clock ten minutes ahead is borne; local time written as UTC is not."""
    site.invoices([30], at=site.now + timedelta(minutes=9))
    assert pulled(site).verdict is Verdict.PASS
    site.invoices([31], at=site.now + 2 * HOUR)
    site.now += timedelta(minutes=20)
    assert pulled(site).verdict is Verdict.WARN
    assert faults(site) == {"pull.went_back 1 row of ai_invoice_runs lies in the future": "open"}
    site.now += 3 * HOUR
    run = pulled(site)
    assert (run.verdict, run.evidence["pulled"]) == (Verdict.PASS, 1)
    assert set(faults(site).values()) == {"resolved"}


def test_a_clock_of_ours_that_goes_back(site: Site) -> None:
    """Nothing is lost, and it is told."""
    pulled(site)
    site.now -= timedelta(minutes=40)
    run = pulled(site)
    assert run.verdict is Verdict.WARN
    assert [title for title in faults(site) if "Our own clock stands" in title]
    site.now += 2 * HOUR
    assert pulled(site).verdict is Verdict.PASS
    assert set(faults(site).values()) == {"resolved"}


def test_keys_that_come_twice_are_a_finding_of_their_own(site: Site) -> None:
    """Until the key is unique again."""
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT ai_invoice_runs_pkey CASCADE")
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'finished_at', finished_at + interval '5 minutes'))).* FROM ai_invoice_runs r WHERE run_id = 'r-00011'"
    )
    assert pulled(site).verdict is Verdict.WARN
    assert faults(site) == {"pull.keys_repeated 1 row of ai_invoice_runs has a run_id that a newer row has too": "open"}
    site.produce(
        "DELETE FROM ai_invoice_runs WHERE run_id = 'r-00011' AND finished_at = :at", at=NOW + HOUR / 2 - HOUR / 60
    )
    assert after_an_hour(site).verdict is Verdict.PASS
    assert set(faults(site).values()) == {"resolved"}


def test_a_key_that_comes_twice_opens_no_window_again_and_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither row is new or changed, though they come in batches of their own."""
    monkeypatch.setattr(pipeline_records, "BATCH", 1)
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT ai_invoice_runs_pkey CASCADE")
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'finished_at', finished_at + interval '5 minutes'))).* FROM ai_invoice_runs r WHERE run_id = 'r-00011'"
    )
    checked(site, pulled(site).window)
    for _ in range(3):
        site.now += HOUR / 4
        run = pulled(site)
        assert (run.evidence["late"], run.evidence["changed"]) == (0, 0)
        checked(site, run.window)
    assert site.count("reopened_windows") == 0


def test_a_pull_that_is_repeated_doubles_no_finding(site: Site) -> None:
    """The same trigger finds its own run; another one over the same hour finds the same incident."""
    pulled(site)
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id = 'r-00002'")
    attempt = trigger()
    run = pulled(site, started_by=attempt)
    before = site.counts()
    assert pulled(site, started_by=attempt) == run
    assert site.counts() == before
    pulled(site)
    assert [incident["occurrences"] for incident in site.incidents()] == [2]
    gated(site, run.window)


def test_rows_that_were_meant_to_go_are_settled_by_a_person(site: Site) -> None:
    """It is not told again, unless more of them go: then it is back. The message says who settled it."""
    pulled(site)
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id = 'r-00002'")
    assert after_an_hour(site).verdict is Verdict.FAIL
    (incident,) = site.incidents()
    wired = site.wired()
    known = {one.slug: one for one in wired.declarations.workflows}
    for wrong in ("", "zz"):
        with pytest.raises(AnswerRefused, match="has an id that begins with"):
            pipeline.settle(wired.services, wrong, by="Dana Ruiz", note="", known=known)
    pipeline.settle(wired.services, str(incident["id"])[:8], by="Dana Ruiz", note="a test row", known=known)
    assert [row["state"] for row in site.incidents()] == ["resolved"]
    letter = site.letters()[-1]["message"]
    assert {"label": "How sure", "value": "Dana Ruiz says that it is settled: a test row"} in letter["facts"]
    assert after_an_hour(site).verdict is Verdict.PASS
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id = 'r-00003'")
    assert after_an_hour(site).verdict is Verdict.FAIL
    assert [(row["state"], row["reopened"]) for row in site.incidents()] == [("open", 1)]


def test_thousands_of_rows_that_vanish_are_told_from_those_that_moved(site: Site) -> None:
    """Each is looked up, not only the newest ones: a time that was corrected on most of a day's rows hides no loss."""
    pulled(site)
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object('run_id', 'n-' || n, 'finished_at', "
        "r.finished_at - (n || ' milliseconds')::interval))).* FROM ai_invoice_runs r, generate_series(1, 10500) AS n "
        "WHERE run_id = 'r-00011'"
    )
    assert pulled(site).evidence["pulled"] == 10_500
    site.produce("DELETE FROM ai_invoice_runs WHERE run_id IN ('n-10498', 'n-10499', 'n-10500')")
    site.produce("UPDATE ai_invoice_runs SET finished_at = finished_at - interval '2 days' WHERE run_id LIKE 'n-%'")
    site.now += HOUR
    pulled(site)
    (incident,) = site.incidents()
    assert incident["title"] == "3 rows that were pulled from ai_invoice_runs are not there any more"
    assert "Records: n-10498, n-10499, n-10500." in incident["detail"]
