"""Silences: a person says what is kept and not sent, for how long and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from afterpilot.declare.alert_kinds import fits_a_kind, meant_kind
from afterpilot.domain.alerting import Silence
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.people import folded
from afterpilot.domain.run import FLEET
from afterpilot.domain.storable import storable
from afterpilot.notify.text import clean
from afterpilot.pipeline.first_digits import meant
from afterpilot.record.history.silences import kinds
from afterpilot.record.ops import Unit

LONGEST_SILENCE = timedelta(days=30)
_LONGEST_TEXT = 1000  # characters of a reason, a name or a pattern


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants silenced: a workflow and a kind of finding, each a name or a pattern with ``*``; empty: all."""

    workflow: str
    kind: str
    until: datetime
    by: str
    reason: str


def begin_silence(unit: Unit, asked: Asked, *, workflows: Collection[str], now: datetime) -> Silence:
    """Keep what matches, and send none of it until then. The same of the same person once more makes the one longer that holds.

    ``workflows`` are the slugs that there are: a silence that can match nothing is refused.

    Raises:
        AnswerRefused: no name, no reason, an end that is over or more than 30 days away, no such workflow or kind, or one that
            cannot be read.
    """
    by, reason = _text(asked.by), _text(asked.reason)
    workflow, kind = _pattern(asked.workflow), _pattern(asked.kind)
    if not by:
        raise AnswerRefused("Say who wants it silent: the list of silences names them.")
    if not reason:
        raise AnswerRefused("Say why it is to be silent: whoever looks for a missing alert wants to know.")
    if asked.until <= now:
        raise AnswerRefused("The end of the silence is over; say a time that is to come.")
    if asked.until > now + LONGEST_SILENCE:
        raise AnswerRefused(f"A silence holds for at most {LONGEST_SILENCE.days} days; begin another one then.")
    _must_exist(workflow, workflows)
    if kind and not fits_a_kind(kind, kinds(unit.connection)):
        raise AnswerRefused(f"{kind!r} is no kind of finding: {meant_kind(kind)}")
    unit.silences.lock()
    for one in unit.silences.holding(now):
        same = (one.workflow, one.kind, one.reason) == (workflow, kind, reason)
        if same and folded(one.by) == folded(by):
            return unit.silences.extend(one, by=by, at=now, until=asked.until) if asked.until > one.ends_at else one
    return unit.silences.begin(workflow=workflow, kind=kind, by=by, reason=reason, at=now, until=asked.until)


def end_silence(unit: Unit, which: str, *, by: str, now: datetime) -> tuple[Silence, bool]:
    """End a silence before its time, named by its id or the first digits of it; whether that changed anything.

    Raises:
        AnswerRefused: no name, or no silence or several can be meant.
    """
    if not (who := _text(by)):
        raise AnswerRefused("Say who ends it: the list of silences names them.")
    unit.silences.lock()
    silence = meant(which, unit.silences.find, what="silence", standing=lambda one: one.ends_at > now)
    if silence.ends_at <= now:
        return silence, False
    return unit.silences.end(silence, by=who, at=now), True


def covered(silence: Silence) -> str:
    """What it keeps, in words."""
    what = f"{silence.kind} of " if silence.kind else "everything of "
    return what + (silence.workflow or "all workflows")


def keeps(workflow: str, kind: str, incident: Mapping[str, Any]) -> bool:
    """Whether a silence of that workflow and kind, patterns or empty, keeps the messages of an incident's row."""
    own = incident["workflow"], incident["kind"]
    return all(not pattern or fnmatchcase(name, pattern) for name, pattern in zip(own, (workflow, kind), strict=True))


def _must_exist(workflow: str, workflows: Collection[str]) -> None:
    if not workflow or workflow == FLEET or any(fnmatchcase(slug, workflow) for slug in workflows):
        return
    near = get_close_matches(workflow, workflows, n=1)
    raise AnswerRefused(f"No workflow is called {workflow!r}{f'; do you mean {near[0]}?' if near else '.'}")


def _pattern(text: str) -> str:
    """A name or a pattern as it was typed. Empty keeps everything, so one in which nothing can be seen is not taken for it."""
    if text.strip() and not _text(text):
        raise AnswerRefused("The workflow or the kind has no sign that can be seen; leave it out, or say which.")
    return _text(text)


def _text(text: str) -> str:
    return storable(clean(text))[:_LONGEST_TEXT]
