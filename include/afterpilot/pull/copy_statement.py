"""The COPY that makes a source give its records as lines; see :mod:`afterpilot.domain.record_lines`.

A line has one column more, the last: what is odd about the row, as JSON (field → text), NULL for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.prices import BLANKS, COUNTS, NO_COUNT, SECONDS, STANDARD, UNREADABLE, WORD, WORDS
from afterpilot.domain.source import Source
from afterpilot.pull.database import split
from afterpilot.pull.details import ANYBODY, LONGEST_SECONDS
from afterpilot.pull.postgres import Carried, carried, literal, quoted, type_of
from afterpilot.pull.values import LONGEST_KEY, LONGEST_MODEL, MOST_TOKENS

_MOST_PAIRS = 45  # PostgreSQL takes 100 arguments
_VISIBLE = "BETWEEN 33 AND 126"  # ASCII, so no blank of any kind

# On top of those of reading().
SETTINGS = (
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL statement_timeout = 0",  # it would count the time that we take; see Watch
)


def statement_of(
    source: Source, types: Mapping[str, sa.types.TypeEngine[Any]], ends: tuple[datetime, datetime]
) -> str | None:
    """The statement; None where a column is of a type that SQL cannot carry exactly. A column that is not there is NULL.

    ``ends`` are aware where the time column has a zone, else naive UTC.
    """
    columns = _columns(source, types)
    if columns is None:
        return None
    at = quoted(source.time)
    zoned = "timestamptz" if ends[0].tzinfo else "timestamp"
    start, end = (f"'{moment.isoformat()}'::{zoned}" for moment in ends)
    schema, table = split(source.table)
    place = f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)
    return (
        f"COPY (SELECT {', '.join(columns)} FROM {place} "  # noqa: S608 - every name is quoted
        f"WHERE {at} >= {start} AND {at} < {end} ORDER BY {at}) TO STDOUT"
    )


def _columns(source: Source, types: Mapping[str, sa.types.TypeEngine[Any]]) -> list[str] | None:
    if type_of(types[source.key]) not in ("text", "int", "uuid"):
        return None
    key = f"{quoted(source.key)}::text"
    fields, model, counts = _fields(source, types), _model(source, types), list(_counts(source, types))
    details = _details(source.usage.details, types)
    if fields is None or model is None or None in counts or details is None:
        return None
    clean = [
        f"coalesce(ascii({key}), 0) {_VISIBLE} AND length({key}) <= {LONGEST_KEY}",
        f"{model} = '' OR ascii({model}) {_VISIBLE} AND ascii(right({model}, 1)) {_VISIBLE}",
        f"length({model}) <= {LONGEST_MODEL}",
    ]
    odd = {name: field for name, field in fields.items() if field.odd}
    strange = " OR ".join([f"NOT ({' AND '.join(f'({one})' for one in clean)})", *(f"({f.odd})" for f in odd.values())])
    told = {name: f"CASE WHEN {field.odd} THEN {field.text} END" for name, field in odd.items()}
    return [
        key,
        f"{quoted(source.time)}::timestamptz",
        _object({name: field.value for name, field in fields.items()}),
        model,
        *(str(count) for count in counts),
        details,
        f"CASE WHEN {strange} THEN json_strip_nulls({_object(told)}::json)::text END",
    ]


def _fields(source: Source, types: Mapping[str, sa.types.TypeEngine[Any]]) -> dict[str, Carried] | None:
    fields: dict[str, Carried] = {}
    for name, kind in source.fields.items():
        if name == source.time and kind != "time":
            return None  # the driver gives it as a time, not as text
        found = (
            carried(quoted(name), type_of(types[name]), kind, personal=name in source.personal)
            if name in types
            else Carried("NULL::text")
        )
        if found is None:
            return None
        fields[name] = found
    return fields


def _object(pairs: Mapping[str, str]) -> str:
    """A JSON object as text."""
    each = [f"{literal(name)}, {value}" for name, value in pairs.items()]
    parts = [
        f"json_build_object({', '.join(each[start : start + _MOST_PAIRS])})"
        for start in range(0, len(each), _MOST_PAIRS)
    ]
    if len(parts) > 1:
        return f"({' || '.join(f'{part}::jsonb' for part in parts)})::text"
    return f"{parts[0]}::text" if parts else "'{}'"


def _model(source: Source, types: Mapping[str, sa.types.TypeEngine[Any]]) -> str | None:
    name = source.usage.model
    if not name or name not in types:
        return "''"
    return f"coalesce({quoted(name)}::text, '')" if type_of(types[name]) == "text" else None


def _counts(source: Source, types: Mapping[str, sa.types.TypeEngine[Any]]) -> Iterator[str | None]:
    usage = source.usage
    for name in (usage.input_tokens, usage.output_tokens):
        yield _count(name, types)
    cached = _count(usage.cached_tokens, types)
    yield cached and f"coalesce({cached}, 0)"


def _count(name: str, types: Mapping[str, sa.types.TypeEngine[Any]]) -> str | None:
    """A count of tokens; None where SQL cannot say what the text of a count means."""
    if not name or name not in types:
        return "NULL::bigint"
    given, column = type_of(types[name]), quoted(name)
    if given not in ("int", "numeric", "float"):
        return None
    whole = "" if given == "int" else f" AND {column} = trunc({column})"
    return f"CASE WHEN {column} BETWEEN 0 AND {MOST_TOKENS}{whole} THEN {column}::bigint END"


def _details(named: Mapping[str, str], types: Mapping[str, sa.types.TypeEngine[Any]]) -> str | None:
    """What :func:`afterpilot.pull.details.details_of` makes of the columns, as JSON; None where SQL cannot say it."""
    there = {name: named[name] for name in (*COUNTS, *WORDS) if named.get(name, "") in types}
    values = {name: _detail(name, quoted(column), type_of(types[column])) for name, column in there.items()}
    told = {name: value for name, value in values.items() if value is not None}
    if len(told) < len(there):
        return None
    return f"nullif(json_strip_nulls({_object(told)}::json)::text, '{{}}')" if told else "NULL::text"


def _detail(name: str, column: str, given: str) -> str | None:
    if name in WORDS:
        return _word(name, column) if given == "text" else None
    if given not in ("int", "numeric", "float"):
        return None
    if name in SECONDS:
        milliseconds = f"ceil({column}::text::numeric * 1000)"
        return f"CASE WHEN {column} > 0 AND {column} <= {LONGEST_SECONDS} THEN trunc({milliseconds} / 1000, 3) END"
    whole = "" if given == "int" else f" AND {column} = trunc({column})"
    count = f"WHEN {column} BETWEEN 1 AND {MOST_TOKENS}{whole} THEN {column}::bigint"
    return f"CASE {count} WHEN {column} <> 0 THEN {NO_COUNT} END"


def _word(name: str, column: str) -> str:
    if name == "tier":
        return _tier(f"btrim({column}::text, E{BLANKS!r})")
    silent = ANYBODY if name == "provider" else frozenset()
    nothing = f" AND lower({column}::text) NOT IN ({', '.join(map(literal, sorted(silent)))})" if silent else ""
    return f"CASE WHEN {column}::text ~ '^{WORD}$'{nothing} THEN {column}::text END"


def _tier(word: str) -> str:
    """What :func:`afterpilot.domain.prices.tier_of` makes of a text without blanks around it; NULL for the standard tier."""
    standard = ", ".join(map(literal, sorted(STANDARD)))
    return (
        f"CASE WHEN lower({word}) IN ({standard}) THEN NULL WHEN {word} ~ '^{WORD}$' THEN lower({word}) "
        f"WHEN {word} IS NOT NULL THEN {literal(UNREADABLE)} END"
    )
