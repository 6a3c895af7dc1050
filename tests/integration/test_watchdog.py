"""The watchdog over a real site: what should have happened by its schedule and did not is told, once, and is over when it happens."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import HOUR, NOW, SLUG, Site, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.delivery import Posted
from afterpilot.domain.message import Message
from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.watching import Expected, Looked, TaskFailure, Tick, beat_of, import_beat
from afterpilot.domain.window import Window
from afterpilot.notify.preview import PreviewTransport
from afterpilot.pipeline import announcing
from afterpilot.pipeline.conclude import concluded, crashed
from afterpilot.record.beats import Beats
from afterpilot.record.ops import Ops
from afterpilot.record.task_failures import TaskFailures
from afterpilot.record.watched import Watched

MINUTE = timedelta(minutes=1)
OVERDUE, OUTBOX, SCHEDULER = "watch.overdue", "watch.outbox", "watch.scheduler"


@pytest.fixture(autouse=True)
def _no_letter_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of what many hang on are held back for half a minute, by the real clock."""
    monkeypatch.setattr(announcing, "TOGETHER", timedelta(0))


@pytest.fixture
def declared(site: Site) -> Site:
    """A site whose declarations were loaded a moment ago, at noon."""
    declare(site)
    return site


def declare(site: Site) -> None:
    """The DAG `declarations` passes."""
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    wired.passed("declarations")


def passes(site: Site, *, minutes: int, alive: bool = True, **given: Any) -> Looked:
    """The watchdog passes every ten minutes until so many have gone by; the other DAGs without a verdict pass before it."""
    looked: Looked | None = None
    until = site.now + minutes * MINUTE
    while looked is None or site.now < until:
        if looked is not None:
            site.now = min(site.now + 10 * MINUTE, until)
        wired = site.wired()
        if alive:
            for dag in ("declarations", "deliver", "gate", "probe", "seal", "spend"):
                wired.passed(dag)
        looked = wired.watch(own=True, **given)
    return looked


def ran(site: Site, stage: Stage, *, slug: str = SLUG, started_by: Trigger | None = None) -> None:
    """A run of the stage that found nothing."""
    wired = site.wired()
    result = StageResult(slug, stage, "all is well", checked=1)
    window = Window(site.now - HOUR, site.now)
    concluded(wired.services, result, wired.workflow(slug), window, started_by or trigger(), site.now)


def watched(site: Site, *kinds: str) -> list[tuple[str, str, str, str]]:
    """(workflow, kind, what it is about in words, state) of the watchdog's incidents."""
    found = [one for one in site.incidents() if one["stage"] == "watch" and (not kinds or one["kind"] in kinds)]
    return [(one["workflow"], one["kind"], one["title"], one["state"]) for one in found]


def test_an_overdue_verdict_is_told_once_and_over_with_the_next_run(declared: Site) -> None:
    """One incident with one message however often the watchdog passes; the stages that follow are part of it."""
    passes(declared, minutes=60)
    (found,) = watched(declared)
    assert found == (SLUG, OVERDUE, "No verdict of the stage pull yet", "open")
    letters = [one for one in declared.letters() if one["kind"] == "incident"]
    assert len(letters) == 1
    assert letters[0]["state"] == "sent"
    declared.invoices(range(3))
    window = pulled(declared).window
    for stage in (Stage.CHECK, Stage.GATE):
        ran(declared, stage)
    assert window.end <= declared.now
    passes(declared, minutes=1)
    assert [state for *_, state in watched(declared)] == ["resolved"]


def test_the_first_stage_that_is_missing_is_named(declared: Site) -> None:
    """Records are read, and not checked: the owner is told of the check alone."""
    passes(declared, minutes=40)
    ran(declared, Stage.PULL)
    passes(declared, minutes=1)
    assert watched(declared) == [
        (SLUG, OVERDUE, "No verdict of the stage pull yet", "resolved"),
        (SLUG, OVERDUE, "No verdict of the stage check yet", "open"),
    ]


def test_a_new_installation_is_not_flooded(declared: Site) -> None:
    """The first passes find nothing: neither what was due before anything was declared, nor DAGs that are still switched off."""
    looked = passes(declared, minutes=0, alive=False)
    assert looked.judged > 0
    passes(declared, minutes=25, alive=False)
    assert watched(declared) == []
    off = passes(declared, minutes=60, paused=lambda dag: dag.startswith("records."))
    assert watched(declared) == []
    assert {one.dag_id: one.state for one in off.passes}["records.hourly"] == "paused"


def test_a_verdict_that_is_missing_for_more_than_a_year_is_told_as_that(declared: Site) -> None:
    """Nobody looks for its last run in all of the history; it may have run once, so it is told though its DAG is switched off."""
    for stage in (Stage.PULL, Stage.CHECK, Stage.GATE):
        ran(declared, stage)
    passes(declared, minutes=10)
    declared.now += timedelta(days=402)
    declare(declared)
    with declared.ops.begin() as connection:  # it has watched all the time
        connection.exec_driver_sql("UPDATE beats SET at = at + interval '402 days'")
    passes(declared, minutes=90, paused=lambda dag: dag.startswith("records."))
    told = [row[2:] for row in watched(declared, OVERDUE) if row[0] == SLUG]
    assert ("No verdict of the stage pull for more than a year", "open") in told


def test_a_rare_verdict_stays_overdue_until_it_comes(declared: Site) -> None:
    """Promised when it was due, which was longer ago than runs are looked for otherwise: nothing makes it good by itself."""
    due = declared.now + HOUR
    rare = Expected(SLUG, Stage.PULL, "records.hourly", Tick(due, timedelta(days=1461)))
    declared.now += timedelta(days=500)
    hourly = Expected(SLUG, Stage.CHECK, "records.hourly", Tick(declared.now, HOUR))
    with declared.ops.begin() as connection:
        seen, _ = Watched(connection).seen([rare, hourly])
    assert (seen.last, seen.promised) == (None, True)


def test_what_was_away_has_time_to_catch_up(declared: Site) -> None:
    """The machine was off for hours: nothing is overdue in the first half hour after it, and nothing that was is called over."""
    ran(declared, Stage.PULL)
    ran(declared, Stage.CHECK)
    ran(declared, Stage.GATE)
    passes(declared, minutes=90)
    before = watched(declared)
    assert [state for *_, state in before] == ["open"]
    declared.now += 5 * HOUR
    assert passes(declared, minutes=20).catching_up
    assert watched(declared) == before


def test_another_rhythm_is_not_held_against_the_time_before(declared: Site) -> None:
    """Nightly until now, hourly from now on: what the new schedule would have asked for an hour ago is not missed."""
    declared.edit(f"{SLUG}/workflow.yaml", "records: hourly", "records: nightly")
    declare(declared)
    passes(declared, minutes=50)
    assert watched(declared) == []
    declared.edit(f"{SLUG}/workflow.yaml", "records: nightly", "records: hourly")
    declare(declared)
    passes(declared, minutes=5)
    assert watched(declared) == []
    passes(declared, minutes=60)
    assert [one[:2] for one in watched(declared)] == [(SLUG, OVERDUE)]


def test_a_retired_workflow_owes_nothing(declared: Site) -> None:
    """Its incident is over, and none comes after it."""
    passes(declared, minutes=60)
    assert [state for *_, state in watched(declared)] == ["open"]
    text = (declared.folder / SLUG / "workflow.yaml").read_text()
    stage = next(line for line in text.splitlines() if line.startswith("stage:"))
    declared.edit(f"{SLUG}/workflow.yaml", stage, "stage: retired")
    declare(declared)
    passes(declared, minutes=60)
    assert [state for *_, state in watched(declared)] == ["resolved"]


def test_many_that_wait_for_one_dag_are_one_message(site: Site) -> None:
    """Five workflows without verdicts are one incident of the fleet; theirs are part of it and not told."""
    slugs = [SLUG, *(f"copy_{number}" for number in range(4))]
    for slug in slugs[1:]:
        site.add(slug)
    declare(site)
    passes(site, minutes=60)
    assert {one[0] for one in watched(site, OVERDUE)} == set(slugs)
    (whole,) = [one for one in site.incidents() if one["kind"] == "shared.dag"]
    assert whole["title"] == "The DAG records.hourly brings no verdicts: 5 workflows hang on it"
    assert {one["cause_id"] for one in site.incidents() if one["kind"] == OVERDUE} == {whole["id"]}


def test_a_dag_that_does_not_pass_is_told_to_the_fleet(declared: Site) -> None:
    """Caps are not guarded: the DAG has passed once, and then no more. It is said where it is switched off."""
    passes(declared, minutes=40)
    for _ in range(4):
        declared.now += 10 * MINUTE
        wired = declared.wired()
        for dag in ("declarations", "deliver", "gate", "probe", "seal"):
            wired.passed(dag)
        wired.watch(own=True, paused=lambda dag: dag == "spend")
    (found,) = [one for one in declared.incidents() if one["workflow"] == "_fleet"]
    assert found["kind"] == OVERDUE
    assert found["title"].startswith("The DAG spend has not passed since 2026-11-18 12:40")
    assert "caps are not guarded" in found["detail"]
    passes(declared, minutes=1)
    assert [one["state"] for one in declared.incidents() if one["workflow"] == "_fleet"] == ["resolved"]


def test_a_dead_scheduler_is_told_from_outside(declared: Site) -> None:
    """One message instead of one for each thing that does not happen; over with the watchdog's own next pass."""
    passes(declared, minutes=40)
    before = len(watched(declared))
    declared.now += 2 * HOUR
    looked = declared.wired().watch()
    assert not looked.good
    assert [one[1] for one in watched(declared)][before:] == [SCHEDULER]
    assert watched(declared, SCHEDULER)[0][2] == "Airflow has started nothing since 2026-11-18 12:40 UTC"
    passes(declared, minutes=1)
    assert watched(declared, SCHEDULER)[0][3] == "resolved"


def test_a_stuck_outbox_is_told_at_every_other_target(declared: Site) -> None:
    """Slack may be what is broken: the same message goes to the declared target outside it."""
    declared.edit(
        "_fleet.yaml", "\n  routes:", "\n  targets:\n    pager: {kind: pagerduty, connection: pager}\n  routes:"
    )
    assert declared.wired().declarations.fleet_problems == ()
    passes(declared, minutes=0)
    stuck(declared)
    passes(declared, minutes=1)
    assert watched(declared) == [("_fleet", OUTBOX, "Messages do not reach people", "open")]
    told = {one["target"] for one in declared.letters() if one["incident_id"]}
    assert told == {"slack", "pager"}
    with declared.ops.begin() as connection:
        connection.execute(sa.text("UPDATE outbox SET state = 'sent', sent_at = now()"))
    passes(declared, minutes=1)
    assert watched(declared)[0][3] == "resolved"


def stuck(site: Site) -> None:
    """A letter to Slack that has been due for an hour; Slack has asked to wait for a day, and so has the other target."""
    message = Message(tone="info", title="t", summary="s", notification="n")
    with site.ops.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO lanes (target, channel, free_at, why)"
                " SELECT target, '*', now() + interval '1 day', 'busy' FROM unnest(ARRAY['slack', 'pager']) AS target"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO outbox (dedupe_key, workflow, kind, channel, message, created_at, not_before) VALUES"
                " ('old', 'w', 'weekly', '#x', CAST(:message AS jsonb), now() - interval '1 hour', now() - interval '1 hour')"
            ),
            {"message": json.dumps(message.as_dict())},
        )


def test_a_message_that_cannot_be_made_is_told_and_sent_when_it_can(
    declared: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UNKNOWN by the next pass, in the same words while it is tried again; over when the message is out."""
    passes(declared, minutes=0)
    with Ops(declared.ops).begin() as unit:
        poison = Message("critical", "poison", "x", "poison")
        unit.outbox.put(poison, dedupe_key="poison", workflow=SLUG, kind="review", channel="#ap-automation")
    real = PreviewTransport.post

    def post(self: PreviewTransport, channel: str, message: Message, **given: Any) -> Posted:
        if message.title == "poison":
            raise KeyError(message.title)
        return real(self, channel, message, **given)

    with monkeypatch.context() as patch:
        patch.setattr(PreviewTransport, "post", post)
        passes(declared, minutes=1)
        passes(declared, minutes=1)
    (told,) = [one for one in declared.incidents() if one["kind"] == OUTBOX]
    assert (told["severity"], told["state"], told["occurrences"]) == ("unknown", "open", 1)
    assert told["detail"].endswith(f"{SLUG} for #ap-automation (unexpected: KeyError).")
    (letter,) = [one for one in declared.letters() if one["dedupe_key"] == "poison"]
    assert (letter["state"], letter["attempts"]) == ("pending", 1)
    with declared.ops.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET not_before = now() - interval '1 s' WHERE dedupe_key = 'poison'")
    passes(declared, minutes=1)
    assert watched(declared, OUTBOX)[0][3] == "resolved"
    assert [one["state"] for one in declared.letters() if one["dedupe_key"] == "poison"] == ["sent"]


def test_a_token_that_was_revoked_is_told(declared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last sweep ran into stands in its beat."""
    passes(declared, minutes=0)
    with declared.ops.begin() as connection:
        Beats(connection).beat("delivery", at=declared.now + HOUR, detail={"blocked": "Slack says token_revoked"})
    looked = declared.wired().watch(own=True)
    assert looked.outbox.blocked == "Slack says token_revoked"
    assert not looked.can_tell
    assert [one[1] for one in watched(declared)] == [OUTBOX]


def failure(site: Site, task: str, *, slugs: tuple[str, ...] = (), run: str = "scheduled__1") -> TaskFailure:
    """A task of records.hourly failed for good."""
    one = TaskFailure("records.hourly", task, run, 0 if slugs else -1, site.now, ", ".join(slugs), "OSError", slugs)
    with site.ops.begin() as connection:
        TaskFailures(connection).failed(one)
    return one


def test_a_failed_task_is_told_to_the_workflows_that_it_hides(site: Site) -> None:
    """Of the batch one has its result; the other is told, until a later run of the task has it."""
    site.add("other")
    declare(site)
    passes(site, minutes=0)
    started = trigger()
    ran(site, Stage.PULL, started_by=started)
    failure(site, "records_path.pull", slugs=(SLUG, "other"), run=started.run_id)
    passes(site, minutes=1)
    assert watched(site) == [
        (
            "other",
            "watch.task_failed",
            "The task pull of records.hourly failed: it has no result for this workflow",
            "open",
        )
    ]
    with site.ops.begin() as connection:
        TaskFailures(connection).succeeded("records.hourly", "records_path.pull", ["other"], at=site.now)
    passes(site, minutes=1)
    assert watched(site)[0][3] == "resolved"


def test_a_failed_plan_is_told_to_the_fleet_and_over_with_the_next_one(declared: Site) -> None:
    """It hides all workflows."""
    passes(declared, minutes=0)
    failure(declared, "plan")
    passes(declared, minutes=1)
    assert watched(declared)[0][:2] == ("_fleet", "watch.task_failed")
    with declared.ops.begin() as connection:
        TaskFailures(connection).succeeded("records.hourly", "plan", [], at=declared.now)
    passes(declared, minutes=1)
    assert watched(declared)[0][3] == "resolved"


def test_a_stage_that_did_not_run_explains_its_failed_task(declared: Site) -> None:
    """The owner has that incident already; the task's failure adds nothing."""
    passes(declared, minutes=0)
    wired = declared.wired()
    failure(declared, "records_path.pull", slugs=(SLUG,))
    crashed(wired.services, wired.workflow(SLUG), Stage.PULL, ValueError("x"), trigger=trigger())
    passes(declared, minutes=1)
    assert watched(declared) == []


def test_a_success_takes_only_its_own_workflows_off(declared: Site) -> None:
    """Batches are cut anew with each run: the failure is over when each of its workflows was in one that ended well."""
    failure(declared, "plan_b", slugs=("a", "b"))
    with declared.ops.begin() as connection:
        failures = TaskFailures(connection)
        failures.succeeded("records.hourly", "plan_b", ["b", "c"], at=declared.now)
        (left,) = failures.open()
        assert left.workflows == ("a",)
        failures.succeeded("records.hourly", "plan_b", ["a"], at=declared.now)
        assert failures.open() == []


def test_a_dag_file_that_does_not_load_is_told(declared: Site) -> None:
    """As long as the DAG processor says so."""
    passes(declared, minutes=0)
    with declared.ops.begin() as connection:
        Beats(connection).beat(import_beat("records.py"), at=declared.now, detail={"error": "DeclarationError: line 3"})
    passes(declared, minutes=1)
    assert watched(declared) == [("_fleet", "watch.dag_broken", "Airflow cannot load records.py", "open")]
    passes(declared, minutes=20)
    assert watched(declared)[0][3] == "resolved"


def test_an_older_pass_that_is_written_late_changes_nothing(ops: sa.Engine) -> None:
    """Two processes write the same beat in the wrong order."""
    name = beat_of(str(uuid.uuid4()))
    with ops.begin() as connection:
        beats = Beats(connection)
        beats.beat(name, at=NOW, detail={"n": 2})
        beats.beat(name, at=NOW - HOUR, detail={"n": 1})
        assert beats.all()[name].detail == {"n": 2}
