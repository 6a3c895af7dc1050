"""Places in a row's JSON: JSONPaths, with a short way for those that only name keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError

from afterpilot.domain.errors import DeclarationError, SourceError

Finder = Callable[[Any], Any]
_KEYS = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_LIST = re.compile(r"(\$(?:\.[A-Za-z_][A-Za-z0-9_]*)*)(?:\[\*\]|\.\*)")
_PATHS = JSONPathEnvironment()


def finder(path: str) -> Finder:
    """What gives the first value at a path, or None.

    Raises:
        DeclarationError: it is no JSONPath.
    """
    if _KEYS.fullmatch(path):
        return _walker(path.split(".")[1:])
    compiled = _compiled(path)

    def first(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        try:
            match = compiled.match(value) if isinstance(value, (Mapping, list)) else None
        except (JSONPathError, RecursionError):  # a row that is nested too deeply, or of types that cannot be compared
            return None
        return None if match is None else match.obj

    return first


def rows_finder(path: str) -> Callable[[Any], list[Any]]:
    """What gives all rows of a page. Where the path names one list (``$.data[*]``), a page without that list is an error: an
    answer that only says what went wrong is not an empty page.

    Raises:
        DeclarationError: it is no JSONPath.
        SourceError: (when used) the page holds no list there.
    """
    named = _LIST.fullmatch(path)
    if named is None:
        compiled = _compiled(path)
        return lambda page: compiled.findall(page) if isinstance(page, (Mapping, list)) else []
    place = named[1]
    at = _walker(place.split(".")[1:])

    def listed(page: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
        rows = at(page)
        if not isinstance(rows, list):
            raise SourceError(f"the answer holds no list at {place}")
        return rows

    return listed


def first_key(path: str) -> str:
    """The key at the row's top that a path begins with, or empty where it may be any."""
    found = re.match(r"\$(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[['\"]([^'\"]+)['\"]\])", path)
    return (found[1] or found[2]) if found else ""


def _walker(keys: list[str]) -> Finder:
    def walk(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return walk


def _compiled(path: str) -> Any:  # noqa: ANN401 - the library's own type, of two kinds
    try:
        return _PATHS.compile(path)
    except JSONPathError as error:
        raise DeclarationError(f"{path[:100]} is not a JSONPath: {str(error)[:100]}") from error
