"""A batch of workflows inside a task: one that breaks never stops the others, and is never silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from path_site import NOW, SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context, tasks
from afterpilot.orchestration.tasks import records
from afterpilot.pipeline import spending
from afterpilot.wiring import Wired

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

BATCH = {"label": "two", "workflows": ["bills", SLUG]}


class Task:
    """What a running task knows of itself."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.triggered, self.last = trigger(), False
        self.due: datetime | None = None
        for name, value in {
            "wired": site.wired,
            "trigger": self.trigger,
            "is_last_try": lambda: self.last,
            "until": lambda: NOW,
            "fell_due": lambda: self.due,
            "label": lambda _text: None,
        }.items():
            monkeypatch.setattr(context, name, value)
        monkeypatch.setattr(records, "announce_assets", lambda *_: None)

    def trigger(self) -> Trigger:
        """The same for each try."""
        return self.triggered


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """Two workflows over the same table."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.add("bills")
    made.invoices([1, 2])
    return made


@pytest.fixture
def task(site: Site, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task of that site."""
    return Task(site, monkeypatch)


def breaking(monkeypatch: pytest.MonkeyPatch, stage: str, *, times: int) -> None:
    """The stage breaks for ``bills``, so many times."""
    good: Any = getattr(pipeline, stage)
    left = [times]

    def work(services: Any, workflow: Workflow, **options: Any) -> Run:
        if workflow.slug == "bills" and left[0]:
            left[0] -= 1
            raise ZeroDivisionError("a password: hush")
        return good(services, workflow, **options)

    monkeypatch.setattr(pipeline, stage, work)


def test_a_passing_trouble_is_mended_by_the_next_try(site: Site, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Airflow tries again nothing is stored for the broken one, so the next try does its work; the others are done once."""
    breaking(monkeypatch, "pull", times=1)
    with pytest.raises(AirflowException, match="pull broke for bills; it is tried again"):
        tasks.pull.function(BATCH)
    assert [row["workflow"] for row in site.rows("SELECT workflow FROM runs")] == [SLUG]
    batch = tasks.pull.function(BATCH)
    assert (batch["unread"], batch["broken"], batch["workflows"]) == ([], [], ["bills", SLUG])
    assert site.count("runs") == 2
    assert site.incidents() == []


def test_a_lasting_trouble_is_unknown_and_the_others_go_on(
    site: Site, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last try leaves an UNKNOWN run with an incident, the good workflow is checked and gated, and the batch ends red."""
    breaking(monkeypatch, "pull", times=9)
    task.last = True
    batch = tasks.check.function(tasks.pull.function(BATCH))
    with pytest.raises(AirflowFailException, match="broke for bills"):
        tasks.route.function(batch)
    runs = {(row["workflow"], row["stage"]): row for row in site.rows("SELECT * FROM runs")}
    verdicts = {key: row["verdict"] for key, row in runs.items()}
    assert verdicts == {
        ("bills", "pull"): Verdict.UNKNOWN,
        ("bills", "check"): Verdict.UNKNOWN,
        ("bills", "gate"): Verdict.PASS,
        (SLUG, "pull"): Verdict.PASS,
        (SLUG, "check"): Verdict.PASS,
        (SLUG, "gate"): Verdict.PASS,
    }
    assert "hush" not in repr(runs) + repr(site.letters())
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"]) == ("pull.did_not_run", "unknown")
    assert "ZeroDivisionError" in incident["title"]


def test_a_trouble_that_cannot_even_be_stored(site: Site, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ops database is away just then: the others still go the whole way, and the path ends red and names the one."""
    breaking(monkeypatch, "pull", times=9)

    def away(*_arguments: Any, **_options: Any) -> Run:
        raise ConnectionError("the ops database is away")

    monkeypatch.setattr(batches, "crashed", away)
    task.last = True
    batch = tasks.check.function(tasks.pull.function(BATCH))
    assert (batch["workflows"], batch["broken"]) == ([SLUG], ["bills"])
    with pytest.raises(AirflowFailException, match="broke for bills"):
        tasks.route.function(batch)
    assert {row["workflow"] for row in site.rows("SELECT workflow FROM runs")} == {SLUG}


def test_a_folder_that_breaks_after_the_plan_leaves_the_others_alone(site: Site, task: Task) -> None:
    """The plan named it, now it is broken: the others go the whole way."""
    (site.folder / "bills" / "workflow.yaml").write_text("workflow: [")
    task.last = True
    batch = tasks.check.function(tasks.pull.function(BATCH))
    assert (batch["workflows"], batch["broken"]) == ([SLUG], ["bills"])
    with pytest.raises(AirflowFailException, match="bills"):
        tasks.route.function(batch)
    assert {row["workflow"] for row in site.rows("SELECT workflow FROM runs")} == {SLUG}


def test_the_last_stage_of_a_path_ends_red(site: Site, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the spend stage: when it broke for one, the task fails after all others are stored."""
    tasks.pull.function(BATCH)
    judge: Any = spending.judge_spend

    def work(subject: Any, *given: Any, **options: Any) -> Any:
        if subject.slug == "bills":
            raise ZeroDivisionError("a password: hush")
        return judge(subject, *given, **options)

    monkeypatch.setattr(spending, "judge_spend", work)
    task.last = True
    with pytest.raises(AirflowException, match="spend broke for bills"):
        tasks.spend.function()
    assert {
        row["workflow"]: row["verdict"] for row in site.rows("SELECT workflow, verdict FROM runs WHERE stage = 'spend'")
    } == {
        "bills": Verdict.UNKNOWN,
        SLUG: Verdict.PASS,
    }


def test_a_source_that_is_away_is_no_crash(site: Site, task: Task) -> None:
    """The pull says UNKNOWN by itself: no try is wasted, the check is not run, and there is one incident for each workflow."""
    site.produce("ALTER TABLE ai_invoice_runs RENAME TO gone")
    batch = tasks.pull.function(BATCH)
    assert (batch["unread"], batch["broken"]) == (["bills", SLUG], [])
    tasks.check.function(batch)
    assert {incident["kind"] for incident in site.incidents()} == {"pull.source_unreadable"}
    checks = site.rows("SELECT verdict, summary FROM runs WHERE stage = 'check'")
    assert checks == [{"verdict": "UNKNOWN", "summary": "not run: the source could not be read"}] * 2


def test_the_plan_names_usable_workflows_of_a_schedule(site: Site, task: Task) -> None:
    """Broken and retired ones are left out; before any declaration is synced the plan is skipped, which is no failure."""
    with pytest.raises(AirflowSkipException, match="records on schedule hourly: no declaration is synced yet"):
        batches.plan("records", "hourly")
    with pytest.raises(AirflowSkipException, match="before the DAG `declarations` has passed"):
        batches.plan_probes()
    with pytest.raises(AirflowSkipException, match="no declaration is synced yet"):
        batches.plan_gates()
    site.add("old")
    site.edit("old/workflow.yaml", "stage: live", "stage: retired")
    site.add("torn")
    site.edit("torn/workflow.yaml", "stage: live", "stage: liv")
    wired: Wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    planned = [slug for batch in batches.plan("records", "hourly") for slug in batch["workflows"]]
    assert planned == ["bills", SLUG]
    assert batches.plan("records", "nightly") == []


def test_a_report_that_fell_due_before_a_workflow_was_declared_leaves_it_out(site: Site, task: Task) -> None:
    """As on a new installation, where Airflow starts at once what fell due this morning; asked for by hand it is made."""
    wired: Wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    (declared, *_) = site.rows("SELECT min(first_loaded_at) AS at FROM declarations")

    def planned(kind: str, schedule: str) -> list[str]:
        return [slug for batch in batches.plan(kind, schedule) for slug in batch["workflows"]]

    assert planned("report", "monday_morning") == ["bills", SLUG]
    task.due = declared["at"] - timedelta(hours=2)
    assert planned("report", "monday_morning") == []
    assert planned("records", "hourly") == ["bills", SLUG]
    task.due = declared["at"] + timedelta(days=3)
    assert planned("report", "monday_morning") == ["bills", SLUG]
