"""The pages of the ledger: entries, one entry with its proof, the heads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from history_site import Site

from afterpilot.record.history import runs
from afterpilot.record.history.ledger import one_entry
from afterpilot.web.proof import check_entry, proof_of_run


def text_of(html: str) -> str:
    return re.sub(" +", " ", re.sub(r"<[^>]+>|\s+", " ", html.split("<main", 1)[1]))


def ids(html: str) -> list[int]:
    return [int(one) for one in re.findall(r'<th scope="row"><a href="/afterpilot/ledger/(\d+)"', html)]


def newest(site: Site, where: str = "true") -> int:
    with site.engine.connect() as connection:
        found = connection.scalar(sa.text(f"SELECT max(id) FROM ledger WHERE {where}"))
        return int(found or 0)


def test_entries_come_newest_first_and_page_by_page(audited: Site) -> None:
    """Going on from page to page gives every entry once, newest first."""
    seen: list[int] = []
    address = "/ledger?workflow=order_replies"
    for _ in range(20):
        html = audited.get(address)
        seen += ids(html)
        onwards = re.search(r'rel="next" href="/afterpilot([^"]+)"', html)
        if onwards is None:
            break
        address = onwards.group(1).replace("&amp;", "&")
    with audited.engine.connect() as connection:
        all_of_them = connection.scalars(
            sa.text("SELECT id FROM ledger WHERE workflow = 'order_replies' ORDER BY id DESC")
        ).all()
    assert seen == list(all_of_them)
    assert len(seen) > 100


@pytest.mark.parametrize("action", ["check:run:*", "check", "check::recorded", "*:run:recorded"])
def test_actions_are_filtered_by_their_parts(audited: Site, action: str) -> None:
    """A part that is a star or left out is any; one that is given has to be the whole part."""
    html = audited.get("/ledger", params={"workflow": "order_replies", "action": action})
    rows = re.findall(r"<code>(.*?)</code></td>", html)
    assert rows
    assert all("run:recorded" in re.sub("<.*?>", "", row) for row in rows)
    assert not ids(audited.get("/ledger", params={"action": "chec"}))


def test_a_person_is_found_by_name(audited: Site) -> None:
    """The name finds what the person did, whom the entries name by a random id alone."""
    html = audited.get("/ledger?actor=jon+reyes")
    assert ids(html)
    assert "jon reyes" in text_of(html)
    assert not ids(audited.get("/ledger?actor=nobody+at+all"))


def test_a_sealed_entry_is_proven_step_by_step(audited: Site) -> None:
    """From the payload over leaf, way and root to the signature, each step says that it fits."""
    with audited.engine.connect() as connection:
        which = connection.scalar(sa.text("SELECT entry_id FROM ledger_leaves WHERE leaf_index = 7"))
    closed, opened = audited.get(f"/ledger/{which}"), audited.get(f"/ledger/{which}?verify=1")
    assert "<ol" not in closed
    assert "Proven." in closed
    assert opened.count("does not fit") == 0
    assert opened.count(">fits<") == 5
    assert "SHA-256(0x00, leaf)" in opened


def test_an_entry_that_is_not_sealed_is_not_proven(audited: Site) -> None:
    """The newest entry is not in any head: it says so, and nothing of it is green."""
    html = audited.get(f"/ledger/{newest(audited)}?verify=1")
    assert "Not sealed yet." in html
    assert "p-proven" not in html


@pytest.fixture
def tampered(audited: Site) -> Iterator[tuple[sa.Connection, int]]:
    """An entry whose payload the owner of the tables has changed, within a transaction that is never kept."""
    with audited.engine.connect() as connection:
        yield (
            connection,
            int(connection.scalar(sa.text("SELECT entry_id FROM ledger_leaves WHERE leaf_index = 7")) or 0),
        )


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("payload", '{"forged":true}', "SHA-256 of the payload"),
        ("payload_hash", b"\x00" * 32, "SHA-256 of the payload"),
        ("leaf_hash", b"\x00" * 32, "leaf hash"),
    ],
)
def test_what_was_changed_does_not_fit(
    tampered: tuple[sa.Connection, int], column: str, value: object, what: str
) -> None:
    """A payload, its hash or a leaf that is another than it was is named, and the entry is not proven."""
    connection, which = tampered
    row = one_entry(connection, which)
    assert row is not None
    checked = check_entry(connection, {**row, column: value})
    assert checked.word == "not proven"
    assert what in checked.sentence


def test_a_run_is_held_against_its_entry(audited: Site) -> None:
    """A run as it is stored has the hash that its entry names; with another word in its summary it has not."""
    with audited.engine.connect() as connection:
        run = runs.one_run(connection, audited.kept.runs["check"])
        assert run is not None
        good = proof_of_run(connection, run)
        forged = proof_of_run(connection, {**run, "summary": "all is well"})
    assert (good.agrees, good.checked.word) == (True, "proven")
    assert (forged.agrees, forged.checked.word) == (False, "not proven")


def test_heads_with_signature_and_consistency(audited: Site) -> None:
    """The newest head is signed with a good signature; what has no head, and what is no number, is 404."""
    html = audited.get("/ledger/heads")
    entries = re.findall(r"/ledger/heads/(\d+)", html)
    assert entries
    assert ">good</span>" in html
    assert "says what is stored" in audited.get(f"/ledger/heads/{entries[0]}")
    for which in (
        "/ledger/heads/1000000000",
        "/ledger/heads/x",
        "/ledger/99999999999999999999999",
        "/ledger/-1",
        "/ledger/٣",
    ):
        assert audited.client.get(f"/afterpilot{which}").status_code == 404, which


def test_others_do_not_see_it(audited: Site, audited_by_owner: Site) -> None:
    """An owner sees the entries of the own workflow alone; one of another, and of all, is 404."""
    own = newest(audited, "workflow = 'order_replies'")
    assert audited_by_owner.client.get(f"/afterpilot/ledger/{own}").status_code == 200
    for other in ("workflow = 'email_triage'", "workflow = '_fleet'"):
        which = newest(audited, other)
        assert which
        assert audited_by_owner.client.get(f"/afterpilot/ledger/{which}").status_code == 404
    html = audited_by_owner.get("/ledger")
    assert ids(html)
    assert "email" not in text_of(html)


def test_a_filter_that_cannot_be_used(audited: Site) -> None:
    """An action of four parts and a day that is none list nothing, and say why."""
    for query in ("action=a:b:c:d", "from=monday"):
        html = audited.get(f"/ledger?{query}")
        assert "nothing is listed" in html
        assert not ids(html)


def test_a_run_has_its_proof_on_its_page(audited: Site) -> None:
    """The run's page says that it is proven, leads to its entry and head, and shows the steps where they are asked for."""
    address = f"/runs/{audited.kept.runs['check']}"
    closed, opened = audited.get(address), audited.get(f"{address}?verify=1")
    section = closed.split('id="proof"', 1)[1]
    assert "Proven." in section
    assert "as the entry says" in section
    assert "/afterpilot/ledger/" in section
    assert '<ol class="steps"' not in closed
    assert "SHA-256 of the run with its findings, as stored now" in opened
