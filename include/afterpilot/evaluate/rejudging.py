"""Asks a judge about answers that exist: people's labels to measure it by, frozen ones to see whether it drifts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Call, Case, Reply, ScorerSpec
from afterpilot.domain.judging import Judgement, judge_sha256
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.admission import Admission
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.budget import Budget, Reservation
from afterpilot.evaluate.costs import Costs
from afterpilot.evaluate.exchange import together
from afterpilot.evaluate.keeping import OpenAsking
from afterpilot.evaluate.metering import Metered
from afterpilot.evaluate.scorers import score_all
from afterpilot.evaluate.working import work_through


@dataclass(frozen=True, slots=True)
class _Piece:
    """An answer to be judged."""

    subject: str
    case: Case
    answer: str


class Rejudging:
    """One judge over many answers, within ``evals.max_cost`` and with ``evals.concurrency`` calls at once."""

    def __init__(
        self,
        evals: Evals,
        spec: ScorerSpec,
        costs: Costs,
        open_asking: OpenAsking,
    ) -> None:
        self._evals = evals
        self._judge = spec
        self._sha256 = judge_sha256(spec)
        self._costs = costs
        self._open_asking = open_asking

    def run(
        self, answers: Sequence[tuple[str, Case, str]], *, keep: Callable[[Judgement], None]
    ) -> Sequence[Judgement]:
        """In the order of the answers; what the cap or a dead judge leaves unasked is left out."""
        pieces = [_Piece(*answer) for answer in answers]
        budget = Budget(self._evals.max_cost)
        admission = Admission(pieces, budget=budget, most=self._most)
        judged: dict[str, Judgement] = {}

        def take(group: Sequence[Judgement]) -> None:
            for judgement in group:
                keep(judgement)
                judged[judgement.subject] = judgement

        work_through(
            admission,
            self._judgement,
            open_asking=self._open_asking,
            concurrency=self._evals.concurrency,
            keep=take,
        )
        return [judged[piece.subject] for piece in pieces if piece.subject in judged]

    def _most(self, piece: _Piece) -> Decimal:
        return self._costs.scorer(self._judge, piece.case, answer=len(piece.answer.encode()))

    async def _judgement(self, piece: _Piece, asking: Asking, reservation: Reservation) -> Judgement:
        metered = Metered(asking, self._costs, reservation)
        reply = Reply(piece.answer, None, "", latency_ms=0, attempts=0, request={}, response={})
        try:
            (score,) = await score_all((self._judge,), piece.case, reply, asking=metered, cost=None)
        except TargetError as trouble:
            return self._unusable(piece, str(trouble), metered)
        except Exception as trouble:  # noqa: BLE001 - a bug of ours is not the judge's word
            return self._unusable(piece, f"the judge failed: {type(trouble).__name__}: {trouble}", metered)
        if not metered.calls:
            return self._unusable(piece, f"the judge was not asked: {score.reason}", metered)
        return Judgement(
            self._sha256,
            piece.subject,
            score.passed,
            value=score.value,
            reason=score.reason or str(score.details.get("reason", "")),
            call=_together(metered.calls),
            fingerprint=metered.fingerprint,
        )

    def _unusable(self, piece: _Piece, error: str, metered: Metered) -> Judgement:
        call = _together(metered.calls)
        return Judgement(self._sha256, piece.subject, None, error=error, call=call, fingerprint=metered.fingerprint)


def _together(calls: Sequence[Call]) -> Call | None:
    """What a judge asked for one answer as one call; None where it asked nothing."""
    if len(calls) <= 1:
        return calls[0] if calls else None
    costs = [call.cost for call in calls if call.cost is not None]
    return Call(
        calls[0].purpose,
        functools.reduce(together, [call.usage for call in calls]),
        sum(costs, Decimal(0)) if len(costs) == len(calls) else None,
    )
