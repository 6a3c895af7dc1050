"""What delivers messages: the outbox that holds them as letters, and the transports that put them in front of people.

:mod:`afterpilot.notify.deliver` brings both together; :mod:`afterpilot.record.alerts.delivery` is the outbox in the ops database.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from afterpilot.domain.message import Message


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands now: the transport's channel id and time stamp (Slack's ``ts``). ``answer`` is what the other side
    said to it in words of its own, where it says any.
    """

    channel: str
    ts: str
    answer: str = field(default="", compare=False)


class Transport(Protocol):
    """Puts messages in front of people.

    Every method raises ConfigurationError where the installation must be mended first (a revoked token, a missing right):
    that is no fault of the message.
    ``pace`` is how many seconds lie between two posts to one place. ``threads``: a post takes replies, and details go there.
    """

    name: str
    pace: float
    threads: bool

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post it; in a thread, of a message with details, those. ``reference`` is an opaque id that :meth:`find` can find
        again. Raises DeliveryError.
        """
        ...

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Replace a message that stands. Raises DeliveryError; DeliveryGone where it does not stand any more, DeliveryNeedless where
        the place knows no edits and this one is not worth a message of its own.
        """
        ...

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Look whether a message with that reference was posted already, in the channel or in a thread.

        Raises DeliveryError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in the outbox that this process holds the lease of.

    ``target`` names the declared target that it goes to (``slack``: the workspace), ``channel`` the place there. ``stands`` is set
    where the incident's message stands already: then that one is edited (``message`` replaces it), and ``thread_text``, if any,
    is posted in its thread. ``posted`` is set where this letter's own message stands already, and its details in the thread
    are all that is missing. ``attempted`` says that an earlier attempt may have got through. ``unreadable`` says why its message
    cannot be read, if it cannot; ``message`` then says so in its place.
    """

    id: uuid.UUID
    lease: uuid.UUID
    kind: str
    channel: str
    message: Message
    created_at: datetime
    attempts: int
    attempted: bool
    target: str = "slack"
    incident_id: uuid.UUID | None = None
    stands: Posted | None = None
    posted: Posted | None = None
    thread_text: str = ""
    picture: bytes | None = None
    unreadable: str = ""


UNEXPECTED = "unexpected: "  # how the error of a letter begins that our own code could not make or send


class Outbox(Protocol):
    """The queue of messages, in the ops database. Each place (a channel of a target) is a lane that one sender at a time is on."""

    def tidy(self) -> None:
        """Open lanes to places that are new, and drop older edits that newer ones of the same incident make needless."""
        ...

    def claim(self, limit: int) -> Sequence[Letter]:
        """Lease up to ``limit`` letters that are due, gravest and oldest first, each with a free lane, which it takes."""
        ...

    def due_in(self) -> float | None:
        """In how many seconds the next letter is due and its lane free; 0 or less: now. None where no letter waits."""
        ...

    def to_mend(self) -> str:
        """What somebody must mend before the letters of some target can go out; empty where nothing is known."""
        ...

    def blocked(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Give it back unsent: nothing goes to its target until somebody has mended this. One is tried again after so long."""
        ...

    def begin(self, letter: Letter) -> bool:
        """Note that a post begins, and renew the lease; False where the lease was lost, or everything of the target has
        to wait meanwhile, and then nothing may be sent.
        """
        ...

    def put_back(self, letter: Letter) -> None:
        """Nothing was done about it; a lease that was lost stays with who has it."""
        ...

    def part(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note where its message stands; its details are due when the place has rested for ``pace`` seconds."""
        ...

    def sent(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note where it stands now. The place rests for ``pace`` seconds."""
        ...

    def asked_to_wait(self, letter: Letter, *, seconds: float, everywhere: bool, error: str) -> None:
        """Give it back unsent: its place, or everything of its target, takes nothing for so long."""
        ...

    def failed(self, letter: Letter, *, error: str, unsent: bool) -> None:
        """Give it back, to be tried again after a while, longer each time. Where several fail in a row, all of the target wait."""
        ...

    def broken(self, letter: Letter, *, error: str) -> None:
        """Give it back, to be tried again ever more rarely: our own code could not make or send it, and its target is not to blame."""
        ...

    def needless(self, letter: Letter, *, why: str) -> None:
        """It need not be sent there: keep it as superseded, and why."""
        ...

    def dead(self, letter: Letter, *, error: str) -> None:
        """It cannot be delivered there: keep it as dead."""
        ...
