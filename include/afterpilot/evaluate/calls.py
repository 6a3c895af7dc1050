"""One call with all its attempts: what a status means, when to ask again, and what it took."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from afterpilot.domain.record import Usage
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered, Unreadable, document, no_answer, together
from afterpilot.evaluate.pace import Pace, TooLong
from afterpilot.evaluate.patience import LONGEST_BACK_OFF, Retries, asked_pause, back_off, foreseen_pause
from afterpilot.evaluate.targets.shape import Habits
from afterpilot.evaluate.transport import Failed, Received, Route, Site, TooLarge, Transport, Unusable

ATTEMPTS = 6
BUSY_ATTEMPTS = 30  # where the server says each time when to come again
DEADLINE_SECONDS = 180.0  # for one case, all turns, attempts and pauses together
_OK = frozenset({200, 201})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_BUSY = frozenset({429, 529})
_BAD_REQUEST = 400
_NO_MONEY = b"insufficient_quota"  # it comes as a 429, but no pause mends it
_SAID = 300  # characters of an error body that are repeated

Read = TypeVar("Read")


@dataclass(slots=True)
class Server:
    """One connection's server, and how fast it is asked."""

    site: Site
    pace: Pace


@dataclass(slots=True)
class Call:
    """What is asked of whom. ``kept`` is the request as it is recorded; ``habits`` are None where nothing can be learned."""

    name: str
    server: Server
    route: Route
    request: dict[str, Any]
    kept: dict[str, Any]
    habits: Habits | None


@dataclass(slots=True)
class Effort:
    """What one case has taken so far, over all its turns; ``cost`` is what the endpoint said, None where it left out any."""

    until: float = math.inf
    attempts: int = 0
    latency_ms: int = 0
    usage: Usage | None = None
    cost: Decimal | None = None
    answers: int = 0

    def add(self, usage: Usage | None, latency_ms: int, cost: Decimal | None = None) -> None:
        """An answer came."""
        self.usage = together(self.usage, usage) if self.answers else usage
        before = self.cost if self.answers else Decimal(0)
        self.cost = None if before is None or cost is None else before + cost
        self.latency_ms += latency_ms
        self.answers += 1

    def exchange(self, last: Exchange) -> Exchange:
        """A call that failed, with what the answers before it have cost."""
        if not self.answers:
            return last
        usage = self.usage if self.usage is None or last.usage is None else together(self.usage, last.usage)
        return dataclasses.replace(last, usage=usage, attempts=self.attempts)


class _Again(Exception):
    """This attempt failed in a way that another may mend; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, *, pause: float = 0.0, response: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.response = response or {}


class _Learned(Exception):
    """The model wants to be asked in another way, and will be."""


class Caller:
    """Makes the calls of a whole run; see :class:`~afterpilot.evaluate.client.Client` for its arguments."""

    def __init__(
        self,
        transport: Transport,
        *,
        deadline: float,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._transport = transport
        self._deadline = deadline
        self._now = now
        self._sleep = sleep
        self._retries = Retries()

    async def made(self, call: Call, read: Callable[[dict[str, Any], Received], Read], effort: Effort) -> Read:
        """What ``read`` makes of the reply's JSON; where it raises Unreadable, the call is made again.

        Raises:
            Refused: the server said no for good.
            Unanswered: no usable answer within the attempts and the deadline, or one that was billed and cannot be used.
        """
        self._retries.called()
        payload = _payload(call.request)
        tries = faults = 0
        while True:
            tries += 1
            try:
                received = await self._sent(call, payload, effort, tries)
                return read(self._body(call, received), received)
            except _Learned:
                payload = _payload(call.request)
                continue
            except Refused as failure:
                failure.exchange = effort.exchange(failure.exchange)
                raise
            except Unreadable as failure:
                reason, asked = str(failure), 0.0
                last = dataclasses.replace(failure.exchange, request=call.kept)
                if last.usage is not None:
                    _give_up(call, tries, reason, effort.exchange(last))
            except _Again as failure:
                reason, asked, last = str(failure), failure.pause, Exchange(call.kept, failure.response)
            faults += not asked
            pause = max(asked, back_off(max(1, faults)))
            spent = tries >= BUSY_ATTEMPTS or faults >= ATTEMPTS
            against = "" if spent else self._against(asked, pause, effort)
            if against is not None:
                _give_up(call, tries, reason + against, effort.exchange(last))
            await self._sleep(pause)

    def _against(self, asked: float, pause: float, effort: Effort) -> str | None:
        """What speaks against another attempt after this pause; None where nothing does."""
        if self._now() + pause >= effort.until:
            return f" (and the next attempt would have to wait {pause:.0f} s)" if pause > LONGEST_BACK_OFF else ""
        if not asked and not self._retries.take():
            return " (and the run has used up its retries)"
        return None

    async def _sent(self, call: Call, payload: bytes, effort: Effort, tries: int) -> Received:
        """One attempt, as soon as the server's pace allows it. Tells the pace what came of it."""
        pace = call.server.pace
        try:
            began = await pace.enter(min(self._deadline, effort.until - self._now()))
        except TooLong as error:
            if tries > 1:
                raise _Again(str(error), pause=error.seconds) from error
            raise Unanswered(f"{call.name} was not asked: {error}", effort.exchange(Exchange(call.kept))) from error
        try:
            now = self._now()
            effort.until = min(effort.until, now + self._deadline)
            if now >= effort.until:
                raise _Again("no time is left")
            effort.attempts += 1
            received = await self._posted(call, payload, effort.until - now)
            self._keep_pace(pace, received, began)
        finally:
            pace.leave()
        return received

    async def _posted(self, call: Call, payload: bytes, seconds: float) -> Received:
        try:
            return await self._transport.post(call.route, payload, seconds=seconds)
        except Failed as failure:
            raise _Again(str(failure)) from failure
        except (TooLarge, Unusable) as failure:
            raise Refused(str(failure), Exchange(call.kept)) from failure

    def _keep_pace(self, pace: Pace, received: Received, began: int) -> None:
        """Before anybody else may start: faster, slower, or not at all for a while."""
        if received.status in _OK:
            pace.well()
            pause = foreseen_pause(received.headers)
        elif received.status in _AGAIN and pace.refused():
            if received.status in _BUSY:
                pace.slower(began)
            pause = asked_pause(received.headers)
        else:
            pause = 0.0  # the case that was refused waits by itself
        if pause:
            pace.shut(pause)

    def _body(self, call: Call, received: Received) -> dict[str, Any]:
        """The reply's JSON; raises what any other status than success means."""
        secret, status = call.server.site.secret, received.status
        if status in _OK:
            return document(received.content, secret)
        content = secret.hide_escaped(received.content)
        if status in _AGAIN and _NO_MONEY not in content:
            raise _Again(f"HTTP {status}", pause=asked_pause(received.headers), response=no_answer(status, content))
        if status == _BAD_REQUEST and call.habits is not None and call.habits.learn(call.request, content):
            for request in (call.request, call.kept):
                call.habits.apply(request)
            raise _Learned
        response = no_answer(status, content)
        said = response["body"][:_SAID].strip()
        raise Refused(f"HTTP {status}: {said}" if said else f"HTTP {status}", Exchange(call.kept, response))


def _payload(request: Mapping[str, Any]) -> bytes:
    return json.dumps(request).encode()


def _give_up(call: Call, tries: int, reason: str, last: Exchange) -> NoReturn:
    times = "1 attempt" if tries == 1 else f"{tries} attempts"
    raise Unanswered(f"{call.name} gave no usable answer in {times}: {reason}", last)
