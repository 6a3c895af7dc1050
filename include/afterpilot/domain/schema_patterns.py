r"""The keywords of JSON Schema that hold patterns, with the end of a text as ECMA-262 has it and with a search of one's own.

Python's ``$`` also matches before a last line break, so that ``^[0-9]+$`` would let ``"42\n"`` pass; JSON Schema asks for ECMA-262.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Search = Callable[[str, str], bool]  # pattern, text
Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]  # as the package jsonschema calls it


@functools.lru_cache(maxsize=256)
def ecma(pattern: str) -> str:
    r"""The pattern with ``\Z`` for each ``$`` that is no letter of its own, neither escaped nor in brackets."""
    parts, inside, escaped = [], False, False
    for letter in pattern:
        parts.append(r"\Z" if letter == "$" and not inside and not escaped else letter)
        if not escaped and letter in "[]":
            inside = letter == "["
        escaped = letter == "\\" and not escaped
    strict = "".join(parts)
    try:
        re.compile(strict)
    except re.error:  # such as a bracket right behind a bracket, which this reading takes for the end
        return pattern
    return strict


def keywords(usual: Mapping[str, Keyword], search: Search, error: Callable[[str], Exception]) -> dict[str, Keyword]:
    """``pattern``, ``patternProperties`` and ``additionalProperties``; ``propertyNames`` hands names on to the first.

    Args:
        usual: the keywords of the schema's version, for what needs no pattern.
        search: whether a pattern is found in a text. What it raises ends the validation.
        error: makes a validation error of a sentence.
    """
    own = _Keywords(usual["additionalProperties"], search, error)
    return {
        "pattern": own.pattern,
        "patternProperties": own.pattern_properties,
        "additionalProperties": own.additional_properties,
    }


@dataclass(frozen=True, slots=True)
class _Keywords:
    _additional: Keyword
    _search: Search
    _error: Callable[[str], Exception]

    def pattern(self, kind: Any, wanted: str, value: Any, _schema: Any) -> Iterator[Any]:  # noqa: ANN401 - jsonschema's
        if kind.is_type(value, "string") and not self._found(wanted, value):
            yield self._error(f"{value!r} does not match {wanted!r}")

    def pattern_properties(self, kind: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[Any]:  # noqa: ANN401
        for name, part in value.items() if kind.is_type(value, "object") else ():
            for pattern, schema in wanted.items():
                if self._found(pattern, name):
                    yield from kind.descend(part, schema, path=name, schema_path=pattern)

    def additional_properties(self, kind: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401
        patterns, known = schema.get("patternProperties") or {}, schema.get("properties") or {}
        if not patterns or not kind.is_type(value, "object"):
            yield from self._additional(kind, wanted, value, schema)
            return
        more = [name for name in value if name not in known and not any(self._found(one, name) for one in patterns)]
        if kind.is_type(wanted, "object"):
            for name in more:
                yield from kind.descend(value[name], wanted, path=name)
        elif not wanted and more:
            names = ", ".join(map(repr, more))
            yield self._error(
                f"{names} {'is' if len(more) == 1 else 'are'} neither a known property nor of a known form"
            )

    def _found(self, pattern: str, text: str) -> bool:
        return self._search(ecma(pattern), text)
