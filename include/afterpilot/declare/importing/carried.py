"""What is carried over from another tool's file, and what is not."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from afterpilot.declare.problems import show_text
from afterpilot.declare.writing import NewSuite
from afterpilot.domain.errors import DeclarationError

MOST_BYTES = 16_000_000
MOST_CASES = 20_000

MAX_COST = "5.00 USD"  # no file of another tool says how much a run may cost
_NAME_CHARACTERS = 60
_ID_CHARACTERS = 100
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9._]+")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not carried over: where it stands, what it is, and why not."""

    file: str
    place: str
    what: str
    why: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        return f"{where}: {self.what} ({self.why})"


@dataclass(frozen=True, slots=True)
class Imported:
    """The suites that came of a file, and all that did not."""

    suites: tuple[NewSuite, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(slots=True)
class Notes:
    """Gathers what is left out, each thing once."""

    file: str
    found: dict[LeftOut, None] = field(default_factory=dict)

    def leave(self, place: str, what: str, why: str, *, file: str = "") -> None:
        """Something is not carried over. What looks secret is not repeated."""
        self.found[LeftOut(file or self.file, show_text(place), show_text(what), why)] = None

    @property
    def all(self) -> tuple[LeftOut, ...]:
        """Everything, in the order in which it was met."""
        return tuple(self.found)


@dataclass(slots=True)
class Names:
    """Names that stand once each."""

    most: int = _ID_CHARACTERS
    taken: set[str] = field(default_factory=set)

    def unique(self, wanted: str) -> str:
        """The name, with a number behind it where it is taken."""
        name, number = wanted[: self.most], 1
        while name in self.taken:
            number += 1
            name = f"{wanted[: self.most - len(str(number)) - 1]}-{number}"
        self.taken.add(name)
        return name


def read_text(path: Path) -> str:
    """The text of a file of another tool, without a byte order mark.

    Raises:
        DeclarationError: it cannot be read, is no UTF-8 text, or is too large.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DeclarationError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise DeclarationError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DeclarationError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from error
    if "\x00" in text:
        raise DeclarationError(f"{path} holds a control character")
    return text


def folder_name(*parts: str) -> str:
    """A name for a folder of these parts: small letters, digits, dots and hyphens."""
    flat = unicodedata.normalize("NFKD", "-".join(part for part in parts if part)).casefold()
    return _NOT_IN_A_NAME.sub("-", flat).strip("-.")[:_NAME_CHARACTERS].strip("-.") or "suite"


def id_of(text: object) -> str:
    """A text as the id of a case: on one line, not too long; empty where nothing is left."""
    flat = " ".join(str(text).split()) if isinstance(text, (str, int, float)) and not isinstance(text, bool) else ""
    return "".join(character if character.isprintable() else "?" for character in flat)[:_ID_CHARACTERS]


def as_text(value: Any) -> str:  # noqa: ANN401 - JSON holds anything
    """A value as a prompt shows it: texts as they are, 1.0 as 1, nothing as an empty text, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """Metadata as tags, such as ``topic=refunds``: one for each simple value; values with a structure make none."""
    found = [
        f"{key}={as_text(part)}"[:_ID_CHARACTERS]
        for key, value in metadata.items()
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, (str, int, float)) and as_text(part).strip()
    ]
    return list(dict.fromkeys(found))


def texts(values: Iterable[Any]) -> list[str]:
    """The texts among some values."""
    return [value for value in values if isinstance(value, str)]
