"""A stand-in for what asks models: it answers from functions, and knows how many were asked, and how many at once."""

# ruff: noqa: ARG002 - the protocols' own parameters
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import ModelTarget, Target
from afterpilot.evaluate.asking import Embedded

USED = Usage("m", 10, 2)
JUDGED = Usage("j", 20, 5)


def reply(text: str = "yes", usage: Usage | None = USED, **more: Any) -> Reply:
    """A reply of the model."""
    return Reply(text, usage, "m", 5, 1, {"asked": 1}, {"said": text}, **more)


class FakeAsking:
    """Answers ``yes`` unless ``answer`` says otherwise; a judge says that all is well unless ``judge`` says otherwise.

    Each call takes one turn of the event loop, or as long as the function given takes.
    """

    def __init__(
        self,
        answer: Callable[[Case, int], Reply | Awaitable[Reply]] | None = None,
        judge: Callable[[str], Reply] | None = None,
    ) -> None:
        self.asked: list[tuple[str, int]] = []
        self.targets: list[Target] = []
        self.judged: list[tuple[str, int]] = []
        self.embedded: list[tuple[str, ...]] = []
        self.most_at_once = 0
        self.opened = self.closed = 0
        self._answer = answer or (lambda _case, _seed: reply())
        self._judge = judge or (lambda _turns: reply('{"reason": "fine", "score": 1, "passed": true}', JUDGED))
        self._at_once = 0

    def open(self, _concurrency: int) -> AbstractAsyncContextManager[FakeAsking]:
        """As the runner opens it."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[FakeAsking]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    async def answer(self, target: Target, case: Case, *, seed: int) -> Reply:
        """One answer."""
        self.asked.append((case.id, seed))
        self.targets.append(target)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            said = self._answer(case, seed)
            return said if isinstance(said, Reply) else await said
        finally:
            self._at_once -= 1

    async def ask(
        self, target: ModelTarget, turns: Sequence[Message], *, schema: Mapping[str, Any] | None, seed: int
    ) -> Reply:
        """A judge's word."""
        text = "\n".join(turn.content for turn in turns)
        self.judged.append((text, seed))
        await asyncio.sleep(0)
        return self._judge(text)

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:
        """The same vector for every text."""
        self.embedded.append(tuple(texts))
        await asyncio.sleep(0)
        return Embedded(tuple((1.0, 0.0) for _ in texts), Usage(name, 3 * len(texts), 0))


class FakePrices:
    """So much for each token."""

    def __init__(
        self, each: str | None = "0.001", currency: str = "USD", known: tuple[str, ...] = ("m", "j", "e")
    ) -> None:
        self._each, self._currency, self._known = each, currency, known

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:
        """Tokens times the price, or the reason."""
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return PricedUsage(None, "", "fake", "no usage")
        if self._each is None or usage.model not in self._known:
            return PricedUsage(None, "", "fake", f"no price is known for {usage.model}")
        return PricedUsage((usage.input_tokens + usage.output_tokens) * Decimal(self._each), self._currency, "fake")
