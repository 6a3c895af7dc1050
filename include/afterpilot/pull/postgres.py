"""What a PostgreSQL source says by itself: its values as they are kept, in SQL.

For each type of column and each kind of field there is an expression that gives what :func:`afterpilot.pull.values.kept` makes
of the driver's value. The few values that SQL cannot carry exactly are *odd*: they travel as text beside the row, and are kept
by that very function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from afterpilot.domain.source import FieldType
from afterpilot.pull.redact import REDACTED

_TIMES = ("timestamptz", "timestamp", "date")
_ODD_WORD = "[nN][aA][nN]|[iI][nN][fF]"  # a text that may be no finite number
_FRACTION = r"(^|[[ ])-?[0-9]+\.[0-9]"  # a number of a JSON document that is not whole, or a text that looks like one
_EXACT = 9_000_000_000_000_000  # beyond it, two ways to write the shortest digits of a float may differ
_INFINITE = "('NaN', 'Infinity', '-Infinity')"
_YEARS = ("'0001-01-01'", "'9999-12-31 23:59:59.999999'")


class Carried(NamedTuple):
    """A field in SQL: ``value`` for the JSON of the row, and where ``odd`` holds, ``text`` to be kept by Python instead."""

    value: str
    odd: str = ""
    text: str = ""


def quoted(name: str) -> str:
    """A column's or table's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL, where strings conform to the standard."""
    return "'" + text.replace("'", "''") + "'"


def type_of(kind: sa.types.TypeEngine[Any]) -> str:
    """The column's type as far as it is known here; empty for any other."""
    for base, name in (
        (postgresql.JSONB, "jsonb"),
        (sa.JSON, "json"),
        (sa.CHAR, ""),  # padded with blanks, and cast without them
        (sa.LargeBinary, ""),
        (sa.String, "text"),  # with its likes: varchar, citext, enumerations
        (sa.Uuid, "uuid"),
        (sa.Boolean, "bool"),
        (sa.Integer, "int"),
        (sa.Float, "float"),
        (sa.Numeric, "numeric"),
        (sa.Date, "date"),
    ):
        if isinstance(kind, base):
            return name
    if isinstance(kind, sa.DateTime):
        return "timestamptz" if kind.timezone else "timestamp"
    return ""


def carried(column: str, given: str, kind: FieldType, *, personal: bool) -> Carried | None:
    """How a field of that kind is said of a column (in SQL) of a type of :func:`type_of`; None where it must be read by Python."""
    found = _of(column, given, kind)
    return _hidden(column, given, kind, found) if personal and found else found


def odd_value(text: str, given: str) -> Any:  # noqa: ANN401 - any value of a driver
    """The odd text as the driver gives the value."""
    if given in ("json", "jsonb"):
        return json.loads(text)
    as_driver: Mapping[str, Callable[[str], Any]] = {"numeric": Decimal, "float": float}
    return as_driver.get(given, str)(text)


_TEXT = "{c}::text"
_WORDS = "CASE {c} WHEN true THEN 'True' WHEN false THEN 'False' END"
_BITS = "CASE {c} WHEN 0 THEN 'false'::json WHEN 1 THEN 'true' ELSE to_json({c}::text) END"
_PLAIN_JSON = f"jsonb_typeof({{c}}) IN ('object', 'array') AND {{c}}::text !~ {literal(_FRACTION)}"
_SAID: Mapping[tuple[str, FieldType], tuple[str, str]] = {  # type and kind: the value, and when it is odd
    ("text", "text"): (_TEXT, ""),
    ("text", "boolean"): (_TEXT, ""),
    ("text", "number"): (_TEXT, f"{_TEXT} ~ '{_ODD_WORD}'"),
    ("int", "text"): (_TEXT, ""),
    ("int", "time"): (_TEXT, ""),
    ("int", "number"): ("{c}", ""),
    ("int", "boolean"): (_BITS, ""),
    ("bool", "text"): (_WORDS, ""),
    ("bool", "time"): (_WORDS, ""),
    ("bool", "number"): ("{c}", ""),
    ("bool", "boolean"): ("{c}", ""),
    ("numeric", "text"): (_TEXT, ""),
    ("numeric", "time"): (_TEXT, ""),
    ("numeric", "boolean"): (_TEXT, ""),
    ("numeric", "number"): (_TEXT, f"{{c}} IN {_INFINITE}"),
}


def _of(column: str, given: str, kind: FieldType) -> Carried | None:
    text = f"{column}::text"
    if given in _TIMES:
        return _time(column, given, kind)
    if given == "uuid":
        return Carried(text)
    if given == "json":
        return Carried("NULL::text", f"{column} IS NOT NULL", text)
    if given == "jsonb":
        plain = _PLAIN_JSON.format(c=column)
        return Carried(f"CASE WHEN {plain} THEN {text} END", f"NOT ({plain})", text)
    if (given, kind) == ("float", "number"):
        return _float(column)
    value, odd = _SAID.get((given, kind), ("", ""))
    return Carried(value.format(c=column), odd.format(c=column), text) if value else None


def _float(column: str) -> Carried:
    odd = f"{column}::float8 NOT BETWEEN -{_EXACT} AND {_EXACT} OR {column}::text = '-0'"
    digits = f"{column}::text::numeric"
    whole = f"CASE WHEN {column} = trunc({column}::float8) THEN '.0' ELSE '' END"
    return Carried(f"CASE WHEN {odd} THEN NULL ELSE {digits}::text || {whole} END", odd, f"{column}::text")


def _time(column: str, given: str, kind: FieldType) -> Carried:
    text = f"{column}::text"
    if kind == "number":
        return Carried(text, f"NOT isfinite({column})", text)
    if kind != "time":
        return Carried(text)
    odd = f"{column} NOT BETWEEN {_YEARS[0]} AND {_YEARS[1] if given != 'date' else _YEARS[1][:11] + chr(39)}"
    moment = f"{column}::timestamptz"  # the session's zone is UTC
    iso = f"to_json({moment})#>>'{{}}'"
    parts = f'to_char({moment}, \'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\')'
    said = (
        iso if given == "date" else f"CASE WHEN date_trunc('second', {column}) = {column} THEN {iso} ELSE {parts} END"
    )
    return Carried(f"CASE WHEN NOT ({odd}) THEN {said} END", odd, text)


def _hidden(column: str, given: str, kind: FieldType, found: Carried) -> Carried | None:
    """A personal field: what it holds stays at the source, that it is missing, empty or no finite number does not."""
    word = literal(REDACTED)
    if given in ("json", "jsonb") or (given, kind) == ("text", "number"):
        return None
    if given == "text":
        return Carried(f"CASE WHEN {column}::text = '' THEN '' WHEN {column} IS NOT NULL THEN {word} END")
    if not found.odd:
        return Carried(f"CASE WHEN {column} IS NOT NULL THEN {word} END")
    infinite = f"NOT isfinite({column})" if given in _TIMES else f"{column} IN {_INFINITE}"
    return Carried(f"CASE WHEN NOT ({infinite}) THEN {word} END", infinite, f"{column}::text")
