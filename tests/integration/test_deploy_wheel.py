"""The wheel that the image installs, built the way the Dockerfile builds it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
# Alembic's template for new migrations: for developers, never for a running installation.
NOT_SHIPPED = {"afterpilot/record/migrations/script.py.mako"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in a wheel built from a copy of exactly what the Dockerfile copies."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.in"):
        shutil.copy(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "include" / "afterpilot", folder / "include" / "afterpilot", ignore=ignored)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*build, "--wheel-dir", "out", "."], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "out").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_holds_every_file_of_the_package(shipped: set[str]) -> None:
    """Migrations, templates, pictures and recordings are installed too: what git keeps of the package, the wheel carries."""
    listing = subprocess.run(
        ["git", "ls-files", "include/afterpilot"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    kept = {name.removeprefix("include/") for name in listing if (ROOT / name).exists()}
    assert kept - shipped == NOT_SHIPPED & kept


def test_wheel_holds_its_licence_and_commands(shipped: set[str]) -> None:
    """The licence goes with the code, and the console script is declared."""
    names = {name.partition(".dist-info/")[2] for name in shipped if ".dist-info/" in name}
    assert {"licenses/LICENSE", "entry_points.txt"} <= names
