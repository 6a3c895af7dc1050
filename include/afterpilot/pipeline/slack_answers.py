"""Answers that people give in Slack, as the pipeline takes them: a click becomes an answer of a declared person."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.workflow import Person, Workflow
from afterpilot.pipeline.answering import acknowledge, waive
from afterpilot.pipeline.services import Services

FRESH = 300.0  # seconds for which the declarations are taken as they were read
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Declared:
    """The services, and the usable workflows, as they are declared at a moment."""

    services: Services
    workflows: Sequence[Workflow]


class SlackAnswers:
    """Takes answers for :class:`afterpilot.notify.interactions.Interactions`.

    Reading a thousand declarations takes longer than Slack waits: they are read ahead, and again in the background when they
    are older than ``fresh`` seconds.
    """

    def __init__(
        self, read: Callable[[], Declared], *, fresh: float = FRESH, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._now = now
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._declared: Declared | None = None
        self._read_at = float("-inf")

    def acknowledge(self, incident: str, *, by: str) -> str:
        """Take an incident up. Raises AnswerRefused."""
        declared = self._current()
        return acknowledge(declared.services, incident, by=by, known=_known(declared)).said

    def waive(self, incident: str, *, by: str, until: datetime, reason: str) -> str:
        """Let an incident wait. Raises AnswerRefused."""
        declared = self._current()
        known = _known(declared)
        return waive(declared.services, incident, by=by, until=until, reason=reason, known=known).said

    def name_of(self, slack_user: str) -> str:
        """The name of an owner, a deputy or an operator of this Slack user id; empty where there is none."""
        declared = self._current()
        people: list[Person] = [*declared.services.fleet.operators]
        for workflow in declared.workflows:
            people += (workflow.owner, workflow.deputy)
        return next((person.name for person in people if person.slack == slack_user), "")

    def _current(self) -> Declared:
        with self._lock:
            declared, old = self._declared, self._now() - self._read_at > self._fresh
        if declared is None:
            return self._renew()
        if old and not self._reading.locked():
            threading.Thread(target=self._renew_later, name="declarations", daemon=True).start()
        return declared

    def _renew(self) -> Declared:
        with self._reading:
            with self._lock:
                if self._declared is not None and self._now() - self._read_at <= self._fresh:
                    return self._declared
            declared = self._read()
            with self._lock:
                self._declared, self._read_at = declared, self._now()
            return declared

    def _renew_later(self) -> None:
        try:
            self._renew()
        except Exception:
            log.exception("the declarations could not be read again: answers go by those that were read before")
            with self._lock:
                self._read_at = self._now()  # not with every click


def _known(declared: Declared) -> dict[str, Workflow]:
    return {workflow.slug: workflow for workflow in declared.workflows}
