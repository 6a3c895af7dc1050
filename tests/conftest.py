"""Fixtures shared by all rings. Only what is asked for is started."""

from __future__ import annotations

import gc
import re
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres, running

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / "include" / "workflows"


_FLEETING = re.compile(r"\{('[^':{}]*'|-?[\d.]+)(, ('[^':{}]*'|-?[\d.]+))+\}|at 0x[0-9a-f]+")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses a test whose name differs from one process to the next: pytest-xdist gives up on it, in one run of many."""
    fleeting = [item.nodeid for item in items if _FLEETING.search(item.nodeid)]
    if fleeting:
        raise pytest.UsageError(f"a set or an address is part of a test's name; give it ids=: {fleeting[:3]}")


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
    postgres.separate("afterpilot_template")
    upgrade(postgres.url("afterpilot_template", role=OWNER), application=APPLICATION)
    return "afterpilot_template"


@pytest.fixture(scope="session")
def new_ops(postgres: EmbeddedPostgres, _migrated_template: str) -> Callable[[], str]:
    """Makes an ops database, migrated to the newest version, and returns its name."""

    def made() -> str:
        name = f"t{uuid.uuid4().hex}"
        engine = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{_migrated_template}" OWNER {OWNER}')
        engine.dispose()
        return name

    return made


@pytest.fixture
def ops_url(postgres: EmbeddedPostgres, new_ops: Callable[[], str]) -> str:
    """The URL of a new ops database, migrated to the newest version, as the application uses it."""
    return postgres.url(new_ops(), role=APPLICATION)


@pytest.fixture
def ops_owner_url(ops_url: str) -> str:
    """The same database as the role that owns its tables: for what no application may do."""
    return sa.make_url(ops_url).set(username=OWNER).render_as_string(hide_password=False)


@pytest.fixture
def ops(ops_url: str) -> Iterator[sa.Engine]:
    """An engine on a new ops database, as the application has it."""
    engine = sa.create_engine(ops_url)
    yield engine
    engine.dispose()


@pytest.fixture
def ops_owner(ops_owner_url: str) -> Iterator[sa.Engine]:
    """An engine on the same database as its owner."""
    engine = sa.create_engine(ops_owner_url)
    yield engine
    engine.dispose()
