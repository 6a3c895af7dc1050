"""The model client as tests use it: one run of the event loop for each question, and a clock whose pauses only pass on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.workflow import Target
from afterpilot.evaluate.client import Client
from doubles.model import KEY, ModelDouble

Found = TypeVar("Found")


class Named:
    """Connections by name; whatever has none is the one given."""

    def __init__(self, endpoint: Endpoint | None = None, **named: Endpoint) -> None:
        self._endpoint = endpoint
        self._named = named

    def database_url(self, name: str) -> str:
        """None here."""
        raise ConfigurationError(f"there is no connection {name}")

    def endpoint(self, name: str) -> Endpoint:
        """As given."""
        found = self._named.get(name, self._endpoint)
        if found is None:
            raise ConfigurationError(f"there is no connection {name}")
        return found


class Clock:
    """The real one, but a pause takes no time: it is noted and passes on this clock alone."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._skipped = 0.0

    def now(self) -> float:
        """Seconds."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Note it, and let others run."""
        self.pauses.append(seconds)
        self._skipped += seconds
        await asyncio.sleep(0)


def run(
    endpoint: Endpoint | ModelDouble | Named,
    work: Callable[[Client], Awaitable[Found]],
    *,
    clock: Clock | None = None,
    concurrency: int = 8,
    **options: Any,
) -> Found:
    """What the work brings, with a client that is opened for it and closed after it."""
    if isinstance(endpoint, ModelDouble):
        endpoint = Endpoint(endpoint.url, KEY)
    connections = endpoint if isinstance(endpoint, Named) else Named(endpoint)
    if clock is not None:
        options |= {"now": clock.now, "sleep": clock.sleep}

    async def opened() -> Found:
        async with Client(connections, concurrency=concurrency, **options) as client:
            return await work(client)

    return asyncio.run(opened())


def answer(endpoint: Endpoint | ModelDouble | Named, target: Target, case: Case, **options: Any) -> Reply:
    """The answer to one case."""
    return run(endpoint, lambda client: client.answer(target, case, seed=1), **options)


def answers(
    endpoint: Endpoint | ModelDouble | Named, target: Target, cases: Sequence[Case], **options: Any
) -> list[Reply]:
    """The answers to cases that are all asked at once."""

    async def all_of_them(client: Client) -> list[Reply]:
        asked: list[Coroutine[Any, Any, Reply]] = [client.answer(target, case, seed=1) for case in cases]
        return list(await asyncio.gather(*asked))

    return run(endpoint, all_of_them, **options)
