"""A site with a model that speaks: a module that needs another model, or another site, has its own fixture of that name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eval_site import Speaker
from path_site import Site

from doubles.model import ModelDouble


@pytest.fixture
def speaker() -> Speaker:
    """What the model does."""
    return Speaker()


@pytest.fixture
def model(speaker: Speaker) -> Iterator[ModelDouble]:
    """The model's server."""
    with ModelDouble(speaker) as double:
        yield double


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, model: ModelDouble) -> Site:
    """A site with that model."""
    return Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database, model_url=model.url)
