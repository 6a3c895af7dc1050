"""Scorer that is a Python function of the workflow's own folder."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from typing import Any

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.storable import storable_json
from afterpilot.evaluate.answers import as_text, short
from afterpilot.evaluate.scorers.process import Broken, Process, TooSlow
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError

SECONDS = 10.0
GIVE_UP_AFTER = 3  # time-outs in a row: a function that hangs would hold up each case for its whole time
_slow: Counter[tuple[str, str]] = Counter()
_LOCK = threading.Lock()


async def python(question: Question) -> Result:
    """What ``function(answer, case, reply)`` says: true, false, a number from 0 to 1, ``(number, reason)``, or a mapping.

    The mapping may hold ``score``, ``passed``, ``reason`` and ``details``. The function runs in a process of its own, which has no
    environment, at most 2 GB and ten seconds; whatever it raises is an error of the harness.
    """
    source, function = question.param("source"), str(question.param("function") or "score")
    if not isinstance(source, str):
        raise ScorerError("the scorer python has no source")
    file = str(question.param("file") or "the scorer's file")
    found = question.found()
    arguments = [as_text(found) if question.spec.field else question.reply.text, _case(question.case), _reply(question)]
    which = (source, function)
    if _slow[which] >= GIVE_UP_AFTER:
        raise ScorerError(f"{function} of {file} was too slow {GIVE_UP_AFTER} times in a row and is not called again")
    work = {"source": source, "file": file, "function": function, "arguments": arguments}
    try:
        said = await asyncio.to_thread(_process(source).do, "call", seconds=SECONDS, **work)
    except (TooSlow, Broken) as error:
        _slow[which] += isinstance(error, TooSlow)
        raise ScorerError(f"{function} of {file} could not be used: {error}") from error
    _slow.pop(which, None)
    return _result(storable_json(said), f"{function} of {file}")


def _process(source: str) -> Process:
    """The process for this source: no two files share one, so that none can change what another one uses."""
    with _LOCK:
        return _processes(source)


@functools.lru_cache(maxsize=16)
def _processes(source: str) -> Process:
    del source
    return Process()


def _case(case: Case) -> dict[str, Any]:
    return {"id": case.id, "vars": dict(case.vars), "expected": dict(case.expected), "tags": list(case.tags)}


def _reply(question: Question) -> dict[str, Any]:
    reply: Reply = question.reply
    return {
        "text": reply.text,
        "model": reply.model,
        "latency_ms": reply.latency_ms,
        "cost": None if question.cost is None else str(question.cost),
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in reply.tool_calls],
        "sources": list(reply.sources),
        "input_tokens": reply.usage.input_tokens if reply.usage else None,
        "output_tokens": reply.usage.output_tokens if reply.usage else None,
    }


def _result(said: Any, who: str) -> Result:  # noqa: ANN401 - any JSON value
    whole = said if isinstance(said, dict) else {"score": said}
    score = whole.get("score", whole.get("passed"))
    if not isinstance(score, bool | int | float) or not 0 <= score <= 1:
        raise ScorerError(f"{who} gave {short(score)}, not true, false or a number from 0 to 1")
    details = whole.get("details")
    reason = str(whole.get("reason") or "") or ("" if score == 1 else f"{who} gave {float(score):g}")
    return Result(float(score), reason, details if isinstance(details, dict) else {})
