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
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable_json(key): storable_json(item) for key, item in value.items()}
    return value
