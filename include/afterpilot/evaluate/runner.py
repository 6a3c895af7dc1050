"""Runs a suite: bounded concurrency, a hard cap on cost, every sample given on as it comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Estimate, Reply, Sample, Score, ScorerSpec, Typical
from afterpilot.domain.judging import Judgement
from afterpilot.domain.ports import PriceList, Probed
from afterpilot.domain.workflow import Evals
from afterpilot.evaluate.admission import Admission
from afterpilot.evaluate.asking import Asking
from afterpilot.evaluate.budget import Budget, Reservation
from afterpilot.evaluate.costs import Costs, Unpriced
from afterpilot.evaluate.estimate import estimate
from afterpilot.evaluate.exchange import Refused, Unanswered
from afterpilot.evaluate.keeping import OpenAsking
from afterpilot.evaluate.metering import Metered
from afterpilot.evaluate.probing import probe
from afterpilot.evaluate.rejudging import Rejudging
from afterpilot.evaluate.scoring import Scoring, Specs
from afterpilot.evaluate.working import work_through

_NOTHING = Decimal(0)
_AT_ONCE = 500  # samples of cases that were not asked, kept together


@dataclass(slots=True)
class _Piece:
    """A case in one epoch, the scorers that it gets, and once it is its turn: the most that the answer can cost."""

    case: Case
    epoch: int
    specs: Specs
    most: Decimal = _NOTHING


class Runner:
    """Asks, scores and prices on an event loop of its own, in a thread of its own; ``keep`` is called there too.

    At most ``concurrency`` cases are asked and not yet kept at any moment: no more are asked again by a run that is taken up
    after its process was killed. A sample's ``attempts`` is 0 where no reply came that costs anything. Its ``cost`` is None
    where any part of it is not known, or is known in another currency than that of the run's cap only.

    Args:
        open_asking: opens what asks models, for the length of one run, with so many requests at once for each connection.
        prices: prices the calls.
        now: the time of a call, for its price.
    """

    def __init__(
        self, open_asking: OpenAsking, prices: PriceList, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._open_asking = open_asking
        self._prices = prices
        self._now = now

    def run(
        self,
        evals: Evals,
        *,
        keep: Callable[[Sequence[Sample]], None],
        done: Mapping[tuple[str, int], Sample],
        failed: Sequence[Sample] = (),
        epochs: range | None = None,
        advisory: Collection[str] = (),
    ) -> Sequence[Sample]:
        """All samples in the order of cases and epochs; new ones without request and response, which ``keep`` got.

        The cap (``evals.max_cost``) is hard, see :class:`~afterpilot.evaluate.budget.Budget`; where it, or the target, does
        not allow to go on, the rest is not asked and says why. Whatever ``keep`` raises ends the run.
        """
        wanted = [(case, epoch) for case in evals.cases for epoch in _numbers(evals, epochs)]
        samples = {(case.id, epoch): done[case.id, epoch] for case, epoch in wanted if (case.id, epoch) in done}
        suite = _Suite(evals, self._costs(evals), Scoring(evals.scorers, advisory), Budget(evals.max_cost))
        suite.already_paid([*samples.values(), *failed])
        pieces = [
            _Piece(case, epoch, suite.scoring.of(case)) for case, epoch in wanted if (case.id, epoch) not in samples
        ]

        def take(group: Sequence[Sample]) -> None:
            keep(group)
            for sample in group:
                samples[sample.case_id, sample.epoch] = _light(sample)

        left, why = self._asked(suite, [piece for piece in pieces if piece.specs], take)
        not_asked = [_not_asked(piece, why) for piece in left]
        not_asked += [_not_asked(piece, "no scorer applies to the case") for piece in pieces if not piece.specs]
        for start in range(0, len(not_asked), _AT_ONCE):
            take(not_asked[start : start + _AT_ONCE])
        return [samples[case.id, epoch] for case, epoch in wanted]

    def estimate(
        self, evals: Evals, *, epochs: range | None = None, typical: Mapping[str, Typical] | None = None
    ) -> Estimate:
        """What a run will take, before it starts; ``typical`` is what cases have taken before, by id."""
        costs, scoring = self._costs(evals), Scoring(evals.scorers)
        return estimate(evals, costs, scoring, epochs=len(_numbers(evals, epochs)), typical=typical)

    def probe(self, evals: Evals) -> Probed:
        """Ask the first case for the shortest answer; never raises for the target's own failure."""
        return probe(evals, self._costs, self._open_asking)

    def rejudge(
        self,
        evals: Evals,
        judge: ScorerSpec,
        answers: Sequence[tuple[str, Case, str]],
        *,
        keep: Callable[[Judgement], None],
    ) -> Sequence[Judgement]:
        """Ask a judge about answers that exist, within ``evals.max_cost``; in the order of the answers."""
        return Rejudging(evals, judge, self._costs(evals), self._open_asking).run(answers, keep=keep)

    def _costs(self, evals: Evals) -> Costs:
        return Costs(evals, self._prices, now=self._now)

    def _asked(
        self, suite: _Suite, pieces: Sequence[_Piece], take: Callable[[Sequence[Sample]], None]
    ) -> tuple[list[_Piece], str]:
        """Ask all that may be asked; what was not, and why."""
        if pieces and (why := suite.costs.unpriced(suite.scoring.all_of(suite.evals.cases))):
            return list(pieces), why
        admission = Admission(pieces, budget=suite.budget, most=suite.most)
        work_through(
            admission,
            suite.sample,
            open_asking=self._open_asking,
            concurrency=suite.evals.concurrency,
            keep=take,
        )
        return admission.left, admission.stopped


class _Suite:
    """One run of a suite, on the loop."""

    def __init__(self, evals: Evals, costs: Costs, scoring: Scoring, budget: Budget) -> None:
        self.evals = evals
        self.costs = costs
        self.scoring = scoring
        self.budget = budget
        self._pass_score = None if evals.pass_score is None else float(evals.pass_score)

    def already_paid(self, samples: Iterable[Sample]) -> None:
        """Count what earlier attempts have spent; where nobody knows how much, the most."""
        cases = {case.id: case for case in self.evals.cases}
        for sample in samples:
            if sample.cost is not None:
                self.budget.spend(sample.cost)
            elif (case := cases.get(sample.case_id)) is not None:
                try:
                    self.budget.spend(self.costs.case(case, self.scoring.of(case)))
                except Unpriced:  # then nothing more is asked at all
                    return

    def most(self, piece: _Piece) -> Decimal:
        """The most that a piece can cost, as far as can be foreseen."""
        piece.most = self.costs.answer(piece.case)
        return piece.most + self.costs.scorers(piece.case, piece.specs)

    async def sample(self, piece: _Piece, asking: Asking, reservation: Reservation) -> Sample:
        """Ask and score one case. What goes wrong in the harness is the sample's error, never a score."""
        case, target = piece.case, self.evals.target
        metered = Metered(asking, self.costs, reservation)
        try:
            reply, cost = await metered.priced(target, case, seed=piece.epoch + 1, most=piece.most)
        except (Unanswered, Refused) as error:
            return self._failed(piece, error)
        except TargetError as error:
            return Sample(case.id, piece.epoch, None, (), error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not be counted against the model
            return Sample(case.id, piece.epoch, None, (), error=f"the harness failed: {type(error).__name__}: {error}")
        return await self._scored(piece, reply, cost, metered)

    async def _scored(self, piece: _Piece, reply: Reply, cost: Decimal | None, metered: Metered) -> Sample:
        scores: tuple[Score, ...] = ()
        error = ""
        try:
            scores = await self.scoring.scores(piece.specs, piece.case, reply, asking=metered, cost=cost)
        except TargetError as trouble:
            error = str(trouble)
        except Exception as trouble:  # noqa: BLE001 - as above
            error = f"a scorer failed: {type(trouble).__name__}: {trouble}"
        for call in metered.calls:
            cost = None if cost is None or call.cost is None else cost + call.cost
        return Sample(
            piece.case.id,
            piece.epoch,
            reply.text,
            scores,
            error=error,
            usage=reply.usage,
            cost=cost,
            latency_ms=reply.latency_ms,
            attempts=reply.attempts,
            request=reply.request,
            response=reply.response,
            tool_calls=reply.tool_calls,
            sources=reply.sources,
            fingerprint=reply.fingerprint,
            calls=tuple(metered.calls),
            pass_score=self._pass_score,
            said_cost=reply.cost,
        )

    def _failed(self, piece: _Piece, error: Unanswered | Refused) -> Sample:
        exchange = error.exchange
        return Sample(
            piece.case.id,
            piece.epoch,
            None,
            (),
            error=str(error),
            usage=exchange.usage,
            cost=self.costs.of_usage(exchange.usage),
            attempts=exchange.attempts,
            request=exchange.request,
            response=exchange.response,
        )


def _numbers(evals: Evals, epochs: range | None) -> range:
    return range(evals.epochs) if epochs is None else epochs


def _not_asked(piece: _Piece, why: str) -> Sample:
    return Sample(piece.case.id, piece.epoch, None, (), error=f"not asked: {why}")


def _light(sample: Sample) -> Sample:
    """Without what was sent and received, which would fill the memory."""
    return dataclasses.replace(sample, request={}, response={}) if sample.request or sample.response else sample
