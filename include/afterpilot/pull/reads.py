"""Whether data that a workflow reads has changed: a hash of what one SELECT returns."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from afterpilot.domain.errors import SourceError
from afterpilot.pull.database import engine_of, reading

MOST_ROWS = 100_000
_TIMEOUT_SECONDS = 60
_WORD = 2**256


def digest(engine_or_url: sa.Engine | str, sql: str, *, most_rows: int = MOST_ROWS) -> str:
    """A hash (64 hex digits) of the rows, whatever their order; each row counts as often as it comes.

    Raises:
        SourceError: the database refused or took longer than a minute, or there are more than ``most_rows`` rows.
    """
    total = count = 0
    with reading(engine_of(engine_or_url), timeout_seconds=_TIMEOUT_SECONDS) as connection:
        rows = connection.execution_options(stream_results=True).execute(sa.text(sql.replace(":", r"\:")))
        for count, row in enumerate(rows, 1):
            if count > most_rows:
                raise SourceError(
                    f"the query returns more than {most_rows:,} rows: let it return a count and a newest time"
                )
            text = "\x1f".join("\x00" if value is None else f"{type(value).__name__}:{value}" for value in row)
            total += int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    return hashlib.sha256(f"{count}:{total % _WORD}".encode()).hexdigest()
