"""Scorer of likeness: by edit distance, or by embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import isfinite, sqrt

from afterpilot.evaluate.answers import as_text, short
from afterpilot.evaluate.scorers.child import alike
from afterpilot.evaluate.scorers.process import Broken, TooSlow
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError
from afterpilot.evaluate.scorers.regexes import PROCESS, SECONDS

_AT_ONCE = 200_000_000  # product of two texts' lengths up to which all other cases wait meanwhile: some 50 ms
_MOST_WORK = 2_000_000_000  # and up to which they are compared at all: some 0.5 s
METHODS = ("levenshtein", "token_sort")


async def similarity(question: Question) -> Result:
    """0 to 1, how alike the field and the expected text are. Blanks around them do not count."""
    wanted, found = as_text(question.wanted()).strip(), as_text(question.found()).strip()
    if question.param("ignore_case"):
        wanted, found = wanted.casefold(), found.casefold()
    embedding = question.param("embedding")
    if embedding:
        return await _embedded(question, found, wanted)
    method = question.param("method", "levenshtein")
    value = await likeness(found, wanted, method=method, threshold=question.spec.threshold)
    return Result(value, _reason(value, found, wanted), {"similarity": value, "method": method})


async def likeness(one: str, other: str, *, method: str = "levenshtein", threshold: float = 0.0) -> float:
    """0 to 1, the same whichever comes first; 1 for the same text.

    levenshtein: 1 - distance / length of the longer one (Levenshtein, 1966; normalised as in Yujian and Bo, 2007). token_sort: the
    words of both are put in order first, then 1 - the distance without replacements / length of both together. Long texts are
    compared in a process of their own: a thread would hold the interpreter all the while.

    Raises:
        ScorerError: both are too long to be compared, and their lengths alone do not put them below the threshold.
    """
    if method not in METHODS:
        raise ScorerError(f"texts cannot be compared by {method!r}")
    work = len(one) * len(other)
    if work > _MOST_WORK:
        shorter, longer = sorted((len(one), len(other)))
        best = shorter / longer if method == "levenshtein" else 2 * shorter / (shorter + longer)
        if best < threshold:
            return 0.0
        raise ScorerError(f"texts of {len(one):,} and {len(other):,} characters are too long to be compared")
    if work <= _AT_ONCE:
        return alike(one=one, other=other, method=method)
    try:
        doing = asyncio.to_thread(PROCESS.do, "alike", seconds=SECONDS, one=one, other=other, method=method)
        return float(await doing)
    except (TooSlow, Broken) as error:
        raise ScorerError(f"texts of {len(one):,} and {len(other):,} characters cannot be compared: {error}") from error


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, 0 where it is negative. Raises ScorerError where there is none."""
    lengths = sqrt(sum(part * part for part in one)) * sqrt(sum(part * part for part in other))
    if len(one) != len(other) or not isfinite(lengths) or lengths == 0:
        raise ScorerError("the embeddings cannot be compared: of other lengths, zero, or no numbers")
    return min(max(sum(a * b for a, b in zip(one, other, strict=True)) / lengths, 0.0), 1.0)


async def _embedded(question: Question, found: str, wanted: str) -> Result:
    if not found or not wanted:  # providers refuse an empty text
        value = 1.0 if found == wanted else 0.0
        return Result(value, _reason(value, found, wanted), {"similarity": value, "method": "embedding"})
    model = question.param("embedding")
    embedded = await question.asking.embed(model["connection"], model["model"], [found, wanted])
    value = cosine(*embedded.vectors)
    return Result(value, _reason(value, found, wanted), {"similarity": value, "method": "embedding"})


def _reason(value: float, found: str, wanted: str) -> str:
    return "" if value == 1 else f"{short(found)} is {value:.2f} like {short(wanted)}"
