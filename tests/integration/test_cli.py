"""The command line on a real ops database: the path without Airflow, as a person would run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site, perfect

from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres
from afterpilot.record.migrate import head
from doubles.command_line import Cli, command_line
from doubles.model import ModelDouble

pytestmark = pytest.mark.integration


@pytest.fixture
def model() -> Iterator[ModelDouble]:
    """A model that knows every answer."""
    with ModelDouble(perfect) as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, model: ModelDouble) -> Site:
    """A few good invoices of a moment ago, and a bad one."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database, model_url=model.url)
    made.now = datetime.now(UTC)
    made.invoices([1, 2, 3])
    made.invoices([4], total="999.99")
    return made


@pytest.fixture
def cli(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process, with the site's variables."""
    return command_line(monkeypatch, capsys, {**site.env, "SLACK_BOT_TOKEN": ""})


def test_the_path_on_the_command_line(cli: Cli, site: Site) -> None:
    """Status is UNKNOWN before, the path runs, the week's report follows, the messages go to the preview, status is known."""
    code, out, _ = cli("status")
    assert code == 2
    assert out.count("UNKNOWN") == out.count("no run yet") >= 7
    code, out, err = cli("run", SLUG)
    assert (code, err) == (0, ""), out
    stages = [line.split()[2] for line in out.splitlines() if not line.startswith(" ")]
    assert stages == ["pull:", "check:", "gate:", "review:", "evaluate:", "spend:"]
    assert "No baseline is approved" in out
    assert "3 of 4 outputs released, 1 to people" in out
    code, out, _ = cli("run", SLUG, "--stage", "report", "--json")
    (report,) = json.loads(out)
    assert (report["stage"], report["workflow"]) == ("report", SLUG)
    assert (
        report["verdict"] == "UNKNOWN"
    )  # no person has decided on anything yet: an incident of its own beside the report
    assert report["versions"]["declaration"] == site.wired().workflow(SLUG).sha256
    status, out, _ = cli("deliver", "--json")
    swept = {"written": 0, "failed": 0, "escalated": 0, "broken": []}
    stops = {"ended": 0, "done": 0, "not_done": 0}
    alerts = {"waivers": 0, "silences": 0, "called": 0, "digests": 0, "broken": 0}
    assert (status, json.loads(out)) == (
        0,
        {"sent": 2, "deferred": 0, "dead": 0, "blocked": "", "reviews": swept, "stops": stops, "alerts": alerts},
    )
    _, out, _ = cli("status", "--json")
    status = json.loads(out)[SLUG]
    assert status["declare"] is None
    assert status["gate"]["verdict"] == "PASS"


def test_stages_one_by_one(cli: Cli, site: Site) -> None:
    """The check needs a pull first and says so; then it takes that pull's window."""
    code, _, err = cli("run", SLUG, "--stage", "check")
    assert (code, "was never pulled" in err) == (2, True)
    assert cli("run", SLUG, "--stage", "pull")[0] == 0
    code, out, _ = cli("run", SLUG, "--stage", "gate", "--stage", "check", "--json")
    assert code == 0
    assert [run["stage"] for run in json.loads(out)] == ["check", "gate"]
    (pull,) = site.rows("SELECT window_end FROM runs WHERE stage = 'pull'")
    assert {run["window"][1] for run in json.loads(out)} == {pull["window_end"].isoformat()}


def test_a_source_that_is_away(cli: Cli, site: Site) -> None:
    """The pull is UNKNOWN, the check is not run, and there is one incident; exit status 2."""
    site.produce("ALTER TABLE ai_invoice_runs RENAME TO gone")
    code, out, _ = cli("run", SLUG, "--stage", "pull", "--stage", "check")
    assert code == 2
    assert "check: not run: the source could not be read" in out
    assert [incident["kind"] for incident in site.incidents()] == ["pull.source_unreadable"]


def test_a_baseline(cli: Cli, site: Site) -> None:
    """None at first; an eval run is approved by name; it is shown from then on."""
    code, out, _ = cli("baseline", "show", SLUG)
    assert (code, "has no approved baseline" in out) == (1, True)
    code, _, err = cli("baseline", "approve", SLUG, "--by", "Dana Ruiz")
    assert (code, "has no eval run" in err) == (2, True)
    assert cli("run", SLUG, "--stage", "evaluate")[0] == 0
    assert cli("baseline", "approve", SLUG, "--by", "Dana Ruiz", "--note", "first")[0] == 0
    code, out, _ = cli("baseline", "show", SLUG)
    assert (code, "6 of 6 cases passed" in out) == (0, True)
    assert "this suite of 6 cases" in out
    (row,) = site.rows("SELECT approved_by, note FROM baselines")
    assert row == {"approved_by": "Dana Ruiz", "note": "first"}


@pytest.mark.parametrize(
    "command",
    [["run", "invoice_machting"], ["baseline", "show", "x"], ["baseline", "approve", "x", "--by", "y"]],
    ids=" ".join,
)
def test_an_unknown_workflow(cli: Cli, command: list[str]) -> None:
    """The known ones are named; exit status 2."""
    code, _, err = cli(*command)
    assert code == 2
    assert "there is no workflow" in err
    assert SLUG in err


def test_a_broken_workflow(cli: Cli, site: Site) -> None:
    """File and line instead of a run."""
    site.edit(f"{SLUG}/workflow.yaml", "stage: live", "stage: lif")
    code, _, err = cli("run", SLUG)
    assert code == 2
    assert "invoice_matching/workflow.yaml:4: stage" in err


def test_migrations(cli: Cli, empty_database: str) -> None:
    """An empty database is not as it must be, says so everywhere, and is after the upgrade; a second one changes nothing."""
    url = {"AFTERPILOT_DATABASE_URL": empty_database}
    code, out, _ = cli("db", "check", **url)
    assert (code, "run `afterpilot db upgrade`" in out) == (1, True)
    code, _, err = cli("status")
    assert code == 2
    assert "run `afterpilot db upgrade`" in err
    assert err.count("\n") == 1
    assert cli("db", "upgrade")[0] == 0
    assert cli("db", "check")[0] == 0
    code, out, _ = cli("db", "upgrade")
    assert (code, out.count(head())) == (0, 2)


def test_migrations_by_an_owner(cli: Cli, postgres: EmbeddedPostgres, empty_database: str) -> None:
    """The owner's upgrade gives the application what it needs; both that and one role for all are said by the check."""
    name = str(sa.make_url(empty_database).database)
    code, out, _ = cli("db", "upgrade", AFTERPILOT_DATABASE_URL=empty_database)
    assert (code, "triggers alone do" in out, "AFTERPILOT_OWNER_URL" in out) == (0, True, True)
    code, out, _ = cli("db", "check")
    assert (code, "triggers alone do" in out) == (0, True)
    postgres.separate(name)
    application = {"AFTERPILOT_DATABASE_URL": postgres.url(name, role=APPLICATION)}
    code, _, err = cli("db", "check", **application)
    assert (code, "permission denied" in err, err.count("\n")) == (2, True, 1)
    owner = postgres.url(name, role=OWNER)
    code, _, err = cli(
        "db", "upgrade", AFTERPILOT_OWNER_URL=owner, AFTERPILOT_DATABASE_URL=postgres.url(name, role="nobody")
    )
    assert (code, "there is no role 'nobody'" in err, err.count("\n")) == (2, True, 1)
    assert cli("db", "upgrade", **application)[0] == 0
    code, out, _ = cli("db", "check", AFTERPILOT_OWNER_URL="")
    assert (code, "grants" in out) == (0, False)
    with sa.create_engine(owner).begin() as connection:
        connection.exec_driver_sql(f"GRANT UPDATE ON ledger TO {APPLICATION}")
    code, out, _ = cli("db", "check")
    assert (code, "UPDATE on ledger" in out) == (1, True)
