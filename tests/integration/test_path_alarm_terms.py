"""What the alarm reckons with in production: how often the suite runs, and how much the fleet's days differ."""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from eval_site import DAY, Speaker, approved, ran, suite
from path_site import SLUG, Site

from afterpilot import pipeline
from afterpilot.domain.workflow import AlarmTerms
from afterpilot.pipeline.evals.alarming import terms_of
from afterpilot.record import tables
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration


def history(site: Site, deviation: float, *, alarm: str = "none", days: int = 30, prompt: str = "p") -> None:
    """Quiet nights before now of twelve other workflows whose baselines are approved; each night moves all sixty cases alike."""
    chance = random.Random(11)  # noqa: S311 - no secret
    with site.ops.begin() as connection:
        for workflow in (f"other-{number}-{prompt}" for number in range(12)):
            rows = [
                _night(workflow, site.now - DAY * (days - day), chance, deviation, alarm, prompt) for day in range(days)
            ]
            moments = ("window_start", "window_end", "started_at", "finished_at")
            of = {"workflow": workflow, "stage": "evaluate", "verdict": "PASS"}
            put_runs(connection, *({"id": row["run_id"], **of, **dict.fromkeys(moments, row["at"])} for row in rows))
            connection.execute(sa.insert(tables.eval_results).values(rows))
            connection.execute(
                sa.insert(tables.baselines).values(workflow=workflow, run_id=rows[0]["run_id"], approved_by="Dana")
            )


def _night(
    workflow: str, at: datetime, chance: random.Random, deviation: float, alarm: str, prompt: str
) -> dict[str, Any]:
    level = chance.gauss(1.0, deviation)
    rate = 1 / (1 + math.exp(-level))
    outcomes = {f"c{number}": [int(chance.random() < rate), 1] for number in range(60)}
    return {
        "run_id": uuid.uuid4(), "workflow": workflow, "at": at, "origin": "schedule", "valid": True, "suite": "s", "cases": 60,
        "passed": 50, "scored": 60, "outcomes": outcomes, "alarm": alarm,
        "fingerprint": {"prompt": prompt, "model": "m", "declaration": "d", "answered": {"model": ["m"]}},
    }  # fmt: skip


def regression(site: Site) -> dict[str, Any]:
    """What the run of today says of its comparison."""
    told: dict[str, Any] = ran(site).evidence["regression"]
    return told


def again(site: Site) -> None:
    """Approve the newest run anew."""
    wired = site.wired()
    pipeline.approve(wired.services, suite(wired), by="Dana Ruiz")


def test_a_weekly_suite_promises_as_few_false_alarms_a_year(site: Site) -> None:
    """It runs on 52 days, so the alarm is at a seventh of the evidence of a nightly one; several runs a day are one day."""
    site.edit("_fleet.yaml", "evals: {nightly: 0 2 * * *}", "evals: {nightly: 0 2 * * *, weekly: '0 2,14 * * mon'}")
    approved(site)
    nightly = regression(site)
    site.edit(f"{SLUG}/workflow.yaml", "evals: nightly", "evals: weekly")
    again(site)
    weekly = regression(site)
    assert nightly["alarm_at"] == pytest.approx(3652.5)
    assert weekly["alarm_at"] == pytest.approx(521.8, abs=0.1)
    assert [one["false_alarms_per_year"] for one in (nightly, weekly)] == pytest.approx([0.1, 0.1])
    wired = site.wired()
    standing = pipeline.standing(wired.services, wired.workflow(SLUG))
    assert standing is not None
    assert standing.terms is not None
    assert standing.terms.settings.run_days == pytest.approx(52.18, abs=0.01)
    assert "days on which it runs" in standing.detects


def test_terms_that_are_declared_anew_hold_from_the_next_approval_on(site: Site) -> None:
    """Until then a note names them; the alarm's threshold stays where it was."""
    site.edit("_fleet.yaml", "evals: {nightly: 0 2 * * *}", "evals: {nightly: 0 2 * * *, weekly: 0 2 * * mon}")
    approved(site)
    site.edit(f"{SLUG}/workflow.yaml", "evals: nightly", "evals: weekly")
    often = AlarmTerms(Decimal(4), Decimal("0.2"))
    run = ran(site, alarm=often)
    assert run.evidence["regression"]["alarm_at"] == pytest.approx(3652.5)
    (note,) = site.rows("SELECT * FROM findings WHERE run_id = :run", run=run.id)
    assert (note["kind"], note["severity"]) == ("evals.baseline_due", "info")
    assert "Declared anew: false_alarms_per_year, smallest_drop, schedule. Approve anew" in note["detail"]
    wired = site.wired()
    pipeline.approve(wired.services, suite(wired, alarm=often), by="Dana Ruiz")
    run = ran(site, alarm=often)
    assert run.evidence["regression"]["alarm_at"] == 20
    assert site.rows("SELECT * FROM findings WHERE run_id = :run", run=run.id) == []


def test_a_suite_without_a_schedule_counts_as_nightly(site: Site) -> None:
    """Somebody may run it every day."""
    wired = site.wired()
    workflow = wired.workflow(SLUG)
    assert workflow.evals is not None
    alone = replace(workflow, schedules={})
    assert terms_of(wired.services, alone, workflow.evals).settings.run_days == 365


def test_few_quiet_days_leave_the_wobble_at_its_default(site: Site) -> None:
    """And it is said that it was not measured."""
    approved(site)
    told = regression(site)
    assert (told["wobble"], told["wobble_measured"]) == (0.2, False)


@pytest.mark.parametrize("deviation", [0.0, 0.5])
def test_the_wobble_of_days_is_measured_over_the_fleet(site: Site, deviation: float) -> None:
    """From the quiet days of workflows with a baseline; an alarm's days and a change of the prompt say nothing of days."""
    history(site, deviation)
    history(site, 0.9, alarm="alarm", prompt="q")
    approved(site)
    told = regression(site)
    assert told["wobble_measured"]
    assert told["wobble"] == pytest.approx(deviation, abs=0.15)


def test_the_wobble_is_measured_once_a_day(site: Site) -> None:
    """An approval of the next day sees what came since."""
    approved(site)
    again(site)
    history(site, 0.4)
    again(site)
    assert not regression(site)["wobble_measured"]
    site.now += timedelta(days=1)
    again(site)
    assert regression(site)["wobble_measured"]


def test_the_wobble_of_the_approval_holds_until_the_next(site: Site) -> None:
    """Days that are past are not judged by what is learned of days later."""
    approved(site)
    history(site, 0.6)
    site.now += DAY
    told = regression(site)
    assert (told["wobble"], told["wobble_measured"]) == (0.2, False)


def test_an_open_alarm_keeps_its_terms(site: Site, speaker: Speaker) -> None:
    """Neither days that differ more, as is learned later, nor an edited declaration end it: only runs that speak for the baseline."""
    approved(site)
    speaker.wrong = {1, 2, 3, 4, 5, 6}
    told = regression(site)
    while told["alarm"] != "alarm":
        site.now += DAY
        told = regression(site)
    assert not told["wobble_measured"]
    history(site, 3.0)
    site.now += DAY
    speaker.wrong = {1, 2, 3, 4, 5}
    told = ran(site, alarm=AlarmTerms(Decimal("0.001"), Decimal("0.4"))).evidence["regression"]
    assert (told["alarm"], told["wobble"], told["wobble_measured"]) == ("alarm", 0.2, False)
