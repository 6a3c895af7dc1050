"""Scorer of regular expressions, and the question whether a pattern may be run in this process.

A pattern may run here if it cannot take long on a text of that length, whatever the text: :func:`most_steps` bounds the work of a
backtracking matcher from the pattern's own structure. All others run in a child with a limit of time.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from afterpilot.evaluate.answers import as_text, short
from afterpilot.evaluate.scorers.process import Broken, Process, TooSlow
from afterpilot.evaluate.scorers.question import Question, Result, ScorerError, verdict

SECONDS = 5.0
MOST_STEPS = 1_000_000  # some 10 ms
PROCESS = Process()
_parser: Any = importlib.import_module("re._parser")  # the one that `re` itself uses
_PLAIN = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "AT", "FAILURE"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
# Where the parts of a group, an atomic group and a look around stand in what the parser gives.
_INSIDE: Mapping[str, Callable[[Any], Any]] = {
    "SUBPATTERN": lambda argument: argument[-1],
    "ATOMIC_GROUP": lambda argument: argument,
    "ASSERT": lambda argument: argument[1],
    "ASSERT_NOT": lambda argument: argument[1],
}


async def regex(question: Question) -> Result:
    """The pattern is found in the text, or matches the ``whole`` of it. Blanks around the text do not count."""
    pattern, whole = question.param("pattern"), bool(question.param("whole"))
    compiled = compiled_pattern(pattern)
    found = question.found()
    text = as_text(found).strip()
    if is_quick((compiled.pattern,), len(text)):
        matches = (compiled.fullmatch(text) if whole else compiled.search(text)) is not None
    else:
        matches = await _searched(compiled.pattern, text, whole=whole)
    return verdict("" if matches else f"{short(found)} does not match {pattern}")


async def _searched(pattern: str, text: str, *, whole: bool) -> bool:
    try:
        return bool(
            await asyncio.to_thread(PROCESS.do, "search", seconds=SECONDS, pattern=pattern, text=text, whole=whole)
        )
    except (TooSlow, Broken) as error:
        raise ScorerError(f"the pattern {short(pattern)} could not be tried: {error}") from error


@functools.lru_cache(maxsize=256)
def compiled_pattern(pattern: Any) -> re.Pattern[str]:  # noqa: ANN401 - as declared
    """The pattern, ready for use. Raises ScorerError where it is none."""
    try:
        return re.compile(str(pattern) if pattern is not None else "(")
    except (re.error, OverflowError, RecursionError) as error:
        raise ScorerError(f"the pattern {short(pattern)} cannot be used: {error}") from error


def is_quick(patterns: Iterable[str], length: int) -> bool:
    """Whether each pattern is searched in at most :data:`MOST_STEPS` in any text of that length."""
    size = 1 << max(length, 1).bit_length()  # the next power of two: few sizes, so that the answers are remembered
    return all(most_steps(pattern, size) <= MOST_STEPS for pattern in patterns)


@functools.lru_cache(maxsize=1024)
def most_steps(pattern: str, length: int) -> float:
    """The most steps that a backtracking search can take in a text of ``length`` characters; infinite where nobody knows.

    A matcher tries the ways in which a part can match, and for each of them all that follows. So of a sequence the ways multiply,
    and each part's steps count once for each way through the parts before it; of alternatives both add up; a repeat of what
    matches in one way has as many ways as it has lengths, of what matches in w ways the sum of w to each of them. A search begins
    at each character, unless the pattern holds the beginning.
    """
    try:
        parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return math.inf
    work = _sequence(parsed, length)
    starts = length + 1
    first = next(iter(parsed), None)
    anchored = first is not None and str(first[0]) == "AT" and str(first[1]) in {"AT_BEGINNING", "AT_BEGINNING_STRING"}
    if anchored and not parsed.state.flags & re.MULTILINE:
        return starts + work.steps + work.ways
    return starts * (work.steps + work.ways)


@dataclass(frozen=True, slots=True)
class _Work:
    """In how many ways a part can match from one place, and how many steps it takes to try them all."""

    ways: float
    steps: float


_UNKNOWN = _Work(math.inf, math.inf)


def _sequence(parts: Any, length: int) -> _Work:  # noqa: ANN401 - re's own
    ways, steps = 1.0, 0.0
    for kind, argument in parts:
        part = _part(str(kind), argument, length)
        steps += ways * part.steps
        ways *= part.ways
    return _Work(ways, steps)


def _part(kind: str, argument: Any, length: int) -> _Work:  # noqa: ANN401 - re's own
    if kind in _PLAIN or kind == "IN":
        return _Work(1, len(argument) if kind == "IN" else 1)
    if kind == "BRANCH":
        branches = [_sequence(branch, length) for branch in argument[1]]
        return _Work(sum(one.ways for one in branches), sum(one.steps for one in branches) + 1)
    if kind in _INSIDE:
        return _sequence(_INSIDE[kind](argument), length)
    if kind in _REPEATS:
        least, most, body = argument
        return _repeat(int(least), int(most), body, length)
    return _UNKNOWN  # a back reference, or what a later Python adds


def _repeat(least: int, most: int, body: Any, length: int) -> _Work:  # noqa: ANN401 - re's own
    once = _sequence(body, length)
    times = min(most, length + least + 1)  # an empty turn ends an unbounded repeat
    if once.ways <= 1:
        ways = times - least + 1.0
        return _Work(ways, times * once.steps + ways)
    if (times + 1) * math.log2(once.ways) > 64:  # noqa: PLR2004 - bits: beyond all bounds
        return _UNKNOWN
    trees = (once.ways ** (times + 1) - 1) / (once.ways - 1)
    return _Work(trees, trees * once.steps)
