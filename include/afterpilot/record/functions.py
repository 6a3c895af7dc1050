"""Functions of the ops database: what the application may do by them alone, and what stops everybody from changing history.

Their text stands in ``migrations/sql``, one file for each migration that brings or replaces some, and is never edited once released.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

_FOLDER = Path(__file__).parent / "migrations" / "sql"
_OURS = sa.text(
    "SELECT CAST(oid AS regprocedure)::text FROM pg_proc "
    "WHERE pronamespace = CAST(current_schema() AS regnamespace) AND proname LIKE 'afterpilot\\_%' ORDER BY oid"
)


def install(connection: sa.Connection, file: str) -> None:
    """Run a file such as ``0006_functions.sql``, and make all our functions safe to be called by whoever may.

    Each finds tables in the schema that it stands in and nowhere else, whatever the caller's search path says, and PUBLIC may call none.
    """
    connection.exec_driver_sql((_FOLDER / file).read_text(encoding="utf-8").replace("%", "%%"))
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    for function in connection.scalars(_OURS).all():
        connection.exec_driver_sql(f"ALTER FUNCTION {function} SET search_path = {schema}, pg_temp")
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def remove(connection: sa.Connection) -> None:
    """Drop all our functions, and the triggers that call them."""
    for function in connection.scalars(_OURS).all():
        connection.exec_driver_sql(f"DROP FUNCTION {function} CASCADE")
