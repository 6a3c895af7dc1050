"""Any evidence as a tree that a page can show: tables where things are alike, lists where they are not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from afterpilot.web.text import words

DEEPEST = 7
MOST_ROWS = 100
MOST_COLUMNS = 10
_SHORT = 24
# The database does not keep the order of keys: what names a row comes first, the rest as it comes.
_FIRST = (
    "day",
    "week",
    "workflow",
    "check",
    "expect",
    "scorer",
    "case",
    "key",
    "field",
    "column",
    "kind",
    "model",
    "name",
)

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of evidence.

    ``text`` is of a leaf. ``pairs`` are the entries of a mapping, or of a list (without names). A table has ``columns`` and
    ``rows``. ``more`` says how many entries are not shown.
    """

    kind: Literal["text", "number", "none", "empty", "missing", "pairs", "list", "words", "table"]
    text: str = ""
    pairs: tuple[tuple[str, Node], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Node, ...], ...] = field(default=())
    more: int = 0


def tree(value: Any, depth: int = 0) -> Node:  # noqa: ANN401 - any JSON value
    """The evidence as a tree; what lies too deep is given as JSON."""
    if isinstance(value, Mapping | list | tuple) and depth >= DEEPEST:
        return Node("text", as_json(value))
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple):
        return _list(value, depth)
    return _leaf(value)


def as_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _mapping(value: Mapping[Any, Any], depth: int) -> Node:
    if not value:
        return Node("empty")
    if depth and _alike(value):
        return _by_name(value, depth)
    # Only our own names are turned into words; deeper down a key may be the name of a column.
    name = words if depth == 0 else str
    shown = list(value.items())[:MOST_ROWS]
    pairs = tuple((name(str(key)), tree(item, depth + 1)) for key, item in shown)
    return Node("pairs", pairs=pairs, more=len(value) - len(shown))


def _alike(value: Mapping[Any, Any]) -> bool:
    """Whether the entries are flat objects of the same few keys, such as shares by scorer."""
    items = list(value.values())
    if len(items) < 2 or not all(isinstance(item, Mapping) and item for item in items):  # noqa: PLR2004 - alike to what?
        return False
    keys = {str(key) for item in items for key in item}
    flat = all(not isinstance(part, Mapping | list | tuple) for item in items for part in item.values())
    return flat and len(keys) < MOST_COLUMNS and all(2 * len(item) >= len(keys) for item in items)


def _by_name(value: Mapping[Any, Any], depth: int) -> Node:
    """A table with the entries' names in its first column."""
    shown = list(value.items())[:MOST_ROWS]
    columns = list(dict.fromkeys(str(key) for _, item in shown for key in item))
    table = _table(
        [{str(key): part for key, part in item.items()} for _, item in shown], columns, depth, len(value) - len(shown)
    )
    rows = tuple((Node("text", str(name)), *row) for (name, _), row in zip(shown, table.rows, strict=True))
    return Node("table", columns=("", *table.columns), rows=rows, more=table.more)


def _list(value: Sequence[Any], depth: int) -> Node:
    if not value:
        return Node("empty")
    shown, more = value[:MOST_ROWS], max(0, len(value) - MOST_ROWS)
    if all(isinstance(item, Mapping) for item in shown):
        names = dict.fromkeys(str(key) for item in shown for key in item)
        columns = sorted(names, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
        if 0 < len(columns) <= MOST_COLUMNS:
            return _table(shown, columns, depth, more)
    if all(not isinstance(item, Mapping | list | tuple) for item in shown):
        leaves = [_leaf(item) for item in shown]
        if all(len(leaf.text) <= _SHORT for leaf in leaves):
            return Node("words", pairs=tuple(("", leaf) for leaf in leaves), more=more)
    return Node("list", pairs=tuple(("", tree(item, depth + 1)) for item in shown), more=more)


def _table(items: Sequence[Mapping[Any, Any]], columns: Sequence[str], depth: int, more: int) -> Node:
    rows = tuple(
        tuple(tree(item[name], depth + 1) if name in item else Node("missing") for name in columns) for item in items
    )
    return Node("table", columns=tuple(words(name) for name in columns), rows=rows, more=more)


def _leaf(value: Any) -> Node:  # noqa: ANN401 - any JSON scalar
    if value is None:
        return Node("none", "none")
    if isinstance(value, bool):
        return Node("text", "yes" if value else "no")
    if isinstance(value, float):
        return Node("number", f"{value:.6g}")
    if isinstance(value, int):
        return Node("number", str(value))
    text = str(value)
    if _TIME.fullmatch(text):
        return Node("text", _time(text))
    return Node("number" if _NUMBER.fullmatch(text) else "text", text)


def _time(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return text
