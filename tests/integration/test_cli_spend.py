"""``afterpilot spend`` on a real ops database: what it shows, and how it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from path_site import SLUG, Site, pulled

from doubles.calls import call
from doubles.command_line import Cli, command_line

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose source was read a moment ago, with a cap over a rolling week beside its month's."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.edit(f"{SLUG}/workflow.yaml", "at_cap: ask_owner}", "at_cap: ask_owner, more_caps: [{cap: 60 USD/7 days}]}")
    made.now = datetime.now(UTC)
    pulled(made)
    return made


@pytest.fixture
def cli(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process, with the site's variables."""
    return command_line(monkeypatch, capsys, site.env)


def test_before_anybody_looked_it_is_unknown(cli: Cli) -> None:
    """Never a table of zeros."""
    code, out, _ = cli("spend")
    assert code == 2
    assert "? UNKNOWN invoice_matching: never looked at" in out


def test_a_check_looks_now_and_its_caps_are_shown_from_then_on(cli: Cli, site: Site) -> None:
    """What is spent, what is expected, how much of it is priced; the same by slug, and as JSON."""
    call(site.ops, SLUG, [(site.now - day * DAY, Decimal("0.06")) for day in range(1, 40)])
    code, out, _ = cli("spend", "check")
    assert code == 0, out
    code, shown, _ = cli("spend", SLUG)
    assert code == 0
    assert shown == out
    assert "of 5.00 USD a month (" in shown
    assert "of 60.00 USD in 7 days (0." in shown
    assert "expected by its end: 0.4200 (" in shown
    code, text, _ = cli("spend", SLUG, "--json")
    caps = json.loads(text)[SLUG]["caps"]
    assert [cap["cap"] for cap in caps] == ["month", "7 days"]
    assert caps[0]["forecast"]["expected"] is not None


def test_a_cap_that_is_reached_ends_with_one_and_an_unknown_one_with_two(cli: Cli, site: Site) -> None:
    """With the reasons below the table."""
    call(site.ops, SLUG, [(site.now, Decimal(6))])
    code, out, _ = cli("spend", "check", SLUG)
    assert code == 1
    assert "  - Spend has reached the cap of 5.00 USD a month: 120 % of it" in out
    call(site.ops, SLUG, [(site.now, None)], model="new-1", reason="no price is known for new-1", ref="new")
    assert cli("spend", "check", SLUG)[0] == 1
    site.edit(f"{SLUG}/workflow.yaml", "cap: 5 USD/month", "cap: 5000 USD/month")
    site.edit(f"{SLUG}/workflow.yaml", "cap: 60 USD/7 days", "cap: 6000 USD/7 days")
    code, out, _ = cli("spend", "check", SLUG)
    assert code == 2
    assert "at least 6.00" in out
    assert "50.0 %" in out


def test_the_status_has_the_fleet_s_caps(cli: Cli, site: Site) -> None:
    """UNKNOWN before the first look, then what that found."""
    path = site.folder / "_fleet.yaml"
    path.write_text(path.read_text() + "spend: {caps: [{cap: 5 USD/month}]}\n")
    call(site.ops, SLUG, [(site.now, Decimal(6))])
    _, out, _ = cli("status", "--json")
    assert json.loads(out)["_fleet"] == {"spend": None}
    cli("spend", "check")
    _, out, _ = cli("status", "--json")
    assert json.loads(out)["_fleet"]["spend"]["verdict"] == "FAIL"


def test_a_workflow_that_does_not_exist_is_an_error(cli: Cli) -> None:
    """With those that do, and what the words of the command are."""
    code, _, err = cli("spend", "invoices")
    assert code == 2
    assert "there is no workflow 'invoices' (known: invoice_matching)" in err
    code, out, _ = cli("spend", "--help")
    assert code == 0
    assert all(word in out for word in ("check", "raise", "export", "WORKFLOW"))


def test_a_look_that_finds_nothing_new_says_that_it_looked(cli: Cli) -> None:
    """The run that stands is older; the caps were looked at all the same."""
    cli("spend", "check")
    _, out, _ = cli("spend", "check")
    assert "invoice_matching, looked now, nothing new since 20" in out


def test_an_answer_is_shown_at_once_and_so_is_what_the_gateway_is_told(cli: Cli, site: Site) -> None:
    """Reached: no day on which it will be. Raised: on record without another command. Neither waits for the next look."""
    site.edit(f"{SLUG}/workflow.yaml", "at_cap: ask_owner", "at_cap: stop")
    call(site.ops, SLUG, [(site.now - day * DAY, Decimal("0.06")) for day in range(1, 40)])
    call(site.ops, SLUG, [(site.now, Decimal(6))], ref="dear")
    cli("spend", "check")
    _, out, _ = cli("spend", SLUG)
    assert "  - The gateway is told to stop: " in out
    quarter = site.now.replace(minute=site.now.minute // 15 * 15)
    assert f"; the cap was reached {quarter.day} {quarter:%b %H:%M} UTC\n" in out
    code, out, err = cli("spend", "raise", SLUG, "--to", "9 USD", "--by", "Dana Ruiz", "--reason", "quarter end")
    assert (code, err) == (0, "")
    code, out, _ = cli("spend", SLUG)
    assert "of 9.00 USD a month (raised)" in out
    assert "The gateway" not in out


def test_a_workflow_whose_declaration_is_broken_is_named(cli: Cli, site: Site) -> None:
    """Nobody looks at its caps: that is UNKNOWN, with what to do, and never left out."""
    site.edit(f"{SLUG}/workflow.yaml", "spend:", "spend_:")
    for words in (("spend",), ("spend", "check")):
        code, out, _ = cli(*words)
        assert code == 2
        assert "? UNKNOWN invoice_matching: its declaration is broken" in out
        assert "afterpilot validate" in out


def test_no_token_is_made_for_a_workflow_that_is_none(cli: Cli) -> None:
    """A slip would be found only when the gateway is refused."""
    code, _, err = cli("spend", "token", "invoices")
    assert code == 2
    assert "there is no workflow 'invoices' (known: invoice_matching)" in err
