"""The page of obligations."""

from __future__ import annotations

import re
from datetime import date

from history_site import Site

from afterpilot.decide.obligations import SOURCES
from afterpilot.web.pages.obligations import links


def text_of(html: str) -> str:
    return re.sub(" +", " ", re.sub(r"<[^>]+>|\s+", " ", html.split("<main", 1)[1]))


def test_what_is_there_and_what_is_not(audited: Site) -> None:
    """Runs of the period are counted with a link to them; what did not run, and what nobody did, are gaps."""
    html = audited.get("/obligations?workflow=order_replies&from=2026-11-01&to=2026-11-20")
    assert "This is no legal advice." in html
    text = text_of(html)
    assert re.search(r"\d+ on record newest 2026-11-20", text)
    assert "7 did not run and 4 ran UNKNOWN" in text
    assert "Nobody answered an incident in this period" in text
    assert "/afterpilot/runs?workflow=order_replies&amp;from=2026-11-01&amp;to=2026-11-20" in html


def test_a_period_without_anything_is_all_gaps(audited: Site) -> None:
    """Before the workflow was declared nothing is on record of it, so nothing is found but what is kept since."""
    text = text_of(audited.get("/obligations?workflow=order_replies&from=2026-10-01&to=2026-10-05"))
    assert "0 on record" not in text.split("EU AI Act", 1)[1]
    assert not re.search(r"\b\d+ on record newest", text)
    assert "Nothing was due in this period." in text


def test_every_kind_of_record_has_a_place_to_look(audited: Site) -> None:
    """What a line asks for is listed somewhere, and every such address answers."""
    wanted = {ask.record for source in SOURCES for one in source.obligations for ask in one.asks} - {""}
    places = links("order_replies", (date(2026, 11, 1), date(2026, 11, 20)))
    assert wanted <= places.keys()
    for kind, (path, query) in places.items():
        answer = audited.client.get("/afterpilot/" + "/".join(path), params=query)
        assert answer.status_code == 200, kind
        assert "nothing is listed" not in answer.text, kind


def test_others_do_not_see_it(audited_by_owner: Site) -> None:
    """An owner sees the own workflow; another one is 404."""
    assert audited_by_owner.client.get("/afterpilot/obligations?workflow=order_replies").status_code == 200
    assert audited_by_owner.client.get("/afterpilot/obligations?workflow=email_triage").status_code == 404
