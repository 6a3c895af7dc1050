"""Whether what a row says is what its entry has said, where a name or words may have had to give way to an erasure.

Whose key was destroyed cannot be named any more: the row has to have the label that stands in the name's place. Words in which such a
name stood, or what an erased output has said, have the label in them, and all around it is as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from afterpilot.domain.ledger import ITSELF, person
from afterpilot.domain.personal_places import label_of
from afterpilot.record.ledger.canonical import canonical
from afterpilot.record.ledger.personal import SEALED, opened
from afterpilot.record.ledger.standing import kept_since
from afterpilot.record.plain import plain

_MOST_KNOWN = 10_000  # people and outputs whose keys are remembered
_LABEL = re.compile(r"erased (?:person|output) [0-9a-f]{8}")  # of afterpilot.domain.personal_places.label_of
_SUBJECT = sa.text("SELECT name, key FROM subjects WHERE id = CAST(:id AS uuid)")
_ERASED = sa.text(
    "SELECT 'person:' || id FROM subjects WHERE kind = 'person' AND erased_at IS NOT NULL "
    "UNION SELECT subject FROM removals WHERE how = 'erased' AND starts_with(subject, 'output:')"
)
_OUTPUT_ERASED = sa.text(
    "SELECT EXISTS (SELECT FROM ledger WHERE subject = :subject AND action = 'retention:output:erased')"
)


class _Somebody(NamedTuple):
    """Whom a pseudonym stands for; without a key they were erased."""

    name: str
    key: bytes | None


class Words:
    """Compares within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._known: dict[str, _Somebody | None] = {}

    def named(self, actor: str, name: str) -> bool:
        """Whether ``name`` in a row is who has acted by the entry."""
        who = self._somebody(actor) if actor.startswith("person:") else None
        if who is None:
            return (ITSELF if name in {"", ITSELF} else person(name).name) == actor
        return name in self._labels if who.key is None else person(name).name == who.name

    def said(self, told: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Whether words in a row are those of the entry, sealed or not, as far as there is a key."""
        if isinstance(told, dict) and SEALED in told:
            box = told[SEALED]
            who = self._somebody(box["about"])
            if who is None:  # erasing takes the key, never the row
                return False
            if who.key is None:
                return True
            try:
                text = opened(box, who.key).decode()
            except ValueError:
                return False
        elif not told and not value:
            return True
        else:
            text = canonical(plain(told)).decode()
        shown = canonical(plain(value)).decode()
        return text == shown or self._gave_way(text, shown)

    def output_erased(self, subject: str) -> bool:
        """Whether the ledger tells that an output was erased, and with it what was said of it."""
        return bool(self._connection.scalar(_OUTPUT_ERASED, {"subject": subject}))

    def _gave_way(self, text: str, shown: str) -> bool:
        """Whether ``shown`` is the text with names of erased people replaced."""
        labels = _LABEL.findall(shown)
        if not labels or not self._labels.issuperset(labels):
            return False
        first, *parts = _LABEL.split(shown)
        if not text.startswith(first) or not text.endswith(parts[-1]):
            return False
        at, end = len(first), len(text) - len(parts[-1])
        for part in parts[:-1]:
            found = text.find(part, at + 1, end)
            if found < 0:
                return False
            at = found + len(part)
        return at < end

    @cached_property
    def since(self) -> datetime:
        """From when on entries are there: older ones are gone by retention."""
        return kept_since(self._connection)

    @cached_property
    def _labels(self) -> frozenset[str]:
        return frozenset(label_of(one) for one in self._connection.scalars(_ERASED))

    def _somebody(self, pseudonym: str) -> _Somebody | None:
        if pseudonym not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            row = self._connection.execute(_SUBJECT, {"id": pseudonym.partition(":")[2]}).one_or_none()
            self._known[pseudonym] = _Somebody(row.name or "", row.key and bytes(row.key)) if row else None
        return self._known[pseudonym]


def same(told: object, value: object) -> bool:
    """Whether two values are the same, be numbers written as numbers or as text."""
    if told == value or None in (told, value):
        return told == value
    if isinstance(told, Mapping | list) or isinstance(value, Mapping | list):
        return bool(canonical(plain(told)) == canonical(plain(value)))
    try:
        return Decimal(str(told)) == Decimal(str(value))
    except ArithmeticError:
        return False
