"""A number in a sentence."""

from __future__ import annotations

from decimal import Decimal


def plural(count: int, noun: str) -> str:
    """A number with its noun: 1 case, 2 cases, 1,200 cases; 2 entries, 2 hashes."""
    if count == 1:
        return f"{count:,} {noun}"
    if noun.endswith("ry"):
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith('sh') else 's'}"


def per_cent(share: float | Decimal, *, places: int = 0) -> str:
    """A share of 0 to 1, or more, as people read it here: ``47 %``, with one place ``46.8 %``.

    What is not nothing is never told as 0, and what is not all is never told as 100: ``below 0.1 %``, ``over 99.9 %``.
    """
    last = 10**-places  # per cent
    if 0 < share * 100 < last:
        return f"below {last:g} %"
    if 0 < (1 - share) * 100 < last:
        return f"over {100 - last:g} %"
    return f"{share:.{places}%}".replace("%", " %")
