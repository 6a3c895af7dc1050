"""How a proposed declaration writes its values: as YAML on one line, and as people read them in a comment."""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta
from decimal import Decimal

_NEARLY_ALL = 0.98
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "~"})


def flow(value: object) -> str:
    """A value of a declaration in YAML's flow form."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(part) for part in value) + "]"
    if isinstance(value, Decimal):
        return plain(value)
    return text(value) if isinstance(value, str) else str(value)


def text(value: str) -> str:
    """A text that YAML reads as this text."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?(%|[mhdw])", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def plain(value: Decimal) -> str:
    """A number in digits, without vain zeros."""
    return f"{value.normalize():f}"


def percent(share: float) -> str:
    """A share in whole per cent; what is nearly all is never called all."""
    if _NEARLY_ALL < share < 1:
        return f"{math.floor(share * 1000) / 10:g} %"
    return f"{share:.0%}".replace("%", " %")


def duration(length: timedelta) -> str:
    """In whole minutes, hours or days, rounded up."""
    minutes = math.ceil(length.total_seconds() / 60)
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes}m"
    hours = math.ceil(minutes / 60)
    return f"{hours}h" if hours < 72 else f"{math.ceil(hours / 24)}d"  # noqa: PLR2004 - three days
