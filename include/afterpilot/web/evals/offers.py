"""Corrections that could become cases: the newest whole, the older ones on a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.counting import plural
from afterpilot.record.history.paging import Row
from afterpilot.web.reading import mapping

WHOLE = 3  # corrections that are shown whole


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A correction: the output's ``key``, when it was corrected and what was ``said`` of it, its question and right answer."""

    key: str
    decided_at: datetime
    said: str
    question: object
    answer: object

    @property
    def question_line(self) -> str:
        """The question on one line."""
        return in_a_line(self.question)

    @property
    def answer_line(self) -> str:
        """The right answer on one line."""
        return in_a_line(self.answer)


@dataclass(frozen=True, slots=True)
class Offers:
    """The newest corrections, those before them, and how many wait in all: more than both where not all were read."""

    newest: tuple[OfferRow, ...]
    older: tuple[OfferRow, ...]
    waiting: int

    @property
    def fold(self) -> str:
        """What is folded away, in words."""
        found = plural(len(self.older), "older correction")
        more = self.waiting - len(self.newest) - len(self.older)
        return f"{found}, and {more} more that are not shown here" if more > 0 else found


def offer_rows(rows: Sequence[Row]) -> Offers | None:
    """What waits, newest first; None where nothing does. ``rows`` say in ``waiting`` how many there are in all."""
    found = tuple(_row(row) for row in rows)
    return Offers(found[:WHOLE], found[WHOLE:], int(rows[0]["waiting"])) if found else None


def in_a_line(value: object) -> str:
    """``supplier: Acme, total: 7.50``; of one entry alone its value."""
    parts = {str(name): " ".join(str(part).split()) for name, part in mapping(value).items()}
    return (
        next(iter(parts.values())) if len(parts) == 1 else ", ".join(f"{name}: {part}" for name, part in parts.items())
    )


def _row(row: Row) -> OfferRow:
    case = mapping(row["case"])
    return OfferRow(
        row["key"], row["decided_at"], row["said"] or "", mapping(case.get("vars")), mapping(case.get("expected"))
    )
