"""What a person names by its id, or by the first digits of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AnswerRefused

_FEWEST = 4  # digits: fewer fit by accident
_NAMED = 10


class _Identified(Protocol):
    @property
    def id(self) -> uuid.UUID: ...


_One = TypeVar("_One", bound=_Identified)


def meant(which: str, find: Callable[[str], Sequence[_One]], *, what: str, standing: Callable[[_One], bool]) -> _One:
    """The one that begins with these digits, out of what ``find`` has of them; one that is over only where none stands.

    Raises:
        AnswerRefused: there is none, or several can be meant. ``what`` it is (``incident``) is said there.
    """
    digits = which.strip().lower()
    found = find(digits) if len(digits) >= _FEWEST else ()
    fit = [one for one in found if standing(one)] or found
    if len(fit) > 1:
        named = ", ".join(str(one.id)[:8] for one in fit[:_NAMED])
        raise AnswerRefused(f"{plural(len(fit), what)} fit to {digits!r}, say more digits: {named}")
    if not fit:
        raise AnswerRefused(f"No {what} has an id that begins with {which.strip()!r}.")
    return fit[0]
