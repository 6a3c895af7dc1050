"""What declarations say of spend, in the domain's words."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from afterpilot.declare import load
from afterpilot.declare.spend_schema import stored_spend
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import BillAccount, Billed, CapRule, FleetSpend, Spend, Stop
from afterpilot.domain.workflow import Fleet

_SPEND = "spend: {cap: 1200 EUR/month, warn_at: [50%, 80%], at_cap: stop}"
_FULL = """
team: finance
spend:
  cap: 1200 EUR/month
  warn_at: [50%, 80%]
  at_cap: ask_owner
  more_caps: [{cap: 20 EUR/day, model: own-model, warn_at: [80%, 90%], at_cap: tell}, {cap: 60 EUR/7 days, at_cap: stop}]
  timezone: Europe/London
  volume: 30,000 records/month
  hour_of_work: 40 EUR
  second_person_above: 2000 EUR
  on_unknown: refuse
  stop: {call_back: desk:/ai/stop}
  billed: [{account: openai, projects: [proj_abc]}]
"""


def _declared(good: Path, text: str) -> Spend:
    """The spend of the example declaration with this text in place of its own."""
    path = good / "refunds" / "workflow.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(_SPEND, text.strip()), encoding="utf-8")
    declarations = load(good)
    assert declarations.problems == ()
    return declarations.workflows[0].spend


def _fleet(good: Path) -> Fleet:
    fleet = load(good).fleet
    assert fleet is not None
    return fleet


def test_all_that_a_workflow_says_of_its_spend(good: Path) -> None:
    """Each key has its place, and the shares of a further cap are told at 80 % unless said."""
    spend = _declared(good, _FULL)
    half, most, nearly = Decimal("0.5"), Decimal("0.8"), Decimal("0.9")
    assert spend == Spend(
        caps=(
            CapRule(Cap(Money(Decimal(1200), "EUR"), "month"), (half, most), "ask_owner"),
            CapRule(Cap(Money(Decimal(20), "EUR"), "day"), (most, nearly), "tell", model="own-model"),
            CapRule(Cap(Money(Decimal(60), "EUR"), "rolling", timedelta(days=7)), (most,), "stop"),
        ),
        zone="Europe/London",
        team="finance",
        volume=Decimal(30000),
        hour=Money(Decimal(40), "EUR"),
        second_person_above=Money(Decimal(2000), "EUR"),
        on_unknown="refuse",
        stop=Stop("call_back", "desk", "/ai/stop"),
        billed=(Billed("openai", ("proj_abc",)),),
    )


def test_a_workflow_without_a_zone_has_the_fleets(good: Path) -> None:
    """As ``_fleet.yaml`` says it."""
    assert _declared(good, _SPEND).zone == "Europe/Oslo"


def test_litellm_is_told_which_keys_to_block(good: Path) -> None:
    """The keys and the team go along with the connection."""
    text = _SPEND[:-1] + ", stop: {litellm: proxy, keys: [88dc28d0f030c55e], team: team-1}}"
    assert _declared(good, text).stop == Stop("litellm", "proxy", keys=("88dc28d0f030c55e",), team="team-1")


def _in_dollars(good: Path, stop: str, cap: str = "1200 USD/month") -> None:
    path = good / "refunds" / "workflow.yaml"
    text = f"spend: {{cap: {cap}, at_cap: stop, stop: {stop}}}"
    path.write_text(path.read_text(encoding="utf-8").replace(_SPEND, text).replace(" EUR", " USD"), encoding="utf-8")


@pytest.mark.parametrize("budget", [True, False])
def test_litellm_holds_the_cap_as_its_own_budget(good: Path, budget: bool) -> None:  # noqa: FBT001
    """Where it says so: a cap in dollars by the calendar, of one team or one key."""
    _in_dollars(good, f"{{litellm: proxy, team: t, budget: {str(budget).lower()}}}")
    declarations = load(good)
    assert declarations.problems == ()
    assert declarations.workflows[0].spend.stop == Stop("litellm", "proxy", team="t", budget=budget)


def test_a_budget_cannot_roll(good: Path) -> None:
    """LiteLLM counts by its calendar."""
    _in_dollars(good, "{litellm: proxy, keys: [k1], budget: true}", cap="60 USD/7 days")
    (problem,) = load(good).problems
    assert str(problem).endswith(
        "spend.stop.budget: cannot roll over 7 days (a cap a day, week or month, or remove it)"
    )


def test_all_that_the_fleet_says_of_spend(good: Path) -> None:
    """Caps over everything, of a team and of a model; a bill with its tolerance and its currency."""
    fleet = _fleet(good).spend
    assert [(rule.key, str(rule.cap.limit), rule.at_cap) for rule in fleet.caps] == [
        ("month", "5,000.00 EUR", "ask_owner"),
        ("month team=finance", "1,000.00 EUR", "tell"),
        ("24 hours model=own-model", "40.00 EUR", "tell"),
    ]
    assert fleet.zone == "Europe/Oslo"
    assert fleet.teams == {"finance": "#finance-ai", "service": "C0123456789"}
    assert fleet.bills == (
        BillAccount("openai", "openai", "openai_admin", Decimal("0.015"), Decimal(5), currency="EUR"),
    )


@pytest.mark.parametrize(
    ("above", "operators", "why"),
    [
        ("6000 EUR", 2, ""),
        ("60 EUR", 2, ""),
        ("6000 USD", 2, "has another currency than spend.caps"),
        ("30 EUR", 2, "is below all spend.caps"),
        ("6000 EUR", 1, "asks two operators, and operators names one"),
    ],
)
def test_a_second_operator_above_an_amount(good: Path, above: str, operators: int, why: str) -> None:
    """It fits the fleet's caps, and there are two to answer; what does not is said, and hides none of the caps."""
    path = good / "_fleet.yaml"
    text = path.read_text(encoding="utf-8").replace("\nspend:\n", f"\nspend:\n  second_person_above: {above}\n", 1)
    people = [f"  - {{name: Person {number}, slack: U00000000{number}}}" for number in range(operators)]
    text = re.sub(r"(?m)^operators:.*\n(?:[ -].*\n)*", "operators:\n" + "\n".join(people) + "\n", text)
    path.write_text(text, encoding="utf-8")
    spend = _fleet(good).spend
    assert [problem.key for problem in load(good).problems] == (["spend.second_person_above"] if why else [])
    assert all(why in str(problem) for problem in load(good).problems)
    assert spend.second_person_above == (None if why else Money.parse(above))
    assert len(spend.caps) == 3


def test_a_fleet_that_says_nothing_of_spend_has_no_caps(good: Path) -> None:
    """Its calendar is UTC."""
    path = good / "_fleet.yaml"
    path.write_text(path.read_text(encoding="utf-8").partition("\nspend:")[0] + "\n", encoding="utf-8")
    assert _fleet(good).spend == FleetSpend()


def test_a_broken_cap_of_the_fleet_hides_no_other_one(good: Path) -> None:
    """The rest of the fleet's caps still hold, and the problem is told."""
    path = good / "_fleet.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("cap: 1000 EUR", "cap: 0 EUR"), encoding="utf-8")
    assert [rule.key for rule in _fleet(good).spend.caps] == ["month", "24 hours model=own-model"]
    assert [problem.key for problem in load(good).problems] == ["spend.caps[1].cap"]


@pytest.mark.parametrize("text", [_SPEND, _FULL])
def test_what_is_stored_reads_back_the_same(good: Path, text: str) -> None:
    """From the document of the ops database, with the fleet's zone where the workflow names none."""
    declared = _declared(good, text)
    assert stored_spend(load(good).folders[0].document, _fleet(good).spend) == declared


def test_a_stored_document_that_this_version_cannot_read_gives_nothing() -> None:
    """Never half of it."""
    assert stored_spend({"spend": {"cap": "1 USD/month", "at_cap": "tell", "odd": 1}}, FleetSpend()) is None
