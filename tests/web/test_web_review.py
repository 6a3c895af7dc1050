"""The review queue: who may decide, who holds what, and that an item is decided once with nothing lost of what was typed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import review_site
import sqlalchemy as sa
from fastapi.testclient import TestClient
from review_site import INVOICES, NOW, Clock, person, token

from afterpilot.domain.record import HumanDecision
from afterpilot.record.ops import Ops

pytestmark = pytest.mark.integration
HERE = "/afterpilot/review"
VALUES = {
    "field.supplier": "Harbour Lights Ltd",
    "field.invoice_no": "INV-3000100",
    "field.po_number": "PO-51000",
    "field.total": "453.60",
    "field.currency": "GBP",
}


@pytest.fixture
def queue(ops: sa.Engine) -> sa.Engine:
    """Six items that wait."""
    review_site.fill(ops)
    return ops


def form(client: TestClient, key: str = "run-0000", **more: str) -> dict[str, str]:
    """The form of an item's page as the browser sends it."""
    number = int(key[-4:])
    values = {
        **VALUES,
        "field.invoice_no": f"INV-{3000100 + number}",
        "field.po_number": f"PO-{51000 + number}",
        "field.total": f"{(435 if number % 4 == 2 else 453) + number}.60",  # spot checks are right
    }
    given = {"token": token(client), "workflow": INVOICES, "key": key, "made": NOW.isoformat(), **values}
    return given | {name.replace("__", "."): value for name, value in more.items()}


def rows(engine: sa.Engine, statement: str) -> list[Mapping[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement)).mappings()]


def item(engine: sa.Engine, key: str = "run-0000") -> Mapping[str, Any]:
    (found,) = [row for row in rows(engine, "SELECT * FROM review_items") if row["key"] == key]
    return found


def test_the_screen_shows_the_source_beside_the_output(queue: sa.Engine) -> None:
    """The text with what was read of it marked, each field, and beside the wrong one what the check says."""
    page = person(queue, "dana").get(f"{HERE}/item?workflow={INVOICES}&key=run-0000").text
    assert '<mark class="m-agrees">INV-3000100</mark>' in page
    assert '<mark class="m-expected">435.60</mark>' in page
    assert 'name="field.total" value="453.60"' in page
    assert "The invoice asks for 453.60 GBP, but purchase order PO-51000 is over 435.60 GBP." in page
    assert "purchase order PO-51000 says" in page
    assert "supplier_contact" not in page.partition('id="record"')[0]


def test_a_decision_is_kept_whole(queue: sa.Engine) -> None:
    """Who, what, why, how long, what it should have been, and that it has to flow back; then the next item is theirs."""
    clock = Clock()
    dana = person(queue, "dana", clock)
    clock.now = NOW + timedelta(seconds=90)
    answer = dana.post(
        f"{HERE}/decide",
        data=form(dana, decision="corrected", reason="misread", field__total="435.60", seconds="61.5"),
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{HERE}/item?workflow={INVOICES}&key=run-0001&done=run-0000"
    (made,) = rows(queue, "SELECT * FROM human_decisions")
    assert made["decision"] == "corrected"
    assert made["corrected"] == {"total": "435.60"}
    assert (made["origin"], made["decided_by"], made["note"]) == ("review", "dana", "misread")
    assert (str(made["seconds"]), str(made["minutes"])) == ("61.500", "1.025")
    assert item(queue)["decided_by"] == "dana"
    assert item(queue)["decided_at"] == made["decided_at"]
    assert rows(queue, "SELECT key, state, attempts FROM write_backs") == [
        {"key": "run-0000", "state": "pending", "attempts": 0}
    ]
    assert item(queue, "run-0001")["reserved_by"] == "dana"


def test_the_time_on_screen_is_never_longer_than_the_page_was_open(queue: sa.Engine) -> None:
    """A page that says it was read for an hour counts as long as it can have been."""
    clock = Clock()
    dana = person(queue, "dana", clock)
    clock.now = NOW + timedelta(seconds=5)
    dana.post(f"{HERE}/decide", data=form(dana, decision="accepted", seconds="3600"))
    (made,) = rows(queue, "SELECT seconds FROM human_decisions")
    assert 5 <= made["seconds"] < 6


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Choose one: accepted, corrected, rejected."),
        ({"decision": "burned"}, "Choose one"),
        ({"decision": "accepted", "field__total": "1"}, "You changed total."),
        ({"decision": "corrected"}, "Nothing was changed."),
        ({"decision": "corrected", "field__total": "much"}, "total needs a number"),
        ({"decision": "rejected"}, "Say why it is rejected"),
    ],
)
def test_what_cannot_be_saved_is_said(queue: sa.Engine, given: dict[str, str], words: str) -> None:
    """The page says what is missing, and nothing is decided."""
    dana = person(queue, "dana")
    answer = dana.post(f"{HERE}/decide", data=form(dana, **given))
    assert answer.status_code == 422
    assert words in answer.text
    assert item(queue)["decided_at"] is None
    assert rows(queue, "SELECT * FROM human_decisions") == []


def test_what_cannot_be_saved_comes_back_as_it_was_typed(queue: sa.Engine) -> None:
    """Every field, the reason and the choice; what the output says stands beside what was changed."""
    dana = person(queue, "dana")
    given = form(
        dana,
        decision="corrected",
        reason="the <i>stamp</i>",
        field__supplier="Harbor <b>Lights</b>",
        field__total="much",
    )
    page = dana.post(f"{HERE}/decide", data=given).text
    assert 'value="Harbor &lt;b&gt;Lights&lt;/b&gt;"' in page
    assert 'value="much"' in page
    assert 'value="the &lt;i&gt;stamp&lt;/i&gt;"' in page
    assert 'value="corrected" checked' in page
    assert "The output says <code>453.60</code>." in page


def test_many_at_once_decide_once(queue: sa.Engine) -> None:
    """Eight people save the same item at the same moment: one decision, one write-back; seven read who was first."""
    people = [person(queue, f"clerk{number}") for number in range(8)]
    barrier, answers = threading.Barrier(8), {}

    def save(number: int) -> None:
        given = form(people[number], decision="rejected", reason=f"reason {number} & why", in_="")
        barrier.wait()
        answers[number] = people[number].post(f"{HERE}/decide", data=given)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (made,) = rows(queue, "SELECT * FROM human_decisions")
    assert len(rows(queue, "SELECT * FROM write_backs")) == 1
    assert sorted(answer.status_code for answer in answers.values()) == [303, *[409] * 7]
    for number, answer in answers.items():
        if answer.status_code == 409:
            assert f"{made['decided_by']} was first" in answer.text
            assert f"reason {number} &amp; why" in answer.text
            assert "What you had typed" in answer.text


def test_many_at_once_get_different_items(queue: sa.Engine) -> None:
    """Six people start at the same moment: each has an item of their own."""
    people = [person(queue, f"clerk{number}") for number in range(6)]
    barrier, places = threading.Barrier(6), []

    def start(client: TestClient) -> None:
        barrier.wait()
        places.append(client.post(f"{HERE}/next", data={"token": token(client)}).headers["location"])

    threads = [threading.Thread(target=start, args=(client,)) for client in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(places)) == 6
    held = rows(queue, "SELECT reserved_by FROM review_items")
    assert {row["reserved_by"] for row in held} == {f"clerk{number}" for number in range(6)}


def test_a_reservation_keeps_others_out_until_it_ends(queue: sa.Engine) -> None:
    """Who opened it has it for a quarter of an hour; others see that, cannot save, and lose nothing; then it is free."""
    clock = Clock()
    dana, lee = person(queue, "dana", clock), person(queue, "lee", clock)
    place = dana.post(f"{HERE}/next", data={"token": token(dana)}).headers["location"]
    assert "key=run-0000" in place
    page = lee.get(place).text
    assert "dana has it until 14:45 UTC" in page
    assert 'id="decide"' not in page
    assert "dana" in lee.get(HERE).text
    refused = lee.post(f"{HERE}/decide", data=form(lee, decision="accepted", reason="fine by me"))
    assert refused.status_code == 409
    assert "dana has this item now" in refused.text
    assert "fine by me" in refused.text
    hold = {"token": token(lee), "workflow": INVOICES, "key": "run-0000"}
    assert lee.post(f"{HERE}/hold", data=hold, headers={"Accept": "application/json"}).status_code == 409
    clock.now += timedelta(minutes=15)
    held = lee.post(f"{HERE}/hold", data=hold, headers={"Accept": "application/json"})
    assert (held.status_code, held.json()) == (200, {"until": "15:00 UTC"})
    assert dana.post(f"{HERE}/decide", data=form(dana, decision="accepted")).status_code == 409
    assert lee.post(f"{HERE}/decide", data=form(lee, decision="accepted")).status_code == 303


def test_leaving_frees_the_item(queue: sa.Engine) -> None:
    """By the key, and quietly when the page is closed; another's reservation is not touched; going on frees it too."""
    dana, lee = person(queue, "dana"), person(queue, "lee")
    given = {"workflow": INVOICES, "key": "run-0000"}
    dana.post(f"{HERE}/hold", data={"token": token(dana), **given})
    lee.post(f"{HERE}/leave", data={"token": token(lee), **given})
    assert item(queue)["reserved_by"] == "dana"
    assert dana.post(f"{HERE}/leave", data={"token": token(dana), **given, "quiet": "1"}).status_code == 204
    assert item(queue)["reserved_by"] == ""
    dana.post(f"{HERE}/hold", data={"token": token(dana), **given})
    onwards = dana.post(f"{HERE}/next", data={"token": token(dana), **given})
    assert "key=run-0001" in onwards.headers["location"]
    assert item(queue)["reserved_by"] == ""
    back = dana.post(f"{HERE}/next", data={"token": token(dana), **given, "key": "run-0001", "back": "1"})
    assert "key=run-0000" in back.headers["location"]


def test_the_next_item_is_the_one_due_first_and_free(queue: sa.Engine) -> None:
    """The order is that of the due times; at the end it goes on at the beginning; where nothing is left, the queue says so."""
    dana = person(queue, "dana")
    seen = []
    here: dict[str, str] = {}
    for _ in range(7):
        place = dana.post(f"{HERE}/next", data={"token": token(dana), **here}).headers["location"]
        seen.append(place.partition("key=")[2])
        here = {"workflow": INVOICES, "key": seen[-1]}
    assert seen == [f"run-{number:04d}" for number in (0, 1, 2, 3, 4, 5, 0)]
    for number in range(6):
        dana.post(
            f"{HERE}/decide", data=form(dana, f"run-{number:04d}", decision="rejected", reason="x", **{"in": INVOICES})
        )
    answer = dana.post(f"{HERE}/next", data={"token": token(dana)})
    assert answer.headers["location"] == f"{HERE}?done=nothing"
    assert "Nothing more waits here" in dana.get(answer.headers["location"]).text


def test_mine_are_those_i_hold_and_those_given_to_me(queue: sa.Engine) -> None:
    """The deputy's name and the login are one person; the figures and the list say the same."""
    with queue.begin() as connection:
        connection.execute(sa.text("UPDATE review_items SET assigned_to = 'Lee Okafor' WHERE key = 'run-0003'"))
    lee = person(queue, "lee.okafor")
    lee.post(f"{HERE}/hold", data={"token": token(lee), "workflow": INVOICES, "key": "run-0001"})
    page = lee.get(f"{HERE}?who=mine").text
    assert [f"run-{number:04d}" in page for number in range(6)] == [False, True, False, True, False, False]
    assert "<b>2</b> yours" in page
    assert "<b>1</b> beyond its time" in page
    onwards = lee.post(f"{HERE}/next", data={"token": token(lee), "who": "mine"})
    assert onwards.headers["location"] == f"{HERE}/item?workflow={INVOICES}&key=run-0001&who=mine"


def test_no_other_site_can_decide(queue: sa.Engine) -> None:
    """From elsewhere, from nowhere, without the token or with a stranger's: nothing is saved."""
    dana = person(queue, "dana")
    given = form(dana, decision="accepted")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    ):
        assert dana.post(f"{HERE}/decide", data=given, headers=headers).status_code == 403, headers
    del dana.headers["Sec-Fetch-Site"]
    for origin, status in ((None, 403), ("null", 403), ("https://evil.example", 403), ("http://testserver", 303)):
        headers = {"Origin": origin} if origin else {}
        changed = given if origin != "http://testserver" else form(dana, decision="accepted")
        assert dana.post(f"{HERE}/decide", data=changed, headers=headers).status_code == status, origin
    other = person(queue, "lee")
    for wrong in ("", "x" * 32, token(dana)):
        answer = other.post(f"{HERE}/decide", data=form(other, "run-0001", decision="accepted") | {"token": wrong})
        assert answer.status_code == 403
        assert "Nothing was saved yet" in answer.text
    assert len(rows(queue, "SELECT * FROM human_decisions")) == 1


def test_who_may_only_read_cannot_decide(queue: sa.Engine) -> None:
    """A reader sees the item without a form; what they send is refused. Without a login there is nothing."""
    reader = person(queue, "reader")
    page = reader.get(f"{HERE}/item?workflow={INVOICES}&key=run-0000").text
    assert "<form" not in page
    assert "453.60" in page
    assert "afterpilot_review" not in reader.cookies
    reader.cookies.set("afterpilot_review", "t" * 32)
    for path in ("decide", "hold", "leave", "next"):
        assert reader.post(f"{HERE}/{path}", data=form(reader, decision="accepted")).status_code == 403
    stranger = TestClient(review_site.mounted(queue))
    for path in ("decide", "hold", "leave", "next"):
        assert stranger.post(f"{HERE}/{path}", data={}).status_code == 401
    assert item(queue)["reserved_by"] == ""


def test_a_decision_at_the_source_closes_the_item(queue: sa.Engine) -> None:
    """Whoever works on it in the queue meanwhile is told, and loses nothing."""
    dana = person(queue, "dana")
    dana.post(f"{HERE}/hold", data={"token": token(dana), "workflow": INVOICES, "key": "run-0000"})
    with Ops(queue).begin() as unit:
        unit.records.write_decisions([HumanDecision(INVOICES, "run-0000", NOW, "accepted", note="by phone")])
    answer = dana.post(f"{HERE}/decide", data=form(dana, decision="rejected", reason="mine"))
    assert answer.status_code == 409
    assert "Somebody at the source was first" in answer.text
    assert "by phone" in answer.text
    assert "mine" in answer.text


def test_a_decision_is_about_the_output_that_was_on_the_screen(queue: sa.Engine) -> None:
    """It was replaced while the page was open: nothing is saved until the reviewer has seen what is there now."""
    dana = person(queue, "dana")

    def shown(page: str) -> str:
        return page.partition('name="seen" value="')[2].partition('"')[0]

    before = shown(dana.get(f"{HERE}/item", params={"workflow": INVOICES, "key": "run-0000"}).text)
    change = """UPDATE records SET data = data || '{"document": "another paper"}' WHERE key = 'run-0000'"""
    with queue.begin() as connection:
        connection.execute(sa.text(change))
    answer = dana.post(f"{HERE}/decide", data=form(dana, decision="rejected", reason="mine", seen=before))
    assert answer.status_code == 409
    assert "while you had it open" in answer.text
    assert "mine" in answer.text
    assert "another paper" in answer.text
    assert rows(queue, "SELECT * FROM human_decisions") == []
    answer = dana.post(f"{HERE}/decide", data=form(dana, decision="rejected", reason="mine", seen=shown(answer.text)))
    assert answer.status_code == 303
    assert len(rows(queue, "SELECT * FROM human_decisions")) == 1


def test_our_own_decision_read_back_counts_once(queue: sa.Engine) -> None:
    """The source's row of it is known, whatever its time was rounded to; another decision there is kept."""
    dana = person(queue, "dana")
    dana.post(f"{HERE}/decide", data=form(dana, decision="rejected", reason="x"))
    (made,) = rows(queue, "SELECT * FROM human_decisions")
    rounded = made["decided_at"].replace(microsecond=0)
    with Ops(queue).begin() as unit:
        again = [
            HumanDecision(INVOICES, "run-0000", made["decided_at"], "rejected"),
            HumanDecision(INVOICES, "run-0000", rounded, "corrected", corrected={"total": "1"}),
        ]
        assert unit.records.write_decisions(again) == 0
        later = HumanDecision(INVOICES, "run-0000", NOW + timedelta(days=1), "accepted")
        assert unit.records.write_decisions([later]) == 1
    assert [
        (row["origin"], row["decision"]) for row in rows(queue, "SELECT * FROM human_decisions ORDER BY decided_at")
    ] == [
        ("review", "rejected"),
        ("source", "accepted"),
    ]


def test_hostile_text_stays_text_in_the_form_too(queue: sa.Engine) -> None:
    """Whatever a model said or a user typed, the form gains no element, and hidden characters are shown."""
    evil = "\"'></textarea><script>alert(1)</script>\u202e"
    with queue.begin() as connection:
        for name in ("document", "supplier", "total"):
            connection.execute(
                sa.text("UPDATE records SET data = jsonb_set(data, ARRAY[:name], to_jsonb(CAST(:evil AS text)))"),
                {"name": name, "evil": evil * (1 if name != "supplier" else 9)},
            )
    dana = person(queue, "dana")
    page = dana.get(f"{HERE}/item?workflow={INVOICES}&key=run-0000").text
    sent = dana.post(f"{HERE}/decide", data=form(dana, decision=evil, reason=evil, field__po_number=evil)).text
    for text in (page, sent):
        assert "<script>alert" not in text
        assert text.count("<script") == 1
        assert "\u202e" not in text


def test_a_value_that_is_shown_otherwise_is_no_change(queue: sa.Engine) -> None:
    """Hidden characters and lines that end otherwise come back as they were sent out."""
    with queue.begin() as connection:
        connection.execute(
            sa.text("UPDATE records SET data = data || CAST(:more AS jsonb)"),
            {"more": '{"supplier": "Harbour\\u200b Lights\\nLtd", "currency": null}'},
        )
    dana = person(queue, "dana")
    given = form(dana, decision="accepted", field__supplier="Harbour[U+200B] Lights\r\nLtd", field__currency="")
    assert dana.post(f"{HERE}/decide", data=given).status_code == 303
