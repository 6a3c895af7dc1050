"""Scorers of what an answer took: latency and cost."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from afterpilot.evaluate.scorers.question import Question, Result, ScorerError


def latency(question: Question) -> Result:
    """At most ``most_ms`` milliseconds, all turns together."""
    most, took = _most(question, "most_ms"), question.reply.latency_ms
    reason = f"it took {took:,} ms, more than {most:,} ms" if took > most else ""
    return Result(0.0 if reason else 1.0, reason, {"latency_ms": took})


def cost(question: Question) -> Result:
    """At most ``most`` of the suite's currency. An unknown cost is nobody's pass and nobody's failure."""
    most = _most(question, "most")
    if question.cost is None:
        raise ScorerError("the answer's cost is unknown, so it cannot be held against a limit")
    reason = f"it cost {question.cost:f}, more than {most:f}" if question.cost > most else ""
    return Result(0.0 if reason else 1.0, reason, {"cost": str(question.cost)})


def _most(question: Question, name: str) -> Decimal:
    try:
        most = Decimal(str(question.param(name)))
    except InvalidOperation:
        most = Decimal("NaN")
    if not most.is_finite():
        raise ScorerError(f"the scorer {question.spec.name} has no limit ({name})")
    return most
