"""A message before it is text for any channel: what happened, in the order in which a person asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Tone = Literal["critical", "warning", "unknown", "good", "info"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value, e.g. ``Since`` and ``2026-11-20 14:00 UTC``. The value is data: it is escaped wherever it is shown."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """Something to click. ``action`` is what a click does where the transport takes answers (``acknowledge:<incident id>``); the page
    at ``url`` does the same where it does not.
    """

    text: str
    url: str
    primary: bool = False
    action: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """The incident that a message is about, for receivers that are programs; the words are those of
    :class:`afterpilot.domain.incident.Incident`.

    ``event`` is what has just happened to it, as its time line calls it (opened, graver, changed, acknowledged, resolved …), ``at``
    when, in ISO 8601. ``quiet``: an edit of what stands is enough, and nobody needs to be told anew.
    """

    incident: str
    workflow: str
    kind: str
    severity: str
    state: str
    event: str
    at: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A neutral message: title, one-sentence summary, facts, bullet points, links and at most one picture.

    ``notification`` is the line that a phone shows. ``mention`` is a Slack user id (or several, with blanks between
    them), ``@here`` (everybody who is in the channel now) or empty. ``picture`` is the id of a report whose chart goes with the message, or empty. ``details`` and, in a
    message that has some, ``points`` are the evidence: they stand in the thread where the transport has threads, else below
    the facts. ``point_urls`` are where the points lead to, by their places, empty where one leads nowhere. ``about`` is None where the message
    is about no incident. All strings are data, never markup.
    """

    tone: Tone
    title: str
    summary: str
    notification: str
    facts: tuple[Fact, ...] = ()
    details: tuple[Fact, ...] = ()
    points: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    mention: str = ""
    footer: str = ""
    picture: str = ""
    picture_alt: str = ""
    point_urls: tuple[str, ...] = ()
    about: About | None = None

    def as_dict(self) -> dict[str, Any]:
        """The message as JSON-serialisable data, as the outbox keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """The inverse of :meth:`as_dict`. Raises ValueError where it is none: damaged, or of another version."""
        try:
            fields = dict(data)
            fields["facts"] = tuple(Fact(**fact) for fact in data.get("facts", ()))
            fields["details"] = tuple(Fact(**fact) for fact in data.get("details", ()))
            fields["points"] = tuple(data.get("points", ()))
            fields["point_urls"] = tuple(data.get("point_urls", ()))
            fields["links"] = tuple(Link(**link) for link in data.get("links", ()))
            fields["about"] = About(**about) if (about := data.get("about")) else None
            message = cls(**fields)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise ValueError(f"no message of this version ({type(error).__name__})") from error
        said = (message.title, message.summary, message.notification, message.mention, message.footer, *message.points)
        if message.tone not in get_args(Tone) or not all(isinstance(one, str) for one in said):
            raise ValueError("no message of this version (its words)")
        return message

    @classmethod
    def readable(cls, data: Mapping[str, Any]) -> Message | None:
        """The same, or None where it cannot be read any more."""
        try:
            return cls.from_dict(data)
        except ValueError:
            return None
