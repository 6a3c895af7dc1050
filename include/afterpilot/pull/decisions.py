"""From rows of a table to what people decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from afterpilot.domain.record import HumanDecision
from afterpilot.domain.source import Decisions
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.patterns import masked
from afterpilot.pull.redact import redacted
from afterpilot.pull.values import NotFinite, decimal, kept, moment

_WORDS_COUNTED = 20  # unknown words that are counted one by one
_WORD_LENGTH = 40


class DecisionsOf:
    """Makes decisions of the rows of a workflow's table of decisions; what cannot be taken is counted by reason."""

    def __init__(self, workflow: Workflow, declared: Decisions, skipped: Counter[str], noted: Counter[str]) -> None:
        self._slug, self._source, self._declared = workflow.slug, workflow.source, declared
        self._skipped, self._noted = skipped, noted
        groups = {"accepted": declared.accepted, "corrected": declared.corrected, "rejected": declared.rejected}
        self._meanings = {_word(word): meaning for meaning, group in groups.items() for word in group}

    def decision(self, row: Mapping[str, Any]) -> HumanDecision | None:
        """The decision of a row; None where it cannot be taken."""
        declared = self._declared
        key, at, said = row[declared.key], moment(row[declared.time]), row[declared.decision]
        if key is None or at is None or said is None:
            self._skipped[f"decision without {declared.key}, {declared.time} or {declared.decision}"] += 1
            return None
        meaning = self._meanings.get(_word(said))
        if meaning is None:
            self._unknown(str(said))
            return None
        minutes = decimal(row[declared.minutes]) if declared.minutes else None
        if minutes is not None and minutes < 0:
            self._noted[f"{declared.minutes} is below 0: kept as missing"] += 1
            minutes = None
        note = masked(str(row[declared.note] or "")) if declared.note else ""
        corrected = self._corrected(row) if meaning == "corrected" else {}
        return HumanDecision(self._slug, str(key), at, meaning, minutes, note, corrected)

    def _corrected(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the output should have been, by the source's field, as records are kept; a column that is NULL says nothing."""
        found = {}
        for name, column in self._declared.corrected_fields.items():
            try:
                value = kept(row[column], self._source.fields.get(name, "text"))
            except NotFinite:
                self._noted[f"{column} is not a finite number: kept as missing"] += 1
                continue
            if value is not None:
                found[name] = redacted(name, value, self._source)
        return found

    def _unknown(self, said: str) -> None:
        reason = f"decision with an unknown word {said[:_WORD_LENGTH]!r}"
        if reason not in self._skipped and len(self._skipped) >= _WORDS_COUNTED:
            reason = "decision with another unknown word"
        self._skipped[reason] += 1


def _word(said: object) -> str:
    return str(said).strip().casefold()
