"""Messages without Slack."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console

from afterpilot.domain.message import Fact, Link, Message
from afterpilot.notify.preview import PreviewTransport, render_terminal

MESSAGE = Message(
    tone="critical",
    title="invoice_matching: [bold]12 of 203[/bold] lack an order",
    summary="2 % are allowed.",
    notification="FAIL",
    facts=(Fact("Since", "2026-11-20\x1b[2J"), Fact("Who acts", "Dana Ruiz")),
    points=("run-1007",),
    links=(Link("Open the run", "https://x.example/1", primary=True), Link("Bad", "javascript:1")),
    footer="Afterpilot",
    picture="r1",
    picture_alt="Minutes by week",
)


def shown(message: Message, width: int = 80) -> str:
    """The message as a plain terminal shows it."""
    console = Console(width=width, color_system=None, force_terminal=False, record=True)
    with console.capture() as captured:
        console.print(render_terminal(message))
    return captured.get()


def test_a_terminal_shows_title_facts_points_and_buttons() -> None:
    """Everything that Slack would show is there."""
    lines = [line.removeprefix("▌").strip() for line in shown(MESSAGE).splitlines()]
    assert "✗ invoice_matching: [bold]12 of 203[/bold] lack an order" in lines
    assert "Who acts  Dana Ruiz" in lines
    assert "• run-1007" in lines
    assert "[ Open the run ]" in lines
    assert "[chart: Minutes by week]" in lines


def test_data_is_no_markup_and_no_terminal_code() -> None:
    """Rich's markup is shown as it is, escape characters are gone."""
    text = shown(MESSAGE)
    assert "[bold]" in text
    assert "\x1b[2J" not in text
    assert "javascript" not in text


def test_a_narrow_terminal_wraps() -> None:
    """No line is longer than the terminal is wide."""
    assert max(len(line) for line in shown(MESSAGE, width=40).splitlines()) <= 40


def test_the_preview_posts_each_message_at_a_place_of_its_own() -> None:
    """Two messages never share a time stamp, and none looks like one of Slack's."""
    preview = PreviewTransport()
    first = preview.post("#ap", MESSAGE, reference="1")
    second = preview.post("#ap", MESSAGE, reference="2")
    assert first.ts != second.ts
    assert first.ts.startswith("preview-")
    assert preview.update(first, MESSAGE, reference="3") == first
    assert preview.find("#ap", "1", datetime(2026, 1, 1, tzinfo=UTC)) is None
