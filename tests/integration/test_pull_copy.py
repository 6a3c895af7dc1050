"""By COPY and row by row, the same source gives the same records."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from test_pull_sql import START, WINDOW, workflow_of

from afterpilot.domain.errors import SourceError
from afterpilot.domain.prices import NO_COUNT, PLAIN, UNREADABLE, CallDetails
from afterpilot.domain.record_lines import values_of
from afterpilot.domain.source import FieldType, Source, UsageColumns
from afterpilot.pull.redact import redact
from afterpilot.pull.sql import SqlSource
from afterpilot.record.production.merging import lines_of

pytestmark = pytest.mark.integration

_TEXTS = ["''", "' x '", "E'a\\tb\\nc\\\\d\"'", "'NaN'", "' +Inf '", "'information'", "E'\\u0001\\u007f'", "'\u00a0'", "'Zoë 😀'",
          "'write to ann@example.com'", "'IBAN DE89 3704 0044 0532 0130 00'", "E'tel:\\n030 1234567'", "'+49 30 123456789'",
          "E'card\\n4111111111111111'", "'\\N'", "'{}'", "'null'", "'[redacted]'"]  # fmt: skip
_FLOATS = ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "0", "1", "-1.5", "0.1", "1e15", "9007199254740993", "1e16", "1e22",
           "1e23", "1.7976931348623157e308", "5e-324", "1e-7", "123456.789", "-123456789012345"]  # fmt: skip
_TIMES = ["'infinity'", "'-infinity'", "'2026-11-16 09:00:00.5'", "'2026-11-16 09:00:00.000001'", "'0001-01-01'", "'9999-12-31'",
          "'0044-03-15 BC'", "'12026-01-01'", "'1582-10-10'", "'2026-03-29 02:30'"]  # fmt: skip
# Types of columns, the values that are put into them, and whether they are expected to go by COPY (None: for no kind).
TYPES: Mapping[str, list[str]] = {
    "text": _TEXTS,
    "varchar(40)": _TEXTS,
    "citext_like": _TEXTS,
    "mood": ["'ok'", "'so so'"],
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "smallint": ["0", "1", "-3"],
    "bigint": ["0", "1", "9223372036854775807", "-9223372036854775808"],
    "boolean": ["true", "false"],
    "numeric": ["'NaN'", "'Infinity'", "0", "0.00", "-0.10", "1e40", "1e-40", "123456789012345678901234567890.123456789"],
    "numeric(12,2)": ["441.25", "0", "'NaN'"],
    "double precision": _FLOATS,
    "real": ["'NaN'", "'-0'", "0.1", "1e10", "3.4e38", "16777217", "1e-45"],
    "timestamptz": _TIMES,
    "timestamp": _TIMES,
    "date": ["'infinity'", "'2026-11-16'", "'0044-03-15 BC'", "'12026-01-01'", "'9999-12-31'"],
    "jsonb": ["'null'", "'\"x\"'", "'1'", "'1.10'", "'true'", "'{}'", "'[1, 2.50]'", "'{\"b\": 1, \"a\": {\"c\": [null, \"ä\\n\"]}}'",
              "'{\"mail\": \"ann@example.com\", \"n\": -0.5}'", "'\"\"'"],
    "json": ["'null'", "'{\"b\":1,  \"b\":2}'", "'[1.50]'", "'\"NaN\"'"],
    "bytea": ["'\\xff00'", "'plain'"],
    "text[]": ["'{a,NULL}'"],
    "char(5)": ["'ab'"],
    "interval": ["'1 day 2 seconds'"],
    "time": ["'09:00'"],
    "inet": ["'10.0.0.1'"],
}  # fmt: skip
KINDS: tuple[FieldType, ...] = ("text", "number", "time", "boolean")
BY_COPY = {  # what must not fall back unnoticed
    ("text", "text"), ("text", "number"), ("varchar(40)", "text"), ("mood", "text"), ("uuid", "text"), ("bigint", "number"),
    ("boolean", "boolean"), ("numeric", "number"), ("double precision", "number"), ("real", "number"), ("timestamptz", "time"),
    ("timestamp", "time"), ("date", "time"), ("jsonb", "text"), ("json", "text"), ("numeric(12,2)", "number"),
}  # fmt: skip


@pytest.fixture
def office(empty_database: str) -> Iterator[sa.Engine]:
    """A production database with settings that would change how values are written."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'", "extra_float_digits = 0"):
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET {setting}')
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('ok', 'so so')")
        connection.exec_driver_sql("CREATE DOMAIN citext_like AS text")
    engine.dispose()
    yield engine
    engine.dispose()


def source_of(fields: Mapping[str, FieldType], **changed: Any) -> Source:
    """A source of the table ``runs``."""
    given = Source("erp", "runs", "key", "at", timedelta(0), timedelta(9), fields)
    return dataclasses.replace(given, **changed)


def fill(office: sa.Engine, columns: str, rows: list[str], *, key: str = "text", at: str = "timestamptz") -> None:
    """A table ``runs`` with these columns, and rows of values in SQL, one a second."""
    values = ", ".join(f"('k{n}', '{START + timedelta(seconds=n)}', {row})" for n, row in enumerate(rows))
    with office.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE runs (key {key}, at {at}{', ' if columns else ''}{columns})")
        raw = connection.connection.driver_connection
        raw.execute(f"INSERT INTO runs VALUES {values}".replace(", )", ")"))  # type: ignore[union-attr]


def both(
    office: sa.Engine, source: Source, *, rows: int = 7
) -> tuple[list[Any], list[Any], SqlSource, SqlSource] | None:
    """Records by COPY and one by one, as they would be kept, with what was counted; None where COPY is not used."""
    fast, slow = (SqlSource(office, workflow_of(source)) for _ in range(2))
    lines = fast.lines(WINDOW, rows=rows)
    if lines is None:
        return None
    copied = [_plain(line) for batch in lines for line in batch.text.split(b"\n")[:-1]]
    one_by_one = [redact(record, source) for record in slow.records(WINDOW)]
    expected = [_plain(line) for line in lines_of(one_by_one).text.split(b"\n")[:-1]]
    return copied, expected, fast, slow


def _plain(line: bytes) -> list[Any]:
    key, at, data, *usage, details = values_of(line)
    more = CallDetails.of(json.loads(details) if details else None)
    return [key, datetime.fromisoformat(at or "").astimezone(UTC), json.loads(data or ""), *usage, more]


@pytest.mark.parametrize("personal", [(), ("value",)], ids=["plain", "personal"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_name", TYPES)
def test_every_value_is_kept_as_row_by_row(
    office: sa.Engine, type_name: str, kind: FieldType, personal: tuple[str, ...]
) -> None:
    """Whatever type a column has and whatever a field is declared as: the same data and the same counts, or no COPY."""
    fill(office, f"value {type_name}", [*TYPES[type_name], "NULL"])
    found = both(office, source_of({"value": kind}, personal=personal))
    if found is None:
        assert (type_name, kind) not in BY_COPY or personal
        return
    copied, expected, fast, slow = found
    assert copied == expected
    assert len(copied) == len(TYPES[type_name]) + 1
    assert (fast.skipped, fast.noted) == (slow.skipped, slow.noted)


@pytest.mark.parametrize("seed", range(4))
def test_random_numbers_are_kept_as_row_by_row(office: sa.Engine, seed: int) -> None:
    """Floats of every magnitude, and their neighbours."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    floats = [rng.choice([-1, 1]) * rng.random() * 10.0 ** rng.randint(-320, 308) for _ in range(150)]
    whole = [float(rng.randint(-(2**56), 2**56)) for _ in range(100)]
    fill(office, "f double precision, r real", [f"{n!r}::float8, {n!r}::float8::numeric::text::float8::real" if 1e-30 < abs(n) < 1e30 else f"{n!r}::float8, 0" for n in [*floats, *whole]])  # fmt: skip
    found = both(office, source_of({"f": "number", "r": "number"}))
    assert found is not None
    assert found[0] == found[1]


def test_keys_that_cannot_be_taken_are_counted_alike(office: sa.Engine) -> None:
    """No key, a blank one of any kind, one that is too long, and good ones that only look strange."""
    with office.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (key text, at timestamptz, note text)")
        keys = [None, "", "  ", "\u2003", "\x1f", "x" * 501, "x" * 500, "é", " k", "😀", "\ttab", "a\\b", "\\N"]
        for number, key in enumerate(keys):
            connection.exec_driver_sql(
                "INSERT INTO runs VALUES (%s, %s, 'n')", (key, START + timedelta(seconds=number))
            )
        connection.exec_driver_sql("INSERT INTO runs VALUES ('never', NULL, 'n')")
    found = both(office, source_of({"note": "text"}), rows=3)
    assert found is not None
    copied, expected, fast, slow = found
    assert copied == expected
    assert [row[0] for row in copied] == ["x" * 500, "é", " k", "😀", "\ttab", "a\\b", "\\N"]
    assert (fast.skipped, fast.noted) == (slow.skipped, slow.noted)
    assert sum(fast.skipped.values()) == 6


def test_usage_is_kept_as_row_by_row(office: sa.Engine) -> None:
    """Models with blanks around them, counts that are none, of whole and other numbers."""
    rows = ["'m', 1, 2.0, 3", "' m\u00a0', -1, 2.5, NULL", f"'{'m' * 300}', NULL, 'NaN', -1", "NULL, 9223372036854775807, 1e12, 1e12",
            "'', 0, 0, 1e13", "'é', 1, 'Infinity', 'NaN'"]  # fmt: skip
    fill(office, "model text, i bigint, o numeric, c double precision", rows)
    found = both(office, source_of({}, usage=UsageColumns("model", "i", "o", "c")))
    assert found is not None
    assert found[0] == found[1]


def test_what_else_a_call_used_is_kept_as_row_by_row(office: sa.Engine) -> None:
    """Counts that are none, fractions of seconds, words of tiers, regions and providers, and what is no such word."""
    rows = ["7, 0.25, 'Batch', 'eu-west-1', 'aws.bedrock'", "0, 0, 'default', '', 'OpenAI'", "NULL, NULL, NULL, NULL, NULL",
            "-1, 'NaN', 'a b', 'x@example.com', 'anthropic'", "2.5, 0.30000000000000004, '+49 30 1234567', 'é', 'mistral'",
            "1e13, 'Infinity', ' flex', E'x\\n', repeat('x', 61)", "3, 1e-9, 'FLEX', repeat('x', 60), '7'", "'NaN', 86400.0005, '', 'mistral/eu', 'gcp.vertex_ai'",
            "NULL, NULL, E' \\tAuto\\x0b\\n', '', ''", "NULL, NULL, '@@@', '', ''", "NULL, NULL, E'\\xc2\\xa0flex', '', ''"]  # fmt: skip
    fill(office, "writes numeric, took double precision, tier text, region text, who varchar(90)", rows)
    named = {"cache_write_tokens": "writes", "seconds": "took", "tier": "tier", "region": "region", "provider": "who"}
    found = both(office, source_of({}, usage=UsageColumns(details=named)))
    assert found is not None
    assert found[0] == found[1]
    assert [row[-1] for row in found[0]] == [
        CallDetails((("cache_write_tokens", 7), ("seconds", Decimal("0.25"))), "batch", "eu-west-1", "aws.bedrock"),
        PLAIN,
        PLAIN,
        CallDetails((("cache_write_tokens", NO_COUNT),), UNREADABLE),
        CallDetails((("cache_write_tokens", NO_COUNT), ("seconds", Decimal("0.301"))), UNREADABLE, "", "mistral"),
        CallDetails((("cache_write_tokens", NO_COUNT),), "flex"),
        CallDetails((("cache_write_tokens", 3), ("seconds", Decimal("0.001"))), "flex", "x" * 60, ""),
        CallDetails(
            (("cache_write_tokens", NO_COUNT), ("seconds", Decimal("86400.001"))), "", "mistral/eu", "gcp.vertex_ai"
        ),
        PLAIN,
        CallDetails((), UNREADABLE),
        CallDetails((), UNREADABLE),
    ]


@pytest.mark.parametrize("column", ["took interval", "took text", "tier int"])
def test_details_that_sql_cannot_say_are_read_row_by_row(office: sa.Engine, column: str) -> None:
    """A stretch of time, a number in a text, a tier that is a number."""
    fill(office, column, ["NULL"])
    name = column.split(maxsplit=1)[0]
    named = {"tier" if name == "tier" else "seconds": name}
    assert both(office, source_of({}, usage=UsageColumns(details=named))) is None


@pytest.mark.parametrize(("at", "key"), [("timestamp", "integer"), ("date", "uuid"), ("timestamptz(0)", "varchar(60)")])
def test_windows_and_keys_of_other_types_are_the_same(office: sa.Engine, at: str, key: str) -> None:
    """Times without a zone, days, keys that are numbers."""
    with office.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE runs (key {key}, at {at})")
        for minutes in (-1500, -1, 0, 30, 59, 60):
            new = {"integer": str(minutes), "uuid": f"00000000-0000-0000-0000-{minutes + 5000:012d}"}.get(
                key, f"k{minutes}"
            )
            moment = (START + timedelta(minutes=minutes)).replace(tzinfo=None)
            connection.exec_driver_sql("INSERT INTO runs VALUES (%s, %s)", (int(new) if key == "integer" else new, f"{moment} UTC" if "tz" in at else moment))  # fmt: skip
    found = both(office, source_of({"at": "time"}))
    assert found is not None
    assert found[0] == found[1]
    assert found[0]


def test_names_are_quoted_and_never_sql_in_a_copy(office: sa.Engine) -> None:
    """Names with quotes, percent signs, blanks and capitals are only names."""
    with office.begin() as connection:
        raw = connection.connection.driver_connection
        raw.execute("""CREATE TABLE runs (key text, at timestamptz, "a'b""c%s; --" text, "Größe :x" int)""")  # type: ignore[union-attr]
        raw.execute(f"INSERT INTO runs VALUES ('k', '{START}', 'v', 7)")  # type: ignore[union-attr]
    found = both(office, source_of({"a'b\"c%s; --": "text", "Größe :x": "number"}))
    assert found is not None
    assert found[0] == found[1]
    assert found[0][0][2] == {"a'b\"c%s; --": "v", "Größe :x": 7}


def test_more_fields_than_a_function_takes_are_one_object(office: sa.Engine) -> None:
    """A hundred columns, one of them lost."""
    names = [f"c{number}" for number in range(100)]
    fill(office, ", ".join(f"{name} float8" for name in names), [", ".join(["0.5"] * 99 + ["'NaN'"])])
    found = both(office, source_of(dict.fromkeys([*names, "lost"], "number")))
    assert found is not None
    assert found[0] == found[1]
    assert found[0][0][2]["lost"] is None
    assert found[2].noted == found[3].noted == {"c99 is not a finite number: kept as missing": 1}


def test_a_source_of_which_nothing_comes_is_given_up(office: sa.Engine) -> None:
    """Each row may take its time; all of them together for ever may not."""
    with office.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW runs AS SELECT 'k' AS key, CAST('{START}' AS timestamptz) AS at, CAST(pg_sleep(60) AS text) AS note"
        )
    lines = SqlSource(office, workflow_of(source_of({"note": "text"})), timeout_seconds=1).lines(WINDOW, rows=10)
    assert lines is not None
    with pytest.raises(SourceError, match="nothing came for 1 seconds"):
        list(lines)


def test_a_source_that_refuses_in_the_middle_is_an_error(office: sa.Engine) -> None:
    """What came before is there, and the error names the database and no statement."""
    with office.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW runs AS SELECT 'k' || n AS key, CAST('{START}' AS timestamptz) AS at, CAST(1 / (900 - n) AS text) AS note "
            "FROM generate_series(1, 1000) AS n"
        )
    lines = SqlSource(office, workflow_of(source_of({"note": "text"}))).lines(WINDOW, rows=100)
    assert lines is not None
    with pytest.raises(SourceError, match="division by zero"):
        list(lines)


def test_long_rows_make_small_batches(office: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is bounded in bytes as well as in rows."""
    monkeypatch.setattr("afterpilot.pull.copy._MOST_BYTES", 5000)
    fill(office, "note text", ["repeat('x', 2000)"] * 10)
    lines = SqlSource(office, workflow_of(source_of({"note": "text"}))).lines(WINDOW, rows=100)
    assert lines is not None
    assert [batch.rows for batch in lines] == [3, 3, 3, 1]
