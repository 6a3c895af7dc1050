"""Random messages, each rendered for Slack and held against Slack's limits by the double's own reading of Slack's reference.

    .venv/bin/python -m benchmarks.alerts_text                       # 100,000 messages: some minutes
    .venv/bin/python -m benchmarks.alerts_text --messages 5000       # seconds

Every text of a message is made of pieces that hurt: mentions, links, entities, marks that turn the direction of writing, control
characters, halves of surrogate pairs, and parts far above every limit. A message fails where Slack would refuse a block, where
the whole is too long, where anybody but its owner would be called, or where an invisible sign is left. Exit status 1: one failed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


from afterpilot.domain.message import Fact, Link, Message, Tone
from afterpilot.notify.blocks import HERE, Rendered, mention, render, render_thread
from doubles.slack import refused_blocks, texts

TONES: tuple[Tone, ...] = ("critical", "warning", "unknown", "good", "info")
INCIDENT = "5d1f2c3a-1111-4222-8333-944455556666"
ACTIONS = ("", f"acknowledge:{INCIDENT}", f"waive:{INCIDENT}", "acknowledge:", "waive", "delete:x")
MENTIONS = ("", "U02AB3CD4", HERE, "U02AB3CD4> <!channel", "!channel", "S0TEAM000")
PIECES = (
    *(
        "<!channel>",
        "<!here|x>",
        "<!everyone>",
        "<@U02AB3CD4>",
        "<#C0AP00001|x>",
        "<https://evil.example|Open the run>",
    ),
    *(
        "&lt;!channel&gt;",
        "&amp;",
        "```",
        "*bold*",
        "_x_",
        "~",
        "@channel",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u200b",
        "\ufeff",
    ),
    *(
        "\x00",
        "\x07",
        "\x1b[31m",
        "\x85",
        "\u2028",
        "\ud800",
        "\udfff",
        "\n" * 9,
        '"\\' * 20,
        "😀",
        "👩‍👩‍👧",
        "e\u0301" * 30,
        "漢字",
    ),
    *("12 of 203 invoices have no purchase order number", "run-1007: Harbour Lights Ltd", " ", "x"),
)
LONG = ("A" * 5000, "&" * 3000, "😀" * 2000, "\u202e" * 4000, "<" * 4000, '"' * 6000)
URLS = (
    "https://x.example/1",
    "javascript:1",
    "https://x.example/" + "a" * 2900,
    "http://[bad",
    "",
    "https://x.example/|<",
)
INVISIBLE = {"Cc", "Cs"}


def text(chance: random.Random) -> str:
    """Pieces, any characters of Unicode, and now and then far too much of one."""
    kind = chance.random()
    if kind < 0.06:  # noqa: PLR2004 - a share
        return chance.choice(LONG)
    if kind < 0.3:  # noqa: PLR2004 - a share
        return "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(40)))
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(7)))


def message(chance: random.Random) -> Message:
    """A message of any shape."""

    def facts(most: int) -> tuple[Fact, ...]:
        return tuple(Fact(text(chance), text(chance)) for _ in range(chance.randrange(most)))

    def link() -> Link:
        return Link(text(chance), chance.choice(URLS), chance.random() < 0.5, chance.choice(ACTIONS))  # noqa: PLR2004 - a share

    return Message(
        tone=chance.choice(TONES),
        title=text(chance),
        summary=text(chance),
        notification=text(chance),
        facts=facts(14),
        details=facts(14) if chance.random() < 0.6 else (),  # noqa: PLR2004 - a share
        points=tuple(text(chance) for _ in range(chance.randrange(14))),
        links=tuple(link() for _ in range(chance.randrange(9))),
        mention=chance.choice(MENTIONS),
        footer=text(chance),
    )


def problems(made: Message, rendered: Rendered) -> Iterator[str]:
    """Why Slack would not take it, or should not have got it."""
    blocks = list(rendered.blocks)
    if refusal := refused_blocks({"blocks": blocks, "text": rendered.text}):
        yield str(refusal)
    if not 0 < len(rendered.text) <= 4000:  # noqa: PLR2004 - Slack's advice for the text
        yield "text"
    owner = mention(made)
    for shown in (rendered.text, *texts(blocks)):
        if "<" in (shown.replace(owner, "", 1) if owner else shown):
            yield "markup"
        if any(unicodedata.category(sign) in INVISIBLE and sign != "\n" for sign in shown):
            yield "control character"
        if any(
            unicodedata.bidirectional(sign) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
            for sign in shown
        ):
            yield "direction of writing"


def main() -> int:
    """Look at so many messages; prints how many would have been refused."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    chance, began, parts = random.Random(asked.seed), time.perf_counter(), 0  # noqa: S311 - not for secrets
    found: Counter[str] = Counter()
    for number in range(asked.messages):
        made = message(chance)
        thread = render_thread(made)
        for rendered in (render(made), render(made, interactive=True), *((thread,) if thread else ())):
            parts += 1
            for problem in problems(made, rendered):
                found[problem[:200]] += 1
                if found.total() == 1:
                    print(f"first at message {number} of seed {asked.seed}: {made!r}")
    seconds = time.perf_counter() - began
    print(f"{asked.messages:,} random messages, {parts:,} posts: {found.total():,} refused or unsafe ({seconds:.0f} s)")
    for problem, times in found.most_common(10):
        print(f"  {times:>8,}  {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
