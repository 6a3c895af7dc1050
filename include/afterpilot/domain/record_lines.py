r"""Records as they are written many at once: lines of PostgreSQL's COPY text format.

A line holds key, time, data (JSON), model, input tokens, output tokens, cached tokens and what the call used beyond them (JSON,
:meth:`afterpilot.domain.prices.CallDetails.as_json`); ``\N`` says that one is not known, or that there is nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("key", "at", "data", "model", "input_tokens", "output_tokens", "cached_tokens", "details")
_ESCAPED = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\b": r"\b", "\f": r"\f", "\v": r"\v"}
_TABLE = str.maketrans(_ESCAPED)
_PLAIN = {text[1]: sign for sign, text in _ESCAPED.items()}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NULL = r"\N"


@dataclass(frozen=True, slots=True)
class RecordLines:
    """Records of one workflow, as they may be kept; ``text`` is UTF-8, each line ends with a newline."""

    workflow: str
    text: bytes
    rows: int


def line_of(values: Sequence[str | None]) -> bytes:
    """One line, in the order of :data:`COLUMNS`, without its newline."""
    return "\t".join(_NULL if value is None else value.translate(_TABLE) for value in values).encode()


def values_of(line: bytes) -> list[str | None]:
    """The values of a line without its newline."""
    return [None if value == _NULL else _unescaped(value) for value in line.decode().split("\t")]


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: _PLAIN.get(match[1], match[1]), value) if "\\" in value else value
