"""Who asks, in which role, and what they see: known for every page before it is made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException

from afterpilot.domain.people import Somebody, folded
from afterpilot.record.history import late_personal
from afterpilot.record.history.named import Named, operators, people
from afterpilot.record.history.paging import Row
from afterpilot.record.history.review import Mine
from afterpilot.web.review.safety import from_this_site
from afterpilot.web.withholding import Late

KEPT = 15.0  # seconds for which what the declarations say of people is kept in memory
_READS_ONLY = "Only people who may change runs in Airflow can decide here. Ask whoever keeps the accounts."
_NOT_NAMED = (
    "The declaration of {workflow} does not name you among those who decide: its owner, its deputy, its reviewers."
)
_NOT_SEEN = "No workflow of this name is known here, or it is not one that you may see."


class Role(StrEnum):
    """What Airflow lets somebody do says which they are."""

    ENGINEER = "engineer"  # may read connections: sees everything, decides nothing by right
    OWNER = "owner"  # may change runs: sees the workflows that name them
    AUDITOR = "auditor"  # may read runs: sees every workflow and all evidence, changes nothing


@dataclass(frozen=True, slots=True)
class Sight:
    """Whoever asks. ``login`` is empty where nobody is logged in; ``also`` are other names that only an administrator gives.

    ``only`` are the workflows that they see, None for all; ``decides`` those whose declarations let them decide. Unless somebody
    has looked both up, there are none. ``late`` gives the fields that are personal now and were kept as they are before, of those
    who do not see what is personal.
    """

    login: str
    also: tuple[str, ...] = ()
    role: Role = Role.AUDITOR
    only: frozenset[str] | None = frozenset()
    decides: frozenset[str] = frozenset()
    late: Callable[[], Late] = field(default=dict, compare=False, repr=False)

    @property
    def somebody(self) -> Somebody:
        """The person, by all names."""
        return Somebody(self.login, self.also)

    @property
    def mine(self) -> Mine:
        """What the queue knows the person by: dana.ruiz, Dana Ruiz and dana.ruiz@example.com are one."""
        return Mine(self.login, self.names)

    @property
    def names(self) -> frozenset[str]:
        """All names, as they are compared."""
        return frozenset(folded(name) for name in (self.login, *self.also)) - {""}

    @property
    def may_operate(self) -> bool:
        """Whether they may change anything at all, such as acknowledge an incident or begin a silence."""
        return self.role is not Role.AUDITOR and bool(self.login)

    @property
    def sees_personal(self) -> bool:
        """Whether values of fields that a declaration calls personal are shown."""
        return self.role is not Role.AUDITOR

    @property
    def sees_logs(self) -> bool:
        """Whether they are led to the logs of tasks; Airflow itself keeps them from auditors."""
        return self.role is not Role.AUDITOR or not self.login

    def may_decide(self, workflow: str) -> bool:
        """Whether they may decide on outputs of the workflow."""
        return self.may_operate and workflow in self.decides

    def sees(self, workflow: str) -> bool:
        """Whether anything of the workflow is shown to them."""
        return self.only is None or workflow in self.only

    def of(self, row: Row | None) -> Row | None:
        """The row if they see its workflow, else None, as if there were none."""
        return row if row is not None and self.sees(row["workflow"]) else None

    def need(self, workflow: str) -> None:
        """Raises HTTPException 404 for a workflow that they do not see, whether it exists or not."""
        if not self.sees(workflow):
            raise HTTPException(404, _NOT_SEEN)

    def need_decision(self, workflow: str) -> None:
        """Raises HTTPException 404 for a workflow that they do not see, 403 for one that does not name them."""
        self.need(workflow)
        if not self.may_decide(workflow):
            raise HTTPException(403, _NOT_NAMED.format(workflow=workflow) if self.may_operate else _READS_ONLY)


def nobody() -> Sight:
    """Nobody is known, where pages are served without a login: everything can be read, nothing changed."""
    return Sight("", only=None)


def sight(request: Request) -> Sight:
    """Who asks. Raises AttributeError on a route that does not know, which the application has none of."""
    found: Sight = request.state.sight
    return found


@dataclass(frozen=True, slots=True)
class Access:
    """How people are known. ``who`` is a dependency that gives login, names and role; ``gate`` are those that let them write."""

    who: Callable[..., Sight] = nobody
    gate: Sequence[Dependency] = ()

    def reading(self, declared: Declared) -> list[Dependency]:
        """What every page depends on: it leaves on the request who asks and what they see, and refuses what they do not."""

        def known(request: Request, who: Sight = Depends(self.who)) -> None:  # noqa: B008 - FastAPI's way
            found = declared.complete(who)
            request.state.sight = found
            for name in ("workflow", "slug"):
                if name in request.path_params:
                    found.need(request.path_params[name])

        return [Depends(known)]

    @property
    def writing(self) -> list[Dependency]:
        """What every route that changes something depends on as well."""
        return [*self.gate, Depends(_may_operate), Depends(from_this_site)]


class Declared:
    """What the declarations say of people, as of at most :data:`KEPT` seconds ago.

    Args:
        reading: opens a connection to the ops database.
        clock: seconds that only go on.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[sa.Connection]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._sees: Mapping[str, frozenset[str]] = {}
        self._decides: Mapping[str, frozenset[str]] = {}
        self._operators: frozenset[str] = frozenset()
        self._late_lock = threading.Lock()
        self._late_at = float("-inf")
        self._late: Mapping[late_personal.Version, frozenset[str]] = {}

    def complete(self, who: Sight) -> Sight:
        """The same person with what they see. Raises SQLAlchemy's errors where the ops database is away."""
        if who.role is Role.AUDITOR:
            return replace(who, only=None, decides=frozenset(), late=self.late)
        self._look()
        decides = _all_of(self._decides, who.names)
        everything = who.role is Role.ENGINEER or bool(self._operators & who.names)
        return replace(who, only=None if everything else _all_of(self._sees, who.names), decides=decides)

    def late(self) -> Late:
        """The fields of each workflow that are personal now and were kept as they are before. A version is looked at once.

        Raises SQLAlchemy's errors where the ops database is away.
        """
        with self._late_lock:
            if self._clock() - self._late_at >= KEPT:
                with self._reading() as connection:
                    there = late_personal.versions(connection)
                    new = late_personal.late(connection, there - self._late.keys())
                self._late = {one: self._late.get(one) or new.get(one, frozenset()) for one in there}
                self._late_at = self._clock()
            return {workflow: fields for (workflow, _), fields in self._late.items() if fields}

    def _look(self) -> None:
        with self._lock:
            if self._clock() - self._read_at < KEPT:
                return
            with self._reading() as connection:
                named, operating = people(connection), operators(connection)
            self._sees = _by_name(named, lambda one: one.seeing)
            self._decides = _by_name(named, lambda one: one.deciding)
            self._operators = frozenset(map(folded, operating)) - {""}
            self._read_at = self._clock()


def _by_name(named: Sequence[Named], whom: Callable[[Named], Sequence[str]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one in named:
        for name in whom(one):
            found.setdefault(folded(name), set()).add(one.workflow)
    return {name: frozenset(workflows) for name, workflows in found.items() if name}


def _all_of(workflows: Mapping[str, frozenset[str]], names: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(workflows.get(name, frozenset()) for name in names))


def _may_operate(request: Request) -> None:
    if not sight(request).may_operate:
        raise HTTPException(403, _READS_ONLY)
