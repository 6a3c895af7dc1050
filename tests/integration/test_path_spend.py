"""What calls cost, from a source's tokens to the cap: unknown is never 0, and a price that comes later mends it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from path_site import HOUR, NOW, SLUG, Site, pulled, spent, trigger

from afterpilot import pipeline
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict

pytestmark = pytest.mark.integration

OWN = "  - model: smollm2-135m-instruct\n    input_per_million: 0.046"


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office with four invoices of today."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.invoices(range(1, 5))
    return made


def test_a_price_that_comes_later(site: Site) -> None:
    """No price: UNKNOWN with an incident and no sum. The price stands in _fleet.yaml: everything is priced, the incident over."""
    site.edit("_fleet.yaml", OWN, OWN.replace("smollm2-135m-instruct", "another-model"))
    pulled(site)
    for _ in range(2):
        run = spent(site)
        assert run.verdict is Verdict.UNKNOWN
        assert (run.evidence["calls"], run.evidence["unpriced"]) == (4, 4)
        assert {row["cost"] for row in site.rows("SELECT cost FROM usage")} == {None}
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"], incident["occurrences"]) == ("spend.unknown", "unknown", 2)
    assert "smollm2-135m-instruct" in incident["detail"]

    site.edit("_fleet.yaml", "another-model", "smollm2-135m-instruct")
    run = spent(site)
    each = (
        Decimal(150) * Decimal("0.046") + Decimal(550) * Decimal("0.005") + Decimal(58) * Decimal("0.123")
    ) / 1_000_000
    assert run.verdict is Verdict.PASS
    assert Decimal(run.evidence["spent"]) == 4 * each
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]


def test_a_price_that_is_corrected_is_corrected_for_all_calls(site: Site) -> None:
    """They cost the new price at once, and what changed stands on record."""
    pulled(site)
    before = Decimal(spent(site).evidence["spent"])
    site.edit("_fleet.yaml", "input_per_million: 0.046", "input_per_million: 46")
    run = spent(site)
    now = Decimal(run.evidence["spent"])
    assert now == before + 4 * 150 * Decimal("0.000045954")
    (row,) = site.rows("SELECT * FROM repricings")
    assert (row["calls"], row["old_cost"], row["new_cost"], row["run_id"]) == (4, before, now, run.id)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input_per_million: 0.046", "input_per_milion: 0.046"),
        ("prices:", "price:"),
        ("prices:", "prices: ["),
    ],
    ids=["an entry", "its key", "the file"],
)
def test_calls_keep_their_prices_while_the_list_cannot_be_read(site: Site, old: str, new: str) -> None:
    """A slip in _fleet.yaml gives nobody's calls a price that the team has never had."""
    pulled(site)
    spent(site)
    before = site.rows("SELECT ref, price_id, cost FROM usage ORDER BY ref")
    site.edit("_fleet.yaml", old, new)
    spent(site)
    assert site.rows("SELECT ref, price_id, cost FROM usage ORDER BY ref") == before
    assert site.rows("SELECT FROM repricings") == []


def test_some_calls_without_tokens(site: Site) -> None:
    """The known part is summed, the unknown part counted: UNKNOWN, although most is known."""
    site.produce("UPDATE ai_invoice_runs SET tok_out = NULL WHERE run_id = 'r-00003'")
    pulled(site)
    run = spent(site)
    assert run.verdict is Verdict.UNKNOWN
    assert (run.evidence["calls"], run.evidence["unpriced"]) == (4, 1)
    assert Decimal(run.evidence["spent"]) > 0


def test_a_cap_that_is_crossed(site: Site) -> None:
    """First a warning at a declared share, then critical; one incident for each, and the cap raised ends them."""
    pulled(site)
    total = Decimal(spent(site).evidence["spent"])
    site.edit(f"{SLUG}/workflow.yaml", "cap: 5 USD/month", f"cap: {total / Decimal('0.6'):f} USD/month")
    assert spent(site).verdict is Verdict.WARN
    site.now = NOW + HOUR
    site.invoices(range(11, 15), at=NOW + HOUR / 2)
    pulled(site)
    run = spent(site)
    assert run.verdict is Verdict.FAIL
    states = {incident["kind"]: (incident["state"], incident["severity"]) for incident in site.incidents()}
    assert states["spend.over_cap"] == ("open", "critical")
    workflow = (site.folder / SLUG / "workflow.yaml").read_text()
    site.edit(f"{SLUG}/workflow.yaml", workflow[workflow.index("cap: ") :].split(",")[0], "cap: 5 USD/month")
    assert spent(site).verdict is Verdict.PASS
    assert {incident["state"] for incident in site.incidents()} == {"resolved"}


def test_the_same_trigger_prices_once(site: Site) -> None:
    """A repeated task changes nothing."""
    once = trigger()
    pulled(site)
    first = spent(site, started_by=once)
    before = site.counts()
    assert spent(site, started_by=once) == first
    assert site.counts() == before


def test_no_call_is_known_only_where_the_source_was_read(site: Site) -> None:
    """Never pulled: UNKNOWN, not "no calls yet". Pulled: known. Not pulled for days: UNKNOWN again, with one incident."""
    site.produce("DELETE FROM ai_invoice_runs")
    synced(site)
    site.now += 2 * HOUR
    assert (spent(site).verdict, spent(site).evidence["calls"]) == (Verdict.UNKNOWN, 0)
    pulled(site)
    assert spent(site).verdict is Verdict.PASS
    assert [(incident["kind"], incident["state"]) for incident in site.incidents()] == [("spend.stale", "resolved")]
    site.now += 48 * HOUR
    run = spent(site)
    assert (run.verdict, run.reasons) == (
        Verdict.UNKNOWN,
        ("Production calls are known up to 2026-11-18 14:00 UTC only",),
    )


def test_a_workflow_that_had_no_chance_to_be_pulled_is_no_incident(site: Site) -> None:
    """Nor is the fleet's cap over it, before the first sync and until its first pull is overdue; then both are told."""
    site.edit("_fleet.yaml", "prices:", "spend: {caps: [{cap: 20 USD/month, at_cap: tell}]}\nprices:")

    def judged() -> list[tuple[Verdict, tuple[str, ...]]]:
        wired = site.wired()
        runs = pipeline.spend_all(wired.services, [wired.workflow(SLUG)], trigger=trigger())
        return [(run.verdict, run.reasons) for slug in (SLUG, "_fleet") if isinstance(run := runs[slug], Run)]

    early = [
        (Verdict.UNKNOWN, ("not pulled yet, first due at 2026-11-18 12:05 UTC",)),
        (Verdict.UNKNOWN, (f"1 workflow not pulled yet: {SLUG}",)),
    ]
    assert judged() == early
    synced(site)
    site.now = NOW + HOUR / 4  # due ten minutes ago, with fifteen of grace
    assert judged() in ([], early)  # a verdict that stays the same is not written again
    assert [one["kind"] for one in site.incidents()] == []
    site.now = NOW + HOUR
    assert [verdict for verdict, _ in judged()] == [Verdict.UNKNOWN] * 2
    assert {(one["workflow"], one["kind"]) for one in site.incidents()} == {
        (SLUG, "spend.stale"),
        ("_fleet", "spend.unknown"),
    }


def synced(site: Site) -> None:
    """Declarations are loaded as the DAG does it."""
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())


def test_late_calls_of_a_period_that_is_over(site: Site) -> None:
    """Calls of November that are pulled in December are still held against the cap that November had."""
    site.edit(f"{SLUG}/workflow.yaml", "cap: 5 USD/month", "cap: 0.0001 USD/month")
    pulled(site)
    spent(site)
    site.edit(f"{SLUG}/workflow.yaml", "cap: 0.0001 USD/month", "cap: 5 USD/month")
    site.now = datetime(2026, 12, 1, 3, tzinfo=UTC)
    site.invoices(range(21, 25), at=datetime(2026, 11, 30, 23, 50, tzinfo=UTC))
    pulled(site)
    run = spent(site)
    assert (run.verdict, run.evidence["calls"]) == (Verdict.FAIL, 0)
    over = [incident for incident in site.incidents() if incident["kind"] == "spend.over_cap"]
    assert [(one["state"], one["title"].split(" cap ")[0]) for one in over] == [
        ("open", "Spend of the month before has reached the")
    ]


def test_a_cap_that_is_new_or_lowered_does_not_judge_the_period_before(site: Site) -> None:
    """Nobody could have kept to a cap that was not there: what November spent is held against November's caps alone."""
    pulled(site)
    spent(site)
    site.now = datetime(2026, 12, 1, 3, tzinfo=UTC)
    site.edit(
        f"{SLUG}/workflow.yaml", "cap: 5 USD/month", "cap: 0.0001 USD/month, more_caps: [{cap: 0.00005 USD/week}]"
    )
    site.invoices(range(21, 25), at=datetime(2026, 11, 30, 23, 50, tzinfo=UTC))
    pulled(site)
    run = spent(site)
    assert [cap["cap"] for cap in run.evidence["caps"]] == ["month", "week"]
    over = [one["title"].split(" cap ")[0] for one in site.incidents() if one["kind"] == "spend.over_cap"]
    assert over == ["Spend has reached the"]  # by the week, which is not over
