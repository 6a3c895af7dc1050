"""The page that shows every kind of message."""

from __future__ import annotations

import re
from typing import Any

import chromium
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from serving import served

from afterpilot.domain.run import FLEET
from afterpilot.notify.blocks import render
from afterpilot.pipeline.gallery import gallery
from afterpilot.web.access import Access, Declared, Role, Sight
from afterpilot.web.app import create_app
from afterpilot.web.block_view import Span, shown


class _Known(Access):
    """Whoever asks sees these workflows, whatever is declared."""

    def __init__(self, only: frozenset[str]) -> None:
        super().__init__()
        object.__setattr__(self, "only", only)

    def reading(self, declared: Declared) -> list[Any]:  # noqa: ARG002 - nothing is declared here
        def known(request: Request) -> None:
            request.state.sight = Sight("mara", role=Role.OWNER, only=self.only)

        return [Depends(known)]


def pages(only: frozenset[str] | None = None) -> FastAPI:
    """The pages, mounted as in Airflow; the preview needs no database."""

    def none() -> None:
        raise AssertionError("the preview reads no database")

    app = FastAPI()
    app.mount("/afterpilot", create_app(none, gate=(), access=_Known(only) if only else None))  # type: ignore[arg-type] # nobody asks for the engine
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


def test_the_names_of_workflows_are_recognisably_an_examples() -> None:
    """Whoever reads a preview takes no specimen for trouble of a workflow that there is."""
    every = [one.message.about for those in gallery().values() for one in those]
    told = {about.workflow for about in every if about is not None} - {FLEET} | {"email_triage", "contract_review"}
    whole = TestClient(pages()).get("/afterpilot/alerts/preview").text
    plain = re.sub(r"<[^>]+>", "", whole)
    assert "example_invoice_matching" in plain
    assert re.findall(rf"(?<!example_)\b(?:{'|'.join(sorted(told))})\b", plain) == []
    assert whole.count('<span class="state s-waived">example</span>') == sum(map(len, gallery().values()))


@pytest.mark.parametrize(("workflow", "answers"), [("dunning", 200), ("payroll", 404), ("no such", 404)])
def test_an_owner_sees_the_messages_with_the_name_of_an_own_workflow(workflow: str, answers: int) -> None:
    """And with no other: one of somebody else answers as one that there is not."""
    for address in ("/alerts/preview", "/alerts/preview/resolved"):
        answer = TestClient(pages(only=frozenset({"dunning"}))).get(f"/afterpilot{address}?workflow={workflow}")
        assert answer.status_code == answers
        assert ("dunning" in answer.text) is (answers == 200)


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
