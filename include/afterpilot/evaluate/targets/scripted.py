"""Answers that stand in a file: no server, no cost."""

from __future__ import annotations

from decimal import Decimal

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ScriptedTarget
from afterpilot.evaluate.exchange import Exchange, Unanswered


def scripted(target: ScriptedTarget, case: Case) -> Reply:
    """The case's answer. Raises Unanswered where there is none."""
    answer = target.answers.get(case.id)
    if answer is None:
        raise Unanswered(f"no answer is scripted for {case.id}", Exchange())
    return Reply(
        text=answer,
        usage=Usage(target.name, 0, 0),
        model=target.name,
        latency_ms=0,
        attempts=1,
        request={"case": case.id},
        response={"text": answer},
        fingerprint={"model": target.name},
        cost=Decimal(0),
    )
