"""The eval stage over days: an alarm with its cause, approvals, waivers, the budget, two attempts at once, and probes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from eval_site import DAY, WORDS, Speaker, approved, probed, ran, suite
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Reducer, ScorerSpec, Waiver
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Reads
from afterpilot.pipeline.evals.locking import alone, under_way
from afterpilot.record.ops import Unit
from doubles.model import ModelDouble

pytestmark = pytest.mark.integration
MODEL = "smollm2-135m-instruct"


def regression(site: Site) -> dict[str, Any]:
    """The one finding of a regression."""
    (found,) = site.rows("SELECT * FROM findings WHERE kind = 'evals.regressed'")
    return found


def regression_open(run: Run, site: Site) -> bool:
    """Whether a regression stands after the run."""
    assert run.stage is Stage.EVALUATE
    return any(one["kind"] == "evals.regressed" and one["state"] == "open" for one in site.incidents())


@pytest.mark.parametrize(
    ("changed", "answers_as", "cause"),
    [
        ({"prompt": "Please say {{ word }}."}, None, "our prompt changed ("),
        ({}, f"{MODEL}-2026-11-02", f"the model that answered changed: {MODEL} → {MODEL}-2026-11-02"),
        ({"declaration": "other"}, None, "our declaration of the suite changed ("),
        ({}, None, "nothing that we record changed"),
    ],
    ids=["prompt", "model that answers", "declaration", "nothing"],
)
def test_a_regression_is_named_with_its_cause(
    site: Site, speaker: Speaker, changed: dict[str, Any], answers_as: str | None, cause: str
) -> None:
    """The finding and the message say what changed, since when, and which cases broke, with their answers before and after."""
    done = approved(site)
    assert len(done.runs) == 6
    speaker.wrong, speaker.model = set(range(12)), answers_as
    run = ran(site, **changed)
    assert run.verdict is Verdict.FAIL
    found = regression(site)
    assert found["severity"] == "critical"
    assert f"Cause: {cause}" in found["detail"]
    assert found["evidence"]["cause"].startswith(cause)
    assert found["evidence"]["since"] == f"{site.now:%Y-%m-%d}"
    assert found["evidence"]["last_good_run"] == str(done.run.id)
    broken = found["evidence"]["broken"]
    assert {one["case"] for one in broken} == {f"w-{n:02d}" for n in range(12)}
    assert (broken[0]["before"], broken[0]["after"]) == (broken[0]["case"], "nonsense")
    (row,) = site.rows("SELECT * FROM eval_results WHERE alarm = 'alarm'")
    assert row["evidence"] >= found["evidence"]["alarm_at"]
    letter = next(one for one in site.letters() if "baseline" in one["message"]["title"])
    assert cause in letter["message"]["summary"]


def test_suspicious_cases_are_asked_again_on_the_same_day(site: Site, speaker: Speaker, model: ModelDouble) -> None:
    """They are kept as further epochs, count for the alarm alone, and end with the alarm; their cost is told."""
    approved(site)
    asked, speaker.wrong = len(model.requests), set(range(4))
    run = ran(site)
    found = regression(site)
    (row,) = site.rows("SELECT * FROM eval_results WHERE alarm = 'alarm'")
    assert len(row["rounds"]) == found["evidence"]["rounds"] >= 1
    again = sum(scored for one in row["rounds"] for _, scored in one.values())
    assert again == found["evidence"]["rerun_samples"] == len(model.requests) - asked - WORDS
    assert Decimal(found["evidence"]["rerun_cost"]) > 0
    epochs = site.rows("SELECT max(epoch) AS most FROM samples WHERE run_id = :run", run=run.id)
    assert epochs[0]["most"] == len(row["rounds"])
    assert (run.evidence["passed"], row["outcomes"]["w-00"]) == (WORDS - 4, [0, 1])


def test_asking_again_keeps_the_limit_also_where_nobody_knows_what_was_spent(
    site: Site, speaker: Speaker, model: ModelDouble
) -> None:
    """What a provider does not say counts with the most that it can be, and then nothing is left for suspicious cases."""
    wired = site.wired()
    workflow = suite(wired)
    assert workflow.evals is not None
    most = wired.services.runner(workflow).estimate(workflow.evals).most
    assert most is not None
    limit = replace(workflow.evals.max_cost, amount=most * Decimal("1.01"))
    approved(site, max_cost=limit)
    asked, speaker.wrong, speaker.silent = len(model.requests), set(range(4)), True
    assert ran(site, max_cost=limit).evidence["passed"] == WORDS - 4
    assert len(model.requests) - asked == WORDS


def test_an_alarm_is_over_when_later_runs_speak_for_the_baseline(site: Site, speaker: Speaker) -> None:
    """The incident stands until then, and the finding is the same incident every day."""
    approved(site)
    speaker.wrong = set(range(12))
    ran(site)
    speaker.wrong = set()
    for _ in range(6):
        site.now += DAY
        ran(site)
    incident = next(one for one in site.incidents() if one["kind"] == "evals.regressed")
    assert incident["state"] == "resolved"


def test_noise_is_no_alarm(site: Site, speaker: Speaker) -> None:
    """One case more or less on a day is what days are like."""
    approved(site)
    speaker.wrong = {7}
    run = ran(site)
    assert (run.verdict, run.evidence["regression"]["alarm"]) == (Verdict.PASS, "none")
    assert run.evidence["compared"]["broken"] == ["w-07"]


def test_data_that_the_workflow_reads_is_part_of_the_fingerprint(site: Site, speaker: Speaker) -> None:
    """A changed row is named as the cause; a database that cannot be read is unknown, and never the same."""
    reads = (Reads("erp", "SELECT name, currency FROM suppliers WHERE name LIKE '%' AND currency::text <> ':x'"),)
    approved(site, reads=reads)
    speaker.wrong = set(range(12))
    site.produce("UPDATE suppliers SET currency = 'EUR'")
    ran(site, reads=reads)
    assert "the data that the workflow reads changed: erp query 1" in regression(site)["detail"]
    site.now += DAY
    site.env["AIRFLOW_CONN_ERP"] = ""
    run = ran(site, reads=reads)
    assert "erp query 1 (unknown: " in run.evidence["regression"]["cause"]


def test_an_approval_takes_the_earlier_runs_that_say_the_same(site: Site, speaker: Speaker) -> None:
    """Back to the last change, none that failed to be judged; the next approval reports against it, and both are kept."""
    ran(site, prompt="Another {{ word }}.")
    site.now += DAY
    done = approved(site, days=2)
    assert (len(done.runs), done.former) == (2, None)
    assert done.report == "There was no baseline before."
    speaker.wrong = {0, 1, 2}
    new = ran(site)
    wired = site.wired()
    again = pipeline.approve(wired.services, suite(wired), by="Lee Okafor", run_id=new.id)
    assert again.former is not None
    assert "over 40 cases" in again.report
    assert "3 broke" in again.report
    rows = site.rows("SELECT approved_by, note, run_id, runs FROM baselines ORDER BY id")
    assert [row["approved_by"] for row in rows] == ["Dana Ruiz", "Lee Okafor"]
    assert rows[1]["runs"][-1] == rows[1]["run_id"] == new.id
    standing = pipeline.standing(wired.services, suite(wired))
    assert standing is not None
    assert (standing.passed, standing.cases) == (37, 40)
    assert "this suite of 40 cases" in standing.detects


def test_an_unknown_run_is_no_baseline(site: Site, speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the model in it."""
    monkeypatch.setattr("afterpilot.evaluate.calls.ATTEMPTS", 1)
    speaker.status = 500
    assert ran(site).verdict is Verdict.UNKNOWN
    wired = site.wired()
    with pytest.raises(CheckError, match="could not be judged"):
        pipeline.approve(wired.services, suite(wired), by="Dana Ruiz")
    assert site.count("baselines") == 0


def test_a_changed_suite_is_compared_on_what_is_the_same(site: Site, speaker: Speaker) -> None:
    """Ten cases are new: the others are still guarded, and each run says that an approval is due."""
    approved(site, words=30)
    speaker.wrong = set(range(12))
    run = ran(site)
    kinds = {row["kind"]: row for row in site.rows("SELECT * FROM findings WHERE run_id = :run", run=run.id)}
    assert kinds["evals.baseline_due"]["severity"] == "info"
    assert "30 of 40 are compared" in kinds["evals.baseline_due"]["title"]
    assert "our cases" not in kinds["evals.regressed"]["detail"]  # the file's hash is the same here
    assert run.evidence["cases_in_common"] == 30


def test_other_scorers_than_the_approved_ones_compare_with_nothing(site: Site, speaker: Speaker) -> None:
    """A warning that the alarm sees nothing, until a run is approved; an open regression is not taken back by it."""
    approved(site)
    speaker.wrong = set(range(8))
    assert regression_open(ran(site), site)
    site.now += DAY
    scorers = (ScorerSpec("exact", ""), ScorerSpec("contains", "", {"text": "w-"}))
    run = ran(site, scorers=scorers)
    assert "nothing can be compared" in " ".join(run.reasons)
    assert "regression" not in run.evidence
    assert regression_open(run, site)
    assert "evals.baseline_due" in {one["kind"] for one in site.incidents() if one["state"] == "open"}


def test_no_cases_are_unknown(site: Site, model: ModelDouble) -> None:
    """Never a pass, and nothing is asked."""
    run = ran(site, words=0)
    assert (run.verdict, model.requests) == (Verdict.UNKNOWN, [])
    assert "The eval suite has no cases" in run.reasons[0]


def test_a_waived_case_neither_fails_nor_alarms(site: Site, speaker: Speaker) -> None:
    """It is listed with its reason; the day after its last day it counts again, loudly."""
    approved(site)
    speaker.wrong = set(range(12))
    until = site.now.date()
    waivers = tuple(Waiver(until, "Dana Ruiz", "new words", case=f"w-{n:02d}") for n in range(12))
    run = ran(site, waivers=waivers)
    assert (run.verdict, len(run.evidence["waived"])) == (Verdict.PASS, 12)
    assert run.evidence["regression"]["alarm"] == "none"
    site.now += DAY
    again = ran(site, waivers=waivers)
    assert again.verdict is Verdict.FAIL
    kinds = {incident["kind"] for incident in site.incidents()}
    assert {"evals.waiver_expired", "evals.regressed"} <= kinds


def test_epochs_are_reduced_as_declared(site: Site, speaker: Speaker) -> None:
    """A case that is right twice of three times passes by majority, and fails where all must pass."""
    speaker.wrong_at = dict.fromkeys(range(WORDS), 1)
    run = ran(site, epochs=3, reducer=Reducer("majority"))
    assert (run.verdict, run.evidence["passed"]) == (Verdict.PASS, WORDS)
    (row,) = site.rows("SELECT outcomes, verdicts, origin, passed, scored FROM eval_results")
    assert (row["outcomes"]["w-00"], row["origin"], row["passed"]) == ([2, 3], "schedule", WORDS)
    assert row["verdicts"] == {f"w-{n:02d}": True for n in range(WORDS)}
    wired = site.wired()
    changed = suite(wired, epochs=3, reducer=Reducer("majority"))
    pipeline.approve(wired.services, changed, by="Dana Ruiz")
    standing = pipeline.standing(wired.services, changed)
    assert standing is not None
    assert (standing.passed, standing.cases) == (WORDS, WORDS)
    site.now += DAY
    speaker.wrong, speaker.wrong_at = {7}, {}
    compared = ran(site, epochs=3, reducer=Reducer("majority")).evidence["compared"]
    assert (compared["broken"], compared["fixed"]) == (["w-07"], [])


def test_a_suite_that_has_run_before_is_foreseen_from_experience(site: Site) -> None:
    """Within a fifth of what it then costs, also with more epochs; another prompt takes over the lengths of answers alone."""
    first = ran(site)
    again = ran(site, epochs=3)
    other = ran(site, prompt="Please do say {{ word }}.")
    expected = [Decimal(run.evidence["estimate"]["expected"]) for run in (first, again, other)]
    cost = [Decimal(run.evidence["cost"]) for run in (first, again, other)]
    assert cost[1] == 3 * cost[0]
    assert not Decimal("0.8") <= expected[0] / cost[0] <= Decimal("1.2")
    assert Decimal("0.8") <= expected[1] / cost[1] <= Decimal("1.2")
    assert expected[2] < expected[0]


def test_the_eval_budget_ends_runs_until_the_next_period(site: Site, model: ModelDouble) -> None:
    """A run that what is left cannot pay for is not begun; the next day there is money again."""
    first = ran(site)
    assert (first.verdict, Decimal(first.evidence["cost"]) > 0) == (Verdict.PASS, True)
    cap = Cap(Money(Decimal(first.evidence["cost"]) * Decimal("1.5")), "day")
    asked = len(model.requests)
    run = ran(site, cap=cap)
    assert (run.verdict, len(model.requests)) == (Verdict.UNKNOWN, asked)
    (incident,) = site.incidents()
    assert incident["kind"] == "evals.budget_spent"
    assert probed(site, cap=cap).starts is False
    site.now += DAY
    assert ran(site, cap=cap).verdict is Verdict.PASS
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]


def test_two_attempts_at_once_are_one_run(site: Site, speaker: Speaker, model: ModelDouble) -> None:
    """The second waits for the first and finds its result: nothing is asked, stored or paid for twice."""
    speaker.latency = 0.1
    once, runs = trigger(), []
    threads = [threading.Thread(target=lambda: runs.append(ran(site, started_by=once))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(model.requests) == WORDS
    assert (site.count("samples"), site.count("usage"), site.count("runs")) == (WORDS, WORDS, 1)
    assert len({run.id for run in runs}) == 1
    assert len(runs) == 2


def test_a_run_whose_lock_was_lost_takes_it_again_or_gives_way(site: Site) -> None:
    """A connection that is cut off, as a silent one may be, lets no second run ask and pay for the same cases unnoticed."""
    ops = site.wired().services.ops
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    written: list[str] = []

    def write(unit: Unit) -> None:
        unit.connection.execute(sa.text("SELECT 1"))
        written.append("here")

    with alone(ops, SLUG) as lock:
        assert site.rows(cut)
        lock.write(write)
        assert under_way(ops, SLUG)
        assert site.rows(cut)
        with alone(ops, SLUG) as other:
            with pytest.raises(CheckError, match="began while the database was out of reach"):
                lock.write(write)
            other.write(write)
    assert len(written) == 2
    assert not under_way(ops, SLUG)


def test_a_probe_starts_the_suite_when_something_changed(site: Site, speaker: Speaker) -> None:
    """Never run; then nothing new; another model answers; the prompt is edited. A probe leaves no run behind."""
    assert not probed(site).starts  # the first run is its schedule's
    ran(site)
    assert probed(site) == pipeline.Probing(starts=False)
    speaker.model = f"{MODEL}-2026-11-02"
    found = probed(site)
    assert found.starts
    assert found.why == (f"the model that answered changed: {MODEL} → {MODEL}-2026-11-02",)
    assert probed(site).starts  # until the suite has run
    run = ran(site)
    assert run.versions["model_answered"] == f"{MODEL}-2026-11-02"
    assert not probed(site).starts
    found = probed(site, prompt="Please say {{ word }}.")
    assert found.starts
    assert found.why[0].startswith("our prompt changed (")
    assert site.count("runs") == 2
    assert site.rows("SELECT count(*) AS n FROM usage WHERE ref LIKE 'probe/%'")[0]["n"] == 6


def test_a_probe_leaves_a_run_that_is_under_way_alone(site: Site, speaker: Speaker) -> None:
    """The next one starts the suite, as that run has begun before the change."""
    ran(site)
    with alone(site.wired().services.ops, SLUG):
        speaker.model = f"{MODEL}-2026-11-02"
        assert not probed(site).starts
    assert probed(site).starts


def test_a_target_out_of_reach_is_told_once(site: Site, speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the third probe without an answer; when it answers again the suite runs, and that ends the incident."""
    monkeypatch.setattr("afterpilot.evaluate.calls.ATTEMPTS", 1)
    ran(site)
    speaker.status = 500
    found: list[pipeline.Probing] = []
    for _ in range(5):
        site.now += timedelta(minutes=10)
        found.append(probed(site))
    assert [one.run is not None for one in found] == [False, False, True, False, False]
    assert not any(one.starts for one in found)
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"], incident["state"]) == (
        "evals.target_out_of_reach",
        "unknown",
        "open",
    )
    speaker.status = 200
    back = probed(site)
    assert (back.starts, back.why) == (True, ("the model answers again",))
    run: Run = ran(site)
    assert run.verdict is Verdict.PASS
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]
    assert site.rows("SELECT workflow, failures, error FROM fingerprints ORDER BY id DESC LIMIT 1") == [
        {"workflow": SLUG, "failures": 0, "error": ""}
    ]


def test_a_case_that_wavers_is_shown_apart(site: Site, speaker: Speaker) -> None:
    """By its own history: neither a failure nor an alarm."""
    approved(site)
    for number in range(10):
        speaker.wrong = {3} if number % 2 else set()
        run = ran(site)
        site.now += DAY
    (flaky,) = run.evidence["flaky"]
    assert flaky["case"] == "w-03"
