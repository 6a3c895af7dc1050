"""Spend on a bill that belongs to no workflow, and whom it may belong to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from afterpilot.decide.bills import judge_bills
from afterpilot.domain.bills import ProjectNames
from afterpilot.domain.spend import Billed
from afterpilot.domain.verdict import Verdict
from doubles.billing import ago, called, facts, flow, judged, kind, line, only, tokens

FLOWS = (flow("invoice_matching", "proj_a"), flow("email_triage", "proj_b"))


def test_a_project_that_no_workflow_names_is_told_with_its_sum() -> None:
    """Over the days on which it cost something; the share that has an owner stands in the summary."""
    lines = [line(30), line(6, project="proj_zz", model="o3"), line(4, project="proj_zz", model="o3", day=ago(8))]
    result, standing = judged(lines, [called(30)], *FLOWS)
    finding = only(result)
    assert (finding.kind, result.verdict) == ("bills.unowned", Verdict.WARN)
    assert finding.title == "10.00 USD of proj_zz on the bill of openai belong to no workflow"
    assert (finding.evidence["first_day"], finding.evidence["last_day"]) == ("2026-11-05", "2026-11-08")
    assert standing.owned == Decimal("0.75")
    assert "75.0 % owned" in result.summary


def test_a_credit_owns_nothing_and_lacks_no_owner() -> None:
    """Shares are of what was charged: money that comes back makes no share above all or below none."""
    _, back = judged([line(30), line(-5, project="credits", model="")], [called(30)], *FLOWS)
    assert back.owned == 1
    _, mixed = judged([line(30), line(10, project="proj_zz"), line(-40)], [called(30)], *FLOWS)
    assert mixed.owned == Decimal("0.75")


PROPOSALS = {
    "the one that calls the model": (
        [line(5, project="proj_zz", model="o3")],
        [called(30), called(1, model="o3", workflow="email_triage")],
        "email_triage",
        "only email_triage calls o3",
    ),
    "the one that calls it most": (
        [line(5, project="proj_zz", model="o3")],
        [called(30), called(1, model="o3"), called(1, model="o3", workflow="email_triage", calls=11)],
        "email_triage",
        "email_triage calls o3 most",
    ),
    "one of a like name, whatever it calls": (
        [line(5, project="proj-invoices-matching-prod", model="o3")],
        [called(30), called(1, model="o3", workflow="email_triage")],
        "invoice_matching",
        "proj-invoices-matching-prod and invoice_matching share matching",
    ),
    "nobody": (
        [line(5, project="proj_zz", model="o3")],
        [called(30)],
        "",
        "no workflow calls these models or is called like that",
    ),
}


@pytest.mark.parametrize("case", PROPOSALS)
def test_the_proposed_owner_has_a_reason(case: str) -> None:
    """By name, then by model; and nobody where there is no evidence."""
    lines, calls, owner, why = PROPOSALS[case]
    _, standing = judged([line(30), *lines], calls, *FLOWS)
    (found,) = standing.unowned
    assert (found.owner, found.why) == (owner, why)


def test_a_team_of_the_proxy_is_proposed_to_its_workflow() -> None:
    """LiteLLM bills by team, and a workflow says whose it is."""
    flows = (flow("invoice_matching", "ops", account="litellm"), flow("email_triage", team="Finance"))
    lines = [line(30, project="ops"), line(5, project="finance", model="o3")]
    _, standing = judged(lines, [called(30)], *flows, account=kind("litellm"))
    (found,) = standing.unowned
    assert (found.owner, found.why) == ("email_triage", "the team of email_triage is Finance")


def test_the_dearest_comes_first_and_pennies_open_no_incident() -> None:
    """Below the account's smallest amount it stands in the evidence alone."""
    lines = [line(30), line("0.4", project="proj_x", model="o3"), line(7, project="proj_y", model="o3")]
    result, standing = judged(lines, [called(30)], *FLOWS)
    assert [one.project for one in standing.unowned] == ["proj_y", "proj_x"]
    assert [one.evidence["project"] for one in result.findings] == ["proj_y"]
    assert [one["project"] for one in result.evidence["accounts"][0]["unowned"]] == ["proj_y", "proj_x"]


def test_a_hundred_projects_of_nobody_are_eleven_findings() -> None:
    """The ten dearest have one each, the others one together: their sum, and all of their names."""
    lines = [line(2 + n, project=f"proj_{n}", model="o3") for n in range(100)]
    found = judged([line(30), *lines], [called(30)], *FLOWS)[0].findings
    assert [one.kind for one in found] == ["bills.unowned"] * 11
    assert found[0].evidence["project"] == "proj_99"
    assert found[-1].title == "4,185.00 USD of 90 more projects on the bill of openai belong to no workflow"
    assert len(found[-1].evidence["projects"]) == 90


def test_usage_without_an_amount_is_no_spend_of_anybody() -> None:
    """A project that only counts tokens, such as one that is covered by another agreement, is not listed."""
    _, standing = judged([line(30), tokens(100, 10, project="proj_zz", model="o3")], [called(30)], *FLOWS)
    assert standing.unowned == ()


def test_a_workflow_that_names_the_account_alone_owns_by_model() -> None:
    """What it calls is its own in all projects that nobody names; another model there is nobody's."""
    bare = replace(flow("email_triage"), billed=(Billed("openai"),))
    lines = [line(30), line(5, project="proj_zz"), line(9, project="proj_zz", model="o3")]
    result, standing = judged(lines, [called(30), called(5, workflow="email_triage")], FLOWS[0], bare)
    assert [(one.project, one.models, one.amount) for one in standing.unowned] == [("proj_zz", ("o3",), 9)]
    assert [one.kind for one in result.findings] == ["bills.unowned"]


def test_a_workflow_of_another_account_owns_nothing_here() -> None:
    """It says where it is billed, and that is elsewhere."""
    flows = (FLOWS[0], flow("email_triage", "ws_1", account="anthropic"))
    lines = [line(30), line(5, project="proj_zz")]
    _, standing = judged(lines, [called(30), called(5, workflow="email_triage")], *flows)
    assert [one.project for one in standing.unowned] == ["proj_zz"]


def test_spend_in_another_currency_is_unowned_apart() -> None:
    """Sums of different currencies are never one."""
    lines = [
        line(30),
        line(5, project="proj_zz", model="o3"),
        line(6, project="proj_zz", model="o3", currency="EUR", item="x"),
    ]
    _, standing = judged(lines, [called(30)], *FLOWS)
    assert [(one.amount, one.currency) for one in standing.unowned] == [(6, "EUR"), (5, "USD")]


UNCOUNTED = {
    "in another currency": (
        {"amount": 6, "currency": "EUR"},
        "6.00 EUR of no workflow cannot be held against USD",
    ),
    "in no currency": (
        {"amount": 6, "currency": "XXX"},
        "6.00 XXX of no workflow cannot be held against USD",
    ),
    "without an amount": (
        {"amount": None},
        "1 line without an amount of no workflow cannot be held against USD",
    ),
}


@pytest.mark.parametrize("case", UNCOUNTED)
def test_what_is_nobodys_and_cannot_be_counted_makes_the_share_unknown(case: str) -> None:
    """It is told as UNKNOWN, in the summary too: 100 % owned would be wrong."""
    told, why = UNCOUNTED[case]
    lines = [
        line(30),
        line(
            told["amount"], **{"project": "proj_zz", "model": "o3"} | {k: v for k, v in told.items() if k != "amount"}
        ),
    ]
    result, standing = judged(lines, [called(30)], *FLOWS)
    assert (standing.owned, standing.owned_unknown, result.verdict) == (None, why, Verdict.UNKNOWN)
    assert f"owned UNKNOWN ({why})" in result.summary
    (unclear,) = (one for one in result.findings if one.kind == "bills.incomparable")
    assert unclear.title == "Which share of the bill of openai has an owner is not known"
    (loose,) = (one for one in result.findings if one.kind == "bills.unowned")
    assert loose.title.startswith(("6.00 EUR of proj_zz", "6.00 XXX of proj_zz", "1 line without an amount of proj_zz"))


def test_a_name_that_is_the_id_is_said_once() -> None:
    """LiteLLM's teams and Anthropic's workspaces have no other names; a project's name is beside its id."""
    named = ProjectNames({"proj_zz": "Pilot", "same": "same"})
    lines = [line(30), line(10, project="proj_zz"), line(9, project="same")]
    (told,) = facts(lines, [called(30)], *FLOWS).accounts
    standing = judge_bills(replace(facts(lines, [called(30)], *FLOWS), accounts=(replace(told, names=named),)))[1][0]
    assert [one.shown for one in standing.unowned] == ["Pilot (proj_zz)", "same"]


def test_a_credit_or_nothing_in_another_currency_leaves_the_share_known() -> None:
    """Neither can take a part of what is charged."""
    lines = [
        line(30),
        line(10, project="proj_zz"),
        line(-5, project="proj_zz", currency="EUR", item="x"),
        line(0, project="z", currency="EUR"),
    ]
    assert judged(lines, [called(30)], *FLOWS)[1].owned == Decimal("0.75")


def test_an_owned_part_that_cannot_be_counted_matters_only_beside_a_part_of_nobody() -> None:
    """Where all is owned, all is owned."""
    ours = [line(30), line(6, currency="EUR", item="x")]
    assert judged(ours, [called(30)], *FLOWS)[1].owned == 1
    standing = judged([*ours, line(10, project="proj_zz")], [called(30)], *FLOWS)[1]
    assert (standing.owned, standing.owned_unknown) == (None, "6.00 EUR of workflows cannot be held against USD")
