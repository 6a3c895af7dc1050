"""With ``budget: true`` the cap is LiteLLM's own budget: set, raised, put back and taken away, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site

from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, CapState, Stop
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import settle_allowances, settle_many
from afterpilot.pipeline.stopping import SweptStops, sweep_stops
from afterpilot.record import tables
from doubles.gateways import MASTER_KEY, Fault, LiteLlm

pytestmark = pytest.mark.integration
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
TEAM = Stop("litellm", "proxy", team="team-1", budget=True)
KEY = Stop("litellm", "proxy", keys=("88dc28",), budget=True)


class Office:
    """A workflow with a cap a month that is LiteLLM's budget, too."""

    def __init__(self, site: Site, stop: Stop | None) -> None:
        self.site = site
        self.stop = stop

    @property
    def workflow(self) -> Workflow:
        """The declaration, with that receiver."""
        declared = self.site.wired().workflow(SLUG)
        return replace(declared, spend=replace(declared.spend, stop=self.stop))

    def judged(self, limit: str = "400", spent: str = "10", *, every: str = "month", together: bool = False) -> None:
        """Judge the period with that much allowed and spent."""
        rule = CapRule(Cap.parse(f"400 USD/{every}"), (), "stop")
        state = CapState(rule, MONTH, Money(Decimal(limit)), Money(Decimal(spent)))
        with self.site.wired().services.ops.begin() as unit:
            if together:
                settle_many(unit, [(self.workflow, [state])], [], self.site.now)
            else:
                settle_allowances(unit, self.workflow, [state], self.site.now)

    def sweep(self) -> SweptStops:
        """One sweep, with everything due."""
        with self.site.ops.begin() as connection:
            connection.execute(sa.update(tables.stop_orders).values(not_before=sa.func.now()))
        return sweep_stops(self.site.wired().services, {SLUG: self.workflow})


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose model is never asked."""
    return Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)


@pytest.fixture
def proxy(site: Site) -> Iterator[LiteLlm]:
    """LiteLLM, as a connection."""
    with LiteLlm(keys={"88dc28": False}, teams={"team-1": False, "team-2": False}) as double:
        site.env["AIRFLOW_CONN_PROXY"] = double.connection
        yield double


@pytest.mark.parametrize(
    ("every", "duration"), [("day", "1d"), ("week", "7d"), ("month", "1mo")], ids=["day", "week", "month"]
)
def test_the_cap_becomes_the_teams_budget_once(site: Site, proxy: LiteLlm, every: str, duration: str) -> None:
    """However often it is judged and swept, in LiteLLM's documented shape; nobody is blocked."""
    office = Office(site, TEAM)
    for together in (True, False, True):
        office.judged(every=every, together=together)
        office.sweep()
    assert proxy.updates == [{"team_id": "team-1", "max_budget": 400.0, "budget_duration": duration}]
    assert proxy.teams["team-1"] is False
    assert site.incidents() == []


def test_a_raise_and_its_end_carry_over_without_touching_the_period(site: Site, proxy: LiteLlm) -> None:
    """To give the duration again would move the day on which LiteLLM counts anew."""
    office = Office(site, KEY)
    for limit in ("400", "500.50", "400"):
        office.judged(limit)
        office.sweep()
    assert proxy.updates == [
        {"key": "88dc28", "max_budget": 400.0, "budget_duration": "1mo"},
        {"key": "88dc28", "max_budget": 500.5},
        {"key": "88dc28", "max_budget": 400.0},
    ]


def test_a_stop_blocks_as_well_and_the_budget_stays(site: Site, proxy: LiteLlm) -> None:
    """What Afterpilot has counted beside the proxy, evals say, stops it too; let go, the budget is as before."""
    office = Office(site, TEAM)
    office.judged(spent="400")
    assert office.sweep().done == 2
    assert (proxy.teams["team-1"], proxy.budgets["team-1"]["max_budget"]) == (True, 400.0)
    office.judged("500", spent="400")
    office.sweep()
    assert (proxy.teams["team-1"], proxy.budgets["team-1"]["max_budget"]) == (False, 500.0)


@pytest.mark.parametrize(
    "fault", [Fault(429, retry_after="1"), Fault(500), Fault(503), Fault(lost=True)], ids=["429", "500", "503", "lost"]
)
@pytest.mark.parametrize("at", [0, 1], ids=["asked", "set"])
def test_what_fails_on_the_way_is_brought_to_the_same_end(site: Site, proxy: LiteLlm, fault: Fault, at: int) -> None:
    """A reply that is lost, a wait, an error, when it is asked or set: in the end the budget stands, set once."""
    office = Office(site, TEAM)
    office.judged()
    if at:
        first = proxy.take

        def take(path: str, headers: object, raw: bytes) -> tuple[int, str]:
            if path.startswith("/team/info") and not proxy.faults and fault not in done:
                done.append(fault)
                proxy.faults.append(fault)
            return first(path, headers, raw)

        done: list[Fault] = []
        proxy.take = take  # type: ignore[method-assign] # the fault comes with the next request
    else:
        proxy.faults.append(fault)
    assert [office.sweep().done for _ in range(3)] == [0, 1, 0]
    assert proxy.updates == [{"team_id": "team-1", "max_budget": 400.0, "budget_duration": "1mo"}]


def test_an_attempt_that_was_killed_is_made_again(site: Site, proxy: LiteLlm) -> None:
    """Set, and then the process died before it said so: the next one finds it set."""
    office = Office(site, TEAM)
    office.judged()
    with site.wired().services.ops.begin() as unit:
        (held,) = unit.stop_orders.claim(8)
    assert site.wired().services.stopper.perform(held).state == "done"
    with site.ops.begin() as connection:
        connection.execute(sa.update(tables.stop_orders).values(leased_until=sa.func.now()))
    assert office.sweep().done == 1
    assert len(proxy.updates) == 1


def test_what_was_counted_before_there_was_a_budget_stops_nobody(site: Site, proxy: LiteLlm) -> None:
    """LiteLLM counts a team from its first day on: a budget below that would refuse every call. The owner hears of it; once the
    count has begun anew, the budget is set.
    """
    proxy.budgets["team-1"] = {"spend": 1412.0}
    office = Office(site, TEAM)
    office.judged()
    assert office.sweep().done == 0
    assert proxy.updates == []
    (incident,) = site.incidents()
    assert (incident["severity"], incident["title"]) == ("warning", "The budget is not set by proxy")
    assert "has counted 1,412.00 USD for the team team-1 since it began" in incident["detail"]
    proxy.budgets["team-1"] = {"spend": 3.0, "budget_duration": "1mo"}
    office.sweep()
    assert proxy.updates == [{"team_id": "team-1", "max_budget": 400.0}]
    assert [one["state"] for one in site.incidents()] == ["resolved"]


def test_a_budget_that_was_reached_in_its_own_period_stays_what_it_is(site: Site, proxy: LiteLlm) -> None:
    """The count of this month may be above a cap that was lowered: then the proxy is right to refuse."""
    proxy.budgets["team-1"] = {"spend": 412.0, "max_budget": 500.0, "budget_duration": "1mo"}
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    assert proxy.updates == [{"team_id": "team-1", "max_budget": 400.0}]


@pytest.mark.parametrize("after", [None, replace(TEAM, budget=False), replace(TEAM, team="team-2")])
def test_a_budget_that_is_declared_no_more_is_taken_away(site: Site, proxy: LiteLlm, after: Stop | None) -> None:
    """Without it, without anybody to tell, or with another team: the old one is free again, and told once."""
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    office.stop = after
    for _ in range(2):
        office.judged(together=True)
        office.sweep()
    assert [one for one in proxy.updates[1:] if one["team_id"] == "team-1"] == [
        {"team_id": "team-1", "max_budget": None}
    ]
    assert proxy.budgets.get("team-2", {}).get("max_budget") == (400.0 if after and after.budget else None)


def test_a_budget_that_was_never_set_is_not_taken_away(site: Site, proxy: LiteLlm) -> None:
    """Declared and dropped before anybody was told."""
    office = Office(site, TEAM)
    office.judged()
    office.stop = None
    office.judged()
    assert office.sweep() == SweptStops()
    assert proxy.heard == 0


@pytest.mark.parametrize("wrong", ["key", "team"])
def test_a_wrong_key_or_team_is_told_without_the_key(site: Site, proxy: LiteLlm, wrong: str) -> None:
    """401 and 404: a warning with LiteLLM's words; over when it is mended."""
    if wrong == "key":
        proxy.master_key = "sk-another-one-0123456789"
    else:
        del proxy.teams["team-1"]
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    (incident,) = site.incidents()
    assert f"GET proxy:/team/info: HTTP {'401' if wrong == 'key' else '404'}" in incident["detail"]
    assert MASTER_KEY not in json.dumps([*site.letters(), incident], default=str)
    proxy.master_key = MASTER_KEY
    proxy.teams["team-1"] = False
    office.sweep()
    assert [one["state"] for one in site.incidents()] == ["resolved"]


def test_a_stop_that_is_not_taken_is_told_before_a_budget_that_is_not(site: Site, proxy: LiteLlm) -> None:
    """Both fail: the owner hears of the graver one, and of the budget once the stop is taken."""
    proxy.budgets["team-1"] = {"spend": 1412.0}
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    del proxy.teams["team-1"]
    office.judged(spent="400")
    office.sweep()
    (incident,) = site.incidents()
    assert (incident["severity"], incident["title"]) == (
        "critical",
        "The order to stop is not carried out by proxy",
    )


def test_a_reply_that_tells_nothing_changes_nothing(site: Site, proxy: LiteLlm) -> None:
    """What the team has spent is not known: it is asked again."""
    proxy.faults.append(Fault(200, text='{"team_id": "team-1"}'))
    office = Office(site, TEAM)
    office.judged()
    assert (office.sweep().done, proxy.updates) == (0, [])
    assert office.sweep().done == 1


def test_a_gateway_that_gets_another_name_keeps_the_budget(site: Site, proxy: LiteLlm) -> None:
    """By the old name it is taken away, and then set by the new one: never both at once, or the other way round."""
    site.env["AIRFLOW_CONN_GATE"] = proxy.connection
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    office.stop = replace(TEAM, connection="gate")
    office.judged()
    with site.wired().services.ops.begin() as unit:
        (first,) = unit.stop_orders.claim(8)
    assert (first.action, first.target.connection) == ("resume", "proxy")
    assert office.sweep().done == 0
    with site.wired().services.ops.begin() as unit:
        unit.stop_orders.settle(site.wired().services.stopper.perform(first))
    assert office.sweep().done == 1
    assert [one["max_budget"] for one in proxy.updates] == [400.0, None, 400.0]


def test_an_old_name_that_leads_nowhere_holds_up_nothing(site: Site, proxy: LiteLlm) -> None:
    """The connection is gone: the new one is told all the same, after one attempt at the old."""
    office = Office(site, TEAM)
    office.judged()
    office.sweep()
    site.env["AIRFLOW_CONN_GATE"] = proxy.connection
    del site.env["AIRFLOW_CONN_PROXY"]
    office.stop = replace(TEAM, connection="gate", team="team-2")
    office.judged()
    assert office.sweep() == SweptStops(done=1, not_done=1)
    assert proxy.budgets["team-2"]["max_budget"] == 400.0
