"""What a probe sees of a change, and when the suite starts for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eval_site import DAY, Speaker, probed, ran, suite
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.evals import ScorerSpec
from afterpilot.domain.money import Cap
from afterpilot.domain.run import Stage
from afterpilot.domain.workflow import Reads
from doubles.model import Act, ModelDouble

pytestmark = pytest.mark.integration
MODEL = "smollm2-135m-instruct"
HOUR = timedelta(hours=1)
READS = (Reads("erp", "SELECT name, currency FROM suppliers"),)


class Servers(Speaker):
    """The speaker behind servers of which the one named in ``system`` answers."""

    system = ""

    def __call__(self, request: Mapping[str, Any], times: int) -> Act:
        """Answer, with the server's mark."""
        act = super().__call__(request, times)
        return replace(act, headers={"x-model-version": self.system}) if self.system else act


@pytest.fixture
def speaker() -> Servers:
    """What the model does."""
    return Servers()


def test_a_model_that_did_not_answer_the_first_probe_is_known_later(
    site: Site, speaker: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What answers is learned when it first answers: that is no change, and another model after it is."""
    monkeypatch.setattr("afterpilot.evaluate.calls.ATTEMPTS", 1)
    speaker.status = 500
    assert not probed(site).starts
    speaker.status = 200
    ran(site)
    assert not probed(site).starts
    speaker.model = f"{MODEL}-2026-11-02"
    assert probed(site).why == (f"the model that answered changed: {MODEL} → {MODEL}-2026-11-02",)


def test_a_mark_that_replies_did_not_bear_before_is_learned(site: Site, speaker: Servers) -> None:
    """A first mark of servers is no change; another one is."""
    ran(site)
    speaker.system = "fp_a"
    assert not probed(site).starts
    speaker.system = "fp_b"
    assert probed(site).why == ("the reply's x-model-version changed: fp_a → fp_b",)


def test_servers_that_answer_in_turn_start_one_suite_each(site: Site, speaker: Servers) -> None:
    """A server that was seen lately is no change, or every probe would start a suite; a model that is back is one."""
    speaker.system = "fp_a"
    ran(site)
    for system in ("fp_b", "fp_c"):
        speaker.system = system
        assert probed(site).starts
        ran(site)
    for system in ("fp_a", "fp_b", "fp_c", "fp_a"):
        speaker.system = system
        assert not probed(site).starts
    for name in (f"{MODEL}-2026-11-02", MODEL):
        speaker.model = name
        assert probed(site).starts
        ran(site)


def test_data_that_the_workflow_reads_starts_the_suite(site: Site) -> None:
    """Once a day at most, and not where it cannot be read: that is unknown, and no change."""
    ran(site, reads=READS)
    site.now += DAY
    assert not probed(site, reads=READS).starts
    site.produce("UPDATE suppliers SET currency = 'EUR'")
    found = probed(site, reads=READS)
    assert found.why[0].startswith("the data that the workflow reads changed: erp query 1 (")
    ran(site, reads=READS)
    site.now += HOUR
    site.produce("UPDATE suppliers SET currency = 'USD'")
    assert not probed(site, reads=READS).starts
    site.now += DAY
    assert probed(site, reads=READS).starts
    ran(site, reads=READS)
    site.now += DAY
    erp, site.env["AIRFLOW_CONN_ERP"] = site.env["AIRFLOW_CONN_ERP"], ""
    assert not probed(site, reads=READS).starts
    site.env["AIRFLOW_CONN_ERP"] = erp
    assert not probed(site, reads=READS).starts  # it is as it was when it was last read
    site.produce("UPDATE suppliers SET currency = 'GBP'")
    assert probed(site, reads=READS).starts


def test_another_query_is_no_reason_to_hold_back_a_changed_prompt(site: Site) -> None:
    """A change of the prompt starts the suite at once, whatever became of the data."""
    ran(site, reads=READS)
    site.produce("UPDATE suppliers SET currency = 'EUR'")
    found = probed(site, reads=READS, prompt="Please say {{ word }}.")
    assert found.starts
    assert [line.split(" (")[0] for line in found.why] == [
        "our prompt changed",
        "the data that the workflow reads changed: erp query 1",
    ]


def test_a_changed_judge_starts_the_suite(site: Site) -> None:
    """Another rubric is another judge."""
    evals = site.wired().workflow(SLUG).evals
    assert evals is not None
    target = replace(evals.target, response_schema=None)
    exact = ScorerSpec("exact", "")
    judges = [ScorerSpec("judge", "", {"target": target, "rubric": said}) for said in ("Is it a word?", "Is it nice?")]
    ran(site, scorers=(exact, judges[0]))
    assert not probed(site, scorers=(exact, judges[0])).starts
    found = probed(site, scorers=(exact, judges[1]))
    assert found.starts
    assert found.why[0].startswith("the judge changed: judge (")


def test_a_suite_that_two_probes_asked_for_runs_once(site: Site, model: ModelDouble) -> None:
    """The second, which waited for its turn, finds the run that began since; one that began before is not enough."""
    before = ran(site)
    asked_at = site.now
    wired = site.wired()
    first = pipeline.evaluate(wired.services, suite(wired), trigger=trigger(), since=asked_at)
    assert first.id != before.id
    asked = len(model.asked)
    second = pipeline.evaluate(wired.services, suite(wired), trigger=trigger(), since=asked_at)
    assert (second.id, len(model.asked)) == (first.id, asked)
    assert pipeline.evaluated_since(wired.services, suite(wired), site.now) is None


PLEASE = "Please say {{ word }}."


def test_a_change_whose_suite_crashed_is_tried_again_after_an_hour(site: Site) -> None:
    """A crash evaluates nothing; another change in between starts the suite at once."""
    ran(site)
    assert probed(site, prompt=PLEASE).starts
    site.now += HOUR / 6
    wired = site.wired()
    pipeline.crashed(wired.services, suite(wired), Stage.EVALUATE, RuntimeError("away"), trigger=trigger())
    for _ in range(6):
        assert not probed(site, prompt=PLEASE).starts
        site.now += HOUR / 6
    found = probed(site, prompt=PLEASE)
    assert (found.starts, found.why) == (True, ("a change was not evaluated yet",))
    pipeline.crashed(wired.services, suite(wired), Stage.EVALUATE, RuntimeError("away"), trigger=trigger())
    site.now += HOUR / 6
    assert not probed(site, prompt=PLEASE).starts
    assert probed(site, prompt="Say {{ word }}, please.").starts
    ran(site, prompt="Say {{ word }}, please.")
    site.now += DAY
    assert not probed(site, prompt="Say {{ word }}, please.").starts


def test_a_change_whose_suite_was_refused_for_the_budget_is_not_evaluated(site: Site) -> None:
    """It is tried again every hour, until the budget pays for it."""
    ran(site)
    cap = Cap.parse("0.000001 USD/month")
    assert probed(site, prompt=PLEASE, cap=cap).starts
    for _ in range(2):
        assert ran(site, prompt=PLEASE, cap=cap).evidence["ran"] is False
        assert not probed(site, prompt=PLEASE, cap=cap).starts
        site.now += HOUR
        assert probed(site, prompt=PLEASE, cap=cap).starts


def test_a_case_wavers_also_where_servers_answer_in_turn(site: Site, speaker: Servers) -> None:
    """Another server of the same model every night is no reason to forget a case's history."""
    for night in range(12):
        speaker.system = f"fp_{night}"
        speaker.wrong = {3} if night % 2 else set()
        run = ran(site)
        site.now += DAY
    assert [one["case"] for one in run.evidence["flaky"]] == ["w-03"]
