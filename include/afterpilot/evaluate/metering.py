"""What scorers ask models, within the run's cap and on its bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from afterpilot.domain.evals import Call, Case, Reply
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget, Target
from afterpilot.evaluate.asking import Asking, Embedded
from afterpilot.evaluate.budget import Reservation
from afterpilot.evaluate.costs import Costs
from afterpilot.evaluate.exchange import Refused, Unanswered

_NOTHING = Decimal(0)
_FREE: Mapping[str, str] = {}


class Metered:
    """Asks like the :class:`~afterpilot.evaluate.asking.Asking` below it, for one case.

    Each call of a scorer begins only if its most can be reserved, and stands in ``calls`` with what it used, also where it
    or the scorer failed afterwards. ``fingerprint`` is of the last model that answered a scorer.
    """

    def __init__(self, asking: Asking, costs: Costs, reservation: Reservation) -> None:
        self._asking = asking
        self._costs = costs
        self._reservation = reservation
        self.calls: list[Call] = []
        self.fingerprint: Mapping[str, str] = _FREE

    async def answer(self, target: Target, case: Case, *, seed: int) -> Reply:
        """Of the suite's own target; raises as below, Capped and Unpriced."""
        return (await self.priced(target, case, seed=seed, most=self._costs.answer(case)))[0]

    async def priced(self, target: Target, case: Case, *, seed: int, most: Decimal) -> tuple[Reply, Decimal | None]:
        """The answer of the suite's own target, and what it cost; ``most`` is what it can cost. Raises as below, and Capped."""
        await self._reservation.begin(most)
        cost: Decimal | None = _NOTHING
        try:
            reply = await self._asking.answer(target, case, seed=seed)
            cost = self._costs.of_reply(target, reply)
        except (Unanswered, Refused) as error:
            if error.exchange.attempts:
                cost = self._costs.of_usage(error.exchange.usage)
            raise
        finally:
            self._reservation.end(most, cost)
        return reply, cost

    async def ask(
        self, target: ModelTarget, turns: Sequence[Message], *, schema: Mapping[str, Any] | None, seed: int
    ) -> Reply:
        """A judge's answer; raises as below, Capped and Unpriced."""
        most = self._costs.turns(target, turns, schema)
        await self._reservation.begin(most)
        cost: Decimal | None = _NOTHING
        try:
            reply = await self._asking.ask(target, turns, schema=schema, seed=seed)
            cost = self._called("judge", reply.usage)
        except (Unanswered, Refused) as error:
            if error.exchange.attempts:
                cost = self._called("judge", error.exchange.usage)
            raise
        finally:
            self._reservation.end(most, cost)
        self.fingerprint = reply.fingerprint
        return reply

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:
        """The texts as vectors; raises as below, Capped and Unpriced."""
        most = self._costs.texts(name, texts)
        await self._reservation.begin(most)
        cost: Decimal | None = _NOTHING
        try:
            embedded = await self._asking.embed(connection, name, texts)
            cost = self._called("embedding", embedded.usage)
        except (Unanswered, Refused) as error:
            if error.exchange.attempts:
                cost = self._called("embedding", error.exchange.usage)
            raise
        finally:
            self._reservation.end(most, cost)
        return embedded

    def _called(self, purpose: str, usage: Usage | None) -> Decimal | None:
        cost = self._costs.of_usage(usage)
        self.calls.append(Call(purpose, usage, cost))
        return cost
