"""Reads the files that a declaration names and says what is wrong with them, each under its own name and line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from afterpilot.declare.cases import case_flaws, cases_of, expected_flaws, read_lines, variable_flaws
from afterpilot.declare.convert import Named
from afterpilot.declare.files import MAX_CASES_BYTES, Folder, Unreadable
from afterpilot.declare.json_files import NotJson, json_schema
from afterpilot.declare.problems import Flaw, Path, choices, describe, show_text
from afterpilot.declare.rules import dig
from afterpilot.declare.scorers import scorer_flaws, scorer_of
from afterpilot.declare.secrecy import HINT, lines_with_secrets
from afterpilot.domain.evals import ScorerSpec
from afterpilot.domain.prompt import Prompt

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

    def take(self, name: Any, path: Path, read: Callable[[str], T]) -> T | None:  # noqa: ANN401 - YAML holds anything
        """Read the file that the key at ``path`` names; None where there is no usable one."""
        if not isinstance(name, str) or not name.strip():
            return None  # the schema says so already
        try:
            return read(name.strip())
        except Unreadable as error:
            self.flaws.append(Flaw(path, str(error), error.hint))
        except NotJson as error:
            self.elsewhere.append((name.strip(), Flaw((), str(error), line=error.line)))
        return None

    def plain(self, name: str) -> str:
        """A text file in which nothing may look secret."""
        text = self.folder.text(name)
        for number in lines_with_secrets(text):
            self.elsewhere.append((name, Flaw((), "holds what looks like a secret", HINT, line=number)))
        return text


def read_named(data: Mapping[str, Any], folder: Folder) -> Reading:
    """Read every file that a declaration names."""
    reading = Reading(folder)
    reading.named.sql = reading.take(dig(data, "kpi", "sql"), ("kpi", "sql"), reading.plain) or ""
    if reading.named.sql and (wrong := _not_one_select(reading.named.sql)):
        reading.elsewhere.append((str(dig(data, "kpi", "sql")).strip(), Flaw((), wrong, line=1)))
    for path, name in _schema_names(data):
        schema = reading.take(name, path, lambda file: json_schema(folder.text(file)))
        if schema is not None:
            reading.named.schemas[name] = schema
    _evals(reading, data)
    _runbook(reading, data)
    return reading


def _not_one_select(sql: str) -> str:
    bare = _QUOTED_OR_COMMENT.sub(" ", sql).strip().rstrip(";").strip()
    if ";" in bare:
        return "must be a single statement"
    if not re.match(r"(select|with)\b", bare, re.IGNORECASE):
        return "must begin with SELECT or WITH"
    return ""


def _schema_names(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    outputs = data.get("outputs")
    for index, check in enumerate(outputs if isinstance(outputs, list) else []):
        if dig(check, "expect") == "json_schema":
            yield ("outputs", index, "file"), dig(check, "file")
    yield ("evals", "model", "response_schema"), dig(data, "evals", "model", "response_schema")
    scorers = dig(data, "evals", "scorers")
    for index, scorer in enumerate(scorers if isinstance(scorers, list) else []):
        if isinstance(scorer, dict) and "json_schema" in scorer:
            yield ("evals", "scorers", index, "json_schema"), scorer["json_schema"]


def _evals(reading: Reading, data: Mapping[str, Any]) -> None:
    scorers = _usable_scorers(reading, data)
    prompt = reading.take(dig(data, "evals", "model", "prompt"), ("evals", "model", "prompt"), reading.plain)
    variables = Prompt(prompt).variables if prompt else frozenset()
    if prompt and not variables:
        hint = "write {{ name }} where a case's value belongs"
        reading.flaws.append(Flaw(("evals", "model", "prompt"), "the prompt has no variable", hint))
    reading.named.prompt = prompt or ""
    name = dig(data, "evals", "cases")
    text = reading.take(name, ("evals", "cases"), lambda file: reading.folder.text(file, limit=MAX_CASES_BYTES))
    if text is None:
        return
    lines, flaws = read_lines(text)
    flaws += [*case_flaws(lines), *variable_flaws(lines, variables), *expected_flaws(lines, scorers)]
    reading.elsewhere += [(name.strip(), flaw) for flaw in sorted(flaws, key=lambda flaw: flaw.line)]
    if not flaws:
        reading.named.cases = cases_of(lines)
    reading.named.cases_sha256 = hashlib.sha256(reading.folder.contents[name.strip()]).hexdigest()


def _usable_scorers(reading: Reading, data: Mapping[str, Any]) -> list[ScorerSpec]:
    """The scorers without flaws; says which fields the answer's schema does not have."""
    found = dig(data, "evals", "scorers")
    answer = reading.named.schemas.get(str(dig(data, "evals", "model", "response_schema")), {})
    properties = answer.get("properties")
    usable = []
    for index, scorer in enumerate(found if isinstance(found, list) else []):
        path: Path = ("evals", "scorers", index)
        if any(True for _ in scorer_flaws(scorer, path)):
            continue
        file = scorer.get("json_schema") if isinstance(scorer, dict) else None
        if file is not None and file not in reading.named.schemas:
            continue
        spec = scorer_of(scorer, reading.named.schemas)
        usable.append(spec)
        if spec.field and isinstance(properties, dict) and spec.field not in properties:
            text = f"'{show_text(spec.field)}' is not a field of the response_schema"
            reading.flaws.append(Flaw(path, text, choices(spec.field, list(properties))))
    return usable


def _runbook(reading: Reading, data: Mapping[str, Any]) -> None:
    if reading.folder.has(RUNBOOK):
        reading.take(RUNBOOK, (), reading.plain)
    elif data.get("stage") in NEEDS_RUNBOOK:
        text = f"a workflow of stage {describe(data['stage'])} needs a {RUNBOOK} in its folder"
        reading.flaws.append(Flaw(("stage",), text, "what to do at 2 am"))
