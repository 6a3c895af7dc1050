"""Which patterns may run in this process: the bound on their steps holds against a matcher that tries everything."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from afterpilot.evaluate.scorers.regexes import is_quick, most_steps

PARSER: Any = importlib.import_module("re._parser")
ENOUGH = 20_000  # steps after which a trial ends

ATOMS = st.sampled_from(["a", ".", "[ab]", r"\d", r"\w", "^", "$", r"\b", "(?:)", "ab"])


def _longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifier = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "*+", "?+"])
    return (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})")
        | st.tuples(inner, quantifier).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        | inner.map(lambda part: f"(?={part})")
        | inner.map(lambda part: f"(?>{part})")
    )


PATTERNS = st.recursive(ATOMS, _longer, max_leaves=5)


class TooMany(Exception):
    """The trial is ended."""


class Everything:
    """Tries every way through a pattern in a text where each letter fits each part: no real text takes more steps."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.steps = 0

    def search(self, parsed: Any) -> None:
        """From each place, and never content with what it finds."""
        for start in range(self.length + 1):
            for _ in self.ends(list(parsed), start):
                pass

    def ends(self, parts: list[Any], at: int) -> Iterator[int]:
        """Where these parts can end, each way counted."""
        if not parts:
            yield at
            return
        for end in self.part(str(parts[0][0]), parts[0][1], at):
            yield from self.ends(parts[1:], end)

    def part(self, kind: str, argument: Any, at: int) -> Iterator[int]:
        """Where one part can end."""
        if kind == "AT":
            self.step()
            if str(argument) != "AT_BEGINNING" or at == 0:
                yield at
        elif kind in {"LITERAL", "NOT_LITERAL", "ANY", "IN"}:
            self.step()
            if at < self.length:
                yield at + 1
        elif kind == "BRANCH":
            for branch in argument[1]:
                yield from self.ends(list(branch), at)
        elif kind in {"SUBPATTERN", "ATOMIC_GROUP"}:
            yield from self.ends(list(argument[-1] if kind == "SUBPATTERN" else argument), at)
        elif kind == "ASSERT":
            for _ in self.ends(list(argument[1]), at):
                yield at
        else:
            yield from self.repeat(*argument, at, 0)

    def repeat(self, least: int, most: int, body: Any, at: int, done: int) -> Iterator[int]:
        """Where a repeat can end; a turn that takes nothing is its last one."""
        if done >= least:
            yield at
        if done < int(most):
            for end in self.ends(list(body), at):
                if end > at or done < least:
                    yield from self.repeat(least, most, body, end, done + 1)

    def step(self) -> None:
        """Count one."""
        self.steps += 1
        if self.steps > ENOUGH:
            raise TooMany


@given(PATTERNS, st.integers(0, 12))
@example(r"(?:a\b\b\b\b\b\b)*", 12)  # each turn of a repeat costs all of its body
@example(r"a*\b\b\b\b\b\b\b\b", 12)  # what follows is tried after each way through what was before
def test_no_search_takes_more_steps_than_the_bound(pattern: str, length: int) -> None:
    """Whatever the pattern is made of."""
    bound = most_steps(pattern, length)
    assume(bound < math.inf)
    trial = Everything(length)
    try:
        trial.search(PARSER.parse(pattern))
    except TooMany:
        assert bound > ENOUGH, pattern
    else:
        assert trial.steps <= bound, pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(a|aa)+$",
        r"(a|a)*b",
        r"(.*a){12}",
        r"^(\w+\s?)*$",
        r"(a?){30}a{30}",
        r".*.*.*=.*",
        r"(x)\1",
        r"^(([a-z])+.)+[A-Z]([a-z])+$",
        r"(?=(a+)+$)a",
        r"(a*)*b",
        r"(?:a{0,50}){0,50}b",
    ],
)
def test_a_pattern_that_can_take_for_ever_never_runs_here(pattern: str) -> None:
    """The usual bombs, already on thirty letters and more so on many."""
    assert not is_quick([pattern], 64)
    assert not is_quick(["a", pattern], 10_000)


@pytest.mark.parametrize(
    ("pattern", "length"),
    [
        (r"^INV-[0-9]{7}$", 10_000),
        (r"yes|no|maybe", 10_000),
        (r"[0-9]+", 400),
        (r"^\s*\{.*\}\s*$", 30),
        (r"(?i)total: \d+[.,]\d{2}", 200),
        (r"\b[A-Z]{2}\d{2}(?: ?\d{4}){3,7}\b", 200),
    ],
)
def test_an_everyday_pattern_runs_here(pattern: str, length: int) -> None:
    """On answers of everyday length: a process for each would cost more than all other scorers."""
    assert is_quick([pattern], length)


def test_what_is_no_pattern_is_not_quick() -> None:
    """Nor does asking raise."""
    assert not is_quick(["(a"], 10)
