"""The decisions that are offered on an item, and what each of them means there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afterpilot.domain.review import Review
from afterpilot.record.history.paging import Row
from afterpilot.web.text import fold, words

CLOSED = "column_values_to_be_in_set"  # a value outside the declared ones is never right, whoever accepts it
_COMPARED = "match_reference"
_SHOWN = 40  # characters of a value
_KEYS = {
    "accepted": ("a", "accept"),
    "corrected": ("c", "correct: go to the first field in doubt"),
    "rejected": ("r", "reject, then say why"),
}


@dataclass(frozen=True, slots=True)
class Choices:
    """``means`` is each decision that is offered, with what it means; ``ruled_out`` is why accepting is not, else empty."""

    means: Mapping[str, str]
    ruled_out: str = ""

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys of the decisions, with what they do."""
        return [_KEYS[name] for name in self.means]


def choices(item: Row, review: Review) -> Choices:
    """The decisions that the source has a word for, less the one that can make no sense."""
    found: Sequence[Mapping[str, str]] = item["discrepancies"] or ()
    means = {name: meaning for name, meaning in _meanings(item, found).items() if name in review.decisions}
    outside = outside_of_set(found)
    if not outside or set(means) == {"accepted"}:
        return Choices(means)
    why = "; ".join(f"{words(field)} must be {expected}" for field, expected in outside.items())
    return Choices({name: meaning for name, meaning in means.items() if name != "accepted"}, why)


def outside_of_set(found: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """By field: the values that it may have, where it has none of them."""
    return {one["field"]: one["expected"] for one in found if one["check"] == CLOSED}


def _meanings(item: Row, found: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    if item["reason"] == "spot_check":
        return {
            "accepted": "it is right: nothing changes",
            "corrected": "mend the fields that are wrong",
            "rejected": "it should not have been used",
        }
    differs = next((one for one in found if one["check"] == _COMPARED and one["said"] and one["expected"]), None)
    if differs is None:
        return {
            "accepted": "it is right as it stands",
            "corrected": "mend the fields that are wrong",
            "rejected": "it must not be used",
        }
    said, expected = (fold(differs[name], _SHOWN).start for name in ("said", "expected"))
    return {
        "accepted": f"{said} was read right: use it, although {differs['source']} says {expected}",
        "corrected": f"{said} was misread: type what the source says",
        "rejected": f"{said} was read right, but must not be used",
    }
