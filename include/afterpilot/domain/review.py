"""What a team declares on the way of an output into use: release, review by people, spot checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

DECISIONS = ("accepted", "corrected", "rejected")


@dataclass(frozen=True, slots=True)
class StatusColumn:
    """A passing output is released by a word in its own row at the source: ``column`` goes from ``waiting`` to ``released``,
    or to ``held``. A row with any other word was moved on by production, and is left alone.
    """

    table: str
    key: str
    column: str
    released: str
    held: str = ""  # written for one that goes to a person; empty leaves the row alone
    waiting: str = "waiting"  # empty: the column is NULL or empty


@dataclass(frozen=True, slots=True)
class CallBack:
    """A passing output is released by one POST for each; the receiver tells a repetition by the ``Idempotency-Key`` header.

    ``held`` is the path for one that goes to a person; empty calls nobody.
    """

    connection: str
    path: str
    held: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """How a decision reaches production, exactly once: a status column, a call-back, or a view of released keys.

    The view is one of the ops database (``released_outputs``), which the production system reads; it needs nothing here.
    """

    connection: str = ""  # of the status column; the source's own unless said
    column: StatusColumn | None = None
    call_back: CallBack | None = None


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Where a decision of the review queue goes at the source: one new row in ``table`` for each decision.

    ``columns`` is column → what is written there: ``key``, ``decision``, ``reason``, ``reviewer``, ``decided_at``, ``minutes``,
    ``corrected.FIELD`` (what a correction says, else nothing) or ``final.FIELD`` (what stands after the decision). ``words`` is
    our word (accepted, corrected, rejected) → theirs; a decision without one cannot be made. Empty: our own words.
    """

    table: str
    columns: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)
    connection: str = ""  # the source's own unless said


@dataclass(frozen=True, slots=True)
class Review:
    """How people look at what was routed to them.

    ``source_field`` is the field with the text that the output was made from, shown beside it; ``fields`` are those that a
    reviewer may correct, in their order. ``reading_speed`` is in words a minute: who accepts faster has not read it.
    """

    source_field: str = ""
    fields: tuple[str, ...] = ()
    due_within: timedelta = timedelta(hours=24)
    reservation: timedelta = timedelta(minutes=15)
    write_back: WriteBack | None = None
    reading_speed: int = 600

    @property
    def decisions(self) -> tuple[str, ...]:
        """The decisions that a reviewer may make: those that the source has a word for."""
        words = self.write_back.words if self.write_back else {}
        return tuple(word for word in DECISIONS if not words or word in words)


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """Which of the outputs that were released alone a person looks at all the same, in each period.

    Either a fixed ``share`` (0 to 1), or as many as the ``precision`` asks for: the half-width of the 95 % interval of the
    error rate (0 to 1), at most. ``by`` is the field whose values are the strata; empty: one stratum.
    """

    share: Decimal = Decimal("0.05")
    precision: Decimal | None = None
    by: str = ""
    period: timedelta = timedelta(weeks=1)
