"""The pages over a history that is written once and only read."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import Site, mounted

from afterpilot.demo.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres, _migrated_template: str) -> Iterator[Site]:
    """The pages over the sample history; nobody may write to it."""
    name = f"w{uuid.uuid4().hex}"
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{_migrated_template}"')
    admin.dispose()
    engine = sa.create_engine(postgres.url(name))
    kept = sample_data.build(engine)
    app = mounted(engine)
    yield Site(TestClient(app, follow_redirects=False), app, engine, kept)
    engine.dispose()
