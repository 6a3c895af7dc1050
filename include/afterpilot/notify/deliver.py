"""Empties the outbox: each letter once, whatever the transports do.

Several threads work on letters of different lanes. A letter that an earlier attempt may have posted is looked for before it is
posted again. An attempt posts at most once: the message first, and when its lane has rested its details in its thread, under a
reference of their own. Editing and finding can be repeated without harm; only a post cannot.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from afterpilot.domain.delivery import UNEXPECTED, Letter, Outbox, Posted, Transport
from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryError,
    DeliveryGone,
    DeliveryNeedless,
    DeliveryRefused,
    DeliveryUnreachable,
)
from afterpilot.domain.message import Message

log = logging.getLogger(__name__)

THREADS = 8
BUDGET = 55.0  # seconds: a sweep every minute
SHORT_WAIT = 5.0  # seconds that a sweep stays for what cannot be sent yet; what takes longer is for the next one
_LOOKS = 2  # a message that is not found twice, two seconds apart, was not posted
_BETWEEN_LOOKS = 2.0
_REPLY = "reply"  # the part of a letter that stands in the thread of what it edits
_CALLS = {"graver", "reopened", "escalated", "waiver_over", "silence_over"}  # somebody, in the thread
_INSTALLATION = 45.0  # until the installation is tried again, so that each sweep says that it must be mended
_TIDY_EVERY = 2.0
_LONGEST_SLEEP, _SHORTEST_SLEEP = 0.5, 0.01


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the letters of one sweep. ``blocked`` says what the operator must mend, e.g. a revoked token."""

    sent: int = 0
    deferred: int = 0
    dead: int = 0
    blocked: str = ""


class _OutboxAwayError(Exception):
    """The outbox could not be written to: as a rule the database is away. The letter keeps its lease until that is over."""


class _LeaseLostError(Exception):
    """Somebody else has the letter now, or its target has to wait: nothing may be sent."""


@dataclass(slots=True)
class _Sweep:
    outbox: Outbox
    transports: Mapping[str, Transport]
    sleep: Callable[[float], None]
    waiting: set[uuid.UUID] = field(default_factory=set)
    sent: int = 0
    dead: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def deliver(
    outbox: Outbox,
    transports: Mapping[str, Transport],
    *,
    threads: int = THREADS,
    budget: float = BUDGET,
    longest_wait: float = SHORT_WAIT,
    stop: threading.Event | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Send what is due, until nothing is due within ``longest_wait`` seconds, ``budget`` seconds are over, or ``stop`` is set.

    ``transports`` are by the name of the target. One bad letter never stops the others; letters under way are finished in
    any case. Where a transport refuses the installation rather than a letter, the letters stay and ``blocked`` says why, also where
    an earlier sweep has found it and it was not tried again since.
    """
    sweep = _Sweep(outbox, transports, sleep)
    end, tidied = now() + budget, float("-inf")
    busy: set[Future[None]] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="deliver") as pool:
        while now() < end and not (stop and stop.is_set()):
            if now() - tidied >= _TIDY_EVERY:
                outbox.tidy()
                tidied = now()
            letters = outbox.claim(threads - len(busy)) if len(busy) < threads else ()
            busy |= {pool.submit(_deliver_one, sweep, letter) for letter in letters}
            if busy:
                busy = _unfinished(busy)
            elif (due := outbox.due_in()) is None or due > min(longest_wait, end - now()):
                break
            else:
                tidied = float("-inf") if due <= 0 else tidied  # it may be the first letter to its place
                sleep(min(max(due, _SHORTEST_SLEEP), _LONGEST_SLEEP))
        while busy:
            busy = _unfinished(busy)
    return Delivered(sweep.sent, len(sweep.waiting), sweep.dead, outbox.to_mend())


def _unfinished(busy: set[Future[None]]) -> set[Future[None]]:
    """Wait a moment for some to end; what broke one for good is raised here."""
    done, rest = wait(busy, timeout=_LONGEST_SLEEP / 2, return_when=FIRST_COMPLETED)
    for one in done:
        one.result()
    return rest


def _deliver_one(sweep: _Sweep, letter: Letter) -> None:
    try:
        transport = _transport_of(sweep, letter)
        stands = _Attempt(sweep, letter, transport).send()
    except _LeaseLostError:
        sweep.outbox.put_back(letter)
    except _OutboxAwayError as error:
        raise error.__cause__ or error from None
    except DeliveryNeedless as error:
        sweep.outbox.needless(letter, why=str(error))
    except DeliveryDeferred as error:
        _noted(sweep, letter)
        sweep.outbox.asked_to_wait(
            letter, seconds=max(error.retry_after, 1.0), everywhere=error.everywhere, error=str(error)
        )
    except DeliveryRefused as error:
        _bury(sweep, letter, str(error))
    except ConfigurationError as error:
        _noted(sweep, letter)
        log.error("nothing can be delivered to %s until the installation is mended: %s", letter.target, error)  # noqa: TRY400 - no fault of ours
        sweep.outbox.blocked(letter, seconds=_INSTALLATION, error=str(error))
    except DeliveryError as error:
        _noted(sweep, letter)
        sweep.outbox.failed(letter, error=str(error), unsent=isinstance(error, DeliveryUnreachable))
    except Exception as error:
        log.exception("letter %s could not be made or sent", letter.id)
        _noted(sweep, letter)
        sweep.outbox.broken(letter, error=f"{UNEXPECTED}{type(error).__name__}")
    else:
        _done(sweep, letter, transport, stands)


def _transport_of(sweep: _Sweep, letter: Letter) -> Transport:
    if letter.unreadable:
        raise DeliveryRefused(letter.unreadable)
    try:
        return sweep.transports[letter.target]
    except KeyError:
        raise DeliveryRefused(f"no target is called {letter.target!r}: see `targets` in _fleet.yaml") from None


def _done(sweep: _Sweep, letter: Letter, transport: Transport, stands: _Stands) -> None:
    if stands.details_missing:
        sweep.outbox.part(letter, stands.at, transport.name, pace=transport.pace)
        return
    sweep.outbox.sent(letter, stands.at, transport.name, pace=transport.pace)
    with sweep.lock:
        sweep.sent += 1
        sweep.waiting.discard(letter.id)


@dataclass(frozen=True, slots=True)
class _Stands:
    """Where a message stands now, and whether its details are still to come."""

    at: Posted
    details_missing: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at one letter."""

    sweep: _Sweep
    letter: Letter
    transport: Transport

    def send(self) -> _Stands:
        """Edit the message that stands, or post it unless an earlier attempt has, or post its details."""
        letter, transport = self.letter, self.transport
        if letter.posted is not None:
            self._in_thread(letter.posted, letter.message, "details", picture=letter.picture)
            return _Stands(letter.posted)
        if letter.stands is not None:
            self._begin()
            try:
                standing = transport.update(letter.stands, letter.message, reference=str(letter.id))
            except DeliveryGone as error:
                log.info("letter %s: %s; it is posted anew", letter.id, error)
            else:
                self._add_line(standing)
                return _Stands(standing)
        in_thread = transport.threads and bool(letter.message.details)
        if letter.attempted and (found := self._found(letter.channel, str(letter.id))) is not None:
            return _Stands(found, in_thread)
        self._begin()
        picture = None if in_thread else letter.picture
        posted = transport.post(letter.channel, letter.message, reference=str(letter.id), picture=picture)
        return _Stands(posted, in_thread)

    def _add_line(self, standing: Posted) -> None:
        """The thread's line about the edit: an edit alone notifies nobody."""
        letter = self.letter
        if not letter.thread_text or not self.transport.threads:
            return
        called = letter.message.mention if letter.kind in _CALLS else ""
        text = letter.thread_text
        line = Message(tone=letter.message.tone, title="", summary=text, notification=text, mention=called)
        self._in_thread(standing, line, _REPLY)

    def _in_thread(self, root: Posted, message: Message, part: str, *, picture: bytes | None = None) -> None:
        """Post it in the thread, once. The message itself stands: a thread that takes none is not worth a dead letter, unless the line
        calls somebody, whom the edit alone does not reach.
        """
        letter = self.letter
        reference = f"{letter.id}/{part}"  # the message in the channel carries the letter's own
        try:
            if letter.attempted and self._found(root.channel, reference, thread=root.ts):
                return
            self._begin()
            self.transport.post(root.channel, message, reference=reference, thread=root.ts, picture=picture)
        except DeliveryRefused as error:
            if part == _REPLY and letter.kind in _CALLS:
                raise
            log.warning("letter %s: no %s in the thread: %s", letter.id, part, error)

    def _found(self, channel: str, reference: str, *, thread: str = "") -> Posted | None:
        for look in range(_LOOKS):
            if look:
                self.sweep.sleep(_BETWEEN_LOOKS)
            self._begin()  # a look is a request too: none while all of the target has to wait
            found = self.transport.find(channel, reference, self.letter.created_at, thread=thread)
            if found is not None:
                return found
        return None

    def _begin(self) -> None:
        try:
            ours = self.sweep.outbox.begin(self.letter)
        except Exception as error:
            raise _OutboxAwayError from error
        if not ours:
            raise _LeaseLostError


def _noted(sweep: _Sweep, letter: Letter) -> None:
    with sweep.lock:
        sweep.waiting.add(letter.id)


def _bury(sweep: _Sweep, letter: Letter, error: str) -> None:
    sweep.outbox.dead(letter, error=error)
    with sweep.lock:
        sweep.dead += 1
        sweep.waiting.discard(letter.id)
    log.warning("letter %s was refused by %s, %s: %s", letter.id, letter.target, letter.channel, error)
