"""What can be decided on an item, in the words of that item: nothing is offered that makes no sense."""

from __future__ import annotations

import re

import pytest
import review_site
import sqlalchemy as sa
from fastapi.testclient import TestClient
from review_site import INVOICES, MAILS, NOW, person, token

pytestmark = pytest.mark.integration
HERE = "/afterpilot/review"


@pytest.fixture
def dana(ops: sa.Engine) -> TestClient:
    """Dana, with six invoices and a mail in the queue."""
    review_site.fill(ops)
    review_site.mail(ops)
    return person(ops, "dana")


def offered(page: str) -> dict[str, str]:
    """Each decision that the page offers, with what it says that it means."""
    found = re.findall(r'name="decision" value="(\w+)".*?<small>(.*?)</small>', page)
    return dict(found)


def page_of(client: TestClient, workflow: str, key: str) -> str:
    return client.get(f"{HERE}/item?workflow={workflow}&key={key}").text


def saved(client: TestClient, decision: str, label: str) -> tuple[int, str]:
    """What becomes of a decision on the mail."""
    form = {"token": token(client), "workflow": MAILS, "key": "mail-0001", "made": NOW.isoformat()}
    answer = client.post(f"{HERE}/decide", data={**form, "decision": decision, "field.label": label})
    return answer.status_code, answer.text


def test_a_total_that_differs_says_what_each_decision_means(dana: TestClient) -> None:
    """Whether the output or the order is wrong is what the person decides."""
    assert offered(page_of(dana, INVOICES, "run-0000")) == {
        "accepted": "453.60 was read right: use it, although purchase order PO-51000 says 435.60",
        "corrected": "453.60 was misread: type what the source says",
        "rejected": "453.60 was read right, but must not be used",
    }


def test_a_spot_check_is_in_use_already(dana: TestClient) -> None:
    """Accepting changes nothing."""
    assert offered(page_of(dana, INVOICES, "run-0002"))["accepted"] == "it is right: nothing changes"


def test_a_label_that_is_none_cannot_be_accepted(dana: TestClient) -> None:
    """The page says why, offers no key for it, and the server takes it neither, nor a correction of anything else."""
    page = page_of(dana, MAILS, "mail-0001")
    assert list(offered(page)) == ["corrected"]
    assert "It cannot be accepted: label must be discussion or advertisement." in page
    assert "<kbd>a</kbd>" not in page
    status, text = saved(dana, "accepted", "newsletter")
    assert (status, "It cannot be accepted: label must be discussion" in text) == (422, True)
    assert saved(dana, "corrected", "newsletter")[0] == 422
    assert saved(dana, "corrected", "advertisement")[0] == 303


def test_where_nothing_can_be_rejected_no_word_is_said_of_it(dana: TestClient) -> None:
    """A mail is kept or moved."""
    assert "needed to reject" not in page_of(dana, MAILS, "mail-0001")
    assert "reject, then say why" not in page_of(dana, MAILS, "mail-0001")
    assert "needed to reject" in page_of(dana, INVOICES, "run-0000")


def test_a_page_with_forms_does_not_say_that_it_cannot_be_changed(dana: TestClient, ops: sa.Engine) -> None:
    """The queue is for those who may decide; who may not is told so, and the other pages are for reading."""
    reader = person(ops, "reader")
    for path in ("review", f"review/item?workflow={INVOICES}&key=run-0000"):
        mine, theirs = (client.get(f"/afterpilot/{path}").text for client in (dana, reader))
        assert "What you save is kept under your name" in mine
        assert "deciding takes the right to change runs" in theirs
        assert "not changed" not in mine + theirs
    assert "This page can be read, not changed" in dana.get("/afterpilot/runs").text


def test_the_queue_has_one_word_for_its_order(dana: TestClient) -> None:
    """What is due first comes first."""
    page = dana.get(HERE).text
    assert "Start with what is due first" in page
    assert "oldest" not in page
