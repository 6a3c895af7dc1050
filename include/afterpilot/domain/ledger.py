"""What the ledger holds: entries that are only ever added, each saying who did what to what, and when."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from afterpilot.domain.run import FLEET, Trigger
from afterpilot.domain.storable import storable

ITSELF = "afterpilot"  # the actor of what nobody asked for
_ACTION = re.compile(r"[a-z][a-z_]*:[a-z][a-z_]*:[a-z][a-z_]*")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, or something, whose personal values can be made unreadable for good: a ``person``, or an ``output``.

    The ledger names it by a random id; its name stands apart, and goes when it is erased.
    """

    kind: str
    name: str

    @property
    def digest(self) -> bytes:
        """By which it is found again (SHA-256)."""
        return hashlib.sha256(f"{self.kind}\x00{self.name}".encode()).digest()


def person(name: str) -> Subject:
    """A person by the login or the name that they act under; case and blanks at the ends do not count."""
    return Subject("person", storable(_SPACES.sub(" ", name).strip().casefold()))


def output(workflow: str, key: str) -> Subject:
    """One output of a workflow: what is personal about it belongs to whoever it is about."""
    return Subject("output", storable(f"{workflow}/{key}"))


def output_subject(workflow: str, key: str) -> str:
    """How entries name an output: by a digest, since keys may say who somebody is."""
    whole = f"{workflow}\x00{key}".encode(errors="surrogatepass")
    return f"output:{hashlib.sha256(whole).hexdigest()[:32]}"


def actor_of(trigger: Trigger) -> str:
    """Who started a run: ``airflow:<dag>``, or where it was started (``cli``)."""
    return f"{trigger.origin}:{trigger.dag_id}" if trigger.dag_id else trigger.origin


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal value in a payload: it is sealed under the key of whom it is about, of the acting person unless said."""

    value: Any
    about: Subject | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry before it is written.

    ``action`` is ``source:subject:action``, where the source is the stage or part of Afterpilot that did it. ``subject`` is a
    kind and an id (``run:<uuid>``); ``workflow`` is ``_fleet`` where it concerns no single one. ``payload`` is small: what is
    large stands elsewhere and is named by the SHA-256 of its canonical form.

    Raises:
        ValueError: the action is not of that form, the subject has no kind, or the time is not aware.
    """

    action: str
    subject: str
    at: datetime
    workflow: str = FLEET
    actor: str | Subject = ITSELF
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"{self.action!r} is no action such as check:run:recorded")
        if ":" not in self.subject:
            raise ValueError(f"{self.subject!r} is no subject such as run:<id>")
        if self.at.tzinfo is None:
            raise ValueError("the time of an entry is aware")
