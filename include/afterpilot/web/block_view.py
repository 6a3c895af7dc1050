"""Block Kit as Slack shows it, for pages: the blocks that we send, taken apart for a template."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from afterpilot.domain.message import Tone
from afterpilot.notify.blocks import MARKS, Block

_MARKUP = re.compile(r"\*(?P<bold>[^*\n]+)\*|<@(?P<user>[A-Z0-9]+)>|<!(?P<all>here|channel)>")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text as it is read: plain, bold, the mention of a person, or a link."""

    text: str
    style: Literal["", "bold", "mention", "link"] = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A button. ``does`` says what a click does: it answers in Slack, or opens a page."""

    text: str
    primary: bool
    does: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One block. Of ``fields`` two stand beside each other; ``items`` are those of a list, ``sign`` the tone of a header's mark."""

    type: str
    spans: tuple[Span, ...] = ()
    fields: tuple[tuple[Span, ...], ...] = ()
    buttons: tuple[Button, ...] = ()
    items: tuple[tuple[Span, ...], ...] = ()
    sign: Tone | Literal[""] = ""


def shown(blocks: Sequence[Block], *, people: Mapping[str, str]) -> tuple[Shown, ...]:
    """The blocks as a page shows them; ``people`` are names by Slack user id.

    Raises:
        ValueError: a block is of a type that we do not send, and this page cannot show.
    """
    return tuple(_shown(block, people) for block in blocks)


def _shown(block: Block, people: Mapping[str, str]) -> Shown:
    kind = str(block["type"])
    if kind == "header":
        return _header(_text(block["text"], people))
    if kind == "section" and "fields" in block:
        return Shown("fields", fields=tuple(_text(field, people) for field in block["fields"]))
    if kind == "section":
        return Shown(kind, _text(block["text"], people))
    if kind == "context":
        return Shown(kind, tuple(span for one in block["elements"] for span in _text(one, people)))
    if kind == "actions":
        return Shown(kind, buttons=tuple(map(_button, block["elements"])))
    if kind == "rich_text":
        return Shown("list", items=tuple(_items(block)))
    raise ValueError(f"a block of the type {kind!r} cannot be shown")


def _header(spans: tuple[Span, ...]) -> Shown:
    """Its mark apart from its words: a page draws it, as not every machine has a font with such signs."""
    words = "".join(span.text for span in spans)
    for tone, mark in MARKS.items():
        if words.startswith(f"{mark} "):
            return Shown("header", (Span(words.removeprefix(f"{mark} ")),), sign=tone)
    return Shown("header", spans)


def _text(text: Mapping[str, Any], people: Mapping[str, str]) -> tuple[Span, ...]:
    """Plain text as it stands; of markup the little that we write: bold labels and mentions."""
    words = str(text["text"])
    if text["type"] == "plain_text":
        return (Span(html.unescape(words)),)
    return tuple(_marked(words, people))


def _marked(words: str, people: Mapping[str, str]) -> Iterator[Span]:
    at = 0
    for found in _MARKUP.finditer(words):
        if found.start() > at:
            yield Span(html.unescape(words[at : found.start()]))
        if found["bold"]:
            yield Span(html.unescape(found["bold"]), "bold")
        else:
            yield Span(f"@{found['all'] or people.get(found['user'], found['user'])}", "mention")
        at = found.end()
    if at < len(words):
        yield Span(html.unescape(words[at:]))


def _button(element: Mapping[str, Any]) -> Button:
    return Button(
        text=html.unescape(str(element["text"]["text"])),
        primary=element.get("style") == "primary",
        does=f"opens {element['url']}" if "url" in element else "answers in Slack",
    )


def _items(block: Block) -> Iterator[tuple[Span, ...]]:
    for part in block["elements"]:
        for item in part["elements"]:
            yield tuple(
                Span(html.unescape(str(one["text"])), "link" if one["type"] == "link" else "", str(one.get("url", "")))
                for one in item["elements"]
            )
