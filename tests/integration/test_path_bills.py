"""Bills, from a provider's API to the incident: read, kept with what they said first, and held against what was metered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from path_site import NOW, SLUG, Site, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.bills import Bill, BillLine
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.run import FLEET, Run, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.pipeline.billing import Reconciled, to_read
from afterpilot.record.ops import Ops
from doubles.api import ApiDouble, Reply
from doubles.bills import DAY, OpenAi, cost, used

pytestmark = pytest.mark.integration

MODEL = "smollm2-135m-instruct"
TODAY = NOW.date()
BOUGHT = TODAY - 8 * DAY  # the day of the calls: no bill of it is corrected any more
RATES = "  - model: smollm2-135m-instruct\n    input_per_million: 0.046\n    output_per_million: 0.123\n    cached_per_million: 0.005"
DEAR = RATES.replace("0.046", "46000").replace("0.123", "123000").replace("0.005", "5000")
EACH = (
    Decimal(150) * Decimal("0.046") + Decimal(550) * Decimal("0.005") + Decimal(58) * Decimal("0.123")
)  # one invoice, in dollars


def empty() -> dict[date, list[dict[str, Any]]]:
    """Buckets of all days that are asked for, without any spend."""
    return {TODAY - n * DAY: [] for n in range(1, 40)}


@pytest.fixture
def openai() -> OpenAi:
    """An account that has billed what four invoices cost, and nothing else."""
    account = OpenAi(empty(), a_page=31)
    account.costs[BOUGHT] = [cost(str(4 * EACH), f"{MODEL}, input", "proj_ap")]
    account.usage[BOUGHT] = [used(MODEL, 4 * 700, 4 * 58, cached=4 * 550, project="proj_ap")]
    return account


@pytest.fixture
def api(openai: OpenAi) -> Iterator[ApiDouble]:
    """Its API."""
    with ApiDouble(openai) as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, api: ApiDouble) -> Site:
    """An office with four invoices of eight days ago, at a price that is worth a bill."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.edit("_fleet.yaml", RATES, DEAR)
    path = made.folder / "_fleet.yaml"
    path.write_text(path.read_text() + "spend:\n  bills: [{name: openai, kind: openai, connection: openai_admin}]\n")
    made.edit(f"{SLUG}/workflow.yaml", "spend: {", "spend: {billed: [{account: openai, projects: [proj_ap]}], ")
    made.env["AIRFLOW_CONN_OPENAI_ADMIN"] = f"http://admin:{api.token}@{api.url.removeprefix('http://')}"
    made.invoices(range(1, 5), at=datetime(BOUGHT.year, BOUGHT.month, BOUGHT.day, 12, tzinfo=UTC))
    return made


def reconciled(site: Site, *, by: Trigger | None = None, **keys: Any) -> Reconciled:
    """The stage once, as the DAG would run it."""
    wired = site.wired()
    found = pipeline.bills(wired.services, wired.declarations.workflows, trigger=by or trigger(), **keys)
    assert found is not None
    return found


def run_of(site: Site, **keys: Any) -> Run:
    """Its run."""
    run = reconciled(site, **keys).run
    assert run is not None
    return run


def states(site: Site) -> dict[str, str]:
    """The incidents of the fleet."""
    return {one["kind"]: one["state"] for one in site.incidents() if one["workflow"] == FLEET}


def test_a_bill_that_agrees_with_the_meter(site: Site) -> None:
    """Pulled, priced, summed and billed: the two sides are the same to the last digit, and the run says up to which day."""
    pulled(site)
    found = reconciled(site)
    (standing,) = found.standings
    (row,) = standing.rows
    assert (row.day, row.bill, row.meter, row.state) == (BOUGHT, 4 * EACH, 4 * EACH, "final")
    assert found.run is not None
    assert (found.run.workflow, found.run.verdict) == (FLEET, Verdict.PASS)
    assert found.run.window.end == datetime(2026, 11, 16, tzinfo=UTC), (
        "the days after that are not over for two days yet"
    )
    assert states(site) == {}


def test_a_correction_that_comes_late_is_seen_and_the_first_amount_stays(site: Site, openai: OpenAi) -> None:
    """A day that may still be corrected is read again: what changed has a new time, the gap an incident, which ends with it."""
    day = TODAY - 4 * DAY
    site.invoices(range(11, 15), at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    openai.costs[day] = [cost(str(4 * EACH), f"{MODEL}, input", "proj_ap")]
    pulled(site)
    assert run_of(site).verdict is Verdict.PASS
    openai.costs[day] = [cost(str(5 * EACH), f"{MODEL}, input", "proj_ap")]
    site.now += DAY
    openai.costs[TODAY] = []
    pulled(site)
    assert run_of(site).verdict is Verdict.WARN
    (line,) = site.rows("SELECT * FROM bill_lines WHERE day = :day AND currency > ''", day=day)
    assert (line["first_amount"], line["amount"]) == (4 * EACH, 5 * EACH)
    assert line["changed_at"] > line["first_seen_at"]
    assert states(site) == {"bills.gap": "open"}
    openai.costs[day] = [cost(str(4 * EACH), f"{MODEL}, input", "proj_ap")]
    assert run_of(site).verdict is Verdict.PASS
    assert states(site) == {"bills.gap": "resolved"}


def test_reading_again_changes_nothing(site: Site) -> None:
    """Neither a line nor its times; and only what is due is asked for."""
    pulled(site)
    run_of(site)
    before = site.rows("SELECT * FROM bill_lines ORDER BY 1, 2, 3, 4, 5")
    run_of(site)
    assert site.rows("SELECT * FROM bill_lines ORDER BY 1, 2, 3, 4, 5") == before


def test_a_day_that_does_not_agree_is_read_once_more_before_it_is_told(
    site: Site, openai: OpenAi, api: ApiDouble
) -> None:
    """However long its bill is final: read when nothing stood in it yet, it agrees now, and nobody hears of a gap."""
    billed, openai.costs[BOUGHT] = openai.costs[BOUGHT], []
    run_of(site)  # before anything was pulled: nothing is billed, nothing is metered
    openai.costs[BOUGHT] = billed
    site.now += timedelta(hours=1)
    pulled(site)
    assert run_of(site).verdict == Verdict.PASS
    assert states(site) == {}
    openai.costs[BOUGHT] = [cost(str(9 * EACH), f"{MODEL}, input", "proj_ap")]
    site.now += timedelta(hours=1)
    asked = len(api.asked)
    assert run_of(site).verdict == Verdict.PASS, "a day that agrees and is final is not asked for again"
    first = min(int(one.query["start_time"]) for one in api.asked[asked:] if "start_time" in one.query)
    assert first > datetime(BOUGHT.year, BOUGHT.month, BOUGHT.day, tzinfo=UTC).timestamp()


def test_a_gap_stands_where_its_day_cannot_be_read_again(site: Site, openai: OpenAi, api: ApiDouble) -> None:
    """What was read is what is told; the run does not become UNKNOWN by it."""
    openai.costs[BOUGHT] = []
    run_of(site)
    site.now += timedelta(hours=1)
    pulled(site)
    at = str(int(datetime(BOUGHT.year, BOUGHT.month, BOUGHT.day, tzinfo=UTC).timestamp()))
    api.answer = lambda asked: (
        Reply({"error": {"message": "no"}}, status=400) if asked.query.get("start_time") == at else openai(asked)
    )
    assert run_of(site).verdict == Verdict.WARN
    assert any(one.query.get("start_time") == at for one in api.asked), "it was asked for"
    assert states(site) == {"bills.gap": "open"}


def test_the_same_trigger_reconciles_once(site: Site, api: ApiDouble) -> None:
    """A repeated task finds its own run and asks nobody."""
    pulled(site)
    once = trigger()
    first = run_of(site, by=once)
    asked, before = len(api.asked), site.counts()
    assert run_of(site, by=once) == first
    assert (len(api.asked), site.counts()) == (asked, before)


def test_an_account_that_cannot_be_read_is_unknown_until_it_can(site: Site, api: ApiDouble) -> None:
    """With an incident that names the reason without the key; what was read before stands; days that were missed are read later."""
    pulled(site)
    run_of(site)
    site.now += 4 * DAY
    pulled(site)
    api.faults.append(Reply({"error": f"bad key {api.token}"}, status=401))
    run = run_of(site)
    assert run.verdict is Verdict.UNKNOWN
    assert states(site) == {"bills.unread": "open", "bills.unreadable": "open"}
    assert api.token not in str(site.rows("SELECT * FROM incidents"))
    for n in range(4):
        api.answer.costs[TODAY + n * DAY] = []  # type: ignore[attr-defined] # it is an OpenAi
    assert run_of(site).verdict is Verdict.PASS
    assert states(site) == {"bills.unread": "resolved", "bills.unreadable": "resolved"}


def test_a_connection_that_is_not_there_is_told(site: Site) -> None:
    """It is a matter of the installation, and no crash of the stage."""
    del site.env["AIRFLOW_CONN_OPENAI_ADMIN"]
    pulled(site)
    assert run_of(site).verdict is Verdict.UNKNOWN
    details = {one["kind"]: one["detail"] for one in site.incidents()}
    assert "there is no connection 'openai_admin'" in details["bills.unreadable"]


def test_spend_of_a_project_that_nobody_names_is_told_to_the_operators(site: Site, openai: OpenAi) -> None:
    """With the sum, a proposed owner and the reason; it ends when a workflow names the project."""
    openai.costs[BOUGHT].append(cost(12, f"{MODEL}, output", "proj_unowned"))
    pulled(site)
    run = run_of(site)
    assert run.verdict is Verdict.WARN
    (told,) = run.evidence["accounts"]
    assert told["unowned"][0]["proposed_owner"] == SLUG
    assert Decimal(told["owned"]) == 4 * EACH / (4 * EACH + 12)
    assert states(site) == {"bills.unowned": "open"}
    (message,) = site.rows("SELECT * FROM outbox WHERE workflow = :fleet", fleet=FLEET)
    assert "proj_unowned" in str(message)
    site.edit(f"{SLUG}/workflow.yaml", "[proj_ap]", "[proj_ap, proj_unowned]")
    assert run_of(site).verdict is Verdict.WARN
    assert states(site) == {"bills.unowned": "resolved", "bills.gap": "open"}


def test_projects_are_called_by_their_names(site: Site, openai: OpenAi) -> None:
    """In findings and proposals; known names stay, also for who reads nothing, when the key may not list projects any more."""
    openai.costs[BOUGHT].append(cost(12, "o3, output", "proj_x1"))
    openai.projects = {"proj_ap": "Accounts payable", "proj_x1": "Invoice matching lab", "proj_z": "Other"}
    pulled(site)
    title = "12.00 USD of Invoice matching lab (proj_x1) on the bill of openai belong to no workflow"
    run = run_of(site)
    assert [reason for reason in run.reasons if title in reason]
    (told,) = run.evidence["accounts"]
    assert told["names"] == {"proj_ap": "Accounts payable", "proj_x1": "Invoice matching lab"}
    assert (told["unowned"][0]["project_name"], told["unowned"][0]["proposed_owner"]) == ("Invoice matching lab", SLUG)
    openai.may_list = False
    (told,) = run_of(site).evidence["accounts"]
    assert told["unowned"][0]["project_name"] == "Invoice matching lab"
    assert "(403" in told["names_trouble"]
    wired = site.wired()
    (standing,) = pipeline.bill_standings(wired.services, wired.declarations.workflows)
    assert [one.shown for one in standing.unowned] == ["Invoice matching lab (proj_x1)"]
    assert states(site) == {"bills.unowned": "open"}


def test_a_declaration_that_is_broken_loses_no_project(site: Site) -> None:
    """While its team mends it, its spend is still its own, as it was declared last."""
    pulled(site)
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    site.edit(f"{SLUG}/workflow.yaml", "at_cap: ask_owner", "at_cap: nonsense")
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    assert wired.declarations.workflows == ()
    found = reconciled(site)
    assert found.run is not None
    assert found.run.verdict is Verdict.PASS
    assert [(row.project, row.gap) for row in found.standings[0].rows] == [("proj_ap", 0)]


def test_calls_without_a_price_are_the_likely_cause(site: Site) -> None:
    """The bill is above the meter by what they cost."""
    site.edit("_fleet.yaml", f"- model: {MODEL}", "- model: another-model")
    pulled(site)
    run = run_of(site)
    (finding,) = [one for one in site.incidents() if one["kind"] == "bills.gap"]
    assert run.verdict is Verdict.WARN
    assert "Likely cause: 4 calls without a known price" in finding["detail"]
    assert Decimal(run.evidence["accounts"][0]["priced"]) == 0


def test_an_account_that_nobody_declared_cannot_be_asked_for(site: Site) -> None:
    """The names that there are stand in the error."""
    with pytest.raises(ConfigurationError, match=r"no account 'azure'.*known: openai"):
        reconciled(site, accounts=["azure"])


def test_without_accounts_there_is_nothing_to_do(site: Site) -> None:
    """No run, no UNKNOWN."""
    path = site.folder / "_fleet.yaml"
    path.write_text(path.read_text().partition("spend:\n")[0])
    site.edit(f"{SLUG}/workflow.yaml", "billed: [{account: openai, projects: [proj_ap]}], ", "")
    wired = site.wired()
    assert pipeline.bills(wired.services, wired.declarations.workflows, trigger=trigger()) is None


def test_a_stage_that_breaks_is_an_unknown_run(site: Site) -> None:
    """With an incident, which the next run that goes well ends; no incident of a gap ends by it."""
    services = site.wired().services
    run = pipeline.bills_crashed(services, RuntimeError("secret"), trigger=trigger())
    assert (run.verdict, states(site)) == (Verdict.UNKNOWN, {"bills.did_not_run": "open"})
    assert "secret" not in str(site.incidents())
    pulled(site)
    run_of(site)
    assert states(site) == {"bills.did_not_run": "resolved"}


def kept(ops_url: str, *bills: Bill) -> list[dict[str, Any]]:
    """The lines on record after these readings, an hour apart."""
    import sqlalchemy as sa

    engine = sa.create_engine(ops_url, poolclass=sa.NullPool)
    for n, bill in enumerate(bills):
        with Ops(engine).begin() as unit:
            unit.bills.keep("openai", bill, at=NOW + n * timedelta(hours=1))
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM bill_lines ORDER BY project, item")).mappings()
        return [dict(row) for row in found]


def line(amount: str | None, project: str = "a", **keys: Any) -> BillLine:
    """A line of one day."""
    told = None if amount is None else Decimal(amount)
    return BillLine(
        BOUGHT, project, "gpt-4o", keys.pop("item", "gpt-4o, input"), told, keys.pop("currency", "USD"), **keys
    )


def bill(*lines: BillLine) -> Bill:
    """A bill of that day."""
    return Bill(lines, frozenset({BOUGHT}))


def test_a_line_that_is_gone_cost_nothing_after_all(ops_url: str) -> None:
    """A correction moved the spend to another project: nothing is counted twice, and what was said first is still there."""
    usage = line(None, item="usage", currency="", input_tokens=Decimal(7))
    rows = kept(ops_url, bill(line("3"), usage), bill(line("3", "b")), bill(line("3", "b")))
    assert [(row["project"], row["item"], row["amount"], row["first_amount"]) for row in rows] == [
        ("a", "gpt-4o, input", 0, 3),
        ("a", "usage", None, None),
        ("b", "gpt-4o, input", 3, 3),
    ]
    assert rows[1]["input_tokens"] == 0
    assert {row["changed_at"] for row in rows} == {NOW + timedelta(hours=1)}


def test_days_that_were_not_read_keep_their_lines(ops_url: str) -> None:
    """An empty answer for another day says nothing about this one."""
    (row,) = kept(ops_url, bill(line("3")), Bill((), frozenset({BOUGHT + DAY})))
    assert (row["amount"], row["changed_at"]) == (3, NOW)


def test_an_amount_that_is_told_later_is_a_change(ops_url: str) -> None:
    """Not known first, and known then."""
    (row,) = kept(ops_url, bill(line(None)), bill(line("3")))
    assert (row["first_amount"], row["amount"], row["changed_at"]) == (None, 3, NOW + timedelta(hours=1))


def test_what_is_read_and_when_again() -> None:
    """All of five weeks at first; then the days whose bill may change, and those that were missed; more where it is wished."""
    assert list(to_read({}, today=TODAY)) == [(TODAY - 35 * DAY, TODAY)]
    read = {TODAY - n * DAY: NOW for n in range(1, 36)}
    last = (TODAY - 5 * DAY, TODAY)
    assert list(to_read(read, today=TODAY)) == [last]
    missed = {day: at for day, at in read.items() if day != TODAY - 9 * DAY}
    assert list(to_read(missed, today=TODAY)) == [(TODAY - 9 * DAY, TODAY - 8 * DAY), last]
    early = read | {TODAY - 9 * DAY: NOW - 8 * DAY}
    assert list(to_read(early, today=TODAY)) == [(TODAY - 9 * DAY, TODAY - 8 * DAY), last], (
        "nobody has seen its corrections"
    )
    assert list(to_read(read, today=TODAY, again=60)) == [(TODAY - 60 * DAY, TODAY)]
