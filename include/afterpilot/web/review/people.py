"""Who reviews: the login of whoever asks, the names that items may be assigned to, and whether they may decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException

from afterpilot.domain.people import folded
from afterpilot.record.history.review import Mine
from afterpilot.web.review.safety import from_this_site

_REFUSED = "Only people who may change runs in Airflow can decide here. Ask whoever keeps the accounts."


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Whoever asks. ``login`` is empty where nobody is logged in; ``also`` are their full name and e-mail address, if known."""

    login: str
    also: tuple[str, ...] = ()
    may_decide: bool = False

    @property
    def mine(self) -> Mine:
        """What the queue knows the person by: dana.ruiz, Dana Ruiz and dana.ruiz@example.com are one."""
        names = {folded(name) for name in (self.login, *self.also)}
        return Mine(self.login, names - {""})


@dataclass(frozen=True, slots=True)
class Reviewers:
    """How people are known. ``who`` is a dependency that gives the reviewer; ``gate`` are those that let them write."""

    who: Callable[..., Reviewer]
    gate: Sequence[Dependency] = ()

    @property
    def reading(self) -> list[Dependency]:
        """What every route of the queue depends on: it knows who asks."""

        def known(request: Request, who: Reviewer = Depends(self.who)) -> None:  # noqa: B008 - FastAPI's way
            request.state.reviewer = who

        return [Depends(known)]

    @property
    def writing(self) -> list[Dependency]:
        """What every route that changes something depends on as well."""
        return [*self.gate, *self.reading, Depends(_may_decide), Depends(from_this_site)]


def nobody() -> Reviewer:
    """Nobody is known: the queue can be read."""
    return Reviewer("")


def asking(request: Request) -> Reviewer:
    """Who asks; see :attr:`Reviewers.reading`."""
    found: Reviewer = request.state.reviewer
    return found


def holder(reserved_by: str, reserved_until: datetime | None, *, at: datetime) -> str:
    """Who has an item now; empty where nobody does, or the time is over."""
    return reserved_by if reserved_by and reserved_until is not None and reserved_until > at else ""


def _may_decide(request: Request) -> None:
    who = asking(request)
    if not who.may_decide or not who.login:
        raise HTTPException(403, _REFUSED)
