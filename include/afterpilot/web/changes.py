"""What differs between two versions of a declaration, key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from afterpilot.web.evidence import as_json

MOST = 100
_LINE = 80


@dataclass(frozen=True, slots=True)
class Change:
    """A key, and its values before and after; None where it was not there."""

    key: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The keys (``spend.cap``) whose values differ, in the order of the newer version."""
    old, new = _flat(before), _flat(after)
    names = list(dict.fromkeys([*new, *old]))
    found = [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]
    return tuple(found[:MOST])


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            flat.update(_flat(item, f"{name}."))
        else:
            flat[name] = _short(item)
    return flat


def _short(value: object) -> str:
    """A value as text: on one line where it is short enough."""
    if isinstance(value, str):
        return value
    line = json.dumps(value, ensure_ascii=False, default=str)
    return line if len(line) <= _LINE else as_json(value)
