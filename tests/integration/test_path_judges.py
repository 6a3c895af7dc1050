"""Judges on probation, over real HTTP and a real PostgreSQL: measured on what people decided, and watched on frozen answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from eval_site import DAY, Speaker, suite
from path_site import SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.evals import ScorerSpec
from afterpilot.domain.judging import Standing
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Corrections, ModelTarget, Workflow
from afterpilot.pipeline.evals.judges import advisory
from afterpilot.wiring import Wired
from doubles.command_line import command_line
from doubles.model import Act, ModelDouble

pytestmark = pytest.mark.integration
HALF = timedelta(hours=12)


@dataclass
class Judge:
    """It says that a word is right where the answer is that word; ``harsh`` words fail whatever they are, ``lost`` says nothing."""

    harsh: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    asked: int = 0
    away: bool = False

    def __call__(self, request: Mapping[str, Any]) -> Act:
        """Judge one answer."""
        self.asked += 1
        if self.away:
            return Act(status=500, body=b"away")
        text = request["messages"][-1]["content"]
        number = int(re.findall(r'"(?:word|invoice)": "w-(\d+)"', text)[0])
        answer = text.split("answered\n")[1].split("\n=====")[0]
        passed = answer == f"w-{number:02d}" and number not in self.harsh
        said = {"reason": "as the rubric says", "score": float(passed), "passed": passed}
        return Act(text="well ..." if number in self.lost else json.dumps(said))


@dataclass
class Office:
    """A site whose model speaks words, and the judge of them, alone or with scorers ``beside`` it."""

    site: Site
    speaker: Speaker
    judge: Judge
    rubric: str = "The answer is the word."
    beside: tuple[ScorerSpec, ...] = ()

    @cached_property
    def wired(self) -> Wired:
        """One process for all that is done."""
        return self.site.wired()

    def suite(self, **changed: Any) -> Workflow:
        """The suite of words."""
        wired = self.wired
        evals = wired.workflow(SLUG).evals
        assert evals is not None
        assert isinstance(evals.target, ModelTarget)
        target = replace(evals.target, name="judge", prompt=Prompt(self.rubric), response_schema=None)
        judge = ScorerSpec("judge", "", {"target": target, "rubric": self.rubric})
        workflow = suite(
            wired,
            scorers=(*self.beside, judge),
            corrections=Corrections({"word": "document"}, {}, "extracted_json"),
            **changed,
        )
        source = replace(workflow.source, fields={"document": "text", "extracted_json": "text"})
        return replace(workflow, source=source)

    def decided(self, count: int, *, first: int = 0, wrong_every: int = 3) -> None:
        """Records that people have decided on: every third was wrong, and was corrected."""
        services = self.wired.services
        at = self.site.now - HALF
        numbers = range(first, first + count)
        bad = {n for n in numbers if n % wrong_every == 0}
        said = [
            Record(
                SLUG,
                f"r-{n}",
                at,
                {"document": f"w-{n:02d}", "extracted_json": "nonsense" if n in bad else f"w-{n:02d}"},
            )
            for n in numbers
        ]
        people = [HumanDecision(SLUG, f"r-{n}", at, "corrected" if n in bad else "accepted") for n in numbers]
        with services.ops.begin() as unit:
            unit.records.write(said, trigger_id())
            unit.records.write_decisions(people)

    def calibrated(self, **changed: Any) -> pipeline.Calibration:
        """Measure the judge."""
        (done,) = pipeline.calibrate(self.wired.services, self.suite(**changed))
        return done

    def standing(self) -> Standing:
        """Where the judge stands."""
        (found,) = pipeline.judge_standings(self.wired.services, self.suite())
        return found

    def ran(self, **changed: Any) -> Run:
        """Run the suite; then it is the next day."""
        run = pipeline.evaluate(self.wired.services, self.suite(**changed), trigger=trigger())
        self.site.now += DAY
        return run


def trigger_id() -> Any:
    """The id of some run."""
    return Run.identity(SLUG, "pull", trigger())  # type: ignore[arg-type] # the stage's word


@pytest.fixture
def office(tmp_path: Path, ops_url: str, empty_database: str) -> Iterator[Office]:
    """An office on no certain day."""
    speaker, judge = Speaker(), Judge()

    def answer(request: dict[str, Any], times: int) -> Act:
        return judge(request) if request["model"] == "judge" else speaker(request, times)

    with ModelDouble(answer) as model:
        site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database, model_url=model.url)
        site.edit("_fleet.yaml", "prices:\n", PRICED)
        office = Office(site, speaker, judge)
        yield office
        office.wired.engine.dispose()


PRICED = """prices:
  - {model: judge, input_per_million: 1, output_per_million: 1, cached_per_million: 1, currency: USD, note: a double}
"""


def test_a_judge_that_agrees_with_people_decides_after_fifty_labels(office: Office) -> None:
    """Before that the suite is UNKNOWN; each label is asked for once and paid for as an eval."""
    assert office.standing().why.startswith("No person's decision")
    office.decided(37)
    done = office.calibrated()
    assert done.judged == 37
    assert "37 of the 50" in office.standing().why
    run = office.ran()
    assert run.verdict is Verdict.UNKNOWN
    assert run.evidence["judges"][0]["trusted"] is False
    office.decided(60)
    office.judge.asked = 0
    assert office.calibrated().judged == 23
    assert office.judge.asked == 23
    here = office.standing()
    assert here.trusted, here.why
    assert (here.labels, here.agreement, here.kappa) == (60, 1.0, 1.0)
    run = office.ran()
    assert run.verdict is Verdict.PASS, run.reasons
    assert run.evidence["judges"][0]["labels"] == 60
    used = office.site.rows("SELECT * FROM usage WHERE ref LIKE 'judgement/%'")
    assert len(used) == 60
    assert {row["kind"] for row in used} == {"judge"}
    assert office.calibrated().judged == 0


def test_a_changed_rubric_puts_the_judge_back(office: Office) -> None:
    """It is another judge, which nobody has measured; the old one's standing is there when it comes back."""
    office.decided(60)
    office.calibrated()
    assert office.standing().trusted
    office.rubric = "The answer is the word, and polite."
    assert not office.standing().trusted
    assert office.standing().labels == 0
    assert office.ran().verdict is Verdict.UNKNOWN
    office.rubric = "The answer is the word."
    assert office.standing().trusted


def test_people_who_change_their_minds_change_the_standing(office: Office) -> None:
    """The newest decision on a record is the label, and nobody is asked again for it."""
    office.decided(60)
    office.calibrated()
    later = [HumanDecision(SLUG, f"r-{n}", office.site.now, "rejected") for n in range(1, 40)]
    with office.wired.services.ops.begin() as unit:
        unit.records.write_decisions(later)
    here = office.standing()
    assert not here.trusted
    assert here.labels == 60
    assert "too weak" in here.why


def test_a_judge_without_words_is_not_trusted_and_is_asked_three_times_at_most(office: Office) -> None:
    """What it cannot judge counts neither for nor against it, but more than 5 percent of it keep it on probation."""
    office.judge.lost = {1, 2, 4, 5}
    office.decided(60)
    done = office.calibrated()
    assert (done.judged, done.unusable) == (60, 4)
    assert "no usable word on 4 of 60" in office.standing().why
    assert office.calibrated().judged == 4
    assert office.calibrated().judged == 4
    assert office.calibrated().judged == 0


def test_a_calibration_stops_at_its_money(office: Office) -> None:
    """It leaves of the eval budget what the next run is expected to cost, and says how many were not asked."""
    office.decided(60)
    done = office.calibrated(cap=Cap.parse("0.000001 USD/month"))
    assert (done.judged, office.judge.asked) == (0, 0)
    assert "60 more were not judged: 0.00 USD is what may be spent" in done.why
    done = office.calibrated(max_cost=Money.parse("0.004 USD"))
    assert 0 < done.judged < 60
    spent = office.site.rows(
        "SELECT sum(input_tokens + output_tokens) AS tokens FROM usage WHERE kind IN ('eval', 'judge')"
    )
    assert spent[0]["tokens"] / 1_000_000 <= 0.004


def test_records_without_a_question_are_counted(office: Office) -> None:
    """A field that is empty, or personal, makes no question."""
    office.decided(3)
    with office.wired.services.ops.begin() as unit:
        unit.connection.execute(sa.text("UPDATE records SET data = '{\"extracted_json\": \"w\"}' WHERE key = 'r-1'"))
    done = office.calibrated()
    assert done.judged == 2
    assert done.left_out == {"no value for word": 1}


def test_a_drifting_judge_is_named_and_is_advisory_until_it_is_measured_anew(office: Office) -> None:
    """The alarm's cause is the judge, the finding a warning; what it said before the drift counts no more."""
    office.decided(90, first=100)
    office.calibrated()
    for _ in range(6):
        assert office.ran().verdict is Verdict.PASS
    office.site.now -= HALF
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz")
    office.site.now += HALF
    run = office.ran()
    assert run.verdict is Verdict.PASS, run.reasons
    assert office.site.count("judgements") == 90 + 20
    office.judge.harsh = set(range(0, 40, 2))
    run = office.ran()
    findings = {row["kind"]: row for row in office.site.rows("SELECT * FROM findings WHERE run_id = :run", run=run.id)}
    assert findings["evals.judge_drifted"]["severity"] == "warning"
    assert "the judge judge drifted" in findings["evals.regressed"]["detail"]
    assert not office.standing().trusted
    assert "It drifted on" in office.standing().why
    assert office.ran().verdict is Verdict.UNKNOWN
    assert office.calibrated().judged == 90
    here = office.standing()
    assert here.trusted
    assert "measured anew" in here.why


def test_a_drifted_judge_that_was_measured_anew_decides_from_then_on(office: Office) -> None:
    """The finding is told while it is on probation, in words that fit, and is over with it, however often it is asked again."""
    office.beside = (ScorerSpec("exact", ""),)
    office.decided(90, first=100)
    office.calibrated()
    office.ran()
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz")
    office.judge.harsh = set(range(0, 40, 2))

    def told() -> list[str]:
        found = office.site.rows("SELECT * FROM findings WHERE run_id = :run", run=office.ran().id)
        return [row["detail"] for row in found if row["kind"] == "evals.judge_drifted"]

    said = "From the next run on its scores are advisory."
    assert [said in detail for detail in (*told(), *told())] == [True, False]
    office.calibrated()
    for _ in range(4):
        assert told() == []
        assert office.standing().trusted, office.standing().why
    assert [one["state"] for one in office.site.incidents() if one["kind"] == "evals.judge_drifted"] == ["resolved"]


def test_a_new_approval_ends_a_drift(office: Office) -> None:
    """What the judge said then is the measure from then on, and the incident is over."""
    office.beside = (ScorerSpec("exact", ""),)
    office.decided(90, first=100)
    office.calibrated()
    office.ran()
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz")
    office.judge.harsh = set(range(0, 40, 2))
    office.ran()
    assert not office.standing().trusted
    assert [one["state"] for one in office.site.incidents() if one["kind"] == "evals.judge_drifted"] == ["open"]
    run = office.ran()
    assert run.verdict is Verdict.WARN, run.reasons
    assert run.evidence["by_scorer"]["judge"]["advisory"] is True
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz", note="the judge is stricter")
    office.ran()
    assert office.standing().trusted
    assert [one["state"] for one in office.site.incidents() if one["kind"] == "evals.judge_drifted"] == ["resolved"]


def test_a_judge_that_stays_the_same_is_asked_about_each_frozen_answer_in_turn(office: Office) -> None:
    """Twenty a run, those first that were not asked for longest."""
    office.decided(60)
    office.calibrated()
    office.ran()
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz")
    for _ in range(2):
        office.ran()
    asked = office.site.rows("SELECT subject, count(*) AS times FROM judgements WHERE label IS NULL GROUP BY subject")
    assert len(asked) == 40
    assert {row["times"] for row in asked} == {1}


def test_a_judge_that_is_out_of_reach_has_said_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word is kept, none is held against it, and it is asked again when it answers."""
    monkeypatch.setattr("afterpilot.evaluate.calls.ATTEMPTS", 1)
    office.decided(60)
    office.judge.away = True
    done = office.calibrated()
    assert done.judged == 0
    assert "60 more were not judged" in done.why
    assert office.site.count("judgements") == 0
    office.judge.away = False
    assert office.calibrated().judged == 60
    assert office.standing().trusted


def test_a_run_that_was_cut_off_keeps_the_standing_that_it_began_with(office: Office) -> None:
    """What is learned of a judge while a run is under way holds from the next run on."""
    office.decided(60)
    began = office.site.now
    office.calibrated()
    with office.wired.services.ops.begin() as unit:
        assert advisory(unit, office.suite(), before=began) == {"judge"}
        assert advisory(unit, office.suite()) == frozenset()


def test_judges_on_the_command_line(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is on probation, why, with which figures; --calibrate measures and says what it did."""
    site = office.site
    (site.folder / SLUG / "rubric.md").write_text("The answer is the invoice's.\n")
    site.edit(
        f"{SLUG}/workflow.yaml",
        "    - {json_schema: output.schema.json}\n",
        "    - {json_schema: output.schema.json}\n    - {judge: rubric.md, model: {connection: local_model, name: judge}}\n",
    )
    site.edit(f"{SLUG}/workflow.yaml", "models_allowed: [", "models_allowed: [judge, ")
    office.decided(60)
    run = command_line(monkeypatch, capsys, site.env)

    def cli(*arguments: str) -> str:
        code, out, _ = run("evals", "judges", SLUG, *arguments)
        assert code == 0
        return out

    assert "on probation. No person's decision" in cli()
    assert "judge judged 10 outputs that people have decided on" in cli("--calibrate", "--most", "10")
    said = json.loads(cli("--calibrate", "--json"))
    assert said["calibrated"][0]["judged"] == 50
    assert said["judges"][0]["labels"] == 60
    assert said["judges"][0]["drift"] is None
    assert said["judges"][0]["trusted"] is True


def test_a_judge_that_decides_nothing_is_no_cause(office: Office) -> None:
    """It drifted and the model got worse: the finding of the regression does not lay it at the judge's door."""
    office.beside = (ScorerSpec("exact", ""),)
    for _ in range(6):
        office.ran()
    office.site.now -= HALF
    pipeline.approve(office.wired.services, office.suite(), by="Dana Ruiz")
    office.site.now += HALF
    office.judge.harsh = set(range(0, 40, 2))
    office.speaker.wrong = set(range(12))
    run = office.ran()
    findings = {row["kind"]: row for row in office.site.rows("SELECT * FROM findings WHERE run_id = :run", run=run.id)}
    assert "evals.judge_drifted" in findings
    assert "nothing that we record changed" in findings["evals.regressed"]["detail"]
