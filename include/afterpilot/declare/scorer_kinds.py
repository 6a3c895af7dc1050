"""What may stand behind a scorer's parameter: one reader for each kind of :data:`afterpilot.domain.scorers.KINDS`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import Field

from afterpilot.declare.eval_schema import Api
from afterpilot.declare.keys import Keys
from afterpilot.declare.parameters import flaws_of
from afterpilot.declare.problems import Flaw, Path, choices, describe
from afterpilot.declare.schema_flaws import validate
from afterpilot.declare.values import Connection, Name, Wrong, share_of
from afterpilot.domain.scorers import Parameter

Value = Any

FIELD_CHARACTERS = 100
_TEXT_CHARACTERS = 20_000
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


class JudgeModel(Keys):
    """The model that judges."""

    connection: Connection
    name: Name
    api: Api = "chat"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(ge=1, le=200_000)] = 256


class EmbeddingModel(Keys):
    """The model that makes vectors."""

    connection: Connection
    model: Name


class Tool(Keys):
    """One call of a tool."""

    name: Name
    arguments: dict[str, Any] = Field({})


def value_flaws(value: Value, path: Path, parameter: Parameter) -> Iterator[Flaw]:
    """What is wrong with the value of a scorer's parameter."""
    kind = parameter.kind
    if kind in {"word", "compare"}:
        yield from (_word if kind == "word" else _fields)(value, path, parameter.words)
    elif kind == "share":
        try:
            number_of_share(value)
        except Wrong as error:
            yield Flaw(path, str(error), error.hint)
    elif kind in _OWN:
        yield from _OWN[kind](value, path)
    else:
        yield from flaws_of(value, path, kind)


def number_of_share(value: Value) -> float:
    """Read 0.9 or ``90%`` as 0.9.

    Raises:
        Wrong: it is no share above 0.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Wrong(f"must be a share, but is {describe(value)}", "such as 0.9 or 90%")
    share = float(share_of(value)) if isinstance(value, str) else float(value)
    if not 0 < share <= 1:
        raise Wrong(f"must be a share above 0 and up to 1, but is {describe(value)}", "such as 0.9 or 90%")
    return share


def _field(value: Value, path: Path) -> Iterator[Flaw]:
    if not isinstance(value, str) or len(value) > FIELD_CHARACTERS:
        hint = 'leave it out, or write "", for the whole answer'
        yield Flaw(path, f"must name a field of the answer, but is {describe(value)}", hint)


def _text(value: Value, path: Path) -> Iterator[Flaw]:
    if not isinstance(value, str) or not value:
        hint = "put quotes around it" if isinstance(value, (int, float)) else ""
        yield Flaw(path, f"must be text, but is {describe(value)}", hint)
    elif len(value) > _TEXT_CHARACTERS or _NO_TEXT.search(value):
        yield Flaw(path, f"must be a text of at most {_TEXT_CHARACTERS:,} characters that can be stored")


def _texts(value: Value, path: Path) -> Iterator[Flaw]:
    if not isinstance(value, list) or not value:
        yield Flaw(path, f"must be a list of texts, but is {describe(value)}", "such as [a, b]")
        return
    for index, item in enumerate(value):
        yield from _text(item, (*path, index))


def _count(value: Value, path: Path) -> Iterator[Flaw]:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:  # noqa: PLR2004 - as good as any bound
        yield Flaw(path, f"must be a whole number, 1 or more, but is {describe(value)}")


def _function(value: Value, path: Path) -> Iterator[Flaw]:
    if not (isinstance(value, str) and _FUNCTION.fullmatch(value)):
        yield Flaw(path, f"must be the name of a Python function, but is {describe(value)}")


def _any(value: Value, path: Path) -> Iterator[Flaw]:
    if value is None:
        yield Flaw(path, "is empty")


def _keys(schema: type[Keys]) -> Callable[[Value, Path], Iterator[Flaw]]:
    def read(value: Value, path: Path) -> Iterator[Flaw]:
        if not isinstance(value, dict):
            yield Flaw(path, f"must be a mapping (key: value), but is {describe(value)}")
            return
        for flaw in validate(schema, value)[1]:
            yield Flaw((*path, *flaw.path), flaw.text, flaw.hint)

    return read


def _tool_calls(value: Value, path: Path) -> Iterator[Flaw]:
    if not isinstance(value, list):
        yield Flaw(path, f"must be a list of calls, but is {describe(value)}", "such as [{name: refund}]")
        return
    for index, item in enumerate(value):
        yield from _keys(Tool)(item, (*path, index))


def _word(value: Value, path: Path, words: tuple[str, ...]) -> Iterator[Flaw]:
    if not (isinstance(value, str) and value in words):
        text = f"must be one of the accepted words, but is {describe(value)}"
        yield Flaw(path, text, choices(str(value), words))


_COMPARE = {
    "tolerance": Parameter("not negative", ""),
    "threshold": Parameter("share", ""),
    "order": Parameter("word", "", words=("day_first", "month_first")),
}


def _fields(value: Value, path: Path, words: tuple[str, ...]) -> Iterator[Flaw]:
    """``fields`` of json_fields: a path in the answer to a word, or to a mapping with ``compare`` and what goes with it."""
    if not isinstance(value, dict) or not value:
        yield Flaw(path, f"must name fields, but is {describe(value)}", "such as {total: numeric}")
        return
    for name, how in value.items():
        place = (*path, name)
        if not isinstance(how, dict):
            yield from _word(how, place, words)
            continue
        if "compare" not in how:
            yield Flaw((*place, "compare"), "is missing", choices("", words))
        for key, part in how.items():
            if key == "compare":
                yield from _word(part, (*place, key), words)
            elif key in _COMPARE:
                yield from value_flaws(part, (*place, key), _COMPARE[key])
            else:
                yield Flaw((*place, key), "is not a known parameter", choices(key, ["compare", *_COMPARE]))


_OWN: dict[str, Callable[[Value, Path], Iterator[Flaw]]] = {
    "field": _field,
    "key": _field,
    "any": _any,
    "text": _text,
    "text list": _texts,
    "count": _count,
    "function": _function,
    "model": _keys(JudgeModel),
    "embedding": _keys(EmbeddingModel),
    "tool calls": _tool_calls,
}
