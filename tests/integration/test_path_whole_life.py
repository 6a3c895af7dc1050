"""The whole cost of a workflow, from the office's rows and the model's answers to the command and the week's report."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import CASES, HOUR, NOW, SLUG, Site, evaluated, gated, perfect, pulled, spent, trigger
from typer.testing import CliRunner

from afterpilot import pipeline
from afterpilot.cli.app import app
from afterpilot.demo import databases
from afterpilot.domain.money import Money
from afterpilot.domain.whole_life import CALLS, EVALS, JUDGES, PEOPLE, WholeLife
from afterpilot.pipeline import whole_life
from doubles.model import ModelDouble

pytestmark = pytest.mark.integration

SPEND = "spend: {cap: 5 USD/month, "
A_CALL = (Decimal(150) * Decimal("0.046") + Decimal(550) * Decimal("0.005") + Decimal(58) * Decimal("0.123")) / 10**6


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """Four invoices of an hour ago; a clerk has mended one that was filed, and looked for three minutes."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.invoices(range(1, 5))
    made.edit(f"{SLUG}/workflow.yaml", SPEND, f"{SPEND}volume: 30000 records/month, hour_of_work: 40 USD, ")
    decide(made, "r-00001", "fixed", minutes=3)
    return made


def decide(site: Site, key: str, decision: str, *, minutes: float | None) -> None:
    """What a clerk says in the office's own table."""
    with site.erp.begin() as connection:
        connection.execute(
            sa.insert(databases.ap_decisions).values(
                run_id=key, decided_at=NOW - HOUR / 2, decision=decision, minutes=minutes, clerk="ann"
            )
        )


def cost_of(site: Site, slug: str = SLUG) -> WholeLife:
    """The whole cost by what is on record now."""
    wired = site.wired()
    return whole_life.cost(wired.services, wired.workflow(slug))


def went(site: Site) -> None:
    """The path up to the gate."""
    gated(site, pulled(site).window)


def test_each_part_is_counted_for_each_record(site: Site) -> None:
    """Four calls and three minutes at 40 USD an hour; three were handled alone and are accepted."""
    went(site)
    life = cost_of(site)
    assert {part.name: part.cost for part in life.parts} == {
        CALLS: Money(4 * A_CALL),
        EVALS: Money(Decimal(0)),
        JUDGES: Money(Decimal(0)),
        PEOPLE: Money(Decimal(2)),
    }
    assert life.total == Money(2 + 4 * A_CALL)
    assert [(each.count, each.cost) for each in life.each] == [
        (4, Money((2 + 4 * A_CALL) / 4)),
        (3, Money((2 + 4 * A_CALL) / 3)),
        (3, Money((2 + 4 * A_CALL) / 3)),
    ]
    assert life.projection is not None
    assert life.projection.calls == Money(30_000 * A_CALL)
    assert life.projection.whole == Money(30_000 * (2 + 4 * A_CALL) / 4)


def test_what_evals_cost_is_part_of_it(site: Site) -> None:
    """Each case's question is paid for as any other call."""
    with ModelDouble(perfect) as model:
        site.env["AIRFLOW_CONN_LOCAL_MODEL"] = model.url
        went(site)
        evaluated(site)
    part = cost_of(site).part(EVALS)
    (spent_on_evals,) = site.rows("SELECT sum(cost) AS cost, count(*) AS calls FROM usage WHERE kind = 'eval'")
    assert part.cost == Money(spent_on_evals["cost"])
    assert part.count == spent_on_evals["calls"] == CASES
    assert part.cost > Money(Decimal(0))


def test_before_launch_the_cost_of_eval_cases_is_projected(site: Site) -> None:
    """No invoice was read yet: what a case costs stands for one, and people's time is not known."""
    site.produce("DELETE FROM ap_decisions")
    site.produce("DELETE FROM ai_invoice_runs")
    site.edit(f"{SLUG}/workflow.yaml", "stage: live", "stage: experiment")
    assert cost_of(site).projection is not None
    with ModelDouble(perfect) as model:
        site.env["AIRFLOW_CONN_LOCAL_MODEL"] = model.url
        evaluated(site)
    projection = cost_of(site).projection
    assert projection is not None
    (of_cases,) = site.rows("SELECT avg(cost) AS cost, sum(cost) AS all FROM usage WHERE kind = 'eval'")
    assert projection.basis == f"{CASES} eval cases"
    assert projection.calls is not None
    nightly = of_cases["all"] / 7 * Decimal("30.4375")
    assert abs(projection.calls.amount - 30_000 * of_cases["cost"] - nightly) < Decimal("1e-12")
    assert projection.whole is None


def test_a_call_without_tokens_leaves_the_cost_unknown(site: Site) -> None:
    """And the command's exit status says so."""
    site.produce("UPDATE ai_invoice_runs SET tok_out = NULL WHERE run_id = 'r-00003'")
    went(site)
    life = cost_of(site)
    assert (life.total, life.unknown) == (None, "1 of 4 calls have no price")
    assert life.known == Money(2 + 3 * A_CALL)
    assert life.projection is not None
    assert life.projection.calls is None


def test_the_command_shows_each_part(site: Site) -> None:
    """For people and for programs; a workflow that nobody declares is a clear error."""
    site.now = NOW
    went(site)
    runner = CliRunner(env=site.env)
    # The command goes by the true clock: a year back it finds the office's November, whenever it runs.
    told = runner.invoke(app, ["cost", SLUG, "--json"])
    assert {part["name"] for part in json.loads(told.output)["parts"]} == {CALLS, EVALS, JUDGES, PEOPLE}
    assert "production calls" in runner.invoke(app, ["cost", SLUG]).output


def test_the_weeks_report_holds_the_whole_cost_and_the_month(site: Site) -> None:
    """In the owner's message, and as figures in the run's evidence."""
    went(site)
    spent(site)
    wired = site.wired()
    run = pipeline.report(wired.services, wired.workflow(SLUG), at=NOW + timedelta(days=5), trigger=trigger())
    life = run.evidence["outcome"]["facts"]["life"]
    assert Decimal(life["total"]["amount"]) == 2 + 4 * A_CALL
    (letter,) = [one for one in site.letters() if one["kind"] == "weekly"]
    facts = {fact["label"]: fact["value"] for fact in letter["message"]["facts"]}
    assert facts["Cost"].startswith("0.5000 USD an item (0.6667 handled alone, 0.6667 accepted); 2.00 USD in all")
    assert facts["At 30,000 a month"].startswith("15,001 USD (no interval yet); models alone 0.5 USD")
    assert facts["At 30,000 a month"].endswith(", cap 5 USD; from 4 records on 1 day (2026-10-26 to 2026-11-22)")
