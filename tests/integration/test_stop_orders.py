"""From a cap that is reached to the gateway that stops: each order once, in its order, and owners hear of what is not taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import NOW, SLUG, Site

from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, CapState, Stop
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import settle_allowances
from afterpilot.pipeline.stopping import SweptStops, sweep_stops
from afterpilot.record import tables
from doubles.gateways import MASTER_KEY, SIGNING, Fault, LiteLlm, Switch
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
DESK = Stop("call_back", "switch", path="/ai/stop")
PROXY = Stop("litellm", "proxy", keys=("88dc28", "77ab01"), team="team-1")


class Office:
    """A workflow with a cap of 400 USD a month, and whom it declares to be told."""

    def __init__(self, site: Site, stop: Stop) -> None:
        self.site = site
        self.stop = stop

    @property
    def workflow(self) -> Workflow:
        """The declaration, with that receiver."""
        declared = self.site.wired().workflow(SLUG)
        return replace(declared, spend=replace(declared.spend, stop=self.stop))

    def spent(self, amount: str) -> None:
        """Judge the month with that much spent."""
        rule = CapRule(Cap.parse("400 USD/month"), (), "stop")
        state = CapState(rule, MONTH, rule.cap.limit, Money(Decimal(amount)))
        with self.site.wired().services.ops.begin() as unit:
            settle_allowances(unit, self.workflow, [state], self.site.now)

    def sweep(self) -> SweptStops:
        """One sweep, with everything due."""
        with self.site.ops.begin() as connection:
            connection.execute(sa.update(tables.stop_orders).values(not_before=sa.func.now()))
        return sweep_stops(self.site.wired().services, {SLUG: self.workflow})

    def states(self) -> Sequence[tuple[str, str]]:
        """Action and state of every order, in their order."""
        rows = self.site.rows("SELECT action, state FROM stop_orders ORDER BY number")
        return [(row["action"], row["state"]) for row in rows]


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose model is never asked."""
    return Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)


@pytest.fixture
def switch(site: Site) -> Iterator[Switch]:
    """A receiver of call-backs, as a connection."""
    with Switch() as double:
        site.env["AIRFLOW_CONN_SWITCH"] = double.connection
        yield double


@pytest.fixture
def proxy(site: Site) -> Iterator[LiteLlm]:
    """LiteLLM, as a connection."""
    with LiteLlm(keys={"88dc28": False, "77ab01": False}, teams={"team-1": False}) as double:
        site.env["AIRFLOW_CONN_PROXY"] = double.connection
        yield double


def test_stop_and_go_on_each_once(site: Site, switch: Switch) -> None:
    """However often it is judged and swept: one order to stop, one to go on, with all that the receiver needs to know."""
    office = Office(site, DESK)
    office.spent("10")
    assert office.sweep() == SweptStops()
    for amount in ("400", "401"):
        office.spent(amount)
        office.sweep()
    (path, told) = next(iter(switch.orders.values()))
    assert path == "/desk/ai/stop"
    assert {name: told[name] for name in ("workflow", "action", "models", "until")} == {
        "workflow": SLUG,
        "action": "stop",
        "models": [],
        "until": "2026-12-01T00:00:00+00:00",
    }
    assert "400.00 USD spent" in told["reason"]
    office.spent("10")
    office.sweep()
    office.sweep()
    assert switch.actions == ["stop", "resume"]
    assert switch.heard == 2
    assert office.states() == [("stop", "done"), ("resume", "done")]


@pytest.mark.parametrize(
    "fault", [Fault(429, retry_after="1"), Fault(500), Fault(503), Fault(lost=True)], ids=["429", "500", "503", "lost"]
)
def test_what_is_not_taken_is_told_again_and_done_once(site: Site, switch: Switch, fault: Fault) -> None:
    """A receiver that fails, asks to wait, or whose reply is lost gets the same order again, by the same id."""
    office = Office(site, DESK)
    switch.faults.extend([fault, fault])
    office.spent("400")
    assert (office.sweep().done, office.sweep().done, office.sweep().done) == (0, 0, 1)
    assert switch.actions == ["stop"]
    assert switch.heard == 3


def test_a_wait_grows_and_what_the_receiver_asks_for_counts(site: Site, switch: Switch) -> None:
    """Nothing is tried before its time: ten seconds, or as long as Retry-After says."""
    office = Office(site, DESK)
    switch.faults.extend([Fault(500), Fault(429, retry_after="600")])
    office.spent("400")
    waits = []
    for _ in range(2):
        office.sweep()
        (row,) = site.rows("SELECT extract(epoch FROM not_before - now()) AS wait FROM stop_orders")
        waits.append(float(row["wait"]))
    assert waits[0] <= 10 < waits[1] <= 600
    sweep_stops(site.wired().services, {SLUG: office.workflow})
    assert switch.heard == 2


def test_a_wrong_signature_is_the_owners_to_hear_and_no_secret_is_told(site: Site, switch: Switch) -> None:
    """401: a critical incident with the receiver's words, without its token and key; over when the key is right again."""
    office = Office(site, DESK)
    switch.secret = "whsec_" + "A" * 44
    office.spent("400")
    assert office.sweep().done == 0
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"], incident["state"]) == (
        "spend.order_not_carried_out",
        "critical",
        "open",
    )
    assert incident["title"] == "The order to stop is not carried out by switch"
    assert "HTTP 401: the signature is not ours: Bearer *** ***" in incident["detail"]
    (letter,) = site.letters()
    told = json.dumps(letter["message"])
    assert "above its cap" in told
    assert SIGNING not in told
    assert "desk-token" not in told
    office.sweep()
    assert len(site.letters()) == 1
    switch.secret = SIGNING
    office.sweep()
    assert [one["state"] for one in site.incidents()] == ["resolved"]


def test_without_a_key_nothing_is_sent_unsigned(site: Site, switch: Switch) -> None:
    """A connection without a signing secret is somebody's to mend, and so is one that is not there."""
    office = Office(site, DESK)
    site.env["AIRFLOW_CONN_SWITCH"] = f"http://{switch.place}/desk"
    office.spent("400")
    office.sweep()
    del site.env["AIRFLOW_CONN_SWITCH"]
    office.sweep()
    assert switch.heard == 0
    events = site.rows("SELECT what FROM incident_events ORDER BY id")
    assert [event["what"] for event in events] == ["opened", "seen"]
    assert "there is no connection 'switch'" in site.incidents()[0]["detail"]


def test_a_receiver_that_is_out_of_reach_is_told_of_after_a_while(site: Site) -> None:
    """For five minutes that is no news; then the owner has to stop the workflow by hand."""
    site.env["AIRFLOW_CONN_SWITCH"] = json.dumps(
        {"conn_type": "http", "host": "http://127.0.0.1:9", "extra": {"signing_secret": SIGNING}}
    )
    office = Office(site, DESK)
    office.spent("400")
    office.sweep()
    assert site.incidents() == []
    with rewritten(site.ops, "stop_orders") as connection:
        earlier = tables.stop_orders.c.created_at - timedelta(minutes=6)
        connection.execute(sa.update(tables.stop_orders).values(created_at=earlier))
    office.sweep()
    (incident,) = site.incidents()
    assert "no reply" in incident["detail"]


def test_an_order_that_is_overtaken_is_not_sent(site: Site, switch: Switch) -> None:
    """Stopped and let go before anybody was told: nobody is. Where the first attempt may have got through, both are told."""
    office = Office(site, DESK)
    office.spent("400")
    office.spent("10")
    assert office.sweep() == SweptStops()
    assert (switch.heard, office.states()) == (0, [("stop", "overtaken")])
    switch.faults.append(Fault(lost=True))
    office.spent("400")
    office.sweep()
    office.spent("10")
    office.sweep()
    assert switch.actions == ["stop", "resume"]
    assert office.states()[1:] == [("stop", "overtaken"), ("resume", "done")]


def test_an_order_that_was_taken_back_replaces_nothing(site: Site, switch: Switch) -> None:
    """A stop that was not taken yet, a way out that nobody was told of, and the cap reached again: it is still told to stop."""
    office = Office(site, DESK)
    office.spent("400")
    switch.faults.append(Fault(503))
    office.sweep()
    office.spent("10")
    office.spent("400")
    office.sweep()
    assert switch.actions[-1:] == ["stop"]
    assert office.states() == [("stop", "done"), ("resume", "overtaken")]


def test_a_later_order_waits_for_an_attempt_that_is_under_way(site: Site, switch: Switch) -> None:
    """While a sweep holds the order to stop, another one does not tell the receiver to go on."""
    office = Office(site, DESK)
    office.spent("400")
    with site.wired().services.ops.begin() as unit:
        (held,) = unit.stop_orders.claim(8)
    office.spent("10")
    assert office.sweep().done == 0
    assert switch.heard == 0
    with site.wired().services.ops.begin() as unit:
        unit.stop_orders.settle(site.wired().services.stopper.perform(held))
    office.sweep()
    assert switch.actions == ["stop", "resume"]


def test_two_sweeps_at_once_tell_it_once(site: Site, switch: Switch) -> None:
    """What one has claimed the other does not see."""
    office = Office(site, DESK)
    office.spent("400")
    with site.wired().services.ops.begin() as one, site.wired().services.ops.begin() as other:
        assert (len(one.stop_orders.claim(8)), len(other.stop_orders.claim(8))) == (1, 0)


def test_a_stop_ends_with_its_period_without_another_look_at_the_spend(site: Site, switch: Switch) -> None:
    """At the first of the month the sweep lets the workflow go on."""
    office = Office(site, DESK)
    office.spent("400")
    office.sweep()
    site.now = MONTH.end - timedelta(minutes=1)
    assert office.sweep() == SweptStops()
    site.now = MONTH.end
    assert office.sweep() == SweptStops(ended=1, done=1)
    assert switch.actions == ["stop", "resume"]
    (row,) = site.rows("SELECT allowed, until, since FROM allowances")
    assert (row["allowed"], row["until"], row["since"]) == (True, None, MONTH.end)


def test_a_rolling_stop_of_a_workflow_that_nobody_looks_at_any_more_ends(site: Site, switch: Switch) -> None:
    """Retired, or its folder gone: once its stretch holds nothing that was seen, its keys are free again."""
    office = Office(site, DESK)
    week = CapRule(Cap.parse("60 USD/7 days"), (), "stop")
    state = CapState(week, Window(NOW - timedelta(days=7), NOW), week.cap.limit, Money(Decimal(60)))
    with site.wired().services.ops.begin() as unit:
        settle_allowances(unit, office.workflow, [state], site.now)
    assert office.sweep().done == 1
    site.now += timedelta(days=6, hours=23)
    assert office.sweep() == SweptStops()
    site.now += timedelta(hours=2)
    assert office.sweep() == SweptStops(ended=1, done=1)
    assert office.states() == [("stop", "done"), ("resume", "done")]
    assert office.sweep() == SweptStops()


def test_keys_and_team_of_litellm_are_blocked_and_let_go(site: Site, proxy: LiteLlm) -> None:
    """All of them, also where one failed at first; told twice changes nothing."""
    office = Office(site, PROXY)
    proxy.faults.append(Fault(500, text='{"error": {"message": "No connected db."}}'))
    office.spent("400")
    assert (office.sweep().done, office.sweep().done) == (0, 1)
    assert (proxy.keys, proxy.teams) == ({"88dc28": True, "77ab01": True}, {"team-1": True})
    office.spent("10")
    office.sweep()
    assert (proxy.keys, proxy.teams) == ({"88dc28": False, "77ab01": False}, {"team-1": False})


def test_a_key_that_litellm_does_not_know_is_told(site: Site, proxy: LiteLlm) -> None:
    """404: the others are blocked, the owner hears of the one that is not."""
    del proxy.keys["77ab01"]
    office = Office(site, PROXY)
    office.spent("400")
    office.sweep()
    assert proxy.keys == {"88dc28": True}
    (incident,) = site.incidents()
    assert "POST proxy:/key/block: HTTP 404" in incident["detail"]


def test_a_master_key_that_is_wrong_is_told_without_it(site: Site, proxy: LiteLlm) -> None:
    """LiteLLM repeats the key in its answer; nobody else does."""
    proxy.master_key = "sk-another-one-0123456789"
    office = Office(site, PROXY)
    office.spent("400")
    office.sweep()
    (incident,) = site.incidents()
    assert "HTTP 401" in incident["detail"]
    assert "Received API Key = ***" in incident["detail"]
    assert MASTER_KEY not in json.dumps(site.letters(), default=str)


def test_since_when_it_is_so_is_kept(site: Site) -> None:
    """A second look that finds the same says since when it has been so, and when it looked."""
    office = Office(site, DESK)
    office.spent("400")
    site.now = NOW + timedelta(hours=1)
    office.spent("410")
    (row,) = site.rows("SELECT since, as_of FROM allowances")
    assert row["as_of"] - row["since"] >= timedelta(minutes=59)
