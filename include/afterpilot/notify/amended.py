"""A message that stands, with news that its incident alone does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from afterpilot.domain.message import Fact, Message

EXPLAINED, BECAUSE_OF_IT, ANSWER = "Explained by", "Because of it", "Answer"
_NAMED = 5


def explained_message(stands: Message, told: str) -> Message:
    """The message of an incident that another one explains: ``told`` names it and says why. Nobody needs to be told anew."""
    about = replace(stands.about, event="explained", quiet=True) if stands.about else None
    return replace(stands, facts=(*_without(stands, EXPLAINED), Fact(EXPLAINED, told)), about=about)


def because_of_it(titles: Sequence[str]) -> tuple[Fact, ...]:
    """What the message of an incident says of those that it explains; nothing where it explains none."""
    more = f"; {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    return (Fact(BECAUSE_OF_IT, f"{'; '.join(titles[:_NAMED])}{more}"),) if titles else ()


def answered_message(stands: Message | None, workflow: str, text: str, *, at: datetime) -> Message:
    """What a person has answered at a cap: in the message that stands, else one of its own. ``text`` is the line on a phone too."""
    if stands is None:
        return Message(tone="info", title=f"{workflow}: an answer about a cap", summary=text, notification=text)
    about = replace(stands.about, event="answered", at=at.isoformat(), quiet=False) if stands.about else None
    return replace(stands, notification=text, facts=(*_without(stands, ANSWER), Fact(ANSWER, text)), about=about)


def _without(message: Message, label: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in message.facts if fact.label != label)
