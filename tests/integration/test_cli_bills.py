"""`afterpilot bills` on a real ops database, with an account of a double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from path_site import SLUG, Site, pulled

from doubles.api import ApiDouble, Reply
from doubles.bills import DAY, OpenAi, cost
from doubles.command_line import Cli, command_line

pytestmark = pytest.mark.integration


@pytest.fixture
def api() -> Iterator[ApiDouble]:
    """An account that has billed a project of ours ten dollars and another one twelve, ten days ago."""
    today = datetime.now(UTC).date()
    account = OpenAi({today - n * DAY: [] for n in range(1, 40)}, a_page=31)
    account.costs[today - 10 * DAY] = [
        cost("10", "gpt-4o, input", "proj_ap"),
        cost("12", "gpt-4o, input", "proj_unowned"),
    ]
    with ApiDouble(account) as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, api: ApiDouble) -> Site:
    """An office whose own model is on no bill."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.now = datetime.now(UTC)
    path = made.folder / "_fleet.yaml"
    path.write_text(path.read_text() + "spend:\n  bills: [{name: openai, kind: openai, connection: openai_admin}]\n")
    made.edit(f"{SLUG}/workflow.yaml", "spend: {", "spend: {billed: [{account: openai, projects: [proj_ap]}], ")
    made.env["AIRFLOW_CONN_OPENAI_ADMIN"] = f"http://admin:{api.token}@{api.url.removeprefix('http://')}"
    made.invoices(range(1, 3))
    pulled(made)
    return made


@pytest.fixture
def cli(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process, with the site's variables."""
    return command_line(monkeypatch, capsys, {**site.env, "SLACK_BOT_TOKEN": "", "COLUMNS": "240"})


def test_a_key_that_may_not_list_projects_is_told_once(cli: Cli, api: ApiDouble) -> None:
    """Under the table of the account, after a reading and by what is on record; projects go by their ids."""
    assert isinstance(api.answer, OpenAi)
    api.answer.may_list = False
    for command in (["bills"], ["bills", "show"]):
        _, out, _ = cli(*command)
        assert out.count("projects are shown by their ids: ") == 1
        assert "(403" in out
        assert "nobody's: proj_unowned  12.00 USD" in out


def test_bills_are_read_and_shown(cli: Cli) -> None:
    """A table of days, what nobody owns with a proposal, both coverages, and the verdict."""
    code, out, _ = cli("bills")
    assert code == 0, "a warning is no failure"
    assert "45.5 % of the bill is owned" in out
    assert "nobody's: proj_unowned  12.00 USD" in out
    assert "nobody's: what is billed on top of it" in " ".join(out.split())
    assert "WARN" in out


def test_show_reads_nothing(cli: Cli, api: ApiDouble) -> None:
    """Before anything was read, every day is unread; afterwards it shows what is on record."""
    code, out, _ = cli("bills", "show")
    assert (code, api.asked) == (0, [])
    assert out.count("not read") == 14
    cli("bills")
    asked = len(api.asked)
    _, out, _ = cli("bills", "show", "--days", "35")
    assert len(api.asked) == asked
    assert "10.00" in out
    assert "not read" not in out


def test_as_json(cli: Cli) -> None:
    """Rows, shares and proposals as exact texts."""
    _, out, _ = cli("bills", "--account", "openai", "--json")
    told = json.loads(out)
    (account,) = told["accounts"]
    assert (told["stage"], told["verdict"], account["bill"]) == ("bills", "WARN", "22")
    assert account["unowned"][0]["project"] == "proj_unowned"
    _, out, _ = cli("bills", "show", "--json")
    assert json.loads(out) == [account]


def test_an_account_that_cannot_be_read_ends_in_2(cli: Cli, api: ApiDouble) -> None:
    """UNKNOWN is not good, and the key is not printed."""
    api.faults.append(Reply({"error": api.token}, status=403))
    code, out, err = cli("bills")
    assert code == 2
    assert "UNKNOWN" in out
    assert api.token not in out + err


def test_an_account_that_is_not_declared_is_a_clear_error(cli: Cli) -> None:
    """With the names that there are."""
    code, _, err = cli("bills", "--account", "azure")
    assert code == 2
    assert "no account 'azure'" in err
    assert "known: openai" in err


def test_the_status_has_the_bills_of_the_fleet(cli: Cli) -> None:
    """UNKNOWN before the first run, then what that run said."""
    _, out, _ = cli("status", "--json")
    assert json.loads(out)["_fleet"] == {"bills": None}
    cli("bills")
    _, out, _ = cli("status", "--json")
    assert json.loads(out)["_fleet"]["bills"]["verdict"] == "WARN"
