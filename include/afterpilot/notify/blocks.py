"""A neutral message as Slack's Block Kit.

A message is two parts: :func:`render` gives the short one that stands in the channel, :func:`render_thread` the details and the
evidence, which are the first reply in its thread.

Everything that came as data stands in ``plain_text`` objects: cleaned, escaped, cut to Slack's limits. The only markup is
our own, labels in bold and the mention of the owner. The tone is a mark of its own shape before the title; coloured
attachments are not used, because Slack folds them away behind "Show more".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.notify.text import clean, fitted, one_line, size

Block = dict[str, Any]

HERE = "@here"  # as a mention: everybody who is in the channel now

MARKS: dict[Tone, str] = {"critical": "🔴", "warning": "⚠️", "unknown": "❓", "good": "✅", "info": "🔵"}

# Slack's own limits (https://docs.slack.dev/reference/block-kit), and the total above which it refuses in practice.
HEADER = 150
SECTION = 3000
FIELDS = 10
BUTTON = 75
URL = 3000
TOTAL = 12_000

# What we show at most of each part, so that a message can be read.
_NOTIFICATION = 400
_SUMMARY = 2000
_LABEL = 75
_VALUE = 400
_FACTS = 10
_POINT = 280  # ten of them and their last line stay below the limit of a section
_POINTS = 10
_LINKED, _POINT_URLS = 40, 5000  # points that lead somewhere, and all their addresses together
_LINKS = 6
_URLS = 4000  # all addresses together
_FOOTER = 300
_SHARES = (1.0, 0.5, 0.25, 0.1)
_MORE = "… (see the run for all)"
_YOURS = "this is yours to act on."
_NOBODY = "nobody has taken this up yet."
_USER = re.compile(r"[UW][A-Z0-9]{6,20}")
_ACTION = re.compile(r"(acknowledge|waive):([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Rendered:
    """``blocks`` for those who see them; ``text`` for notifications, screen readers and old clients."""

    text: str
    blocks: tuple[Block, ...]


def render(message: Message, *, interactive: bool = False) -> Rendered:
    """The message as it stands in the channel, within every limit of Slack whatever it holds.

    ``interactive``: the installation takes answers, so that buttons with an action act at once; else they open the page that
    does the same.
    """
    blocks = _fitting(lambda share: _blocks(message, share, interactive=interactive))
    notification = one_line(message.notification) or one_line(message.title) or one_line(message.summary) or "A message"
    return Rendered(text=fitted(notification, _NOTIFICATION), blocks=blocks)


def render_thread(message: Message) -> Rendered | None:
    """The details and the evidence, for the first reply in the thread; None where the message has no details."""
    if not message.details:
        return None
    blocks = _fitting(lambda share: (*_fact_blocks(message.details, share), *_point_blocks(message.points, share)))
    said = " · ".join(f"{one_line(fact.label)}: {one_line(fact.value) or '-'}" for fact in message.details[:_FACTS])
    return Rendered(text=fitted(said, _NOTIFICATION), blocks=blocks)


def _fitting(made: Callable[[float], tuple[Block, ...]]) -> tuple[Block, ...]:
    """The blocks with as much of the longer parts as fits into one message."""
    for share in _SHARES:
        blocks = made(share)
        if measured(blocks) < TOTAL:
            break
    return blocks


def measured(blocks: Sequence[Block]) -> int:
    """How long the blocks are as JSON, in UTF-16 units: never less than what Slack counts."""
    return size(json.dumps(blocks, ensure_ascii=False))


def mention(message: Message) -> str:
    """The markup that calls people or all who are there; empty where ``message.mention`` is neither user ids nor ``@here``."""
    return "<!here>" if message.mention == HERE else " ".join(f"<@{one}>" for one in called(message.mention))


def called(mention: str) -> tuple[str, ...]:
    """The Slack user ids of the people whom a message's mention calls; none where it is anything else."""
    people = tuple(mention.split(" "))
    return people if all(_USER.fullmatch(one) for one in people) else ()


def safe_links(links: Sequence[Link]) -> tuple[Link, ...]:
    """The links that Slack can take and a person may follow: http or https, with a host, not too long; six at most."""
    return _kept(links, interactive=False)


def _kept(links: Sequence[Link], *, interactive: bool) -> tuple[Link, ...]:
    kept: list[Link] = []
    room = _URLS
    for link in links:
        if len(kept) == _LINKS:
            break
        if interactive and _ACTION.fullmatch(link.action):
            if _verb(link) not in map(_verb, kept):  # Slack takes each action of a message once
                kept.append(link)
        elif _followable(link.url) and size(link.url) <= min(URL, room):
            kept.append(link)
            room -= size(link.url)
    return tuple(kept)


def _verb(link: Link) -> str:
    return link.action.partition(":")[0]


def _blocks(message: Message, share: float, *, interactive: bool) -> tuple[Block, ...]:
    """``share`` scales the longer parts down."""
    blocks: list[Block] = []
    if title := one_line(message.title):
        mark = MARKS[message.tone]
        blocks.append({"type": "header", "text": _plain(f"{mark} {title}", HEADER)})
    if summary := clean(message.summary):
        blocks.append({"type": "section", "text": _plain(summary, int(_SUMMARY * share), tail=_MORE)})
    blocks.extend(_fact_blocks(message.facts, share))
    if not message.details:  # what has no details has no thread of its own
        blocks.extend(_point_blocks(message.points, share, message.point_urls))
    if call := mention(message):
        said = _NOBODY if message.mention == HERE else _YOURS
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"{call} {said}"}})
    if links := _kept(message.links, interactive=interactive):
        buttons = [_button(link, place, interactive=interactive) for place, link in enumerate(links)]
        blocks.append({"type": "actions", "elements": buttons})
    if footer := one_line(message.footer):
        blocks.append({"type": "context", "elements": [_plain(footer, _FOOTER)]})
    return tuple(blocks or [{"type": "section", "text": _plain("A message without words.", SECTION)}])


def _fact_blocks(facts: Sequence[Fact], share: float) -> list[Block]:
    """Labels left, values right: five facts to a section."""
    cells = [cell for fact in facts[:_FACTS] for cell in _cells(fact, share)]
    blocks: list[Block] = [
        {"type": "section", "fields": cells[start : start + FIELDS]} for start in range(0, len(cells), FIELDS)
    ]
    if (left := len(facts) - _FACTS) > 0:
        blocks.append({"type": "context", "elements": [_plain(f"{left} more: see the run for all", _FOOTER)]})
    return blocks


def _cells(fact: Fact, share: float) -> tuple[Block, Block]:
    # A label is ours, but it costs nothing to treat it as data too: what could be markup in it is taken out.
    label = fitted(re.sub(r"[*_~`]", " ", one_line(fact.label)).strip() or "-", _LABEL)
    value = clean(fact.value) or "-"
    return {"type": "mrkdwn", "text": f"*{label}*"}, _plain(value, int(_VALUE * share), tail=_MORE)


def _point_blocks(points: Sequence[str], share: float, urls: Sequence[str] = ()) -> list[Block]:
    """Up to ten points as one list, and how many more there are; more where they lead somewhere and there is room."""
    if points and any(urls) and share > _SHARES[-1]:
        return [_linked_points(points, share, urls)]
    lines = [f"• {fitted(text, int(_POINT * share) - 2)}" for point in points[:_POINTS] if (text := one_line(point))]
    if (left := len(points) - _POINTS) > 0:
        lines.append(f"{left} more: see the run for all")
    text = "\n".join(lines)
    return [{"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}] if text else []


def _linked_points(points: Sequence[str], share: float, urls: Sequence[str]) -> Block:
    """A list whose items are links. Rich text has no markup; what could be some is escaped all the same."""
    items: list[Block] = []
    room = _POINT_URLS
    for point, url in zip(points[:_LINKED], (*urls, *[""] * len(points)), strict=False):
        element: Block = {"type": "text", "text": fitted(one_line(point) or "-", int(_POINT * share))}
        if _followable(url) and size(url) <= room:
            element, room = {**element, "type": "link", "url": url}, room - size(url)
        items.append({"type": "rich_text_section", "elements": [element]})
    if (left := len(points) - _LINKED) > 0:
        items.append({"type": "rich_text_section", "elements": [{"type": "text", "text": f"{left} more"}]})
    return {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": items}]}


def _button(link: Link, place: int, *, interactive: bool) -> Block:
    match = _ACTION.fullmatch(link.action) if interactive else None
    button: Block = {
        "type": "button",
        "action_id": match.group(1) if match else f"open_{place}",
        "text": _plain(one_line(link.text) or "Open", BUTTON),
        **({"value": match.group(2)} if match else {"url": link.url}),
    }
    return {**button, "style": "primary"} if link.primary else button


def _plain(text: str, limit: int, *, tail: str = "…") -> Block:
    return {"type": "plain_text", "text": fitted(text, limit, tail=tail), "emoji": False}


def _followable(url: str) -> bool:
    if url != clean(url) or any(sign in url for sign in ' \n\\<>"|'):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
