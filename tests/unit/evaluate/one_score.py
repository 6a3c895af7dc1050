"""One scorer on one answer, for the tests of scorers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from afterpilot.domain.evals import Case, Reply, Score, ScorerSpec
from afterpilot.evaluate.scorers import score_all


class NobodyAsked:
    """Fails the test that asks a model."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


def reply(text: str, **rest: Any) -> Reply:
    """An answer as it comes from a target."""
    return Reply(text, None, "m", **{"latency_ms": 10, "attempts": 1, "request": {}, "response": {}, **rest})


def scored(
    name: str, answer: object, expected: Mapping[str, Any] | None = None, field: str = "", **params: Any
) -> Score:
    """One scorer on one answer; an answer that is no text is given as JSON."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return asked(ScorerSpec(name, field, params), Case("case-1", {}, expected or {}), reply(text))


def asked(
    spec: ScorerSpec, case: Case, said: Reply, *, asking: Any = None, cost: Decimal | None = None, waits: bool = False
) -> Score:
    """One scorer's word. Only what ``waits`` for a process gets an event loop, which costs more than any scorer does."""
    scores = score_all([spec], case, said, asking=asking or NobodyAsked(), cost=cost)
    if waits:
        return asyncio.run(scores)[0]
    try:
        scores.send(None)
    except StopIteration as ended:
        (score,) = ended.value
        return score
    raise AssertionError(f"{spec.name} waited for something")
