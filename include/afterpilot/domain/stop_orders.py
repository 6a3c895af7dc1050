"""Orders to stop a workflow, or to let it go on, for systems that have to be told; and what became of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from afterpilot.domain.spend import Stop

LEASE = timedelta(minutes=2)  # longer than one order may take: see Stopper.perform
OVERDUE = timedelta(minutes=5)  # money is being spent meanwhile

Action = Literal["stop", "resume"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a gateway itself is to hold: US dollars in each day, week or month of its own calendar."""

    limit: Decimal
    every: str


@dataclass(frozen=True, slots=True)
class StopOrder:
    """One order. ``id`` is the same for each attempt, and for no other order. ``models``: those alone are to stop; empty: all.

    Where its target says ``budget`` it is about the gateway's own budget: to stop at ``budget``, or to have none any more.
    """

    id: uuid.UUID
    workflow: str
    action: Action
    target: Stop
    reason: str
    created_at: datetime
    until: datetime | None = None
    models: tuple[str, ...] = ()
    budget: Budget | None = None
    attempts: int = 0
    lease: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of one attempt.

    ``later``: tried again, after ``wait`` seconds where the other side asked for that. ``refused``: tried again too, but
    somebody has to mend something first. ``error`` says why, in plain words, without secrets.
    """

    order: StopOrder
    state: Literal["done", "later", "refused"]
    error: str = ""
    wait: float | None = None


class Stopper(Protocol):
    """Tells gateways and production to stop or to go on; to be told twice does them no harm."""

    def perform(self, order: StopOrder) -> Carried:
        """One attempt, well within :data:`LEASE`; never raises for what the other side does."""
        ...


@dataclass(frozen=True, slots=True)
class StopTrouble:
    """The oldest order of a workflow that is not carried out and should be: overdue, or refused."""

    order: StopOrder
    error: str
    refused: bool
