"""After the demo's last screen: the command line works as the screen says, and nothing is named that is stopped."""

from __future__ import annotations

import stat
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from afterpilot.demo import screen
from afterpilot.demo.shell_file import relative, write_shell_file
from afterpilot.demo.state import ROOT
from afterpilot.settings import WORKFLOWS

pytestmark = pytest.mark.integration
SUITE = ROOT / "docs" / "example-suite.json"
ODD = '{"password": "it\'s $HOME `x`"}'


def environment(ops_url: str) -> dict[str, str]:
    """As the demo's processes have it, in short."""
    return {
        "AFTERPILOT_BASE_URL": "http://127.0.0.1:8099",
        "AFTERPILOT_DATABASE_URL": ops_url,
        "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
        "AIRFLOW_CONN_LOCAL_MODEL": ODD,
        "AIRFLOW__API__SECRET_KEY": "no-business-of-a-shell",
        "SLACK_BOT_TOKEN": "xoxb-neither",
    }


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command in a new shell that knows nothing of this environment."""
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_on_the_screen_works_as_typed(ops_url: str, tmp_path: Path) -> None:
    """One file to source brings the path, the database, the declarations and the connections, whatever is in them."""
    write_shell_file(tmp_path / "env", environment(ops_url))
    done = typed("source ./env && afterpilot evals corrections invoice_matching --json", tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"offers": []' in done.stdout
    assert typed('source ./env && printf %s "$AIRFLOW_CONN_LOCAL_MODEL"', tmp_path).stdout == ODD
    assert typed('source ./env && printf %s "$AFTERPILOT_BASE_URL"', tmp_path).stdout == "http://127.0.0.1:8099"


def test_the_file_is_for_its_owner_and_holds_no_more_than_the_command_line_needs(tmp_path: Path) -> None:
    """Also where an older one could be read by all."""
    path = tmp_path / "env"
    path.touch(mode=0o644)
    write_shell_file(path, environment("postgresql://nowhere"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "no-business" not in path.read_text()
    assert "xoxb" not in path.read_text()


def test_the_last_screen_says_how_to_use_the_command_line() -> None:
    """With the file as somebody in the checkout would type it."""
    said = StringIO()
    screen.farewell(
        Console(file=said, width=120),
        address="http://127.0.0.1:8080",
        passwords={"admin": "one", "dana.ruiz": "two", "auditor": "three"},
        shell_file=relative(ROOT / ".afterpilot" / "env"),
        suite=relative(SUITE),
        head="9f2c41d7" * 8,
    )
    assert "afterpilot audit verify bundle.zip --head " + "9f2c41d7" * 8 in said.getvalue()  # whole, as it is copied
    assert "dana.ruiz / two" in said.getvalue()
    assert "source .afterpilot/env" in said.getvalue()
    assert "http://127.0.0.1:8080/afterpilot/review" in said.getvalue()
    assert f"--suite {relative(SUITE)}" in said.getvalue()
    assert "afterpilot evals corrections invoice_matching" in said.getvalue()
    assert relative(Path("/srv/demo/env")) == "/srv/demo/env"


def test_of_what_is_stopped_no_address_is_shown() -> None:
    """It says what keeps it up instead."""
    said = StringIO()
    screen.farewell_stopped(Console(file=said, width=120))
    assert "make demo" in said.getvalue()
    assert "127.0.0.1" not in said.getvalue()
