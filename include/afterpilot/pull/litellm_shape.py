"""What LiteLLM's table of spend logs looks like beside its rows: the workflow's own calls among those of others."""

from __future__ import annotations

import sqlalchemy as sa

from afterpilot.domain.looking import Columns
from afterpilot.pull.database import demand, engine_of, existing_columns, instead, reading, table_of
from afterpilot.pull.litellm import NEEDED, TIMES, chosen
from afterpilot.pull.shape import Place, SqlShape, family

# By name of a call's field: the columns that any of the table's versions keeps it in. What is computed of needed ones cannot be lost.
_COLUMNS = {
    "cost": ("spend",),
    "error": ("metadata",),
    "input": ("messages", "proxy_server_request"),
    "key_name": ("metadata",),
    "operation": ("call_type",),
    "output": ("response",),
    "provider": ("custom_llm_provider",),
    "session": ("session_id",),
    "status": ("status", "metadata"),
    "tags": ("request_tags",),
    "team": ("team_id", "metadata"),
    "trace": ("session_id",),
    "user": ("end_user", "user"),
}


class SpendLogShape(SqlShape):
    """The proxy's table as it can be looked at, where the key of the records is the request's id.

    Where SQL cannot tell the workflow's own calls exactly, a few of others are counted with them.
    """

    def columns(self) -> Columns:
        """The declared fields that are columns of the table. Raises SourceError where the table is not there, or a column
        that every call needs.
        """
        source = self._source
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            types = existing_columns(connection, source.table)
        demand(source.table, types, NEEDED)
        seen, missing = {}, {}
        for name in source.fields:
            columns = _COLUMNS.get(source.paths.get(name, name), ())
            there = [column for column in columns if column in types]
            if there:
                # What is read from one column where another is empty is of no single type.
                seen[name] = family(types[there[0]]) if len(columns) == 1 else "text"
            elif columns:
                looked_for = f"it is read from {' or '.join(columns)}"
                missing[name] = looked_for + instead(columns[0], list(types), "columns")
        return Columns(seen, missing)

    def _place(self, connection: sa.Connection) -> Place:
        source = self._source
        types = existing_columns(connection, source.table)
        demand(source.table, types, NEEDED)
        table = table_of(source.table, types)
        own = chosen(table, source) if connection.dialect.name == "postgresql" else []
        return Place(table, table.c.request_id, table.c[TIMES[source.time]], own)
