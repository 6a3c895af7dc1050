"""Block Kit holds Slack's limits and keeps data from being markup."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from afterpilot.domain.message import Fact, Link, Message
from afterpilot.notify.blocks import HERE, TOTAL, Rendered, measured, mention, render, render_thread, safe_links
from doubles.slack import block_problems, texts

HOSTILE = st.sampled_from(
    [
        "<!channel>",
        "<!here|x>",
        "<@U02AB3CD4>",
        "<#C0AP00001>",
        "<https://evil.example|Open the run>",
        "&lt;!channel&gt;",
        "```",
        "*bold*",
        "@channel",
        "\u202e",
        "\x00",
        "\ud800",
        '"\\' * 40,
        "\n" * 50,
        "A" * 5000,
        "&" * 3000,
        "😀" * 2000,
    ]
)
TURNING = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the direction of writing
TEXT = st.one_of(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=80), HOSTILE)
LONG = st.lists(TEXT, max_size=4).map("".join)
URL = st.one_of(
    LONG, st.just("https://airflow.example.com/afterpilot/runs/1"), st.just("https://x.example/" + "a" * 2990)
)
INCIDENT = "5d1f2c3a-1111-4222-8333-944455556666"
ACTION = st.one_of(
    LONG,
    st.sampled_from(["", f"acknowledge:{INCIDENT}", f"waive:{INCIDENT}", f"resolve:{INCIDENT}", "waive:", "waive"]),
)
MESSAGES = st.builds(
    Message,
    tone=st.sampled_from(["critical", "warning", "unknown", "good", "info"]),
    title=LONG,
    summary=LONG,
    notification=LONG,
    facts=st.lists(st.builds(Fact, LONG, LONG), max_size=30).map(tuple),
    details=st.lists(st.builds(Fact, LONG, LONG), max_size=30).map(tuple),
    points=st.lists(LONG, max_size=30).map(tuple),
    links=st.lists(st.builds(Link, LONG, URL, st.booleans(), ACTION), max_size=9).map(tuple),
    mention=st.one_of(LONG, st.just("U02AB3CD4"), st.just("U02AB3CD4> <!channel"), st.just("S0TEAM000"), st.just(HERE)),
    footer=LONG,
    point_urls=st.lists(st.one_of(st.just(""), URL), max_size=60).map(tuple),
)


def parts(message: Message) -> list[Rendered]:
    """The message in the channel, with and without buttons that act at once, and the first reply in its thread."""
    thread = render_thread(message)
    return [render(message), render(message, interactive=True), *([thread] if thread else [])]


# AFTERPILOT_EXAMPLES=100000 looks at so many messages.
@settings(max_examples=int(os.environ.get("AFTERPILOT_EXAMPLES", "60")), deadline=None)
@given(MESSAGES)
def test_no_message_exceeds_a_limit_or_calls_anybody_but_its_owner(message: Message) -> None:
    """Whatever a message holds, Slack takes it, and only our own mention is one."""
    owner = mention(message)
    for rendered in parts(message):
        assert list(block_problems(list(rendered.blocks))) == []
        assert measured(rendered.blocks) < TOTAL
        assert 0 < len(rendered.text) <= 400
        for text in (rendered.text, *texts(rendered.blocks)):
            assert "<" not in (text.replace(owner, "", 1) if owner else text)
            assert not any(unicodedata.category(sign) == "Cc" and sign != "\n" for sign in text)
            assert not set(text) & TURNING
        json.dumps(rendered.blocks, ensure_ascii=False).encode()
        for block in Block.parse_all(list(rendered.blocks)):
            block.validate_json()


@settings(max_examples=40, deadline=None)
@given(MESSAGES)
def test_only_labels_and_the_mention_are_markup(message: Message) -> None:
    """What came as data stands in plain text, where no sign means anything."""
    blocks = [block for rendered in parts(message) for block in rendered.blocks]
    for text in [item["text"] for item in objects(blocks) if item.get("type") == "mrkdwn"]:
        label = text.startswith("*") and text.endswith("*") and not set("*_~`") & set(text[1:-1])
        calls = {f"{mention(message)} this is yours to act on.", "<!here> nobody has taken this up yet."}
        assert label or text in calls


@settings(max_examples=40, deadline=None)
@given(MESSAGES)
def test_buttons_act_only_on_an_incident(message: Message) -> None:
    """A button either opens an address or names one of two verbs and an incident's id."""
    for rendered in parts(message):
        for button in [item for item in objects(rendered.blocks) if item.get("type") == "button"]:
            acts = (button["action_id"], button.get("value")) in {("acknowledge", INCIDENT), ("waive", INCIDENT)}
            assert acts != ("url" in button)


def objects(item: Any) -> list[dict[str, Any]]:
    """Every object in a structure of blocks."""
    if isinstance(item, dict):
        return [item, *(inner for value in item.values() for inner in objects(value))]
    if isinstance(item, list | tuple):
        return [inner for value in item for inner in objects(value)]
    return []


PLAIN = Message("critical", "A title", "What happened.", "FAIL A title")


@pytest.mark.parametrize("user", ["U02AB3CD4", "W012A3CDE"])
def test_the_owner_is_called_by_a_slack_user_id(user: str) -> None:
    """A user id becomes a mention."""
    assert f"<@{user}> this is yours" in json.dumps(render(replace(PLAIN, mention=user)).blocks)


def test_several_people_are_called_in_one_message() -> None:
    """Each by an id, with a blank between them; one that is none calls nobody."""
    assert mention(replace(PLAIN, mention="U02AB3CD4 U05EF6GH7")) == "<@U02AB3CD4> <@U05EF6GH7>"
    assert mention(replace(PLAIN, mention="U02AB3CD4 dana")) == ""


@pytest.mark.parametrize("user", ["", "dana", "!channel", "U02AB3CD4>", "S0TEAM0000", "u02ab3cd4", "U02AB3CD4\n"])
def test_nothing_else_becomes_a_mention(user: str) -> None:
    """A name, a group or a trick calls nobody."""
    assert mention(replace(PLAIN, mention=user)) == ""


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "/afterpilot/runs/1",
        "ftp://x.example/",
        "https://",
        "https://x.example/ a",
        "https://x.example/|y",
        "https://x.example/\u202e",
        "https://[bad",
        "https://x.example/" + "a" * 3000,
        "",
    ],
)
def test_an_address_that_nobody_should_follow_gets_no_button(url: str) -> None:
    """Only http and https addresses with a host, short enough for Slack, become buttons."""
    assert safe_links([Link("Open", url), Link("Good", "https://x.example/a")]) == (
        Link("Good", "https://x.example/a"),
    )


def test_what_is_cut_says_where_the_rest_is() -> None:
    """A long summary ends with a pointer to the run; more facts and points than fit are counted."""
    message = replace(
        PLAIN,
        summary="x" * 5000,
        facts=tuple(Fact(str(n), "v") for n in range(13)),
        points=tuple(f"row {n}" for n in range(14)),
    )
    shown = list(texts(render(message).blocks))
    assert any(text.endswith("… (see the run for all)") for text in shown)
    assert "3 more: see the run for all" in shown
    assert any(text.endswith("row 9\n4 more: see the run for all") for text in shown)


def test_details_and_their_evidence_stand_in_the_thread() -> None:
    """The channel has the short message; what has no details keeps its points."""
    message = replace(PLAIN, points=("row 1",), details=(Fact("How sure", "certain"),))
    assert "row 1" not in str(render(message).blocks)
    thread = render_thread(message)
    assert thread is not None
    assert list(texts(thread.blocks)) == ["*How sure*", "certain", "• row 1"]
    assert thread.text == "How sure: certain"
    assert render_thread(replace(message, details=())) is None
    assert "• row 1" in list(texts(render(replace(message, details=())).blocks))


def test_points_that_lead_somewhere_are_links_without_markup() -> None:
    """What could be markup is escaped; an address that nobody may follow is left out; many are counted."""
    urls = ("https://x.example/1", "javascript:alert(1)")
    message = replace(PLAIN, points=("<!channel> *one*", "two", *(f"row {n}" for n in range(50))), point_urls=urls)
    (items,) = render(message).blocks[-1]["elements"]
    one, two, *_, last = (section["elements"][0] for section in items["elements"])
    assert one == {"type": "link", "text": "&lt;!channel&gt; *one*", "url": urls[0]}
    assert two == {"type": "text", "text": "two"}
    assert (len(items["elements"]), last["text"]) == (41, "12 more")


def test_a_button_acts_or_opens_the_page_that_does_the_same() -> None:
    """It depends on whether the installation takes answers."""
    link = Link("Waive…", "https://x.example/#waive", action=f"waive:{INCIDENT}")
    kinds = [
        render(replace(PLAIN, links=(link, link)), interactive=live).blocks[-1]["elements"] for live in (True, False)
    ]
    assert [(one["action_id"], one["value"], "url" in one) for one in kinds[0]] == [("waive", INCIDENT, False)]
    assert [(one["action_id"], one["url"]) for one in kinds[1]] == [("open_0", link.url), ("open_1", link.url)]


def test_an_empty_message_is_still_one() -> None:
    """Slack refuses a message without blocks and without text."""
    rendered = render(Message("info", "", "", ""))
    assert rendered.text == "A message"
    assert list(block_problems(list(rendered.blocks))) == []


def test_a_missing_value_is_a_dash() -> None:
    """Slack refuses empty fields."""
    assert "-" in list(texts(render(replace(PLAIN, facts=(Fact("Since", " \u200b "),))).blocks))


@pytest.mark.parametrize("sign", ["x", '"', "&", "😀"])
def test_the_largest_message_stays_below_what_slack_takes_in_all(sign: str) -> None:
    """Every part at its own limit is too much together: the longer ones shrink, and none vanishes."""
    long = sign * 5000
    message = Message(
        tone="unknown",
        title=long,
        summary=long,
        notification=long,
        facts=tuple(Fact(long, long) for _ in range(12)),
        points=(long,) * 12,
        links=tuple(Link(long, f"https://x.example/{n}{'a' * 1900}") for n in range(6)),
        mention="U02AB3CD4",
        footer=long,
    )
    blocks = render(message).blocks
    assert measured(blocks) < TOTAL
    assert list(block_problems(list(blocks))) == []
    assert [block["type"] for block in blocks] == [
        *("header", "section", "section", "section", "context"),
        *("section", "section", "actions", "context"),
    ]
