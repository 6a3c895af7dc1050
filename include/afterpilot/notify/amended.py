"""A message that stands, with news that its incident alone does not tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from afterpilot.domain.message import Fact, Message

EXPLAINED, ANSWER = "Explained by", "Answer"


def explained_message(stands: Message, told: str) -> Message:
    """The message of an incident that another one explains: ``told`` names it and says why. Nobody needs to be told anew."""
    about = replace(stands.about, event="explained", quiet=True) if stands.about else None
    return replace(stands, facts=(*_without(stands, EXPLAINED), Fact(EXPLAINED, told)), about=about)


def answered_message(stands: Message | None, workflow: str, text: str, *, at: datetime) -> Message:
    """What a person has answered at a cap: in the message that stands, else one of its own. ``text`` is the line on a phone too."""
    if stands is None:
        return Message(tone="info", title=f"{workflow}: an answer about a cap", summary=text, notification=text)
    about = replace(stands.about, event="answered", at=at.isoformat(), quiet=False) if stands.about else None
    return replace(stands, notification=text, facts=(*_without(stands, ANSWER), Fact(ANSWER, text)), about=about)


def _without(message: Message, label: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in message.facts if fact.label != label)
