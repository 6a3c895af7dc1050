"""Reading the deployment files the way Docker Compose does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<mark>:?[-?])(?P<rest>[^}]*))?\}|\$(?P<bare>[A-Za-z_]\w*)")


class MissingVariable(Exception):
    """A required variable has no value; Compose would stop here."""


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replace variables as the Compose specification says (the forms that our file uses)."""

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        name, mark, rest = match["name"] or match["bare"], match["mark"] or "", match["rest"] or ""
        value = values.get(name, "")
        if value or (name in values and not mark.startswith(":")):
            return value
        if mark.endswith("?"):
            raise MissingVariable(f"{name}: {rest}")
        return rest

    return _VARIABLE.sub(replace, text)


def filled_in(node: Any, values: Mapping[str, str]) -> Any:
    """The same YAML with every variable replaced."""
    if isinstance(node, dict):
        return {key: filled_in(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [filled_in(item, values) for item in node]
    return interpolate(node, values) if isinstance(node, str) else node


def env_names(text: str) -> set[str]:
    """Names that an example file offers, set or commented out."""
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
