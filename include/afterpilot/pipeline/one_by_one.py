"""What a sweep does for each of many: one that breaks holds up no other, and is not kept quiet about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Swept:
    """For how many something was done, and for how many it broke: the next sweep tries these again."""

    done: int
    broken: int


def one_by_one(act: Callable[[T], bool], those: Iterable[T], *, named: Callable[[T], str]) -> Swept:
    """Do it for each of them, in a transaction of its own; ``act`` says whether anything was done, ``named`` what the log calls it."""
    done = broken = 0
    for one in those:
        try:
            done += act(one)
        except Exception:
            log.exception("%s: it could not be looked after, and is tried again by the next sweep", named(one))
            broken += 1
    return Swept(done, broken)
