"""The ledger under load: eight writers, sealing beside them, an inline hash chain, and the verification of a million entries.

make bench-audit                                     # ten minutes; --folder is on a disk, and gone afterwards
make bench-audit ARGS="--quick"                      # a minute or two
.venv/bin/python -m benchmarks.audit --only write,verify --folder /data/bench

`write`: eight processes insert one entry per transaction. Each takes turns, insert by insert, between the ledger, by the function that
the application uses, and a plain table of the same columns and indexes, which gets the same row by the same driver; so both meet
the same machine, and the ratio of their percentiles says what the ledger costs. In turns of their own, all eight write the ledger alone, the
plain table alone, and a hash chain in which each entry holds the hash of the one before, under a lock. Meanwhile a sealer passes every 30
seconds, as the DAG does. `lag` is from an entry's own time to that of the head that is the first over it.
`verify`: a million entries of 1,000 workflows are sealed, then all of them are verified in the database.

PostgreSQL writes to the disk at each commit. Exit status 1: an aim is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from afterpilot.demo.postgres import running
from afterpilot.domain.ledger import Entry
from afterpilot.record.ledger import heads, sealing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.canonical import canonical
from afterpilot.record.ledger.check import check_ledger
from afterpilot.record.ledger.signing_keys import make_key
from afterpilot.record.migrate import upgrade

WRITERS = 8
RATE, RATIO, LAG, VERIFIED = 500.0, 1.2, 60.0, 30.0  # entries/s; times a plain insert; s; s for a million
_EVERY = 30.0  # seconds between the sealer's passes
_SETTINGS = {"max_wal_size": "'4GB'", "shared_buffers": "'512MB'"}
_PLAIN = """
CREATE TABLE plain (LIKE ledger INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
CREATE TABLE chain (id bigint PRIMARY KEY, at timestamptz NOT NULL, actor text NOT NULL, action text NOT NULL, subject text NOT NULL,
  workflow text NOT NULL, payload text NOT NULL, hash bytea NOT NULL);
"""
_MILLION = """
INSERT INTO ledger (at, actor, action, subject, workflow, payload, payload_hash)
SELECT now(), 'airflow:records.hourly', 'check:run:recorded', 'run:' || gen_random_uuid(), 'workflow_' || n %% 1000, text,
  sha256(convert_to(text, 'UTF8'))
FROM (SELECT n, '{"evidence":"' || encode(sha256(CAST(CAST(n AS text) AS bytea)), 'hex') || '","findings":{},"stage":"check","trigger":'
  '{"dag_id":"records.hourly","map_index":3,"origin":"airflow","run_id":"scheduled__2026-11-22T03:05:00","task_id":"records.check",'
  '"try_number":1},"verdict":"PASS","versions":{"code":"1.4.0","declaration":"5f4dcc3b5aa765d61d8327deb882cf99","model":"gpt-5-mini"},'
  '"window":["2026-11-22T02:00:00.000000Z","2026-11-22T03:00:00.000000Z"]}' AS text
  FROM generate_series(CAST(%(first)s AS bigint), CAST(%(last)s AS bigint)) n) made
"""


def _payload(number: int) -> dict[str, Any]:
    return {
        "document": hashlib.sha256(str(number).encode()).hexdigest(),
        "findings": {"WARNING": number % 3},
        "stage": "check",
        "trigger": {
            "dag_id": "records.hourly",
            "map_index": number % 40,
            "origin": "airflow",
            "run_id": "scheduled__2026-11-22",
        },
        "verdict": "PASS",
        "versions": {"code": "1.4.0", "declaration": "5f4dcc3b5aa765d61d8327deb882cf99", "model": "gpt-5-mini"},
        "window": ["2026-11-22T02:00:00.000000Z", "2026-11-22T03:00:00.000000Z"],
    }


def _entry(number: int) -> Entry:
    return Entry(
        "check:run:recorded",
        f"run:{uuid.uuid4()}",
        datetime.now(UTC),
        f"workflow_{number % 1000}",
        "airflow:records.hourly",
        _payload(number),
    )


def _to_ledger(connection: sa.Connection, entry: Entry) -> None:
    Ledger(connection).append(entry)


def _to_plain(connection: sa.Connection, entry: Entry) -> None:
    connection.execute(_PLAIN_TABLE.insert(), [_row(entry)])


def _to_chain(connection: sa.Connection, entry: Entry) -> None:
    """Each entry has the hash of the one before: whoever writes next has to wait for the commit of whoever writes now."""
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(1)"))
    last: Any = connection.execute(sa.text("SELECT id, hash FROM chain ORDER BY id DESC LIMIT 1")).one_or_none()
    row = _row(entry)
    number, before = (last.id, bytes(last.hash)) if last else (0, b"")
    row.pop("payload_hash")
    made = hashlib.sha256(before + canonical({**row, "at": row["at"].isoformat()})).digest()
    connection.execute(_CHAIN_TABLE.insert(), [{**row, "id": number + 1, "hash": made}])


def _row(entry: Entry) -> dict[str, Any]:
    text = json.dumps(entry.payload, sort_keys=True, separators=(",", ":"))
    return {
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "workflow": entry.workflow,
        "payload": text,
        "payload_hash": hashlib.sha256(text.encode()).digest(),
    }


_COLUMNS = ("at", "actor", "action", "subject", "workflow", "payload")
_PLAIN_TABLE = sa.table("plain", *(sa.column(name) for name in (*_COLUMNS, "payload_hash")))
_CHAIN_TABLE = sa.table("chain", *(sa.column(name) for name in ("id", *_COLUMNS, "hash")))
_TO: dict[str, Callable[[sa.Connection, Entry], None]] = {"ledger": _to_ledger, "plain": _to_plain, "chain": _to_chain}


def _write(url: str, number: int, kinds: Sequence[str], seconds: float, ready: Any, told: Any) -> None:  # noqa: ANN401 - a barrier and a queue
    """One writer: it inserts by turns for so long, one entry per transaction, once all are ready."""
    engine = sa.create_engine(url)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    with engine.connect() as connection:
        at = number * 10_000_000
        for kind in kinds:  # what is done once for a process
            _TO[kind](connection, _entry(at))
            connection.commit()
        ready.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for kind in kinds:
                entry = _entry(at := at + 1)
                began = time.perf_counter()
                _TO[kind](connection, entry)
                connection.commit()
                taken[kind].append(time.perf_counter() - began)
    told.put(taken)


def _turn(url: str, kinds: Sequence[str], seconds: float) -> dict[str, list[float]]:
    """All writers at once for so long: the seconds of their inserts."""
    context = multiprocessing.get_context("spawn")
    told, ready = context.Queue(), context.Barrier(WRITERS)
    writers = [context.Process(target=_write, args=(url, at, kinds, seconds, ready, told)) for at in range(WRITERS)]
    for one in writers:
        one.start()
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in writers:
        for kind, taken in told.get(timeout=seconds + 120).items():
            found[kind] += taken
    for one in writers:
        one.join()
    return found


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def write(url: str, folder: Path, *, rounds: int, seconds: float) -> bool:
    """The tables of writing; False where an aim is missed."""
    engine, key, ended = sa.create_engine(url), make_key(folder / "key.pem"), threading.Event()

    def passes() -> None:
        while not ended.wait(_EVERY):
            sealing.seal(engine, key)

    sealer = threading.Thread(target=passes, daemon=True)
    sealer.start()
    both: dict[str, list[float]] = {"ledger": [], "plain": []}
    alone: dict[str, list[float]] = {"ledger": [], "plain": [], "chain": []}
    rates: dict[str, list[float]] = {kind: [] for kind in alone}
    for _ in range(rounds):
        for kind, taken in _turn(url, ("ledger", "plain"), seconds).items():
            both[kind] += taken
        for kind in alone:
            taken = _turn(url, (kind,), seconds)[kind]
            alone[kind] += taken
            rates[kind].append(len(taken) / (sum(taken) / WRITERS))
    ended.set()
    sealer.join()
    sealing.seal(engine, key)
    return _told(both, alone, rates, _lag(engine))


def _told(
    both: dict[str, list[float]],
    alone: dict[str, list[float]],
    rates: dict[str, list[float]],
    lag: tuple[float, float, int],
) -> bool:
    rate = statistics.median(rates["ledger"])
    print(f"{WRITERS} writers, one entry per transaction; load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| in turns, insert by insert | inserts | p50 ms | p99 ms |\n|---|---|---|---|")
    for kind, name in (("plain", "plain table"), ("ledger", "**ledger, sealed beside**")):
        taken = both[kind]
        print(
            f"| {name} | {len(taken):,} | {_percentile(taken, 0.5) * 1e3:.1f} | {_percentile(taken, 0.99) * 1e3:.1f} |"
        )
    ratios = [_percentile(both["ledger"], share) / _percentile(both["plain"], share) for share in (0.5, 0.99)]
    print(f"| ratio | | {ratios[0]:.2f} | {ratios[1]:.2f} |\n")
    print("| alone | entries/s | p50 ms | p99 ms |\n|---|---|---|---|")
    for kind, name in (
        ("plain", "plain table"),
        ("ledger", "**ledger, sealed beside**"),
        ("chain", "inline hash chain"),
    ):
        taken = alone[kind]
        p50, p99 = (_percentile(taken, share) * 1e3 for share in (0.5, 0.99))
        print(f"| {name} | {statistics.median(rates[kind]):,.0f} | {p50:.1f} | {p99:.1f} |")
    print(f"\nlag of {lag[2]:,} entries: p50 {lag[0]:.1f} s, p99 {lag[1]:.1f} s", flush=True)
    held = (("entries/s", rate >= RATE), ("p99 of an insert", ratios[1] <= RATIO), ("lag", lag[1] <= LAG))
    for name, kept in held:
        if not kept:
            print(f"MISSED: {name}")
    return all(kept for _, kept in held)


def _lag(engine: sa.Engine) -> tuple[float, float, int]:
    text = (
        "SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM head.at - l.recorded_at)), count(*) "
        "FROM ledger l JOIN ledger_leaves s ON s.entry_id = l.id CROSS JOIN LATERAL "
        "(SELECT at FROM ledger_heads h WHERE h.entries > s.leaf_index ORDER BY h.entries LIMIT 1) head"
    )
    with engine.connect() as connection:
        (half, most), count = connection.execute(sa.text(text)).one()
    return float(half), float(most), int(count)


def verify(url: str, folder: Path, *, entries: int) -> bool:
    """Seal and verify so many entries; False where it takes too long."""
    engine, key = sa.create_engine(url), make_key(folder / "verify.pem")
    for first in range(1, entries + 1, 50_000):
        with engine.begin() as connection:
            connection.exec_driver_sql(_MILLION, {"first": first, "last": min(first + 49_999, entries)})
    began = time.perf_counter()
    sealed = sealing.seal(engine, key).new
    took = time.perf_counter() - began
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        began, used = time.perf_counter(), time.process_time()
        found = check_ledger(connection)
        verified, used = time.perf_counter() - began, time.process_time() - used
        head = heads.last_head(connection)
    wrong = found.problems
    print("| | entries | seconds | of CPU in Python | entries/s |\n|---|---|---|---|---|")
    print(f"| seal | {sealed:,} | {took:.1f} | | {sealed / took:,.0f} |")
    print(
        f"| verify the ledger in the database | {found.entries:,} | {verified:.1f} | {used:.1f} | {found.entries / verified:,.0f} |"
    )
    print(f"\nload of the machine {os.getloadavg()[0]:.1f}; head over {head.entries if head else 0:,}", flush=True)
    if wrong:
        print("\n".join(wrong))
    if late := verified * 1e6 / found.entries > VERIFIED:
        print("MISSED: a million entries in 30 s")
    return not wrong and not late


def main() -> int:
    """Print the tables; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything smaller")
    parser.add_argument("--only", default="write,verify")
    parser.add_argument("--folder", type=Path, help="where the databases lie; a disk, not memory")
    asked = parser.parse_args()
    held = []
    for part in asked.only.split(","):
        with (
            tempfile.TemporaryDirectory(prefix="ap", dir=asked.folder) as folder,
            running(Path(folder) / "pg", settings=_SETTINGS) as server,
        ):
            server.create("bench")
            upgrade(url := server.url("bench"))
            with sa.create_engine(url).begin() as connection:
                connection.exec_driver_sql(_PLAIN)
            if part == "write":
                held.append(write(url, Path(folder), rounds=1 if asked.quick else 3, seconds=10 if asked.quick else 25))
            else:
                held.append(verify(url, Path(folder), entries=100_000 if asked.quick else 1_000_000))
        print(flush=True)
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
