"""YAML as data, with the line of every key and item.

Built from the parser's events, one by one: nothing is constructed from tags, aliases are refused (a few hundred bytes of
them can unfold into gigabytes), depth and size are bounded, repeated keys are found. Words are read as YAML 1.2 reads
them: only ``true`` and ``false`` are booleans, so that ``NO`` stays a text, and times and dates stay texts too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from afterpilot.declare.problems import Flaw, Path

MAX_DEPTH = 20
MAX_VALUES = 50_000
MAX_DIGITS = 30

# libyaml where it is there: ten times faster, the same events.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"^[-+]?[0-9]+$")
_NUMBER = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds. ``data`` is None where it cannot be read; ``lines`` counts from 1."""

    data: Any
    lines: Mapping[Path, int]
    flaws: tuple[Flaw, ...]

    def line(self, path: Path) -> int:
        """The line of the deepest part of the path that exists; 1 for the document itself."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. ``path`` is None inside something that is thrown away."""

    container: dict[str, Any] | list[Any]
    path: Path | None
    key: str | None = None
    expects_key: bool = True
    keep: bool = True


class _Stop(Exception):
    """The rest of the file is not read."""


@dataclass(slots=True)
class _Composer:
    flaws: list[Flaw] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    root: Any = None
    documents: int = 0
    values: int = 0
    most_values: int = MAX_VALUES

    def take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events have no types
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(line, "the file holds more than one document", "keep one, without `---` between")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            where = self.place(None, line)
            self.flaws.append(
                Flaw(where or (), f"the alias *{event.anchor} is not read", "write the value out", line=line)
            )
        elif isinstance(event, yaml.ScalarEvent):
            self.scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self.open(event, line)

    def open(self, event: Any, line: int) -> None:  # noqa: ANN401 - see take
        if len(self.stack) >= MAX_DEPTH:
            self.stop(line, f"the file is nested deeper than {MAX_DEPTH} levels")
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if self.stack and isinstance(self.stack[-1].container, dict) and self.stack[-1].expects_key:
            self.flaw(line, "a key must be a single word, not a list or a mapping")
            self.skip_value()
            self.stack.append(_Open(container, None))
            return
        where = self.place(container, line)
        self.tag(event, where, line)
        self.stack.append(_Open(container, where))

    def tag(self, event: Any, where: Path | None, line: int) -> None:  # noqa: ANN401 - see take
        if event.tag is not None:
            hint = "remove it; put quotes around what is a text"
            self.flaws.append(Flaw(where or (), "a tag such as !!python/object is not read", hint, line=line))

    def scalar(self, event: Any, line: int) -> None:  # noqa: ANN401 - see take
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.container, dict) and top.expects_key:
            self.tag(event, None, line)
            self.key(top, str(event.value), line)
            return
        problem, value = _resolve(str(event.value), plain=event.implicit[0])
        where = self.place(value, line)
        self.tag(event, where, line)
        if problem:
            self.flaws.append(Flaw(where or (), problem, line=line))

    def key(self, top: _Open, name: str, line: int) -> None:
        top.key, top.expects_key, top.keep = name, False, True
        if top.path is None:
            return
        path = (*top.path, name)
        if name in top.container:
            top.keep = False
            self.flaws.append(Flaw(path, f"stands twice, first in line {self.lines[path]}", "keep one", line=line))
        elif _CONTROL.search(name):
            top.keep = False
            self.flaw(line, "a key holds a control character")
        else:
            self.lines[path] = line

    def skip_value(self) -> None:
        """Throw away the value that comes next."""
        top = self.stack[-1]
        top.key, top.expects_key, top.keep = "", False, False

    def place(self, value: Any, line: int) -> Path | None:  # noqa: ANN401 - YAML holds anything
        """Put a value where it belongs and tell its path; None where it is thrown away."""
        self.values += 1
        if self.values > self.most_values:
            self.stop(line, f"the file holds more than {self.most_values:,} values")
        if not self.stack:
            self.root = value
            return ()
        top = self.stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
            path = None if top.path is None else (*top.path, len(top.container) - 1)
            if path is not None:
                self.lines[path] = line
            return path
        if top.expects_key:  # an alias that stands for a key
            self.skip_value()
            return None
        top.expects_key = True
        if not top.keep or top.path is None or top.key is None:
            return None
        top.container[top.key] = value
        return (*top.path, top.key)

    def flaw(self, line: int, text: str, hint: str = "") -> None:
        self.flaws.append(Flaw((), text, hint, line=line))

    def stop(self, line: int, text: str, hint: str = "") -> None:
        self.flaw(line, text, hint)
        raise _Stop


def read(raw: bytes, *, most_values: int = MAX_VALUES) -> Document:
    """Read a YAML file. Whatever it holds, this returns; what is wrong with it stands in ``flaws``."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Document(None, {}, (Flaw((), "the file is not UTF-8 text", "save it as UTF-8", line=line),))
    composer = _Composer(most_values=most_values)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            composer.take(event)
    except _Stop:
        return Document(None, {}, tuple(composer.flaws))
    except yaml.YAMLError as error:
        return Document(None, {}, (*composer.flaws, _syntax(error, text)))
    return Document(composer.root, composer.lines, tuple(composer.flaws))


def _syntax(error: yaml.YAMLError, text: str) -> Flaw:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        began = error.context_mark.line + 1 if error.context_mark else mark.line + 1
        since = f", in what begins in line {began}" if began != mark.line + 1 else ""
        hint = "indent with spaces, not with tabs" if "\t" in _line(text, mark.line) else ""
        return Flaw((), f"is not valid YAML: {error.problem}{since}", hint, line=mark.line + 1)
    if isinstance(error, yaml.reader.ReaderError):
        before = text.encode()[: error.position].count(b"\n")
        return Flaw((), "the file holds a control character", "remove it", line=before + 1)
    return Flaw((), "is not valid YAML", line=1)


def _line(text: str, index: int) -> str:
    lines = text.splitlines()
    return lines[index] if index < len(lines) else ""


def _resolve(text: str, *, plain: bool) -> tuple[str, Any]:
    """What is wrong with a scalar (empty: nothing), and its value."""
    if _CONTROL.search(text):
        return "holds a control character", ""
    if not plain:
        return "", text
    if text in _WORDS:
        return "", _WORDS[text]
    return _number(text)


def plain_value(text: str) -> Any:  # noqa: ANN401 - YAML holds anything
    """What an unquoted word is read as."""
    return _resolve(text, plain=True)[1]


def _number(text: str) -> tuple[str, Any]:
    if _NOT_FINITE.match(text):
        return f"{text} is not a number that can be used", None
    if not _NUMBER.match(text):
        return "", text
    if len(text) > MAX_DIGITS:
        return f"is a number of more than {MAX_DIGITS} digits", None
    number = int(text) if _WHOLE.match(text) else float(text)
    return ("", number) if math.isfinite(number) else ("is a number that is too large", None)
