"""Whether a suite can be asked at all: said once before it begins, not once for each case."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from afterpilot.domain.connections import Connections
from afterpilot.domain.errors import CheckError, ConfigurationError
from afterpilot.domain.evals import Estimate
from afterpilot.domain.judging import is_judge
from afterpilot.domain.workflow import Evals, ModelTarget, ScriptedTarget

_HOSTS = {"openai": "https://api.openai.com/v1"}
_ELSEWHERE = "https://HOST/v1"


def require_price(estimate: Estimate, evals: Evals) -> None:
    """Raises CheckError where it is not known what the calls may cost, so that nothing may be asked."""
    if estimate.most is not None:
        return
    why = estimate.why_unknown
    if evals.target.name not in why:
        raise CheckError(f"nothing was asked: {why}")
    known = "declare its most_cost, or say --price 0/0 where it costs nothing"
    if isinstance(evals.target, ModelTarget):
        known = "say its price with --price IN/OUT, for a million tokens each (0/0 where it costs nothing)"
    raise CheckError(f"nothing was asked: {why}; {known}")


def require_connections(evals: Evals, connections: Connections, advisory: Collection[str]) -> None:
    """Raises CheckError where a connection is missing without which no case could be judged; its secret is not repeated."""
    target = evals.target
    if not isinstance(target, ScriptedTarget):
        try:
            connections.endpoint(target.connection)
        except ConfigurationError as error:
            host = _HOSTS.get(target.connection, _ELSEWHERE)
            raise CheckError(
                f"nothing was asked: {error}. Set {_example(target.connection)}, "
                f"or say --base-url {host} with the key in OPENAI_API_KEY"
            ) from error
    for name in dict.fromkeys(_of_scorers(evals, advisory)):
        try:
            connections.endpoint(name)
        except ConfigurationError as error:
            raise CheckError(f"nothing was asked: {error}. A scorer needs it: set {_example(name)}") from error


def _example(name: str) -> str:
    parts = {"conn_type": "http", "host": _HOSTS.get(name, _ELSEWHERE), "password": "KEY"}
    return f"AIRFLOW_CONN_{name.upper()}='{json.dumps(parts)}'"


def _of_scorers(evals: Evals, advisory: Collection[str]) -> Iterator[str]:
    """Connections of the scorers that decide."""
    for spec in (*evals.scorers, *(own for case in evals.cases for own in case.scorers)):
        model, embedding = spec.params.get("target"), spec.params.get("embedding")
        if is_judge(spec) and isinstance(model, ModelTarget) and spec.label not in advisory:
            yield model.connection
        elif spec.name == "similarity" and isinstance(embedding, dict) and "connection" in embedding:
            yield str(embedding["connection"])
