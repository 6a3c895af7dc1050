"""A path that the environment or its PostgreSQL cannot live with is refused at once, and nothing was done by then."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from afterpilot.demo import state
from afterpilot.demo.postgres import EmbeddedPostgres, unfit
from afterpilot.demo.state import DemoError, open_state

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("target", ["demo", "test", "setup"])
def test_a_checkout_with_a_blank_in_its_path_is_refused_before_anything_is_set_up(tmp_path: Path, target: str) -> None:
    """With its path, and what to do."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    make = shutil.which("make")
    assert make
    done = subprocess.run([make, target], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"has a blank in it ({folder})" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["Makefile"]


@pytest.mark.parametrize(("name", "sign"), [("a b", "a blank"), ("a\tb", "a blank"), ("it's", "'"), ("a$b", "$")])
def test_a_server_is_not_started_where_a_shell_would_take_its_path_apart(tmp_path: Path, name: str, sign: str) -> None:
    """Also behind a link; the folder is not made."""
    assert not unfit(tmp_path / "plain-folder_1.2")
    with pytest.raises(RuntimeError, match="cannot live in a folder with") as refused:
        EmbeddedPostgres(tmp_path / name / "postgres")
    assert f"with {sign} in its path ({tmp_path / name / 'postgres'})" in str(refused.value)
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    assert unfit(tmp_path / "link" / "postgres")


def test_the_demo_says_how_to_choose_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, before it has written anything."""
    monkeypatch.setattr(state, "read_env", lambda _: {})
    monkeypatch.setenv("AFTERPILOT_DEMO_HOME", str(tmp_path / "my demo"))
    with pytest.raises(DemoError, match="AFTERPILOT_DEMO_HOME=/some/folder make demo"):
        open_state()
    assert not (tmp_path / "my demo").exists()
