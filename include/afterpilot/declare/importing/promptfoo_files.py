"""Files that a promptfoo configuration refers to, and plain ``{{ variables }}`` in its texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from afterpilot.declare.importing.carried import Notes, as_text, read_text
from afterpilot.declare.json_files import NotJson, parse_json
from afterpilot.declare.problems import dotted
from afterpilot.declare.yaml_lines import read
from afterpilot.domain.errors import DeclarationError

PREFIX = "file://"
DATA = {".json", ".yaml", ".yml"}
CODE = {".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".go", ".sh"}
MOST_VALUES = 1_000_000
MOST_FILES = 1_000

_VARIABLE = re.compile(r"\{\{-?\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*-?\}\}")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_MOST_CHARACTERS = 1_000_000  # of a variable that others stand in
_ROUNDS = 5  # how often a variable's value may refer to another variable


@dataclass(slots=True)
class Config:
    """A configuration's folder, and the notes on what is not carried over from it."""

    path: Path
    notes: Notes
    cache: dict[Path, Any] = field(default_factory=dict)

    def data(self, path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
        """A YAML or JSON file as data; parts that cannot be read are left out and noted.

        Raises:
            DeclarationError: it cannot be read at all.
        """
        if path in self.cache:
            return self.cache[path]
        text = read_text(path)
        if path.suffix == ".json":
            try:
                found = parse_json(text)
            except NotJson as error:
                raise DeclarationError(f"{path}:{error.line}: {error}") from error
        else:
            document = read(text.encode(), most_values=MOST_VALUES)
            if document.data is None and document.flaws:
                flaw = document.flaws[0]
                raise DeclarationError(f"{path}:{flaw.line}: {flaw.text}")
            for flaw in document.flaws:
                self.notes.leave(f"line {flaw.line}", dotted(flaw.path) or "a part", flaw.text, file=path.name)
            found = document.data
        self.cache[path] = found
        return found

    def files(self, reference: str, place: str) -> list[Path]:
        """The files that ``file://name`` or ``file://folder/*.yaml`` means, all of them in the configuration's own folder."""
        name = reference.removeprefix(PREFIX)
        home = self.path.parent.resolve()
        if Path(name).is_absolute() or ".." in Path(name).parts:
            self.notes.leave(place, reference, "only files below the configuration's own folder are read")
            return []
        try:
            paths = sorted(home.glob(name))[:MOST_FILES] if any(sign in name for sign in "*?[") else [home / name]
            found = [path for path in paths if path.resolve().is_relative_to(home) and path.is_file()]
        except (OSError, ValueError, RuntimeError):
            found = []
        if not found:
            self.notes.leave(place, reference, "there is no such file below the configuration's folder")
        return found

    def content(self, reference: Any, place: str) -> Any:  # noqa: ANN401 - YAML holds anything
        """A value, or what its file holds where it is ``file://…``: data of JSON and YAML, else the text; None where that cannot be read."""
        if not (isinstance(reference, str) and reference.startswith(PREFIX)):
            return reference
        found = self.files(reference, place)
        if not found:
            return None
        path = found[0]
        if path.suffix in CODE:
            self.notes.leave(place, reference, "a program makes it, and programs are not run by an import")
            return None
        try:
            return self.data(path) if path.suffix in DATA else read_text(path)
        except DeclarationError as error:
            self.notes.leave(place, reference, str(error))
            return None


def variables_of(text: str) -> set[str]:
    """The names of the plain variables in a template."""
    return set(_VARIABLE.findall(text))


def is_plain(text: str) -> bool:
    """Whether a template holds nothing but plain variables: no filters, conditions, loops, attributes."""
    return not _TEMPLATE.search(_VARIABLE.sub("", text))


def normalised(text: str) -> str:
    """A plain template with its variables as prompts have them here."""
    return _VARIABLE.sub(lambda match: f"{{{{ {match.group(1)} }}}}", text)


def rendered(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - YAML holds anything
    """A value with the variables in its texts filled in, also in those deep inside; one without a value becomes empty."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: values.get(match.group(1), ""), value)
    if isinstance(value, dict):
        return {key: rendered(part, values) for key, part in value.items()}
    return [rendered(part, values) for part in value] if isinstance(value, list) else value


def all_texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - YAML holds anything
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from all_texts(part)


def resolved(values: Mapping[str, Any]) -> dict[str, str]:
    """Variables as texts, those that stand in other variables filled in."""
    found = {key: as_text(value) for key, value in values.items()}
    for _ in range(_ROUNDS):
        if not any(_VARIABLE.search(text) for text in found.values()):
            break
        found = {key: _filled(text, found) for key, text in found.items()}
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with known variables filled in, the others as they are; all as they are where it would become too long."""
    if sum(len(values.get(name, "")) for name in _VARIABLE.findall(text)) > _MOST_CHARACTERS:
        return text
    return _VARIABLE.sub(lambda match: values.get(match.group(1), match.group(0)), text)
