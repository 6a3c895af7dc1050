"""From calls that are metered to the gateway that stops, and on again when a person raises the cap, by the installed commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from path_site import SLUG, Site, pulled, spent, trigger

from afterpilot import pipeline
from afterpilot.domain.verdict import Verdict
from doubles.calls import call
from doubles.command_line import Cli, command_line
from doubles.gateways import Switch

pytestmark = pytest.mark.integration


@pytest.fixture
def switch() -> Iterator[Switch]:
    """What the workflow declares to be told."""
    with Switch() as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, switch: Switch) -> Site:
    """Invoices of a moment ago under a cap that they have crossed, which is to stop the workflow."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.now = datetime.now(UTC)
    made.env["AIRFLOW_CONN_SWITCH"] = switch.connection
    made.invoices(range(1, 5))
    declared = {
        "cap": "0.00001 USD/month",
        "warn_at": ["80%"],
        "at_cap": "stop",
        "timezone": "UTC",
        "second_person_above": "100 USD",
        "stop": {"call_back": "switch:/ai/stop"},
    }
    _declare(made, SLUG, declared)
    return made


def _declare(site: Site, slug: str, spend: Mapping[str, Any]) -> None:
    """Put a spend in place of the one that a workflow declares."""
    path = site.folder / slug / "workflow.yaml"
    text = re.sub(r"(?ms)^spend:.*?(?=^\w)", f"spend: {json.dumps(spend)}\n", path.read_text() + "\nz: 1\n")
    path.write_text(text.removesuffix("\nz: 1\n") + "\n")


@pytest.fixture
def cli(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process, with the site's variables."""
    return command_line(monkeypatch, capsys, {**site.env, "SLACK_BOT_TOKEN": ""})


def test_a_cap_that_is_crossed_stops_the_gateway_until_two_people_raise_it(
    site: Site, switch: Switch, cli: Cli
) -> None:
    """Pull, spend, deliver: stopped. Asked for by the owner, approved by the deputy: it goes on, without another look."""
    pulled(site)
    assert spent(site).verdict is Verdict.FAIL
    (kept,) = site.rows("SELECT allowed, reason FROM allowances")
    assert (kept["allowed"], "is reached" in kept["reason"]) == (False, True)
    code, out, _ = cli("deliver", "--json")
    assert (code, json.loads(out)["stops"]) == (0, {"ended": 0, "done": 1, "not_done": 0})
    assert switch.actions == ["stop"]

    asked = ("spend", "raise", SLUG, "--to", "200 USD", "--by", "Dana Ruiz", "--reason", "quarter end")
    code, out, _ = cli(*asked)
    assert code == 0
    assert f"afterpilot spend approve {SLUG} --by NAME" in out
    code, out, err = cli("spend", "approve", SLUG, "--by", "dana.ruiz")
    assert (code, "a second person has to" in err) == (2, True)
    code, out, _ = cli("spend", "approve", SLUG, "--by", "Lee Okafor", "--json")
    told = json.loads(out)
    assert (code, told["state"], told["limit"], told["allowed"]) == (0, "approved", "200.00 USD", True)
    assert switch.actions == ["stop", "resume"]
    assert spent(site).verdict is Verdict.PASS
    assert {one["kind"]: one["state"] for one in site.incidents()}["spend.over_cap"] == "resolved"
    assert [letter["kind"] for letter in site.letters()].count("answered") == 2


def test_a_cap_over_several_workflows_that_others_have_crossed_reaches_every_gateway_at_once(site: Site) -> None:
    """A workflow of which there is nothing new to say is stopped by what another one has spent; its own caps are not touched."""
    other = "second_office"
    site.add(other)
    for slug in (SLUG, other):
        _declare(site, slug, {"cap": "60 USD/month", "at_cap": "tell"})
    fleet = site.folder / "_fleet.yaml"
    fleet.write_text(
        re.sub(r"(?ms)^spend:.*?(?=^\w|\Z)", "", fleet.read_text())
        + "\nspend: {caps: [{cap: 10 USD/month, at_cap: stop}]}\n"
    )
    assert site.wired().declarations.problems == ()
    for slug in (SLUG, other):
        pulled(site, slug=slug)

    def judged() -> Any:
        wired = site.wired()
        return pipeline.spend_all(wired.services, wired.declarations.workflows, trigger=trigger())[other]

    def allowed() -> dict[str, bool]:
        return {row["workflow"]: row["allowed"] for row in site.rows("SELECT workflow, allowed FROM allowances")}

    assert judged() is not None
    assert allowed() == {SLUG: True, other: True}
    site.now += timedelta(minutes=10)
    call(site.ops, SLUG, [(site.now - timedelta(minutes=5), Decimal(11))])
    assert judged() is None
    assert allowed() == {SLUG: False, other: False}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("raise", SLUG, "--to", "much", "--by", "Dana Ruiz", "--reason", "x"), "'much' is not an amount"),
        (("raise", SLUG, "--to", "5 USD", "--by", "Mallory", "--reason", "x"), "Mallory may not answer here"),
        (("raise", "nothing", "--to", "5 USD", "--by", "Dana Ruiz", "--reason", "x"), "there is no workflow 'nothing'"),
        (("approve", SLUG, "--by", "Dana Ruiz"), "Nothing waits for a second person"),
        (("refuse", SLUG, "--by", "Dana Ruiz", "--reason", "x"), "not looked at yet"),
    ],
)
def test_an_answer_that_cannot_be_taken_says_why(cli: Cli, words: tuple[str, ...], why: str) -> None:
    """One sentence, and exit status 2."""
    code, _, err = cli("spend", *words)
    assert code == 2
    assert why in err.replace("\n", " ")


def test_a_token_is_printed_once_with_its_hash(cli: Cli) -> None:
    """The two lines that go to two places; with a workflow the hash is for that one alone."""
    from afterpilot.web.api.tokens import GatewayTokens

    code, out, _ = cli("spend", "token", SLUG, "--json")
    made = json.loads(out)
    assert code == 0
    tokens = GatewayTokens.parse(made["entry"])
    assert [tokens.allow(made["token"], name) for name in (SLUG, "another")] == [True, False]
    _, out, _ = cli("spend", "token")
    lines = [line for line in out.splitlines() if line.startswith("apg_") or re.fullmatch(r"[0-9a-f]{64}", line)]
    assert GatewayTokens.parse(lines[1]).allow(lines[0], "any") is True
