"""Messages without Slack: kept in the outbox, shown in the run history and in a terminal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from afterpilot.domain.delivery import Posted
from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.notify.blocks import safe_links
from afterpilot.notify.text import clean, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS: dict[Tone, str] = {
    "critical": "red",
    "warning": "yellow",
    "unknown": "magenta",
    "good": "green",
    "info": "blue",
}
_SIGNS: dict[Tone, str] = {"critical": "✗", "warning": "!", "unknown": "?", "good": "✓", "info": "i"}
# A bar on the left and nothing else, in rich's own notation.
_BAR = "▌   \n▌   \n▌   \n▌   \n▌   \n▌   \n▌   \n▌   \n"


class PreviewTransport:
    """The transport of an installation without a token: nothing leaves the machine.

    The outbox keeps the message and marks it with this transport's name, so nothing is kept here. For the same reason
    ``find`` never finds anything: a post that was begun and not noted was seen by nobody.
    """

    name = "preview"
    pace = 0.0
    threads = False

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Take it as posted. The time stamp is no Slack time stamp, so that a later real transport posts it anew."""
        del message, reference, thread, picture
        return Posted(channel, f"preview-{uuid.uuid4()}")

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Take it as edited."""
        del message, reference
        return posted

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Nothing was ever posted anywhere."""
        del channel, reference, since, thread
        return None


def render_terminal(message: Message) -> RenderableType:
    """The message as a terminal shows it: a bar in the tone's colour, the title, facts in two columns, buttons; below them what
    stands in its thread.
    """
    from rich.box import Box
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    colour = _COLOURS[message.tone]
    parts: list[RenderableType] = [
        Text.assemble((f"{_SIGNS[message.tone]} ", f"bold {colour}"), (one_line(message.title), "bold"))
    ]
    if message.summary:
        parts.append(Text(clean(message.summary)))
    if message.facts:
        parts += [Text(), _facts(message.facts)]
    if not message.details:
        parts += _points(message)
    if links := safe_links(message.links):
        parts += [Text(), _buttons(links)]
    if message.footer:
        parts.append(Text(one_line(message.footer), style="dim"))
    if message.details:
        parts += [Text(), Text("in its thread:", style="dim"), _facts(message.details), *_points(message)]
    return Panel(Group(*parts), box=Box(_BAR), border_style=colour, padding=(0, 1))


def _points(message: Message) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = []
    if message.points:
        parts += [Text(), *(Text(f"• {one_line(point)}") for point in message.points)]
    if message.picture:
        parts += [Text(), Text(f"[chart: {one_line(message.picture_alt) or 'see the run history'}]", style="italic")]
    return parts


def _buttons(links: Sequence[Link]) -> RenderableType:
    from rich.text import Text

    buttons = [
        (f"[ {one_line(link.text)} ]", f"bold link {link.url}" if link.primary else f"link {link.url}")
        for link in links
    ]
    spaced = [part for button in buttons for part in (button, "  ")]
    return Text.assemble(*spaced[:-1])


def _facts(facts: Sequence[Fact]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for fact in facts:
        table.add_row(Text(one_line(fact.label), style="bold"), Text(clean(fact.value) or "-"))
    return table
