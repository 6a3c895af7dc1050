"""The page that shows every kind of message."""

from __future__ import annotations

import chromium
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving import served

from afterpilot.notify.blocks import render
from afterpilot.pipeline.gallery import gallery
from afterpilot.web.app import create_app
from afterpilot.web.block_view import Span, shown


def pages() -> FastAPI:
    """The pages, mounted as in Airflow; the preview needs no database."""

    def none() -> None:
        raise AssertionError("the preview reads no database")

    app = FastAPI()
    app.mount("/afterpilot", create_app(none, gate=()))  # type: ignore[arg-type] # nobody asks for the engine
    return app


def test_every_message_is_on_the_page_and_has_one_of_its_own() -> None:
    """Without a database; an unknown name is not found."""
    client = TestClient(pages())
    whole = client.get("/afterpilot/alerts/preview").text
    for group in gallery().values():
        for one in group:
            assert f'id="{one.name}"' in whole
    alone = client.get("/afterpilot/alerts/preview/escalated-deputy").text
    assert "@Lee Okafor" in alone
    assert 'id="resolved"' not in alone
    assert client.get("/afterpilot/alerts/preview/nothing-such").status_code == 404


def test_what_slack_escapes_is_shown_as_it_was_written() -> None:
    """And never as markup: neither Slack's nor the page's."""
    header, bold, text = shown(
        [
            {"type": "header", "text": {"type": "plain_text", "text": "🔴 a &lt;!channel&gt; *b*"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*Since* &amp;"}},
            {"type": "section", "text": {"type": "plain_text", "text": "*not bold* <@U1>"}},
        ],
        people={},
    )
    assert (header.sign, header.spans) == ("critical", (Span("a <!channel> *b*"),))
    assert bold.spans == (Span("Since", "bold"), Span(" &"))
    assert text.spans == (Span("*not bold* <@U1>"),)


def test_every_block_that_we_send_can_be_shown() -> None:
    """A block of another type is an error, not a hole in the page."""
    for group in gallery().values():
        for one in group:
            assert len(shown(render(one.message).blocks, people={})) == len(render(one.message).blocks)
    with pytest.raises(ValueError, match="video"):
        shown([{"type": "video"}], people={})


@pytest.mark.browser
@pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium")
def test_the_preview_fits_a_phone_and_a_desk() -> None:
    """Without complaint, nothing sideways, in light and dark."""
    with served(pages()) as base, chromium.tab() as tab:
        for width, dark in ((400, False), (1280, True)):
            tab.open(f"{base}/alerts/preview", width=width, dark=dark)
            assert tab.complaints == []
            assert tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
