"""Runs inside Soda's own environment: what :mod:`benchmarks.quality.peer_soda` gives it on standard input."""

from __future__ import annotations

import json
import logging
import sys
import time

from soda_core.common.data_source_impl import DataSourceImpl
from soda_core.common.yaml import ContractYamlSource, DataSourceYamlSource
from soda_core.contracts.contract_verification import ContractVerificationSession

logging.disable(logging.CRITICAL)
given = json.load(sys.stdin)
address = {name: given[name] for name in ("host", "user", "password", "database", "port")}
said = json.dumps({"type": "postgres", "name": "bench", "connection": address})
begun, used = time.perf_counter(), time.process_time()
source = DataSourceImpl.from_yaml_source(DataSourceYamlSource.from_str(said))
source.open_connection()
held = {}
for workflow in given["workflows"]:
    result = ContractVerificationSession.execute(
        contract_yaml_sources=[ContractYamlSource.from_str(given["contract"])],
        data_source_impls=[source],
        variables={"workflow": workflow},
    )
    if result.has_errors:
        sys.exit(f"{workflow}: {result.get_errors_str()[:400]}")
    held[workflow] = bool(result.is_ok)
taken, cpu = time.perf_counter() - begun, time.process_time() - used
source.close_connection()
print(json.dumps({"seconds": taken, "cpu": cpu, "held": held}))
