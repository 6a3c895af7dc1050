"""Records in files: on this machine, and in an object store that fsspec reads."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.source import FileFormat, FilesReader, UsageColumns
from afterpilot.domain.window import Window
from afterpilot.pull.sources import RowSource, source_of
from doubles.sources import START, WINDOW, Places, source, workflow_of

pytestmark = pytest.mark.integration

FIELDS = {"output": "text", "total": "number", "rush": "boolean", "due": "time"}
USAGE = UsageColumns("model", "tokens_in", "tokens_out")
RUNS: list[dict[str, Any]] = [
    {
        "id": f"r{number}",
        "finished_at": f"2026-11-16T00:{number:02}:00Z",
        "output": f"answer, {number}\n“quoted”",
        "total": 12.5 + number,
        "rush": number % 2 == 0,
        "due": "2026-12-01T09:00:00+01:00",
        "model": "m-1",
        "tokens_in": 410,
        "tokens_out": 60,
        "extra": "not declared",
    }
    for number in range(4)
]
EXPECTED = [
    Record(
        "refunds",
        f"r{number}",
        START + timedelta(minutes=number),
        {
            "output": f"answer, {number}\n“quoted”",
            "total": f"{12.5 + number}",
            "rush": number % 2 == 0,
            "due": "2026-12-01T08:00:00+00:00",
        },
        Usage("m-1", 410, 60),
    )
    for number in range(4)
]


def jsonl(runs: list[dict[str, Any]]) -> bytes:
    """Runs as JSON lines."""
    return "".join(json.dumps(run) + "\n" for run in runs).encode()


def packed(content: bytes) -> bytes:
    """Content as gzip packs it, the same on every day."""
    return gzip.compress(content, mtime=0)


def table(runs: list[dict[str, Any]], *, separator: str = ",") -> bytes:
    """Runs as a CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(RUNS[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(runs)
    return text.getvalue().encode()


def columns(runs: list[dict[str, Any]]) -> bytes:
    """Runs as Parquet, with real times and decimals."""
    typed = [
        {
            **run,
            "finished_at": datetime.fromisoformat(run["finished_at"]),
            "due": datetime.fromisoformat(run["due"]),
            "total": Decimal(str(run["total"])),
        }
        for run in runs
    ]
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(typed), sink)
    return sink.getvalue()


def opened(
    path: str, kind: FileFormat = "jsonl", *, separator: str = ",", stores: Places | None = None, **keys: Any
) -> RowSource:
    """The source of files at a path."""
    reader = FilesReader(path, kind, separator)
    of = source(connection="", table=path, reader=reader, **({"fields": FIELDS, "usage": USAGE} | keys))
    found = source_of(workflow_of(of), stores or Places())
    assert isinstance(found, RowSource)
    return found


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("jsonl", "runs.jsonl", jsonl(RUNS)),
        ("jsonl", "runs.jsonl.gz", packed(jsonl(RUNS))),
        ("jsonl", "runs.jsonl", b"\xef\xbb\xbf" + jsonl(RUNS).replace(b"\n", b"\r\n\r\n")),
        ("csv", "runs.csv", table(RUNS)),
        ("csv", "runs.csv.gz", packed(b"\xef\xbb\xbf" + table(RUNS))),
        ("parquet", "runs.parquet", columns(RUNS)),
    ],
    ids=["jsonl", "jsonl.gz", "jsonl of Windows", "csv", "csv.gz", "parquet"],
)
def test_each_format_gives_the_same_records(tmp_path: Path, kind: FileFormat, name: str, content: bytes) -> None:
    """Texts with commas, quotes and line breaks, decimals, booleans, times and usage; nothing that is not declared."""
    (tmp_path / name).write_bytes(content)
    found = opened(f"{tmp_path}/runs*", kind)
    assert list(found.records(WINDOW)) == EXPECTED
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


def test_files_are_found_by_pattern_day_and_store(tmp_path: Path) -> None:
    """``*`` stands for names, ``{{ date }}`` for the days of the window; a day without a file is noted."""
    store = MemoryFileSystem()
    for day, runs in {"2026-11-15": RUNS[:1], "2026-11-16": RUNS[1:3], "2026-11-18": RUNS[3:]}.items():
        store.pipe(f"/bucket-of-files/{day}/a.jsonl", jsonl(runs))
    try:
        found = opened("memory://logs@/bucket-of-files/{{ date }}/*.jsonl", stores=Places(logs=store))
        window = Window(START - timedelta(hours=1), START + timedelta(days=1, hours=1))
        assert [record.key for record in found.records(window)] == ["r0", "r1", "r2"]
        assert dict(found.noted) == {"no file /bucket-of-files/2026-11-17/*.jsonl": 1}
    finally:
        store.rm("/bucket-of-files", recursive=True)
    with pytest.raises(ConfigurationError, match="there is no connection 'gone'"):
        list(opened("memory://gone@/bucket-of-files/a.jsonl").records(WINDOW))


def test_a_file_that_was_not_touched_since_is_not_opened(tmp_path: Path) -> None:
    """What was last changed before the window holds nothing of it."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_bytes(b"this would be counted\n")
    new.write_bytes(jsonl(RUNS))
    long_ago = (START - timedelta(days=2)).timestamp()
    os.utime(old, (long_ago, long_ago))
    found = opened(f"{tmp_path}/*.jsonl")
    assert len(list(found.records(WINDOW))) == len(RUNS)
    assert dict(found.skipped) == {}


def test_a_line_that_is_half_written_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    """It is noted, not counted as broken; the next pull of the window has it."""
    path = tmp_path / "runs.jsonl"
    whole = jsonl(RUNS)
    path.write_bytes(whole[:-40])
    found = opened(str(path))
    assert [record.key for record in found.records(WINDOW)] == ["r0", "r1", "r2"]
    assert (dict(found.skipped), dict(found.noted)) == ({}, {"last line that is not finished yet": 1})
    path.write_bytes(whole)
    assert list(opened(str(path)).records(WINDOW)) == EXPECTED


@pytest.mark.parametrize("cut", [b'r9,"2026', b"r9,2026-11-16T00:00:00Z,half"])
def test_a_row_of_a_csv_that_is_half_written_is_noted(tmp_path: Path, cut: bytes) -> None:
    """Inside quotes, and between columns."""
    (tmp_path / "runs.csv").write_bytes(table(RUNS) + cut)
    found = opened(f"{tmp_path}/runs.csv", "csv")
    assert list(found.records(WINDOW)) == EXPECTED
    assert (dict(found.skipped), dict(found.noted)) == ({}, {"last line that is not finished yet": 1})


@pytest.mark.parametrize(
    ("kind", "content"), [("jsonl", jsonl(RUNS * 500)), ("csv", table(RUNS * 500))], ids=["jsonl", "csv"]
)
def test_a_packed_file_that_is_half_written_gives_what_it_has(tmp_path: Path, kind: FileFormat, content: bytes) -> None:
    """The rows before the cut, and a note."""
    whole = packed(content)
    (tmp_path / "runs.gz").write_bytes(whole[: len(whole) * 2 // 3])
    found = opened(f"{tmp_path}/runs.gz", kind)
    assert len(list(found.records(WINDOW))) > len(RUNS)
    assert dict(found.noted) == {"runs.gz is not written to its end yet": 1}


def test_broken_lines_are_counted_by_reason(tmp_path: Path) -> None:
    """The good ones around them are taken."""
    lines = [b"[1, 2]\n", b"{half\n", b"\xff\xfe{}\n", b"[" * 100_000 + b"\n", b"x" * 17_000_000 + b"\n"]
    (tmp_path / "runs.jsonl").write_bytes(jsonl(RUNS[:2]) + b"".join(lines) + jsonl(RUNS[2:]))
    found = opened(f"{tmp_path}/runs.jsonl")
    assert list(found.records(WINDOW)) == EXPECTED
    assert dict(found.skipped) == {
        "line that is no JSON object": 1,
        "line that cannot be read: it is no JSON": 2,
        "line that cannot be read: it is nested too deeply": 1,
        "line of more than 16,000,000 bytes": 1,
    }


def test_broken_rows_of_a_csv_are_counted(tmp_path: Path) -> None:
    """Too many columns, too few, and a quote in the wrong place."""
    broken = b"too,few\n" + b"," * 20 + b'\n"a"b,c\n'
    (tmp_path / "runs.csv").write_bytes(table(RUNS[:2]) + broken + table(RUNS[2:]).split(b"\n", 1)[1])
    found = opened(f"{tmp_path}/runs.csv", "csv")
    assert list(found.records(WINDOW)) == EXPECTED
    assert dict(found.skipped) == {
        "row whose number of columns is not the header's 10": 2,
        "row that is no CSV": 1,
    }


def test_rows_behind_a_quote_that_is_never_closed_are_counted(tmp_path: Path) -> None:
    """They are lost to the reader, and no line that is still being written."""
    header, first, *others = table([{**run, "output": "plain"} for run in RUNS]).splitlines(keepends=True)
    (tmp_path / "runs.csv").write_bytes(b"".join([header, first, b'"', *others]))
    found = opened(f"{tmp_path}/runs.csv", "csv")
    assert [record.key for record in found.records(WINDOW)] == ["r0"]
    assert (dict(found.skipped), dict(found.noted)) == ({"line behind a quote that is never closed": 3}, {})


def test_odd_values_of_a_csv_are_kept_for_the_check_to_find(tmp_path: Path) -> None:
    """What does not fit its type stays as it is, what is empty is missing, a NUL is shown, nothing grows to a gigabyte."""
    head = "id;finished_at;output;total;rush;due\n"
    rows = [
        "a;1794787200;x\x00y;1,5;maybe;soon",
        "b;2026-11-16;;;;",
        "c;20261116;-;1e999999999;1;1794787200000",
        "d;2026-11-16T00:30;1;NaN;no;",
    ]
    (tmp_path / "runs.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    found = opened(f"{tmp_path}/runs.csv", "csv", separator=";", usage=UsageColumns())
    assert {record.key: record.data for record in found.records(WINDOW)} == {
        "a": {"output": "x␀y", "total": "1,5", "rush": "maybe", "due": "soon"},
        "b": {"output": None, "total": None, "rush": None, "due": None},
        "c": {"output": "-", "total": "1e999999999", "rush": True, "due": "2026-11-16T00:00:00+00:00"},
        "d": {"output": "1", "total": None, "rush": False, "due": None},
    }
    assert dict(found.noted) == {"total is not a finite number: kept as missing": 1}


@pytest.mark.parametrize(
    ("kind", "content"), [("csv", table(RUNS)), ("parquet", columns(RUNS))], ids=["csv", "parquet"]
)
def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, kind: FileFormat, content: bytes) -> None:
    """As in a table of a database."""
    (tmp_path / "runs").write_bytes(content)
    found = opened(f"{tmp_path}/runs", kind, fields={"totals": "number"})
    with pytest.raises(SourceError, match=r"/runs has no column totals; did you mean total\?"):
        list(found.records(WINDOW))


@pytest.mark.parametrize(
    ("kind", "name", "content", "said"),
    [
        ("parquet", "runs.parquet", columns(RUNS)[:-50], "cannot be read (ArrowInvalid)"),
        ("parquet", "runs.parquet", b"", "cannot be read (ArrowInvalid)"),
        ("jsonl", "runs.jsonl.gz", b"no gzip at all", "cannot be read (BadGzipFile)"),
        ("csv", "runs.csv.gz", packed(table(RUNS))[:-8] + b"\xff" * 8, "cannot be read (BadGzipFile)"),
    ],
    ids=["cut Parquet", "empty Parquet", "no gzip", "damaged gzip"],
)
def test_a_file_that_is_broken_is_an_error_with_its_name(
    tmp_path: Path, kind: FileFormat, name: str, content: bytes, said: str
) -> None:
    """Never a crash of another kind."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as error:
        list(opened(f"{tmp_path}/{name}", kind).records(WINDOW))
    assert f"{name} {said}" in str(error.value)


def test_no_file_at_all_is_an_error(tmp_path: Path) -> None:
    """A wrong path is not silence."""
    for path in ("runs.jsonl", "*.jsonl"):
        with pytest.raises(SourceError, match=r"there is no file|is not there"):
            list(opened(f"{tmp_path}/{path}").records(WINDOW))


def test_a_file_that_vanishes_meanwhile_is_an_error(tmp_path: Path) -> None:
    """The window is read again by the next pull: its rows may lie in the file's new name."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(jsonl(RUNS))
    records = opened(f"{tmp_path}/*.jsonl").records(WINDOW)
    next(records)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(SourceError, match=r"b.jsonl is not there, or vanished while it was read"):
        list(records)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A file of 30 MB is read within a few."""
    with (tmp_path / "runs.jsonl").open("wb") as file:
        for number in range(3_000):
            file.write(jsonl([{**RUNS[0], "id": str(number), "extra": "x" * 10_000}]))
    tracemalloc.start()
    try:
        assert sum(1 for _ in opened(f"{tmp_path}/runs.jsonl").records(WINDOW)) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_nested_values_are_read_from_json_and_parquet(tmp_path: Path) -> None:
    """A path leads through structs and lists; other columns are left alone."""
    row = {
        "id": "a",
        "at": datetime(2026, 11, 16, tzinfo=UTC),
        "answer": {"total": 3, "lines": [{"sku": "x"}]},
        "rest": "y",
    }
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "runs.parquet")
    (tmp_path / "runs.jsonl").write_text(json.dumps(row, default=str) + "\n", encoding="utf-8")
    kinds: tuple[FileFormat, ...] = ("jsonl", "parquet")
    for kind in kinds:
        found = opened(
            f"{tmp_path}/runs.{kind}",
            kind,
            time="at",
            fields={"total": "number", "sku": "text"},
            paths={"total": "$.answer.total", "sku": "$['answer'].lines[0].sku"},
            usage=UsageColumns(),
        )
        assert [record.data for record in found.records(WINDOW)] == [{"total": 3, "sku": "x"}], kind
