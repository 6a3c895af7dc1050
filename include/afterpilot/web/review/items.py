"""One item as its screen shows it: the source beside the output, each field with what the checks say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from afterpilot.domain.source import FieldType
from afterpilot.pipeline.reviewing import Terms
from afterpilot.record.history.paging import Row
from afterpilot.web.text import LONGEST, visible

_LONG = 80  # characters: a longer value gets a larger box
_SHORTEST_MARK = 3  # characters: "GB" would be found in every second word
_MOST_MARKS = 200


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the output: what it says as text, what was typed in its place, and what checks found wrong with it."""

    name: str
    kind: FieldType
    said: str
    typed: str
    discrepancies: tuple[Mapping[str, str], ...] = ()

    @property
    def long(self) -> bool:
        """Whether one line is too little for it."""
        return "\n" in self.typed or len(self.typed) > _LONG

    @property
    def changed(self) -> bool:
        """Whether something else was typed."""
        return self.typed != self.said


@dataclass(frozen=True, slots=True)
class Screen:
    """What a reviewer needs on one screen. ``source`` is markup in which the output's values are marked; None: it is not kept."""

    fields: tuple[Field, ...]
    others: tuple[Mapping[str, str], ...]  # discrepancies about no field that is shown
    source_field: str
    source: Markup | None
    words: int  # of the source
    more: Mapping[str, Any]  # the rest of the record

    @property
    def changed(self) -> Mapping[str, str]:
        """What was typed in place of what the output says, by field."""
        return {one.name: one.typed for one in self.fields if one.changed}


def screen(item: Row, data: Mapping[str, Any] | None, terms: Terms, typed: Mapping[str, str] | None = None) -> Screen:
    """The screen of an item; ``typed`` is what stood in the fields of a form that came back."""
    kept = data or {}
    found: Sequence[Mapping[str, str]] = item["discrepancies"] or ()
    source_field = _source_field(kept, terms)
    names = _fields(kept, terms, found, source_field)
    fields = tuple(_field(name, kept, terms, found, typed or {}) for name in names)
    text = None if kept.get(source_field) is None else str(kept[source_field])
    return Screen(
        fields=fields,
        others=tuple(one for one in found if one["field"] not in names),
        source_field=source_field,
        source=None if text is None else marked(text, fields),
        words=len(text.split()) if text else 0,
        more={name: value for name, value in kept.items() if name not in names and name != source_field},
    )


def marked(text: str, fields: Sequence[Field]) -> Markup:
    """The source's text, in which what the output says of it is marked, and what the checks expect."""
    shown = visible(text)[:LONGEST]
    tones: dict[str, str] = {}
    for one in fields:
        tones.setdefault(one.said, "differs" if one.discrepancies else "agrees")
        for found in one.discrepancies:
            tones[found["expected"]] = "expected"
    wanted = sorted((word for word in tones if len(word.strip()) >= _SHORTEST_MARK), key=len, reverse=True)
    if not wanted:
        return Markup(escape(shown))  # noqa: S704 - escaped
    parts, end = [], 0
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)")
    for count, match in enumerate(pattern.finditer(shown)):
        if count == _MOST_MARKS:
            break
        parts += [escape(shown[end : match.start()]), _mark(match[0], tones[match[0]])]
        end = match.end()
    return Markup("").join([*parts, escape(shown[end:])])


def _mark(text: str, tone: str) -> Markup:
    return Markup('<mark class="m-{}">{}</mark>').format(tone, text)


def _field(
    name: str, kept: Mapping[str, Any], terms: Terms, found: Sequence[Mapping[str, str]], typed: Mapping[str, str]
) -> Field:
    said = shown(kept.get(name))
    return Field(
        name=name,
        kind=terms.types.get(name, "text"),
        said=said,
        typed=visible(typed[name]) if name in typed else said,
        discrepancies=tuple(one for one in found if one["field"] == name),
    )


def shown(value: object) -> str:
    """A value as text that can be typed anew; a hidden character is shown as on every page."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))


def _source_field(kept: Mapping[str, Any], terms: Terms) -> str:
    """The declared one, else the longest text that no check looks at."""
    if terms.review.source_field:
        return terms.review.source_field
    texts = {
        name: value
        for name, value in kept.items()
        if isinstance(value, str) and name not in terms.review.fields and name not in terms.personal
    }
    return max(texts, key=lambda name: len(texts[name]), default="")


def _fields(
    kept: Mapping[str, Any], terms: Terms, found: Sequence[Mapping[str, str]], source_field: str
) -> tuple[str, ...]:
    """The declared ones; without any, those that checks complain of, else all that are kept."""
    if terms.review.fields:
        return terms.review.fields
    named = dict.fromkeys(one["field"] for one in found if one["field"] in kept)
    return tuple(named) or tuple(name for name in kept if name != source_field and name not in terms.personal)
