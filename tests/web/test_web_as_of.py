"""The page of what was in force at a moment of the past."""

from __future__ import annotations

import re

from audit_site import FIRST, SECOND
from history_site import Site


def text_of(html: str) -> str:
    return re.sub(" +", " ", re.sub(r"<[^>]+>|\s+", " ", html.split("<main", 1)[1]))


def test_the_version_of_the_moment_stands_not_todays(audited: Site) -> None:
    """Three days ago the first version was in force, with its cap; an hour ago the second, with another."""
    then, later = (
        audited.get(f"/as-of?workflow=order_replies&at={at}") for at in ("2026-11-17T10:00", "2026-11-20T13:30")
    )
    assert (FIRST in then, SECOND in then) == (True, False)
    assert (FIRST in later, SECOND in later) == (False, True)
    assert "cap 20 USD/month" in text_of(then)
    assert "cap 30 USD/month" in text_of(later)


def test_verdicts_are_those_of_the_moment(audited: Site) -> None:
    """The eval run of the 20th failed; at noon of the 19th the newest one had passed, and no report had ever run."""
    then, later = (
        text_of(audited.get(f"/as-of?workflow=order_replies&at={at}"))
        for at in ("2026-11-19T12:00", "2026-11-20T12:00")
    )
    assert "evaluate PASS" in then
    assert "evaluate FAIL" in later
    assert "report UNKNOWN it had not run" in then


def test_what_people_said_holds_from_when_they_said_it(audited: Site) -> None:
    """A raise waits for its second person until that one answers; approval and silence stand from their own time on."""
    asked = text_of(audited.get("/as-of?workflow=order_replies&at=2026-11-17T15:00"))
    assert "pending 20 USD/month to 45.00 USD" in asked
    assert "Jon Reyes answered" not in asked
    now = text_of(audited.get("/as-of?workflow=order_replies"))
    assert "approved 20 USD/month to 45.00 USD" in now
    assert "Mara Lindqvist approved" in now
    assert "a known drop" in now
    assert "a known drop" not in asked


def test_incidents_are_those_that_were_not_over(audited: Site) -> None:
    """The overdue pull stands while it was, and neither before nor after."""
    title = "No verdict of the stage pull since"
    told = [
        title in audited.get(f"/as-of?workflow=order_replies&at=2026-11-{at}")
        for at in ("19T01:00", "19T10:00", "19T13:00")
    ]
    assert told == [False, True, False]


def test_before_it_was_declared(audited: Site) -> None:
    """Before its first load a workflow is not declared, and nothing of it is good."""
    html = text_of(audited.get("/as-of?workflow=order_replies&at=2026-11-10T10:00"))
    assert "Not declared then." in html
    assert "PASS" not in html


def test_a_moment_that_is_none(audited: Site) -> None:
    """What lies ahead and what is no time show nothing, and say why."""
    for at in ("2027-01-01T00:00", "noon", "0001-01-01T00:00+23:59"):
        html = audited.get("/as-of", params={"workflow": "order_replies", "at": at})
        assert "nothing is listed" in html, at
        assert FIRST[:12] not in html, at


def test_others_do_not_see_it(audited_by_owner: Site) -> None:
    """An owner sees the own workflow; another one is 404."""
    assert audited_by_owner.client.get("/afterpilot/as-of?workflow=order_replies").status_code == 200
    assert audited_by_owner.client.get("/afterpilot/as-of?workflow=email_triage").status_code == 404
