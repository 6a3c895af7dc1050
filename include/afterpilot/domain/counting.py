"""A number in a sentence."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A number with its noun: 1 case, 2 cases, 1,200 cases; 2 entries."""
    if count == 1:
        return f"{count:,} {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{count:,} {noun}s"
