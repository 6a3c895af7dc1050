"""Reads the files that a declaration names and says what is wrong with them, each under its own name and line."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from afterpilot.declare.convert import Named
from afterpilot.declare.files import Folder, Unreadable
from afterpilot.declare.json_files import NotJson, json_schema, parse_json
from afterpilot.declare.problems import Flaw, Path, choices, describe
from afterpilot.declare.rules import dig
from afterpilot.declare.secrecy import HINT, lines_with_secrets

RUNBOOK = "runbook.md"
NEEDS_RUNBOOK = {"limited", "live"}

T = TypeVar("T")
_QUOTED_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(slots=True)
class Reading:
    """What was read and what was wrong: flaws of the declaration itself, and (file, flaw) of the others."""

    folder: Folder
    named: Named = field(default_factory=Named)
    flaws: list[Flaw] = field(default_factory=list)
    elsewhere: list[tuple[str, Flaw]] = field(default_factory=list)

    def take(self, name: Any, path: Path, read: Callable[[str], T], *, of: str = "", line: int = 0) -> T | None:  # noqa: ANN401 - YAML holds anything
        """Read the file that the key at ``path`` names; None where there is no usable one.

        The key stands in the declaration, or in ``line`` of the file ``of``.
        """
        if not isinstance(name, str) or not name.strip():
            return None  # the schema says so already
        try:
            return read(name.strip())
        except Unreadable as error:
            flaw = Flaw(path, str(error), error.hint, line=line)
            if of:
                self.elsewhere.append((of, flaw))
            else:
                self.flaws.append(flaw)
        except NotJson as error:
            self.elsewhere.append((name.strip(), Flaw((), str(error), line=error.line)))
        return None

    def plain(self, name: str) -> str:
        """A text file in which nothing may look secret."""
        text = self.folder.text(name)
        for number in lines_with_secrets(text):
            self.elsewhere.append((name, Flaw((), "holds what looks like a secret", HINT, line=number)))
        return text

    def json(self, name: str) -> Any:  # noqa: ANN401 - JSON holds anything
        """A JSON file in which nothing may look secret."""
        return parse_json(self.plain(name))

    def load(self, kind: str, name: Any, path: Path, *, of: str = "", line: int = 0) -> None:  # noqa: ANN401 - YAML holds anything
        """Read a schema, a rubric or a Python source into what is named; once for each file."""
        key = (kind, name.strip()) if isinstance(name, str) else None
        if key is not None and key in self.named.loaded:
            return
        read: Mapping[str, Callable[[str], Any]] = {
            "schema": self._schema,
            "rubric": self.plain,
            "source": self._source,
        }
        content = self.take(name, path, read[kind], of=of, line=line)
        if content is not None and key is not None:
            self.named.loaded[key] = content

    def _schema(self, name: str) -> Mapping[str, Any]:
        return json_schema(self.plain(name))

    def _source(self, name: str) -> str | None:
        text = self.plain(name)
        if wrong := python_flaw(text):
            self.elsewhere.append((name, wrong))
            return None
        return text

    def select(self, name: Any, path: Path) -> str:  # noqa: ANN401 - YAML holds anything
        """The one SELECT of an SQL file; empty where there is none that can be used."""
        sql = self.take(name, path, self.plain) or ""
        if sql and (wrong := _not_one_select(sql)):
            self.elsewhere.append((str(name).strip(), Flaw((), wrong, line=1)))
        return sql


def read_named(data: Mapping[str, Any], folder: Folder) -> Reading:
    """Read every file that a workflow's declaration names, those of its suite apart."""
    reading = Reading(folder)
    reading.named.sql = reading.select(dig(data, "kpi", "sql"), ("kpi", "sql"))
    for path, name in _schema_names(data):
        reading.load("schema", name, path)
    return reading


def _not_one_select(sql: str) -> str:
    bare = _QUOTED_OR_COMMENT.sub(" ", sql).strip().rstrip(";").strip()
    if ";" in bare:
        return "must be a single statement"
    if not re.match(r"(select|with)\b", bare, re.IGNORECASE):
        return "must begin with SELECT or WITH"
    return ""


def _schema_names(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for section in ("outputs", "quality"):
        checks = data.get(section)
        for index, check in enumerate(checks if isinstance(checks, list) else []):
            if dig(check, "expect") == "json_schema":
                yield (section, index, "file"), dig(check, "file")


def python_flaw(text: str) -> Flaw | None:
    """Why a text is no Python source; it is read, never run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return Flaw((), f"is not Python: {error.msg}", line=error.lineno or 1)
    except (ValueError, RecursionError, MemoryError):
        return Flaw((), "is not Python that can be read", line=1)
    return None


def function_flaw(source: str, name: str, path: Path) -> Flaw | None:
    """What is wrong with the function that a python scorer names."""
    names = [node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if name in names:
        return None
    return Flaw(path, f"'{name}' is not a function of the file", choices(name, names))


def read_runbook(reading: Reading, data: Mapping[str, Any]) -> None:
    """The runbook, which people need from the stage limited on."""
    if reading.folder.has(RUNBOOK):
        reading.take(RUNBOOK, (), reading.plain)
    elif data.get("stage") in NEEDS_RUNBOOK:
        text = f"a workflow of stage {describe(data['stage'])} needs a {RUNBOOK} in its folder"
        reading.flaws.append(Flaw(("stage",), text, "what to do at 2 am"))
