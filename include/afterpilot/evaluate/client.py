"""Asks targets, judges and embedding models over HTTP: patiently, within bounds, and no faster than each server bears."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from afterpilot.domain.connections import Connections, Endpoint
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.prompt import Message
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import JsonTarget, ModelTarget, ScriptedTarget, Target
from afterpilot.evaluate.asking import Embedded
from afterpilot.evaluate.calls import DEADLINE_SECONDS, Call, Caller, Effort, Server
from afterpilot.evaluate.exchange import Exchange, Refused, Secret, Unreadable, no_answer, same_model
from afterpilot.evaluate.pace import Pace
from afterpilot.evaluate.targets import embeddings, shape_of
from afterpilot.evaluate.targets.scripted import scripted
from afterpilot.evaluate.targets.shape import Habits, Said, Shape, Talk, bearer, named, pictures, with_schema
from afterpilot.evaluate.transport import Received, Route, Site, Transport, Unusable

_SHOWN = 100  # characters of a name that a server gave
_VERSIONS = ("openai-version", "x-model-version", "x-model-revision", "x-model-id", "x-deployment-version")
_MOST_ASKERS = 256


@dataclass(slots=True)
class _Asker:
    """What is the same for each case of a target. ``target`` and ``schema`` are held so that their ids stay theirs."""

    target: ModelTarget | JsonTarget
    schema: Mapping[str, Any] | None
    shape: Shape
    server: Server
    route: Route
    habits: Habits | None


class Elsewhere:
    """Connections of which one leads to another address, with that address's own key: the others stay as they are."""

    def __init__(self, connections: Connections, name: str, endpoint: Endpoint) -> None:
        self._connections = connections
        self._name = name
        self._endpoint = endpoint

    def database_url(self, name: str) -> str:
        """As ever."""
        return self._connections.database_url(name)

    def endpoint(self, name: str) -> Endpoint:
        """The other address for the one, as ever for the rest."""
        return self._endpoint if name == self._name else self._connections.endpoint(name)


class Client:
    """Implements :class:`~afterpilot.evaluate.asking.Asking`. Use it as an asynchronous context manager, one for each run.

    Args:
        connections: where the servers are, and their keys; each is looked up when it is first asked.
        concurrency: requests at once for each connection, at most.
        deadline: seconds for one case, all turns, attempts and pauses together, from its first request on.
        transport: how requests are sent, and with which limits.
        now: seconds of a monotonic clock.
        sleep: how to pause.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        concurrency: int,
        deadline: float = DEADLINE_SECONDS,
        transport: Transport | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connections = connections
        self._transport = transport or Transport()
        self._caller = Caller(self._transport, deadline=deadline, now=now, sleep=sleep)
        self._pace: Callable[[], Pace] = lambda: Pace(concurrency, now=now, sleep=sleep)
        self._servers: dict[str, Server] = {}
        self._askers: dict[tuple[int, int], _Asker] = {}
        self._habits: dict[tuple[str, str], Habits] = {}

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def answer(self, target: Target, case: Case, *, seed: int) -> Reply:
        """The target's answer to a case, all its turns played.

        Raises:
            Refused: the server said no for good, another model answered, or the case does not fit the target.
            Unanswered: no usable answer within the attempts and the deadline, or one that cost something and holds no message:
                another attempt would cost as much again, which the run's cap does not know of.
        """
        if isinstance(target, ScriptedTarget):
            return scripted(target, case)
        asker = self._asker(target, None)
        return await self._conversation(asker, case, asker.shape.turns(case), seed)

    async def ask(
        self, target: ModelTarget, turns: Sequence[Message], *, schema: Mapping[str, Any] | None, seed: int
    ) -> Reply:
        """A model's answer to these turns, in the shape of the schema where there is one. Raises as :meth:`answer` does."""
        return await self._conversation(self._asker(target, schema), Case("", {}, {}), turns, seed)

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:
        """The texts as vectors. Raises as :meth:`answer` does."""
        effort = Effort()
        found: list[tuple[float, ...]] = []
        for start in range(0, len(texts), embeddings.MOST_TEXTS):
            found += await self._vectors(connection, name, texts[start : start + embeddings.MOST_TEXTS], effort)
        return Embedded(tuple(found), effort.usage)

    async def _conversation(self, asker: _Asker, case: Case, turns: Sequence[Message], seed: int) -> Reply:
        """Turns of the assistant that are empty, and the one after the last, are the model's."""
        effort = Effort()
        past: list[Message] = []
        pictured = _last_user_turn(turns) if case.images else -1
        reply: Reply | None = None
        for turn in turns:
            if turn.is_gap:
                reply = await self._turn(asker, Talk(case, past, pictured=pictured), seed, effort)
                past.append(Message("assistant", _as_turn(reply)))
            else:
                reply = None
                past.append(turn)
        return reply or await self._turn(asker, Talk(case, past, pictured=pictured), seed, effort)

    async def _turn(self, asker: _Asker, talk: Talk, seed: int, effort: Effort) -> Reply:
        images, shape = talk.case.images, asker.shape
        sent = dataclasses.replace(talk, pictures=pictures(images)) if images else talk
        request = shape.request(sent, seed=seed)
        kept = shape.request(dataclasses.replace(talk, pictures=named(images)), seed=seed) if images else request
        if asker.habits is not None:
            asker.habits.apply(request)
            asker.habits.apply(kept)
        call = Call(shape.name, asker.server, asker.route, request, kept, asker.habits)
        return await self._caller.made(call, lambda body, got: _reply(shape, call, body, got, effort), effort)

    async def _vectors(self, connection: str, name: str, texts: Sequence[str], effort: Effort) -> embeddings.Vectors:
        server = self._server(connection)
        request = embeddings.request(name, texts)
        route = server.site.route(embeddings.PATH, bearer(server.site.key))
        call = Call(name, server, route, request, request, None)

        def read(body: dict[str, Any], received: Received) -> embeddings.Vectors:
            answered = str(body.get("model") or name)
            usage = embeddings.usage(answered, body)
            _check_model(call, answered, Exchange(request, {}, usage, effort.attempts))
            vectors = embeddings.vectors(body, len(texts))
            if vectors is None:
                raise Unreadable("the reply does not hold one vector for each text", Exchange(request, {}, usage))
            effort.add(usage, received.latency_ms)
            return vectors

        return await self._caller.made(call, read, effort)

    def _asker(self, target: ModelTarget | JsonTarget, schema: Mapping[str, Any] | None) -> _Asker:
        """The target's, prepared once. Raises Refused where the target cannot be asked at all."""
        key = id(target), id(schema)
        if (asker := self._askers.get(key)) is not None:
            return asker
        wanted = with_schema(target, schema) if isinstance(target, ModelTarget) and schema is not None else target
        shape, server = shape_of(wanted), self._server(target.connection)
        habits = None
        if isinstance(target, ModelTarget):
            habits = self._habits.setdefault((target.connection, target.name), Habits())
        route = server.site.route(shape.path, shape.headers(server.site.key))
        if len(self._askers) >= _MOST_ASKERS:
            self._askers.pop(next(iter(self._askers)))
        self._askers[key] = asker = _Asker(target, schema, shape, server, route, habits)
        return asker

    def _server(self, connection: str) -> Server:
        """The connection's server, looked up once."""
        if (server := self._servers.get(connection)) is not None:
            return server
        try:
            site = Site(self._connections.endpoint(connection))
        except (ConfigurationError, Unusable) as error:
            raise Refused(str(error), Exchange()) from error
        except OSError as error:
            raise Refused("the certificates that the environment names cannot be read", Exchange()) from error
        self._servers[connection] = server = Server(site, self._pace())
        return server


def _reply(shape: Shape, call: Call, body: dict[str, Any], received: Received, effort: Effort) -> Reply:
    """The answer that a reply's JSON holds.

    Raises:
        Unreadable: there is no message in it; its usage is kept as well.
        Refused: another model answered than the one that was asked; its usage is kept, for it will be on the bill.
    """
    said = shape.read(body)
    _check_model(call, said.model, Exchange(call.kept, body, said.usage, effort.attempts))
    if said.text is None:
        kept = no_answer(received.status, json.dumps(body, ensure_ascii=False).encode())
        raise Unreadable(said.flaw, Exchange(call.kept, kept, said.usage, effort.attempts if said.usage else 0))
    effort.add(said.usage, received.latency_ms, said.cost)
    return Reply(
        text=said.text,
        usage=effort.usage,
        model=said.model,
        latency_ms=effort.latency_ms,
        attempts=effort.attempts,
        request=call.kept,
        response=body,
        tool_calls=said.tool_calls,
        sources=said.sources,
        fingerprint=_fingerprint(said, received.headers, call.server.site.secret),
        cost=effort.cost,
        first_byte_ms=received.first_byte_ms,
        stopped=said.stopped,
    )


def _check_model(call: Call, answered: str, exchange: Exchange) -> None:
    if not same_model(call.name, answered):
        reason = f"another model answered: {answered[:_SHOWN]} instead of {call.name}"
        raise Refused(reason, exchange)


def _fingerprint(said: Said, headers: Mapping[str, str], secret: Secret) -> dict[str, str]:
    """What answered, as far as the reply tells."""
    found = {"model": said.model}
    if said.system:
        found["system_fingerprint"] = said.system
    for name in _VERSIONS:
        if (value := headers.get(name)) is not None:
            found[name] = secret.hide_in(storable(value))[:_SHOWN]
    return found


def _last_user_turn(turns: Sequence[Message]) -> int:
    """Before the first answer of the model."""
    end = next((place for place, turn in enumerate(turns) if turn.is_gap), len(turns))
    return max((place for place, turn in enumerate(turns[:end]) if turn.role == "user"), default=-1)


def _as_turn(reply: Reply) -> str:
    """An answer as a turn of the conversation; APIs take no empty one, so a call stands there in words."""
    calls = ({"name": call.name, "arguments": call.arguments} for call in reply.tool_calls)
    return reply.text or "\n".join(json.dumps(call, ensure_ascii=False) for call in calls) or "…"
