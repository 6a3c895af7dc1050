"""What no database takes and a model or server may say all the same: NUL, and half of a surrogate pair."""

from __future__ import annotations

from typing import Any


def storable(text: str) -> str:
    """The text with its NULs as their symbol and half surrogate pairs as question marks; any other text as it is."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value in which every text, keys included, is storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return list(map(storable_json, value))  # a comprehension would double the stack of what is nested deep
    if isinstance(value, dict):
        return dict(zip(map(storable_json, value), map(storable_json, value.values()), strict=True))
    return value
