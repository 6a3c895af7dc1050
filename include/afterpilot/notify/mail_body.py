"""A neutral message as the two bodies of a mail: plain text, and HTML that mail clients show alike.

Mail clients know neither style sheets nor scripts: everything stands in tables with styles of their own, and nothing is loaded from
anywhere; a picture comes with the mail. Whatever came as data is cleaned and escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.notify.blocks import MARKS, safe_links
from afterpilot.notify.text import ELLIPSIS, clean, one_line

SUBJECT = 180  # characters

_COLOURS: dict[Tone, str] = {
    "critical": "#b3261e",
    "warning": "#9a6700",
    "unknown": "#7a3e9d",
    "good": "#1a7f37",
    "info": "#0b57d0",
}
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_SUMMARY, _VALUE, _POINT, _POINTS = 4000, 2000, 500, 40
_MORE = "more: see the run for all"
_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light"><title>{title}</title></head><body style="margin:0;background:#f3f4f6">'
    '<table role="presentation" width="100%" cellspacing="0" cellpadding="0" style="background:#f3f4f6"><tr>'
    '<td align="center" style="padding:24px 12px"><table role="presentation" width="100%" cellspacing="0" cellpadding="0" '
    'style="max-width:640px;background:#ffffff;border:1px solid #d9dce1;border-top:4px solid {colour}"><tr>'
    '<td style="padding:24px;{font};font-size:15px;line-height:1.5;color:#1f2328;text-align:left">{content}</td>'
    "</tr></table></td></tr></table></body></html>"
)


def subject(message: Message) -> str:
    """The line that a phone shows, without anything that could end a header."""
    line = one_line(message.notification) or one_line(message.title) or "A message"
    return f"{MARKS[message.tone]} {_cut(line, SUBJECT)}"


def plain(message: Message) -> str:
    """The message as text."""
    facts = [*message.facts, *message.details]
    parts = [
        one_line(message.title),
        _cut(clean(message.summary), _SUMMARY),
        "\n".join(f"{one_line(fact.label)}: {_value(fact)}" for fact in facts),
        "\n".join(f"- {text}{f' <{url}>' if url else ''}" for text, url in _points(message)),
        "\n".join(f"{one_line(link.text) or 'Open'}: {link.url}" for link in safe_links(message.links)),
        f"-- \n{one_line(message.footer)}" if one_line(message.footer) else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(message: Message, *, picture: str = "") -> str:
    """The message as HTML; ``picture`` is the Content-ID of the chart that comes with it."""
    title = f"{MARKS[message.tone]} {_shown(one_line(message.title) or one_line(message.notification))}"
    parts = [f'<h1 style="margin:0 0 12px;font-size:19px;line-height:1.35">{title}</h1>']
    if summary := _cut(clean(message.summary), _SUMMARY):
        parts.append(f'<p style="margin:0 0 16px">{_shown(summary)}</p>')
    parts += [_facts([*message.facts, *message.details]), _list(_points(message)), _picture(message, picture)]
    parts.append(_buttons(safe_links(message.links), _COLOURS[message.tone]))
    if footer := one_line(message.footer):
        parts.append(f'<p style="margin:20px 0 0;font-size:12px;color:#59636e">{_shown(footer)}</p>')
    return _PAGE.format(
        title=escape(subject(message)), colour=_COLOURS[message.tone], font=_FONT, content="".join(parts)
    )


def _facts(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    cell = "padding:6px 0;border-top:1px solid #e6e8eb;vertical-align:top"
    rows = [
        f'<tr><td style="{cell};padding-right:16px;color:#59636e;white-space:nowrap">{_shown(one_line(fact.label))}</td>'
        f'<td style="{cell};width:100%;overflow-wrap:anywhere;word-break:break-word">{_shown(_value(fact))}</td></tr>'
        for fact in facts
    ]
    table = '<table role="presentation" width="100%" cellspacing="0" cellpadding="0" style="margin:0 0 16px;font-size:14px">'
    return f"{table}{''.join(rows)}</table>"


def _list(points: Sequence[tuple[str, str]]) -> str:
    if not points:
        return ""
    items = [
        f'<li style="margin:0 0 4px;overflow-wrap:anywhere;word-break:break-word">{_linked(text, url)}</li>'
        for text, url in points
    ]
    return f'<ul style="margin:0 0 16px;padding-left:20px;font-size:14px">{"".join(items)}</ul>'


def _linked(text: str, url: str) -> str:
    return f'<a href="{escape(url)}" style="color:#0b57d0">{_shown(text)}</a>' if url else _shown(text)


def _picture(message: Message, content_id: str) -> str:
    if not content_id:
        return ""
    said = escape(one_line(message.picture_alt) or "Chart")
    style = "display:block;width:100%;max-width:590px;height:auto;margin:0 0 16px"
    return f'<img src="cid:{escape(content_id)}" alt="{said}" width="590" style="{style}">'


def _buttons(links: Sequence[Link], colour: str) -> str:
    if not links:
        return ""
    buttons = []
    for link in links:
        look = f"background:{colour};color:#ffffff" if link.primary else "background:#ffffff;color:#1f2328"
        edge = colour if link.primary else "#c5cad1"
        style = (
            f"display:inline-block;margin:0 8px 8px 0;padding:7px 14px;{look};border:1px solid {edge};"
            "border-radius:5px;font-size:14px;font-weight:600;text-decoration:none"
        )
        buttons.append(f'<a href="{escape(link.url)}" style="{style}">{_shown(one_line(link.text) or "Open")}</a>')
    return f'<div style="margin:4px 0 0">{"".join(buttons)}</div>'


def _points(message: Message) -> list[tuple[str, str]]:
    """The points with the addresses that they lead to, as far as a person may follow them."""
    urls = (*message.point_urls, *[""] * len(message.points))
    kept = [
        (_cut(one_line(point), _POINT), url if safe_links((Link("", url),)) else "")
        for point, url in zip(message.points[:_POINTS], urls, strict=False)
        if one_line(point)
    ]
    left = len(message.points) - _POINTS
    return [*kept, (f"{left} {_MORE}", "")] if left > 0 else kept


def _value(fact: Fact) -> str:
    return _cut(clean(fact.value), _VALUE) or "-"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def _shown(text: str) -> str:
    return escape(text).replace("\n", "<br>")
