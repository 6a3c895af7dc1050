"""The page of coverage, over a history with gaps."""

from __future__ import annotations

import re

from history_site import Site


def test_the_list_of_workflows_says_what_did_not_run(audited: Site) -> None:
    """Each workflow has its days: not declared before it was, and in red what was due and did not come."""
    html = audited.get("/coverage?from=2026-11-14&to=2026-11-20")
    row = html.split("order_<wbr>replies", 1)[1].split("</tr>", 1)[0]
    assert "7 did not run" in row
    assert row.count("not declared") == 1
    assert "retired" in html


def test_a_workflow_has_a_row_for_each_day(audited: Site) -> None:
    """The pull of the 19th came twice of four times; the check of the 17th came and is UNKNOWN, not good."""
    html = audited.get("/coverage?workflow=order_replies&from=2026-11-14&to=2026-11-20")
    text = re.sub(r"<[^>]+>|\s+", " ", html)
    text = re.sub(" +", " ", text)
    day = text.split("2026-11-19", 1)[1].split("2026-11-18", 1)[0]
    assert day.count("2 of 4 ran: 2 PASS, 2 did not run") == 3
    assert "4 UNKNOWN" in text.split("2026-11-17", 1)[1].split("2026-11-16", 1)[0]


def test_a_gap_says_what_is_on_record(audited: Site) -> None:
    """What did not run names the incident and the task of that time, and what only waited for it."""
    html = audited.get("/coverage?workflow=order_replies&from=2026-11-14&to=2026-11-20")
    gaps = html.split('id="missed"', 1)[1].split("</section>", 1)[0]
    assert "SourceError: shop does not answer" in gaps
    assert "No verdict of the stage pull since 2026-11-18 18:06 UTC" in gaps
    assert "It follows pull, which did not run either." in gaps


def test_an_expectation_that_no_run_judged_is_named(audited: Site) -> None:
    """What is declared and stands in no run comes first; what a quiet day left open names the day."""
    html = audited.get("/coverage?workflow=order_replies&from=2026-11-14&to=2026-11-20")
    judged = html.split('id="expectations"', 1)[1]
    assert judged.index("language_is") < judged.index("fresh_within")
    assert "in no run" in judged
    assert "2026-11-17" in judged


def test_days_that_cannot_be_shown_are_refused(audited: Site) -> None:
    """Too many days, days in the wrong order and what is no day list nothing, and say why."""
    for query in ("from=2026-01-01&to=2026-11-20", "from=2026-11-20&to=2026-11-14", "from=yesterday"):
        html = audited.get(f"/coverage?{query}")
        assert "nothing is listed" in html, query
        assert "did not run" not in html.split("<main", 1)[1], query


def test_a_workflow_that_there_is_not(audited: Site) -> None:
    """A name that was never declared is 404."""
    assert audited.client.get("/afterpilot/coverage?workflow=nothing").status_code == 404


def test_a_workflow_that_is_not_seen(audited_by_owner: Site) -> None:
    """An owner sees the coverage of the own workflow; another one is 404, and stands in no list."""
    assert "order_<wbr>replies" in audited_by_owner.get("/coverage")
    assert "email_<wbr>triage" not in audited_by_owner.get("/coverage")
    assert audited_by_owner.client.get("/afterpilot/coverage?workflow=email_triage").status_code == 404
    assert audited_by_owner.client.get("/afterpilot/coverage?workflow=_fleet").status_code == 404
