"""Empties the outbox: each letter once, whatever the transport does.

Letters are claimed one by one, so that each is sent under a fresh lease. A letter that an earlier attempt may have posted is
looked for before it is posted again. Editing and finding can be repeated without harm; only a post cannot.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryError,
    DeliveryGone,
    DeliveryRefused,
)
from afterpilot.domain.message import Message
from afterpilot.domain.ports import Letter, Outbox, Posted, Transport

log = logging.getLogger(__name__)

_LOOKS = 2  # a message that is not found twice, two seconds apart, was not posted
_BETWEEN_LOOKS = 2.0
_BACK_OFF = 30.0
_LONGEST = 900.0
_INSTALLATION = 300.0  # until the installation is tried again


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the letters of one sweep. ``blocked`` says what the operator must mend, e.g. a revoked token."""

    sent: int = 0
    deferred: int = 0
    dead: int = 0
    blocked: str = ""


@dataclass(slots=True)
class _Sweep:
    outbox: Outbox
    transport: Transport
    fallback: str
    now: Callable[[], float]
    sleep: Callable[[float], None]
    resting: dict[str, float] = field(default_factory=dict)  # channels that asked to wait, until when
    waiting: set[uuid.UUID] = field(default_factory=set)
    sent: int = 0
    dead: int = 0
    blocked: str = ""


def deliver(
    outbox: Outbox,
    transport: Transport,
    *,
    fallback_channel: str,
    limit: int = 50,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Send up to ``limit`` letters that are due. One bad letter never stops the others.

    Where the transport refuses the installation rather than a letter, the letters stay and ``blocked`` says why.
    """
    sweep = _Sweep(outbox, transport, fallback_channel, now, sleep)
    for _ in range(limit):
        letters = outbox.claim(1)
        if not letters:
            break
        for letter in letters:
            _deliver_one(sweep, letter)
    return Delivered(sweep.sent, len(sweep.waiting), sweep.dead, sweep.blocked)


def _deliver_one(sweep: _Sweep, letter: Letter) -> None:
    if (rest := sweep.resting.get(letter.channel, 0.0) - sweep.now()) > 0:
        _later(sweep, letter, rest, "the channel asked to wait")
        return
    if not sweep.outbox.begin(letter):
        return  # somebody else holds it now
    try:
        posted = _send(letter, sweep.transport, sweep.sleep)
    except DeliveryDeferred as error:
        sweep.resting[letter.channel] = sweep.now() + error.retry_after
        _later(sweep, letter, error.retry_after, str(error))
    except DeliveryRefused as error:
        _bury(sweep, letter, str(error))
    except ConfigurationError as error:
        sweep.blocked = str(error)
        log.error("nothing can be delivered until the installation is mended: %s", error)  # noqa: TRY400 - no fault of ours
        _later(sweep, letter, _INSTALLATION, str(error))
    except DeliveryError as error:
        _later(sweep, letter, _back_off(letter), str(error))
    except Exception as error:
        log.exception("letter %s could not be sent", letter.id)
        _later(sweep, letter, _back_off(letter), f"unexpected: {type(error).__name__}")
    else:
        sweep.outbox.sent(letter, posted, sweep.transport.name)
        sweep.sent += 1
        sweep.waiting.discard(letter.id)


def _send(letter: Letter, transport: Transport, sleep: Callable[[float], None]) -> Posted:
    """Edit the message that stands, or post it unless an earlier attempt has."""
    reference = str(letter.id)
    if letter.stands is not None:
        try:
            standing = transport.update(letter.stands, letter.message, reference=reference)
        except DeliveryGone as error:
            log.info("letter %s: %s; it is posted anew", letter.id, error)
        else:
            _reply(letter, standing, transport, sleep)
            return standing
    if letter.attempted:
        found = _found(transport, letter.channel, reference, letter.created_at, sleep)
        if found is not None:
            return found
    return transport.post(letter.channel, letter.message, reference=reference, picture=letter.picture)


def _reply(letter: Letter, standing: Posted, transport: Transport, sleep: Callable[[float], None]) -> None:
    """Post the thread's line, once. The message itself stands: a thread that takes none is not worth a dead letter."""
    if not letter.thread_text:
        return
    # The edited message carries the letter's own reference, so its reply needs another.
    reference = f"{letter.id}/reply"
    line = Message(
        tone=letter.message.tone,
        title="",
        summary=letter.thread_text,
        notification=letter.thread_text,
        mention=letter.message.mention if letter.kind == "graver" else "",
    )
    try:
        if letter.attempted and _found(
            transport, standing.channel, reference, letter.created_at, sleep, thread=standing.ts
        ):
            return
        transport.post(standing.channel, line, reference=reference, thread=standing.ts)
    except DeliveryRefused as error:
        log.warning("letter %s: no reply in the thread: %s", letter.id, error)


def _found(
    transport: Transport,
    channel: str,
    reference: str,
    since: datetime,
    sleep: Callable[[float], None],
    *,
    thread: str = "",
) -> Posted | None:
    for look in range(_LOOKS):
        if look:
            sleep(_BETWEEN_LOOKS)
        found = transport.find(channel, reference, since, thread=thread)
        if found is not None:
            return found
    return None


def _later(sweep: _Sweep, letter: Letter, seconds: float, error: str) -> None:
    sweep.outbox.later(letter, seconds=max(seconds, 1.0), error=error)
    sweep.waiting.add(letter.id)


def _bury(sweep: _Sweep, letter: Letter, error: str) -> None:
    sweep.outbox.dead(letter, error=error)
    sweep.dead += 1
    if letter.channel == sweep.fallback:
        log.error("letter %s was refused even by the fallback channel: %s", letter.id, error)
    else:
        log.warning("letter %s was refused by %s: %s", letter.id, letter.channel, error)


def _back_off(letter: Letter) -> float:
    """Seconds until the next attempt: 30, 60, 120 ... up to 15 minutes."""
    doublings = min(max(letter.attempts - 1, 0), 10)
    return min(_BACK_OFF * float(2**doublings), _LONGEST)
