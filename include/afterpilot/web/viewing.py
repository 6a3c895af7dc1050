"""Whoever opens evidence is on record before they see it."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from afterpilot.domain.ledger import ITSELF, Entry, person
from afterpilot.record.ledger.appending import Ledger
from afterpilot.web.access import sight
from afterpilot.web.frame import Frame

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R", bound=Response)

VIEWED, DOWNLOADED = "web:evidence:viewed", "web:evidence:downloaded"
_SHOWN = 200
AGAIN = 600.0  # seconds within which the same person's next look at the same thing is no news
_REMEMBERED = 20_000
_LONGEST = 200  # characters of a filter's value
# Filters that say which part of the evidence was shown. Nothing else of an address is kept: a key may say who somebody is.
_FILTERS = frozenset(
    {"workflow", "stage", "verdict", "state", "severity", "kind", "actor", "from", "to", "on", "at", "month", "version"}
    | {"from_time", "to_time", "samples", "runs", "a", "b", "after", "before", "format", "reason", "told"}
)
# A person who is asked for by name can be erased: the name does not go into an entry that stays for good.
_NO_PERSON, _SOMEBODY = frozenset({ITSELF, "cli"}), "[a name]"
_UNRECORDED = (
    "Every look at evidence is recorded, and this one cannot be now: the ledger does not take it. "
    "Try again in a minute; if it stays so, tell whoever runs Afterpilot."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows: ``subject`` as the ledger names it, such as ``run:<id>``, and which ``part`` of it."""

    subject: str
    workflow: str
    part: str = ""


def shows(request: Request, subject: str, workflow: str, *, part: str = "") -> None:
    """Say what the page that is being made shows. Each page of evidence does, before it answers."""
    request.state.shown = Shown(subject, workflow, part)


def evidence(action: str = VIEWED) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a route as one of evidence: its answer leaves only after it is on record who asked for it.

    The page says by :func:`shows` what it shows. What leads elsewhere, or refuses, shows nothing.
    """

    def marked(page: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(page)
        def recorded(*args: P.args, **given: P.kwargs) -> R:
            request = given["request"]
            if not isinstance(request, Request):
                raise TypeError(f"{page.__name__} takes no request")
            answer = page(*args, **given)
            if answer.status_code == _SHOWN:
                request.app.state.views.record(request, action)
            return answer

        return recorded

    return marked


class Views:
    """Writes who looked at what, once in a while for the same look.

    Args:
        frame: writes to the ops database, and knows the time.
        clock: seconds that only go on.
    """

    def __init__(self, frame: Frame, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._frame = frame
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def record(self, request: Request, action: str) -> None:
        """Write the look, unless the same was written a short while ago. Raises HTTPException 503 where it cannot be."""
        shown: Shown = request.state.shown  # a page of evidence that does not say what it shows answers nobody
        who = sight(request)
        if not who.login:
            return  # pages that are served without a login: there is nobody to be named
        page, query = request.scope["route"].path, _filters(request)
        look = (
            who.login,
            action,
            shown.subject,
            shown.part,
            page,
            *(f"{name}={value}" for name, value in query.items()),
        )
        if self._recent(look):
            return
        entry = Entry(
            action=action,
            subject=shown.subject,
            at=self._frame.clock(),
            workflow=shown.workflow,
            actor=person(who.login),
            payload={"page": page, "part": shown.part, "query": query, "role": str(who.role)},
        )
        try:
            with self._frame.writing() as connection:
                Ledger(connection).append(entry)
        except sa.exc.SQLAlchemyError as error:
            log.exception("a view of evidence cannot be recorded")
            raise HTTPException(503, _UNRECORDED) from error
        self._remember(look)

    def forget(self) -> None:
        """Take the next look of everybody for a new one."""
        with self._lock:
            self._seen.clear()

    def _recent(self, look: tuple[str, ...]) -> bool:
        with self._lock:
            return self._clock() - self._seen.get(look, float("-inf")) < AGAIN

    def _remember(self, look: tuple[str, ...]) -> None:
        with self._lock:
            self._seen[look] = self._clock()
            self._seen.move_to_end(look)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)


def _filters(request: Request) -> dict[str, str]:
    given = request.query_params
    kept = {name: given[name][:_LONGEST] for name in sorted(_FILTERS & given.keys()) if given[name]}
    if "actor" in kept and ":" not in kept["actor"] and kept["actor"] not in _NO_PERSON:
        kept["actor"] = _SOMEBODY
    return kept
