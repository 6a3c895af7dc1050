"""What a run will take, before it starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from afterpilot.domain.evals import Case, Estimate
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.costs import TYPICAL, Costs, Lengths, Unpriced, embedding_of, judge_of, turns_of
from afterpilot.evaluate.scoring import Scoring, Specs

_NOTHING = Decimal(0)


def estimate(
    evals: Evals, costs: Costs, scoring: Scoring, *, epochs: int, typical: Mapping[str, int] | int | None = None
) -> Estimate:
    """Calls of the target, judges and embeddings, and their cost as expected and at most.

    Expected are four bytes to a token, and answers of half of ``max_tokens`` where ``typical`` does not say how many tokens
    an answer has (for all, or by case id).
    """
    cases = [(case, scoring.of(case)) for case in evals.cases]
    cases = [(case, specs) for case, specs in cases if specs]
    calls = epochs * sum(_calls(evals, case, specs) for case, specs in cases)
    currency = evals.max_cost.currency
    if why := costs.unpriced(scoring.all_of(evals.cases)):
        return Estimate(calls, None, None, currency, why)
    try:
        expected = sum((costs.case(case, specs, _typical(case, typical)) for case, specs in cases), _NOTHING)
        most = sum((costs.case(case, specs) for case, specs in cases), _NOTHING)
    except Unpriced as error:
        return Estimate(calls, None, None, currency, str(error))
    return Estimate(calls, epochs * expected, epochs * most, currency)


def _calls(evals: Evals, case: Case, specs: Specs) -> int:
    asking = sum(judge_of(spec) is not None or embedding_of(spec) is not None for spec in specs)
    return turns_of(evals.target, case) + asking


def _typical(case: Case, typical: Mapping[str, int] | int | None) -> Lengths:
    answer = typical.get(case.id) if isinstance(typical, Mapping) else typical
    return dataclasses.replace(TYPICAL, answer=answer)
