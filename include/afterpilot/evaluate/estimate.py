"""What a run will take, before it starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from afterpilot.domain.evals import Case, Estimate, Typical
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.costs import TYPICAL, Costs, Unpriced, embedding_of, judge_of, turns_of
from afterpilot.evaluate.scoring import Scoring, Specs

_NOTHING = Decimal(0)


def estimate(
    evals: Evals, costs: Costs, scoring: Scoring, *, epochs: int, typical: Mapping[str, Typical] | None = None
) -> Estimate:
    """Calls of the target, judges and embeddings, and their cost as expected and at most.

    Expected is what a case has cost before, where ``typical`` says it; else four bytes to a token, and an answer as long as
    before, or of half of ``max_tokens``.
    """
    cases = [(case, scoring.of(case)) for case in evals.cases]
    cases = [(case, specs) for case, specs in cases if specs]
    calls = epochs * sum(_calls(evals, case, specs) for case, specs in cases)
    currency = evals.max_cost.currency
    if why := costs.unpriced(scoring.all_of(evals.cases)):
        return Estimate(calls, None, None, currency, why)
    try:
        expected = sum(
            (_expected(evals, costs, case, specs, (typical or {}).get(case.id)) for case, specs in cases), _NOTHING
        )
        most = sum((costs.case(case, specs) for case, specs in cases), _NOTHING)
    except Unpriced as error:
        return Estimate(calls, None, None, currency, str(error))
    return Estimate(calls, epochs * expected, epochs * most, currency)


def _calls(evals: Evals, case: Case, specs: Specs) -> int:
    asking = sum(judge_of(spec) is not None or embedding_of(spec) is not None for spec in specs)
    return turns_of(evals.target, case) + asking


def _expected(evals: Evals, costs: Costs, case: Case, specs: Specs, known: Typical | None) -> Decimal:
    if known is None:
        return costs.case(case, specs, TYPICAL)
    if known.cost is not None:
        return known.cost
    answer = None if known.answer is None else -(-known.answer // turns_of(evals.target, case))
    return costs.case(case, specs, dataclasses.replace(TYPICAL, answer=answer))
