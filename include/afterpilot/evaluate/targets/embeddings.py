"""OpenAI-compatible embeddings: https://platform.openai.com/docs/api-reference/embeddings/create."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.domain.record import Usage
from afterpilot.evaluate.exchange import count, counted

PATH = "embeddings"
MOST_TEXTS = 256  # in one call; providers take from 96 to 2,048
Vectors = tuple[tuple[float, ...], ...]


def request(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """The request's JSON."""
    return {"model": name, "input": list(texts), "encoding_format": "float"}


def vectors(body: Mapping[str, Any], wanted: int) -> Vectors | None:
    """One vector for each text, in their order; None where the reply does not hold just these."""
    data = body.get("data")
    if not isinstance(data, list) or len(data) != wanted:
        return None
    found: dict[int, tuple[float, ...]] = {}
    for place, item in enumerate(data):
        if not isinstance(item, dict):
            return None
        vector = item.get("embedding")
        index = item.get("index", place)
        if not isinstance(vector, list) or not vector or not all(map(_number, vector)) or not isinstance(index, int):
            return None
        found[index] = tuple(map(float, vector))
    if found.keys() != set(range(wanted)) or len({len(vector) for vector in found.values()}) > 1:
        return None
    return tuple(found[place] for place in range(wanted))


def usage(model: str, body: Mapping[str, Any]) -> Usage | None:
    """What the reply says it used; embedding puts nothing out."""
    said = body.get("usage")
    given = count(said.get("prompt_tokens")) if isinstance(said, dict) else None
    return None if given is None else counted(model, given, 0, 0)


def _number(value: object) -> bool:
    """JSON knows no infinity, but numbers that are as good as."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
