"""A good declaration to break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

GOOD = Path(__file__).parents[2] / "golden" / "declare" / "good"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A copy of a workflows folder in which everything is in order."""
    return Path(shutil.copytree(GOOD, tmp_path / "workflows"))
