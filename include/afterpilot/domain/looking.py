"""What a source looks like beside its rows, so that one that misbehaves is noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol, runtime_checkable

from afterpilot.domain.window import Window

AHEAD = timedelta(minutes=10)  # that a clock of production may be ahead of ours


@dataclass(frozen=True, slots=True)
class Columns:
    """The declared columns as the source has them: ``types`` by name (``number``, ``text``, ``time with time zone`` …), and
    ``missing``: those that are not there, each with what is there instead, in words.
    """

    types: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of a source as they lie in time.

    Args:
        days: rows by UTC day within the window that was asked for.
        newest: the newest time that is not ahead of our clock, None where there is no row.
        ahead: rows whose time lies ahead of our clock by more than :data:`AHEAD`; ``furthest`` is the last of them.
    """

    days: Mapping[date, int]
    newest: datetime | None
    ahead: int = 0
    furthest: datetime | None = None


@runtime_checkable
class Looked(Protocol):
    """A source that can be looked at without reading its rows. Each method raises SourceError."""

    def columns(self) -> Columns:
        """Which of the declared columns there are, and of which type."""
        ...

    def counted(self, window: Window, *, now: datetime) -> Counted:
        """The rows of the window by day, and the newest of all."""
        ...

    def keys(self, window: Window) -> Iterator[str]:
        """The keys of the window's rows, in no order."""
        ...

    def elsewhere(self, keys: Sequence[str]) -> frozenset[str]:
        """Which of these keys the source has, at whatever time."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that cannot be looked at beside its rows, and remembers what it has given."""

    def given(self, window: Window) -> Mapping[date, int] | None:
        """The records by UTC day that a window held when it was read to its end; None where it was not."""
        ...

    def keys(self, window: Window) -> Iterator[str]:
        """The keys of the window's records, in no order, read anew. Raises SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """A column's type at the source when it was declared as ``declared`` (``number``, ``text`` …)."""

    type: str
    declared: str


@dataclass(frozen=True, slots=True)
class LostColumn:
    """A declared column that the source has no longer: rows lack it from ``since`` on; ``instead`` says what there is."""

    name: str
    since: datetime
    instead: str = ""


@dataclass(frozen=True, slots=True)
class ChangedType:
    """A column of another type than when it was declared so."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Vanished:
    """A day whose rows are fewer at the source than on record; ``keys`` names up to twenty of the ``gone`` ones."""

    day: date
    on_record: int
    gone: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was noticed about a source in one pull. ``looked`` says whether it could be looked at at all.

    ``before`` is the newest time that was ever seen and ``newest`` the one now, set where time went back; ``clock`` is how
    far our own clock stands behind what was pulled already.
    """

    looked: bool = False
    lost: tuple[LostColumn, ...] = ()
    changed: tuple[ChangedType, ...] = ()
    vanished: tuple[Vanished, ...] = ()
    before: datetime | None = None
    newest: datetime | None = None
    went_back: bool = False
    ahead: int = 0
    furthest: datetime | None = None
    clock: timedelta = timedelta(0)
