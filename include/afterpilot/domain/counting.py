"""A number in a sentence."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A number with its noun: 1 case, 2 cases, 1,200 cases."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
