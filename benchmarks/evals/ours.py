"""Afterpilot itself, twice: ``afterpilot evals run`` with one JSON line a sample, and the whole stage of the pipeline with every
sample in PostgreSQL and every call priced. Both read the same declared workflow.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.evals.tool import ENVIRONMENTS, Tool, script, size
from benchmarks.evals.work import (
    ERROR,
    FAILED,
    KEY,
    MAX_TOKENS,
    MODEL,
    PASSED,
    PRICES,
    SCHEMA,
    SYSTEM,
    Job,
    case_id,
    expected,
    invoice,
    number_of,
)

if TYPE_CHECKING:
    from afterpilot.demo.postgres import EmbeddedPostgres
    from afterpilot.wiring import Wired

_SLUG = "bench"
_LINES = "samples.jsonl"
_WORKFLOW = f"""\
workflow: {_SLUG}
purpose: Read invoices for a benchmark
stage: experiment
owner: {{name: Ada Bench, slack: U00000001, deputy: {{name: Bo Bench, slack: U00000002}}}}
channel: "#bench"
kpi: {{name: misread, kind: risk, baseline: 10, target: 5, better: lower, unit: "%", sql: kpi.sql}}
source:
  connection: none_needed
  table: runs
  key: id
  time: at
  late_by: 1h
  history: 28d
  fields: {{output: text}}
  personal: []
  usage: {{model: model, input_tokens: a, output_tokens: b, cached_tokens: c}}
  decisions: {{table: decisions, key: id, time: at, decision: decision, minutes: minutes, accepted: [kept], corrected: [moved], rejected: []}}
outputs:
  - {{expect: column_values_to_not_be_null, column: output}}
spot_check: 5%
quality:
  - {{expect: fresh_within, column: at, max_age: 3d, severity: critical}}
evals:
  model: {{connection: bench_model, name: {MODEL}, prompt: prompt.md, temperature: 0, max_tokens: {MAX_TOKENS}}}
  cases: cases.jsonl
  scorers:
    - {{exact: supplier}}
    - {{exact: po_number}}
    - {{numeric: total, tolerance: 0.01}}
    - {{exact: lines}}
    - {{json_schema: output.schema.json}}
  max_cost: 100 USD
  concurrency: CONCURRENCY
  pass_rate: 80%
spend: {{cap: 100 USD/month, warn_at: [80%], at_cap: tell}}
schedule: {{records: hourly, evals: nightly, report: monday}}
governance: {{data: [made up invoices], models_allowed: [{MODEL}], retention: 90d, accountable: Ada Bench}}
rollout: {{now: 0%, promote_when: {{override_rate: "< 5%", weeks: 4}}, fallback: People read the invoices}}
"""
_FLEET = f"""\
schedules: {{records: {{hourly: 5 * * * *}}, evals: {{nightly: 0 2 * * *}}, report: {{monday: 0 6 * * mon}}}}
channel: "#bench"
operators: [{{name: Ada Bench, slack: U00000001}}]
prices:
  - {{model: {MODEL}, input_per_million: {PRICES["input_per_million"]}, output_per_million: {PRICES["output_per_million"]},
      cached_per_million: 0.025, currency: USD, note: Made up for a benchmark}}
"""


def declare(job: Job) -> None:
    """Write the workflow's folder, as a team keeps it."""
    folder = job.folder / "workflows" / _SLUG
    folder.mkdir(parents=True)
    files = {
        "../_fleet.yaml": _FLEET,
        "workflow.yaml": _WORKFLOW.replace("CONCURRENCY", str(job.concurrency)),
        "kpi.sql": "SELECT CURRENT_DATE AS week_start, 0 AS value\n",
        "runbook.md": "# Bench\n\nNothing to do.\n",
        "prompt.md": f"## system\n{SYSTEM}\n\n## user\n{{{{ invoice }}}}\n",
        "output.schema.json": json.dumps(SCHEMA),
        "cases.jsonl": "".join(_case(case) for case in range(job.cases)),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _case(case: int) -> str:
    return json.dumps({"id": case_id(case), "vars": {"invoice": invoice(case)}, "expected": expected(case)}) + "\n"


@functools.cache
def _server() -> EmbeddedPostgres:
    """A real, durable server beside the runs, for as long as the driver lives."""
    from afterpilot.demo.postgres import EmbeddedPostgres

    return EmbeddedPostgres(ENVIRONMENTS / "postgres")


def _database(job: Job) -> str:
    return _server().url(f"bench_{job.folder.name.replace('-', '_')}")


def _prepare_database(job: Job) -> None:
    """A new ops database, migrated: a team has one."""
    import sqlalchemy as sa

    from afterpilot.record.migrate import upgrade

    declare(job)
    name = _database(job).split("?")[0].rpartition("/")[2]
    engine = sa.create_engine(_server().url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')
    engine.dispose()
    _server().create(name)
    upgrade(_database(job))


def _server_cpu() -> float:
    """CPU seconds that the server and its connections have used so far."""
    import psutil

    pid = int((ENVIRONMENTS / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    main = psutil.Process(pid)
    own = main.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in main.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


def _variables(job: Job) -> dict[str, str]:
    return {
        "AFTERPILOT_DATABASE_URL": _database(job),
        "AFTERPILOT_WORKFLOWS": str(job.folder / "workflows"),
        "AIRFLOW_CONN_BENCH_MODEL": json.dumps({"conn_type": "http", "host": job.url, "password": KEY}),
    }


def wired() -> Wired:
    """The installed project, as a task of a DAG builds it."""
    from afterpilot.settings import EnvConnections, Settings
    from afterpilot.wiring import wire

    return wire(Settings.from_environment(os.environ), EnvConnections(os.environ))


def run_stage() -> None:
    """The stage of evals; the same trigger again goes on where it stopped."""
    from afterpilot import pipeline
    from afterpilot.domain.run import Trigger

    site = wired()
    trigger = Trigger(origin="airflow", run_id="bench", dag_id=f"evals.{_SLUG}", task_id="evaluate")
    pipeline.evaluate(site.services, site.workflow(_SLUG), trigger=trigger)


def _read_lines(job: Job) -> Mapping[int, str]:
    """Verdicts of a results file; of several lines of a case the last counts, a line that was cut off is none."""
    found: dict[int, str] = {}
    path = job.folder / _LINES
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[number_of(row["id"])] = _verdict(row)
    return found


def _verdict(row: Mapping[str, Any]) -> str:
    """A sample without a price is an error here: the work is to price every call."""
    return ERROR if row["error"] or row["cost"] is None else PASSED if row["passed"] else FAILED


def _read_database(job: Job) -> Mapping[int, str]:
    rows = _query(job, "SELECT case_id, passed, error, cost FROM samples")
    return {number_of(row["case_id"]): ERROR if row["error"] else PASSED if row["passed"] else FAILED for row in rows}


def _stored_in_database(job: Job) -> int:
    _query(job, "CHECKPOINT")
    return int(_query(job, "SELECT pg_database_size(current_database()) AS size")[0]["size"])


def _query(job: Job, statement: str) -> list[Mapping[str, Any]]:
    import sqlalchemy as sa

    engine = sa.create_engine(_database(job), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.execute(sa.text(statement))
        rows: list[Mapping[str, Any]] = [dict(row) for row in found.mappings()] if found.returns_rows else []
    engine.dispose()
    return rows


def _command_lines(job: Job) -> list[str]:
    """What a developer types: the suite of a workflow, here and now."""
    program = str(Path(sys.executable).with_name("afterpilot"))
    where = ["--base-url", job.url, "--model", MODEL, "--concurrency", str(job.concurrency)]
    return [program, "evals", "run", _SLUG, *where, "-o", _LINES]


def _command_stage(job: Job) -> list[str]:
    return script(sys.executable, "ours", job)


TOOLS = (
    Tool(
        name="ours-lines",
        label="ours, JSON lines",
        version="",
        environment=None,
        prepare=declare,
        command=_command_lines,
        resume=_command_lines,
        verdicts=_read_lines,
        stored=lambda job: size(job, _LINES),
        variables=lambda job: {"AFTERPILOT_WORKFLOWS": str(job.folder / "workflows")},
    ),
    Tool(
        name="ours-postgres",
        label="ours, PostgreSQL, priced",
        version="",
        environment=None,
        prepare=_prepare_database,
        command=_command_stage,
        resume=_command_stage,
        verdicts=_read_database,
        stored=_stored_in_database,
        variables=_variables,
        extra_cpu=_server_cpu,
    ),
)


def close(job_folder: Path) -> None:
    """Stop the server, where one was started from here."""
    if _server.cache_info().currsize and job_folder.exists():
        _server().stop()


if __name__ == "__main__":
    run_stage()
