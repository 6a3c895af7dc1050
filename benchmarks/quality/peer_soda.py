"""Soda Core 4.28 in an environment of its own: one contract, verified for each workflow by its filter."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from benchmarks.evals.tool import Environment
from benchmarks.quality.suite import CURRENCIES, REGEX, STATUSES, Peer

ENVIRONMENT = Environment("soda", ("soda-core==4.28.0", "soda-postgres==4.28.0"))
_LIMIT_S = 3600
_CONTRACT = """
dataset: bench/{database}/public/{table}
filter: workflow = '${{var.workflow}}'
variables:
  workflow: {{}}
checks:
  - row_count: {{threshold: {{must_be_greater_than_or_equal: 1}}}}
columns:
  - name: order_number
    checks:
      - missing:
      - invalid: {{valid_format: {{name: order, regex: '{regex}'}}}}
  - name: started_at
    checks: [{{missing: }}]
  - name: status
    checks: [{{invalid: {{valid_values: {statuses}}}}}]
  - name: currency
    checks: [{{invalid: {{valid_values: {currencies}}}}}]
  - name: input_tokens
    checks: [{{invalid: {{valid_min: 0, valid_max: 100000}}}}]
  - name: latency_ms
    checks: [{{invalid: {{valid_min: 0, valid_max: 60000}}}}]
  - name: confidence
    checks: [{{invalid: {{valid_min: 0, valid_max: 1}}}}]
  - name: output_tokens
    checks: [{{aggregate: {{function: avg, threshold: {{must_be_between: {{greater_than_or_equal: 1, less_than_or_equal: 2000}}}}}}}}]
"""


def run(url: str, table: str, workflows: Sequence[str]) -> Peer:
    """What the workflows took, without the start of its process.

    Raises:
        RuntimeError: it could not run.
    """
    where = sa.make_url(url)
    contract = _CONTRACT.format(
        database=where.database,
        table=table,
        regex=REGEX,
        statuses=json.dumps(STATUSES),
        currencies=json.dumps(CURRENCIES),
    )
    host = where.host or where.query.get("host")
    given = {
        "host": host,
        "user": where.username,
        "password": where.password or "none",
        "database": where.database,
        "port": where.port or 5432,
        "contract": contract,
        "workflows": list(workflows),
    }
    done = subprocess.run(
        [ENVIRONMENT.python, str(Path(__file__).with_name("soda_run.py"))],
        input=json.dumps(given),
        env={"PATH": os.environ["PATH"], "SODA_TELEMETRY_ENABLED": "false", "OTEL_SDK_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if done.returncode:
        raise RuntimeError(f"Soda ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Peer(found["seconds"], found["cpu"], found["held"])
