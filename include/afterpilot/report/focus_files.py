"""Rows of FOCUS as CSV and Parquet, written as they come: memory does not grow with the file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from afterpilot.report.focus_columns import COLUMNS, VERSION, Row, Value

Format = Literal["csv", "parquet"]
SCALE = 24  # digits behind the point of a Parquet decimal, of 38 in all
_BATCH = 5_000


def write(rows: Iterable[Row], path: Path, form: Format) -> int:
    """Write the rows; returns how many there were. A file of that name appears when it is whole; where a link leads to one, it
    goes on to.

    Raises:
        OSError: the file cannot be written, or what has that name is no file: a device is never replaced by one.
        ValueError: an amount has more digits than Parquet's decimals hold; nothing is rounded.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError("it is no regular file")
    part = path.with_name(f".{path.name}.part")
    try:
        count = _write_csv(rows, part) if form == "csv" else _write_parquet(rows, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def as_text(value: Value) -> str:
    """A value as it stands in CSV: plain decimal digits, times in UTC as ISO 8601, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def _plain(value: Decimal) -> str:
    """With a point always: readers that guess a column's type by its values find decimals."""
    text = format(value, "f")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0') or '0'}"


def _write_csv(rows: Iterable[Row], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")  # RFC 4180
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([as_text(row[name]) for name in COLUMNS])
            count += 1
    return count


def _write_parquet(rows: Iterable[Row], path: Path) -> int:
    import pyarrow as pa  # a third of a second
    from pyarrow.parquet import ParquetWriter

    types = {
        "text": pa.string(),
        "decimal": pa.decimal128(38, SCALE),
        "moment": pa.timestamp("us", "UTC"),
        "count": pa.int64(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()], {"focus_version": VERSION})
    count = 0
    with ParquetWriter(path, schema, compression="zstd") as writer:
        whole = iter(rows)
        while part := list(islice(whole, _BATCH)):
            writer.write_table(pa.table(_columns(part, schema), schema=schema))
            count += len(part)
    return count


def _columns(part: Sequence[Row], schema: Any) -> Mapping[str, Any]:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    found = {}
    for field in schema:
        try:
            found[field.name] = pa.array([row[field.name] for row in part], field.type)
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"{field.name} has an amount that Parquet cannot hold without rounding: {error}"
            ) from error
    return found
