"""All scorers' words on one answer.

A field of ``""`` is the whole answer. Otherwise the answer is read as a JSON object (also out of a ```json fence); an answer that
cannot be read so, or lacks the field, scores 0: that is the model's failure. A scorer that cannot do its own work raises
:class:`~afterpilot.evaluate.scorers.question.ScorerError`: that is the harness's.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, Score, ScorerSpec
from afterpilot.evaluate.answers import Answer
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.scorers import (
    dates,
    fields,
    functions,
    judges,
    limits,
    numbers,
    refusal,
    regexes,
    retrieval,
    schemas,
    similarity,
    texts,
    tools,
)
from afterpilot.evaluate.scorers.question import Flawed, Question, Result, Scorer, ScorerError

SCORERS: Mapping[str, Scorer] = {
    "exact": texts.exact,
    "one_of": texts.one_of,
    "contains": texts.contains,
    "regex": regexes.regex,
    "numeric": numbers.numeric,
    "date": dates.date_is,
    "is_json": schemas.is_json,
    "json_schema": schemas.json_schema,
    "json_fields": fields.json_fields,
    "similarity": similarity.similarity,
    "refusal": refusal.refusal,
    "latency": limits.latency,
    "cost": limits.cost,
    "tool_call": tools.tool_call,
    "retrieval": retrieval.retrieval,
    "judge": judges.judge,
    "python": functions.python,
}


async def score_all(
    specs: Sequence[ScorerSpec], case: Case, reply: Reply, *, asking: Asking, cost: Decimal | None
) -> tuple[Score, ...]:
    """Every scorer's word on one reply, in their order.

    ``cost`` is the answer's, in the suite's currency; None where it is unknown.

    Raises:
        ScorerError: a scorer cannot do its work for this case.
        TargetError: whatever ``asking`` raised where a judge or an embedding model could not be asked.
    """
    answer = Answer(reply.text)
    return tuple([score_of(spec, await _result(Question(spec, case, reply, answer, asking, cost))) for spec in specs])


async def _result(question: Question) -> Result:
    """What one scorer says, turned round where it is negated."""
    spec = question.spec
    scorer = SCORERS.get(spec.name)
    if scorer is None:
        raise ScorerError(f"there is no scorer {spec.name!r} (known: {', '.join(sorted(SCORERS))})")
    try:
        result = scorer(question)
        if inspect.isawaitable(result):
            result = await result
    except Flawed as flaw:
        return Result(0.0, str(flaw))
    except TargetError:
        raise
    except Exception as error:
        raise ScorerError(f"the scorer {spec.label} failed: {type(error).__name__}: {error}") from error
    return _negated(spec, result) if spec.params.get("negate") else result


def _negated(spec: ScorerSpec, result: Result) -> Result:
    reason = f"{spec.label} must not hold, but does" if result.value else ""
    return Result(1.0 - result.value, reason, result.details)


def score_of(spec: ScorerSpec, result: Result) -> Score:
    """The score that a result is by the scorer's threshold."""
    value = min(max(result.value, 0.0), 1.0)
    passed = value >= spec.threshold
    reason = result.reason or f"{value:.2f} is below {spec.threshold:g}"
    return Score(
        scorer=spec.label,
        value=value,
        passed=passed,
        reason="" if passed else reason,
        weight=spec.weight,
        details=result.details,
    )
