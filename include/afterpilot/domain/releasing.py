"""What is to be done in production about a decision on an output, and what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from afterpilot.domain.review import Release
from afterpilot.domain.workflow import Workflow

LEASE = timedelta(minutes=2)  # longer than any batch may take: see Releaser.batch

State = Literal["done", "later", "refused", "failed", "overtaken"]


def reaches_production(release: Release | None, *, released: bool) -> bool:
    """Whether a decision is to be told to production: not where it reads the view, nor what is held where no word for that
    was declared.
    """
    if release is None:
        return False
    if release.column is not None:
        return released or bool(release.column.held)
    return release.call_back is not None and (released or bool(release.call_back.held))


@dataclass(frozen=True, slots=True)
class Effect:
    """A decision that production is to learn of. ``number`` counts the decisions on this output, from 1.

    ``unsure``: an earlier attempt may have got through without anybody noting it.
    """

    workflow: str
    key: str
    number: int
    at: datetime
    data_md5: str
    released: bool
    reason: str
    decided_at: datetime
    attempts: int
    lease: uuid.UUID
    unsure: bool = False

    @property
    def reference(self) -> str:
        """The same for each attempt at this effect, and for no other effect."""
        return f"{self.workflow}/{self.key}/{self.data_md5}/{self.number}"


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of one attempt.

    ``later``: tried again, after ``wait`` seconds where the other side asked for that. ``refused``: tried again too, but
    somebody has to mend something first (a right, a table, a token). ``failed``: this one is never taken. ``overtaken``:
    production had moved the output on meanwhile, and was left alone. ``error`` says why, in plain words, without secrets.
    ``unsure``: it may have got through all the same.
    """

    effect: Effect
    state: State
    error: str = ""
    wait: float | None = None
    unsure: bool = False


class Releaser(Protocol):
    """Tells production of decisions; to be told twice does it no harm."""

    def batch(self, workflow: Workflow) -> int:
        """How many effects it may be given at once so that it is done well within :data:`LEASE`."""
        ...

    def perform(self, workflow: Workflow, effects: Sequence[Effect]) -> Sequence[Performed]:
        """One outcome for each effect, in any order; never raises for what the other side does."""
        ...


@dataclass(frozen=True, slots=True)
class Trouble:
    """How many effects of one kind did not reach production, the oldest decision among them, and a few by name."""

    kind: Literal["waiting", "refused", "failed", "overtaken"]
    outputs: int
    since: datetime
    error: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How the releases of a workflow stand: ``pending`` still to be done, and what is in trouble."""

    pending: int = 0
    troubles: tuple[Trouble, ...] = ()
