"""The regular expression that most of some texts follow: ``INV-3101874`` and ``INV-0004711`` are ``^INV-[0-9]{7}$``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LONGEST = 40  # characters: longer texts are no codes
_MOST_PARTS = 12
_ENOUGH = 0.95
_PARTS = re.compile(r"[0-9]+|[A-Z]+|[a-z]+|[^0-9A-Za-z]")
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_CLASSES = (("[0-9]", re.compile(r"[0-9]+")), ("[A-Z]", re.compile(r"[A-Z]+")), ("[a-z]", re.compile(r"[a-z]+")))


class _Part(NamedTuple):
    """A run of one class of characters, or a sign that stands for itself."""

    kind: str
    text: str


def shape_of(texts: Sequence[str]) -> tuple[str, float]:
    """The shape that most of the texts share, and how many of them do (0 to 1); empty and 0 where there is none to speak of.

    Only codes have one: texts with a digit, of up to 40 characters.
    """
    parsed = [tuple(_parts(text)) for text in texts if text and len(text) <= _LONGEST]
    if not parsed:
        return "", 0.0
    kinds = Counter(tuple(part.kind for part in parts) for parts in parsed)
    common, count = kinds.most_common(1)[0]
    share = count / len(texts)
    if share < _ENOUGH or "[0-9]" not in common or len(common) > _MOST_PARTS or len(set(texts)) < 2:  # noqa: PLR2004
        return "", 0.0
    same = [parts for parts in parsed if tuple(part.kind for part in parts) == common]
    return f"^{''.join(_pattern([parts[place] for parts in same]) for place in range(len(common)))}$", share


def _parts(text: str) -> Iterator[_Part]:
    for match in _PARTS.finditer(text):
        kind = next((name for name, pattern in _CLASSES if pattern.fullmatch(match[0])), match[0])
        yield _Part(kind, match[0])


def _pattern(parts: Sequence[_Part]) -> str:
    texts = {part.text for part in parts}
    if len(texts) == 1 and parts[0].kind != "[0-9]":
        return _SPECIAL.sub(r"\\\g<0>", parts[0].text)
    lengths = {len(text) for text in texts}
    low, high = min(lengths), max(lengths)
    return f"{parts[0].kind}{{{low}}}" if low == high else f"{parts[0].kind}{{{low},{high}}}"
