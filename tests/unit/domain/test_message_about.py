"""A message as the outbox keeps it."""

from __future__ import annotations

import json

from afterpilot.domain.message import About, Fact, Link, Message


def test_a_message_comes_back_from_the_outbox_as_it_was() -> None:
    """With the incident that it is about; one that was queued before there was such a word is about none."""
    about = About(
        "7", "invoices", "quality.fresh", "critical", "open", "opened", "2026-11-20T14:00:00+00:00", quiet=True
    )
    message = Message("good", "t", "s", "n", (Fact("a", "b"),), links=(Link("Open", "https://a.example"),), about=about)
    kept = json.loads(json.dumps(message.as_dict()))
    assert Message.from_dict(kept) == message
    del kept["about"]
    assert Message.from_dict(kept).about is None
