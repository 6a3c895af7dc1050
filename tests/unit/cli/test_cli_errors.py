"""The command line without any database: help that teaches, one clear sentence where something is missing, exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from afterpilot.cli.output import exit_status
from afterpilot.domain.verdict import Verdict
from doubles.command_line import Cli, command_line

WORKFLOWS = Path(__file__).parents[3] / "include" / "workflows"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process, with these variables; returns exit status, output and errors."""
    for name in ("AFTERPILOT_DATABASE_URL", "AFTERPILOT_WORKFLOWS", "SLACK_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return command_line(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example's declarations."""
    return Path(shutil.copytree(WORKFLOWS, tmp_path / "workflows"))


def test_good_declarations(cli: Cli, folder: Path) -> None:
    """Each folder by name, and exit status 0."""
    code, out, err = cli("validate", str(folder))
    assert (code, err) == (0, "")
    assert "✓ invoice_matching" in out
    assert "✓ email_triage" in out


def test_a_broken_declaration(cli: Cli, folder: Path) -> None:
    """File and line of what is wrong, the good folder beside it, and exit status 1."""
    path = folder / "email_triage" / "workflow.yaml"
    path.write_text(path.read_text().replace("stage: experiment", "stage: experimnt"))
    code, out, _ = cli("validate", str(folder))
    assert code == 1
    assert "email_triage/workflow.yaml:4: stage:" in out
    assert "✓ invoice_matching" in out


def test_broken_declarations_for_programs(cli: Cli, folder: Path) -> None:
    """--json prints one document with the usable folders and each problem's place."""
    path = folder / "email_triage" / "workflow.yaml"
    path.write_text(path.read_text().replace("stage: experiment", "stage: [/] [red]\x1b[2J"))
    code, out, _ = cli("validate", str(folder), "--json")
    found = json.loads(out)
    assert code == 1
    assert found["usable"] == ["invoice_matching", "invoice_reader_calls"]
    assert found["problems"][0]["file"] == "email_triage/workflow.yaml"
    assert cli("validate", str(folder))[0] == 1  # what a file says is never taken as markup


def test_nothing_to_validate(cli: Cli, tmp_path: Path) -> None:
    """A folder without workflows is no success, and one that is not there is said to be so: exit status 2."""
    fleet = (WORKFLOWS / "_fleet.yaml").read_text()
    (tmp_path / "_fleet.yaml").write_text(fleet.replace("workflow: invoice_reader_calls", 'workflow: "claims_*"'))
    code, out, _ = cli("validate", str(tmp_path))
    assert "! _fleet.yaml:12: alerts.routes[0].workflow: 'claims_*' fits no workflow that there is" in out
    assert (code, "No workflow is declared here" in out) == (2, True)
    code, _, err = cli("validate", str(tmp_path / "nowhere"))
    assert code == 2
    assert "cannot be listed" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["run", "invoice_matching"],
        ["status"],
        ["deliver"],
        ["baseline", "show", "invoice_matching"],
        ["baseline", "approve", "invoice_matching", "--by", "Dana"],
        ["db", "upgrade"],
        ["db", "check"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "AFTERPILOT_DATABASE_URL is not set"),
        ("nonsense hush", "AFTERPILOT_DATABASE_URL is no database URL"),
        ("oracle9://u:hush@h/d", "AFTERPILOT_DATABASE_URL is no database URL"),
        ("postgresql+psycopg://u:hush@127.0.0.1:1/d", "the ops database cannot be used: connection"),
    ],
    ids=["not set", "no URL", "no such database", "server down"],
)
def test_without_an_ops_database(cli: Cli, command: list[str], url: str, says: str) -> None:
    """One clear sentence without a secret or a traceback, and exit status 2."""
    code, out, err = cli(*command, AFTERPILOT_DATABASE_URL=url, AFTERPILOT_WORKFLOWS=str(WORKFLOWS))
    assert code == 2
    assert says in err
    assert "hush" not in out + err
    assert err.count("\n") == 1


def test_the_help_teaches(cli: Cli) -> None:
    """First steps, variables and exit statuses stand in it; every command says in a sentence what it does."""
    code, out, _ = cli("--help")
    assert code == 0
    for word in ("First steps", "AFTERPILOT_DATABASE_URL", "AFTERPILOT_WORKFLOWS", "Exit status"):
        assert word in out
    for command in ("validate", "run", "deliver", "status", "baseline", "db"):
        code, text, _ = cli(command, "--help")
        assert code == 0
        assert "Usage: afterpilot" in text
        assert len(text) > 400, command


def test_the_version(cli: Cli) -> None:
    """The package's version with the commit that is installed."""
    code, out, _ = cli("--version", AFTERPILOT_COMMIT="0123456789abcdef")
    assert (code, out.strip().endswith("+0123456789ab")) == (0, True)


def test_an_unknown_command_or_stage(cli: Cli) -> None:
    """The names that exist are shown, exit status 2."""
    assert cli("watch")[0] == 2
    code, _, err = cli("run", "x", "--stage", "gaet")
    assert (code, "gate" in err) == (2, True)
    code, _, err = cli("run", "x", "--stage", "declare")
    assert (code, "afterpilot validate" in err) == (2, True)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], 2),
        ([Verdict.PASS, Verdict.WARN], 0),
        ([Verdict.PASS, Verdict.UNKNOWN], 2),
        ([Verdict.UNKNOWN, Verdict.FAIL], 1),
    ],
)
def test_exit_statuses(verdicts: list[Verdict], status: int) -> None:
    """UNKNOWN is never success, and nothing at all is UNKNOWN."""
    assert exit_status(verdicts) == status
