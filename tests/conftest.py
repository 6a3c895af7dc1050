"""Fixtures shared by all rings. Only what is asked for is started."""

from __future__ import annotations

import gc
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import EmbeddedPostgres, running

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / "include" / "workflows"


_used: weakref.WeakSet[sa.Engine] = weakref.WeakSet()


@sa.event.listens_for(sa.Engine, "engine_connect")
def _seen(connection: sa.Connection) -> None:
    _used.add(connection.engine)


@pytest.fixture(autouse=True)
def _nothing_of_a_process_outlives_its_test() -> Iterator[None]:
    """A process would end with its connections and its way to look for garbage; many of them run in one here."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    for engine in list(_used):
        engine.dispose()
    _used.clear()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL, one for each test process."""
    with running(tmp_path_factory.mktemp("pg"), settings={"fsync": "off", "max_connections": "200"}) as server:
        yield server


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> str:
    """The URL of a new, empty database."""
    name = f"t{uuid.uuid4().hex}"
    postgres.create(name)
    return postgres.url(name)


@pytest.fixture(scope="session")
def _migrated_template(postgres: EmbeddedPostgres) -> str:
    from afterpilot.record.migrate import upgrade

    postgres.create("afterpilot_template")
    upgrade(postgres.url("afterpilot_template"))
    return "afterpilot_template"


@pytest.fixture
def ops_url(postgres: EmbeddedPostgres, _migrated_template: str) -> str:
    """The URL of a new ops database, migrated to the newest version."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{_migrated_template}"')
    engine.dispose()
    return postgres.url(name)


@pytest.fixture
def ops(ops_url: str) -> Iterator[sa.Engine]:
    """An engine on a new ops database."""
    engine = sa.create_engine(ops_url)
    yield engine
    engine.dispose()
