"""The pages over a history that is written once and only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import Site, mounted

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> Iterator[Site]:
    """The pages over the sample history; nobody may write to it."""
    engine = sa.create_engine(postgres.url(new_ops(), role=APPLICATION))
    kept = sample_data.build(engine)
    app = mounted(engine)
    yield Site(TestClient(app, follow_redirects=False), app, engine, kept)
    engine.dispose()
