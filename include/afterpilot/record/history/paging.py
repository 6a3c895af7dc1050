"""Paging by key: a page, the cursor that leads on, and the condition that continues after it."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]
Query = sa.Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Key:
    """One column of an order: its name in the result, how to read it back from a cursor, and the direction."""

    name: str
    column: sa.ColumnElement[Any]
    read: Callable[[str], Any] = str
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order; ``after`` is the cursor of the next page, empty on the last one. ``looked_to`` is how far back a look
    came that ended before the page was full, None where it is full or there is nothing more.
    """

    rows: Sequence[Row]
    after: str = ""
    looked_to: datetime | None = None


def moment(text: str) -> datetime:
    """Read an aware time from a cursor.

    Raises:
        ValueError: it is not a time, or says nothing of its offset.
    """
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return value


def fetch(connection: sa.Connection, statement: Query, *, keys: Sequence[Key], after: str, limit: int) -> Page:
    """One page of a statement, ordered by ``keys``, which together must tell any two rows apart.

    Raises:
        ValueError: ``after`` is not a cursor of this order.
    """
    if after:
        statement = statement.where(_beyond(keys, place(after, keys)))
    order = [key.column.desc() if key.newest_first else key.column for key in keys]
    rows = all_rows(connection, statement.order_by(*order).limit(limit + 1))
    if len(rows) <= limit:
        return Page(rows)
    return Page(rows[:limit], cursor(rows[limit - 1], keys))


def all_rows(connection: sa.Connection, statement: Query) -> Sequence[Row]:
    """The rows of a statement that limits itself, as mappings by column name."""
    return [dict(row) for row in connection.execute(statement).mappings()]


def one_row(connection: sa.Connection, statement: Query) -> Row | None:
    """The first row, or None."""
    row = connection.execute(statement.limit(1)).mappings().first()
    return dict(row) if row is not None else None


def _beyond(keys: Sequence[Key], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    steps = []
    for place, key in enumerate(keys):
        same = [other.column == value for other, value in zip(keys[:place], values[:place], strict=True)]
        further = key.column < values[place] if key.newest_first else key.column > values[place]
        steps.append(sa.and_(*same, further))
    first = keys[0].column <= values[0] if keys[0].newest_first else keys[0].column >= values[0]
    return sa.and_(first, sa.or_(*steps))  # the first bound is implied; it lets PostgreSQL enter the index there


def cursor(row: Row, keys: Sequence[Key]) -> str:
    """The cursor of what comes after a row, of which only the keys count."""
    values = [row[key.name] for key in keys]
    texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts, separators=(",", ":")).encode()).decode().rstrip("=")


def place(text: str, keys: Sequence[Key]) -> Sequence[Any]:
    """The values of the keys that a cursor leads behind.

    Raises:
        ValueError: it is not a cursor of this order.
    """
    try:
        texts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return [key.read(str(text)) for key, text in zip(keys, texts, strict=True)]
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise ValueError("this is not a place in the list") from error


def run_id(text: str) -> uuid.UUID:
    """Read a UUID from a cursor."""
    return uuid.UUID(text)
