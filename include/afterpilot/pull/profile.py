"""Looks at a table of a production database: types, gaps, ranges, categories, keys, and when rows come.

The newest rows are looked at, so many at most; nothing of them is kept but counts, bounds and, where they are few, values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import SourceError
from afterpilot.domain.profile import ColumnProfile, TableProfile
from afterpilot.domain.source import FieldType
from afterpilot.pull.database import engine_of, existing_columns, reading, split, table_of
from afterpilot.pull.patterns import masked
from afterpilot.pull.row_times import longest_silences, newest_times, rows_by_day, rows_by_hour
from afterpilot.pull.shapes import shape_of
from afterpilot.pull.values import decimal

MOST_ROWS = 100_000
_READ = 2_000  # texts of a column that are read for their shape and for what they hold
_FEW = 12  # different values that are a category
_EACH, _NEARLY_ALL = 0.01, 0.95  # of the rows: each value of a category, and all of them, where odd values came too
_CODE = 60  # characters: a longer text is no category
_TIME_WORDS = ("finished", "completed", "ended", "created", "updated", "logged", "started", "time", "_at", "date")
_KEY_WORDS = ("id", "key", "uuid", "number", "no")
_WORDS = ("[e-mail]", "[phone]", "[account]", "[card]", "[national id]")
_PERSONAL_NAMES = (
    "email",
    "e_mail",
    "phone",
    "contact",
    "address",
    "birth",
    "ssn",
    "iban",
    "customer_name",
    "first_name",
    "last_name",
)
_OFTEN = 0.2  # of the texts: then the column holds personal data, not one text by chance
_JSON_ENOUGH = 0.9


def profile(
    engine_or_url: sa.Engine | str, table: str, *, key: str = "", time: str = "", most_rows: int = MOST_ROWS
) -> TableProfile:
    """Look at a table; ``key`` and ``time`` are its columns of that meaning, found out where they are not given.

    Raises:
        SourceError: the database cannot be read, or the table or a named column is not there.
    """
    with reading(engine_of(engine_or_url)) as connection:
        types = existing_columns(connection, table)
        for named in (key, time):
            if named and named not in types:
                raise SourceError(f"table {table} has no column {named} (columns: {', '.join(sorted(types))})")
        kinds = {name: _kind(kind) for name, kind in types.items()}
        place = table_of(table, types)
        found_time = time or _time_of(connection, place, kinds)
        newest = sa.select(*(place.c[name] for name in types)).limit(most_rows)
        rows = (newest.order_by(place.c[found_time].desc().nulls_last()) if found_time else newest).subquery("newest")
        measured = _measured(connection, rows, kinds)
        columns = tuple(_column(connection, rows, name, kind, types[name], measured) for name, kind in kinds.items())
        found_key = key or _key_of(connection, table, columns)
        moments = newest_times(connection, place, found_time) if found_time else []
        hours = rows_by_hour(connection, place, found_time, moments[-1]) if moments else {}
    return TableProfile(
        table=table,
        rows=measured["rows"],
        columns=columns,
        key=found_key,
        time=found_time,
        newest=moments[-1] if moments else None,
        days=rows_by_day(hours),
        silences=longest_silences(moments, hours),
    )


def _kind(kind: sa.types.TypeEngine[Any]) -> FieldType:
    if isinstance(kind, sa.Boolean):
        return "boolean"
    if isinstance(kind, sa.DateTime | sa.Date):
        return "time"
    if isinstance(kind, sa.Numeric | sa.Float | sa.Integer):
        return "number"
    return "text"


def _time_of(connection: sa.Connection, place: sa.TableClause, kinds: Mapping[str, FieldType]) -> str:
    """The time column with a telling name; of several the one that is filled most often and newest."""
    names = [name for name, kind in kinds.items() if kind == "time"]
    if len(names) < 2:  # noqa: PLR2004 - there is nothing to choose
        return "".join(names)
    measures = [sa.func.count(place.c[name]) for name in names]
    counts = dict(zip(names, connection.execute(sa.select(*measures)).one(), strict=True))

    def rank(name: str) -> tuple[int, int]:
        word = next((index for index, word in enumerate(_TIME_WORDS) if word in name.lower()), len(_TIME_WORDS))
        return (word, -counts[name])

    return min((name for name in names if counts[name]), key=rank, default="")


def _measured(connection: sa.Connection, rows: sa.Subquery, kinds: Mapping[str, FieldType]) -> Mapping[str, Any]:
    """Every count and bound, in one statement."""
    measures = [sa.func.count().label("rows")]
    for index, (name, kind) in enumerate(kinds.items()):
        column = rows.c[name]
        measures.append(sa.func.count().filter(_is_there(connection, column)).label(f"filled_{index}"))
        measures.append(sa.func.count(sa.distinct(sa.cast(column, sa.Text))).label(f"distinct_{index}"))
        if kind == "number":
            measures += [sa.func.min(column).label(f"low_{index}"), sa.func.max(column).label(f"high_{index}")]
        elif kind == "text":
            length = sa.func.length(sa.cast(column, sa.Text))
            measures += [sa.func.min(length).label(f"low_{index}"), sa.func.max(length).label(f"high_{index}")]
    return dict(connection.execute(sa.select(*measures).select_from(rows)).mappings().one())


def _is_there(connection: sa.Connection, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether a value is kept: what is infinite or no number is kept as missing."""
    there = column.is_not(None)
    if connection.dialect.name != "postgresql":
        return there
    if isinstance(column.type, sa.DateTime | sa.Date):
        return sa.and_(there, sa.func.isfinite(column))
    if isinstance(column.type, sa.Numeric | sa.Float):
        return sa.and_(there, sa.cast(column, sa.Text).not_in(("NaN", "Infinity", "-Infinity")))
    return there


def _column(
    connection: sa.Connection,
    rows: sa.Subquery,
    name: str,
    kind: FieldType,
    of: sa.types.TypeEngine[Any],
    measured: Mapping[str, Any],
) -> ColumnProfile:
    is_text = isinstance(of, sa.String)
    index = list(rows.c.keys()).index(name)
    filled, distinct = measured[f"filled_{index}"], measured[f"distinct_{index}"]
    low, high = measured.get(f"low_{index}"), measured.get(f"high_{index}")
    known: dict[str, Any] = {}
    if kind == "number":
        known = {"low": decimal(low), "high": decimal(high), "usual": _usual(connection, rows.c[name])}
    elif kind == "text" and filled and is_text:
        known = {"shortest": low, "longest": high, **_texts(connection, rows.c[name], name)}
    plain = (
        kind == "boolean" or is_text
    )  # others, such as arrays, are kept in another form than the database shows them in
    if 0 < distinct <= _FEW and plain and not known.get("personal"):
        known["values"] = _values(connection, rows.c[name])
    elif is_text and filled and not known.get("personal") and (often := _often(connection, rows.c[name], filled)):
        known["values"] = often
    return ColumnProfile(name, kind, measured["rows"], filled, distinct, **known)


def _usual(connection: sa.Connection, column: sa.ColumnElement[Any]) -> tuple[Decimal, Decimal] | None:
    """Between which ends 99 of 100 of the numbers lie, of so many as are read."""
    statement = sa.select(column).where(column.is_not(None)).limit(_READ)
    found = sorted(number for value in connection.scalars(statement) if (number := decimal(value)) is not None)
    if not found:
        return None
    edge = len(found) // 200
    return found[edge], found[len(found) - 1 - edge]


def _texts(connection: sa.Connection, column: sa.ColumnElement[Any], name: str) -> dict[str, Any]:
    statement = sa.select(sa.cast(column, sa.Text)).where(column.is_not(None)).limit(_READ)
    texts = [text for text in connection.scalars(statement) if isinstance(text, str)]
    personal = _personal(name, texts)
    shape, shaped = ("", 0.0) if personal else shape_of(texts)
    return {"shape": shape, "shaped": shaped, "json": _is_json(texts), "personal": personal}


def _personal(name: str, texts: Sequence[str]) -> str:
    """What kind of personal data the texts hold, or that their name says that they do."""
    found = Counter(word for text in texts for word in _WORDS if word in masked(text) and word not in text)
    if found and found.most_common(1)[0][1] >= _OFTEN * len(texts):
        return found.most_common(1)[0][0].strip("[]")
    return "by its name" if any(word in name.lower() for word in _PERSONAL_NAMES) else ""


def _is_json(texts: Sequence[str]) -> bool:
    begun = [text for text in texts if text.lstrip()[:1] in "{["]
    if not texts or len(begun) < _JSON_ENOUGH * len(texts):
        return False
    return sum(map(_parses, begun)) >= _JSON_ENOUGH * len(texts)


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _values(connection: sa.Connection, column: sa.ColumnElement[Any]) -> dict[str, int]:
    text = sa.cast(column, sa.Text)
    count = sa.func.count()
    statement = sa.select(text, count).where(column.is_not(None)).group_by(text).order_by(count.desc(), text)
    return {str(value): times for value, times in connection.execute(statement)}


def _often(connection: sa.Connection, column: sa.ColumnElement[Any], filled: int) -> dict[str, int]:
    """The values that nearly all rows have, where they are few and the others are odd ones; none otherwise."""
    text = sa.cast(column, sa.Text)
    count = sa.func.count()
    statement = (
        sa.select(text, count).where(column.is_not(None)).group_by(text).order_by(count.desc(), text).limit(_FEW)
    )
    found = {
        str(value): times
        for value, times in connection.execute(statement)
        if times >= _EACH * filled and len(str(value)) <= _CODE
    }
    return found if sum(found.values()) >= _NEARLY_ALL * filled else {}


def _key_of(connection: sa.Connection, table: str, columns: Sequence[ColumnProfile]) -> str:
    """The primary key where it is one column, else a column in which every row has a value of its own."""
    schema, name = split(table)
    primary = sa.inspect(connection).get_pk_constraint(name, schema=schema).get("constrained_columns") or []
    if len(primary) == 1:
        return str(primary[0])
    unique = [column.name for column in columns if column.unique and column.kind in {"text", "number"}]

    def rank(name: str) -> int:
        ends = [
            index for index, word in enumerate(_KEY_WORDS) if name.lower() == word or name.lower().endswith(f"_{word}")
        ]
        return min(ends, default=len(_KEY_WORDS))

    return min(unique, key=rank, default="")
