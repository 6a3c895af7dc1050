"""What answers for a workflow, and what of it changed when."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from afterpilot.record.history.paging import Row
from afterpilot.web.reading import listed, mapping

# The parts of a fingerprint, as an owner would call them.
WORDS = {
    "prompt": "our prompt",
    "cases": "our cases",
    "declaration": "our declaration of the suite",
    "model": "the model that we name",
    "answered": "the model that answered",
    "data": "the data that it reads",
    "judges": "the judge",
    "harness": "the harness",
}

# What a suite may go without: said where nothing of it is declared, which is no lack of knowledge.
_WITHOUT = {"data": "nothing declared", "judges": "none"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a fingerprint: its key, what it is called, and its value before and now (empty where it was unknown)."""

    key: str
    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change of what answers: when it was first seen, in which run (None for a probe), and its parts."""

    at: datetime
    run_id: Any
    parts: tuple[Part, ...]
    letter: str = ""

    @property
    def words(self) -> str:
        """``our prompt and the judge changed``."""
        return f"{joined([part.name for part in self.parts])} changed"


def parts(fingerprint: object) -> tuple[Part, ...]:
    """Everything that is known of what answers."""
    whole = mapping(fingerprint)
    return tuple(Part(key, WORDS.get(key, key), "", _now(key, whole[key])) for key in _ordered(whole))


def _now(key: str, value: object) -> str:
    return _WITHOUT.get(key, "") if value == {} else as_text(value)


def changed(before: object, now: object) -> tuple[Part, ...]:
    """The parts that differ. What only one of the two knows is no change: it was not recorded."""
    old, new = mapping(before), mapping(now)
    both = [key for key in _ordered(new) if old.get(key) and new.get(key)]
    found = (Part(key, WORDS.get(key, key), *_differing(key, old[key], new[key])) for key in both)
    return tuple(part for part in found if part.before != part.now)


def _differing(key: str, old: object, new: object) -> tuple[str, str]:
    """What of a part differs, before and now; two equal texts where nothing does.

    Of what a reply names, only what it had not named before counts: providers answer from several servers at a time.
    """
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return as_text(old), as_text(new)
    known = [name for name in sorted(new) if name in old and not _unknown(old[name]) and not _unknown(new[name])]
    if key == "answered":
        known = [name for name in known if set(listed(new[name])) - set(listed(old[name]))]
    moved = [name for name in known if old[name] != new[name]]
    return as_text({name: old[name] for name in moved}), as_text({name: new[name] for name in moved})


def _unknown(value: object) -> bool:
    return isinstance(value, str) and value.startswith("unknown")


def events(rows: Sequence[Row]) -> tuple[Event, ...]:
    """The changes from one result to the next, oldest first, lettered A to Z."""
    found: list[Event] = []
    for before, now in itertools.pairwise(rows):
        if differing := changed(before["fingerprint"], now["fingerprint"]):
            letter = chr(ord("A") + len(found) % 26)
            found.append(Event(now["at"], now["run_id"], differing, letter))
    return tuple(found)


def probed(rows: Sequence[Row]) -> tuple[Event, ...]:
    """The changes that probes and runs have noted, from rows newest first; the newest change first."""
    found = [
        Event(now["first_seen_at"], None, changed(before["fingerprint"], now["fingerprint"]))
        for now, before in itertools.pairwise(rows)
    ]
    return tuple(event for event in found if event.parts)


def as_text(value: object) -> str:
    """A part's value as one text: hashes cut, entries of an object named."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {as_text(item)}" for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    text = str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text  # noqa: PLR2004 - SHA-256


def joined(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _ordered(whole: Mapping[str, Any]) -> list[str]:
    return [*(key for key in WORDS if key in whole), *sorted(key for key in whole if key not in WORDS)]
