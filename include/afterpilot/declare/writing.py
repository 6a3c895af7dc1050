"""Writes suites of their own as folders, and adds single cases to a folder that is there already."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from afterpilot.declare.cases import Line, case_flaws, read_lines
from afterpilot.declare.files import MAX_CASES_BYTES, Folder, Unreadable
from afterpilot.declare.loader import DECLARATION
from afterpilot.declare.problems import dotted
from afterpilot.declare.rules import dig
from afterpilot.declare.suite import SUITE
from afterpilot.declare.yaml_lines import plain_value, read
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.evals import Case

CASES = "cases.jsonl"

_PLAIN = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_./%-]*(?: [A-Za-z0-9_/%-]+)*", re.ASCII)
_ODD = re.compile(r"[^\x20-\x7e\xa0-\u1fff\u2030-\ud7ff\uf900-\ufffd\U00010000-\U0010ffff]")
_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})  # texts here, but booleans to other readers of YAML
_FLOW_CHARACTERS = 100
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class NewSuite:
    """A suite to be written: the keys of its ``suite.yaml`` (``cases`` apart), the lines of its cases, and its other files.

    ``name`` is also the folder's; ``about`` is said at the top of the file.
    """

    name: str
    keys: Mapping[str, Any]
    cases: Sequence[Mapping[str, Any]]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    about: str = ""


def write_suite(folder: Path, suite: NewSuite, *, force: bool = False) -> None:
    """Write a suite into a folder, which is made; with ``force`` the files of that name in it are replaced.

    Raises:
        DeclarationError: the folder holds something already, or cannot be written to.
    """
    contents: dict[str, bytes] = {
        name: content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        for name, content in suite.files.items()
    }
    contents[CASES] = b"".join(_json_line(case) for case in suite.cases)
    contents[SUITE] = suite_yaml(suite).encode("utf-8", "replace")  # the last one: what has none is no suite
    try:
        if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
            raise DeclarationError(f"{folder} is there already; say --force to replace what it holds")
        folder.mkdir(parents=True, exist_ok=True)
        for name, raw in contents.items():
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise DeclarationError(f"{name} leads outside {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, raw)
    except OSError as error:
        raise DeclarationError(f"{folder} cannot be written to: {error.strerror or error}") from error


def suite_yaml(suite: NewSuite) -> str:
    """The text of a ``suite.yaml``."""
    about = [f"# {line}".rstrip() for line in suite.about.splitlines()]
    head = ["# An eval suite. Run it: afterpilot evals run FOLDER. Keys: docs/reference/declaration.md", *about]
    keys = {"name": suite.name, "cases": CASES, **{key: value for key, value in suite.keys.items() if key != "cases"}}
    return "\n".join([*head, *_block(keys, "")]) + "\n"


def append_case(folder: Path, case: Case) -> None:
    """Add a case to the cases of a workflow's folder, or of a suite's: one line at the end, all other bytes stay as they are.

    Raises:
        DeclarationError: there are no cases to add to, the id stands there already, or the case is not one.
    """
    line = case_line(case)
    wrong = [f"{dotted(flaw.path)} {flaw.text}" for flaw in case_flaws([Line(1, dict(line))])]
    if wrong:
        raise DeclarationError(f"the case cannot be added: {wrong[0]}")
    with _alone(folder):
        name = _cases_file(folder)
        try:
            raw = Folder(folder).read(name, limit=MAX_CASES_BYTES)
            lines, _ = read_lines(raw.decode("utf-8-sig"))
        except (Unreadable, UnicodeDecodeError) as error:
            raise DeclarationError(f"{folder / name}: no case can be added to it: {error}") from error
        if any(other.data.get("id") == case.id for other in lines):
            raise DeclarationError(f"{folder / name} holds a case {case.id!r} already")
        added = _json_line(line)
        try:
            _replace((folder / name).resolve(), raw + (b"" if not raw or raw.endswith(b"\n") else b"\n") + added)
        except OSError as error:
            raise DeclarationError(f"{folder / name} cannot be written to: {error.strerror or error}") from error


def case_line(case: Case) -> Mapping[str, Any]:
    """A case as it stands in a line of cases, empty parts left out.

    Raises:
        DeclarationError: it has scorers of its own, which hold what was read from files.
    """
    if case.scorers:
        raise DeclarationError(f"the case {case.id!r} has scorers of its own, which are not written")
    turns = [{"role": turn.role} | ({"content": turn.content} if turn.content else {}) for turn in case.messages]
    whole = set(case.expected) == {""} and isinstance(case.expected[""], str)
    parts = {
        "id": case.id,
        "vars": dict(case.vars),
        "expected": case.expected[""] if whole else dict(case.expected),
        "tags": list(case.tags),
        "messages": turns,
        "images": [image.name for image in case.images],
        "origin": case.origin,
    }
    return {key: value for key, value in parts.items() if value or key in {"id", "vars"}}


def _cases_file(folder: Path) -> str:
    """The name of the file that holds the folder's cases."""
    for name, path in ((DECLARATION, ("evals", "cases")), (SUITE, ("cases",))):
        if (folder / name).is_file():
            try:
                found = dig(read(Folder(folder).read(name)).data, *path)
            except Unreadable as error:
                raise DeclarationError(f"{folder / name}: {error}") from error
            if isinstance(found, str) and found.strip():
                return found.strip()
    raise DeclarationError(f"{folder} declares no cases")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds to this folder meanwhile."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DeclarationError(f"{folder} cannot be opened: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, raw: bytes) -> None:
    """The file with this content, or as it was: never half of it."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _json_line(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def _block(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, part in value.items():
        name = f"{indent}{_scalar(key)}:"
        flow = f"{name} {_flow(part)}"
        if not isinstance(part, (Mapping, list, tuple)) or not part or len(flow) <= _FLOW_CHARACTERS:
            yield flow
        elif isinstance(part, Mapping):
            yield name
            yield from _block(part, indent + _INDENT)
        else:
            yield name
            yield from (f"{indent}{_INDENT}- {_flow(item)}" for item in part)


def _flow(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "null" if value is None else repr(value) if isinstance(value, (int, float)) else _scalar(str(value))
    grouped = value[:1].isdigit() and "_" in value  # other readers take 1_000 for a number
    if _PLAIN.fullmatch(value) and not grouped and value.lower() not in _WORDS and plain_value(value) == value:
        return value
    return '"' + _ODD.sub(_escaped, value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")  # noqa: PLR2004 - what four digits hold
