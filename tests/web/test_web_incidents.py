"""The page of an incident, and what people do on it and on that of the silences."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import chromium
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from incident_site import HOUR, NOW, SLUG, IncidentSite, stale
from outline import outline
from serving import served

from afterpilot.domain.verdict import Finding, Severity
from afterpilot.record import tables
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration
browser = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium.executable() is None, reason="Chromium is not installed: apt-get install chromium"),
]


@pytest.fixture
def desk(ops_url: str) -> IncidentSite:
    """Pages over one incident that two runs have seen."""
    site = IncidentSite(ops_url)
    site.ran([stale()])
    site.now += HOUR
    site.ran([stale()])
    return site


def path(site: IncidentSite, *more: object) -> str:
    """The address of the incident."""
    return "/".join(["/afterpilot/incidents", str(site.one()["id"]), *map(str, more)])


def send(person: TestClient, where: str, page: str = "", **fields: str) -> Any:
    """Send a form of a page with the token that it bears."""
    person.get(page or where.rpartition("/")[0])
    token = person.cookies.get("afterpilot_review", "")
    return person.post(where, data={"token": token, **fields})


def events(site: IncidentSite) -> list[tuple[str, str, str]]:
    """The time line: what, who, note."""
    found = sorted(site.rows(tables.incident_events), key=lambda row: row["id"])
    return [(row["what"], row["actor"], row["note"]) for row in found]


def test_the_page_says_at_once_what_is_wrong_who_has_it_and_what_to_do(desk: IncidentSite) -> None:
    """State, severity, duration, owner, runbook, evidence and cost; nobody has it yet."""
    page = desk.person("dana").get(path(desk)).text
    for said in (
        "Nobody has it yet",
        "for <b>1 h</b>",
        "Dana Ruiz",
        "29 invoices wait",
        "rows of the last hour: 0, usually 12",
        f'href="/afterpilot/runbooks/{SLUG}"',
        "source erp",
    ):
        assert said in page, said
    assert desk.person("dana").get(f"/afterpilot/runbooks/{SLUG}").status_code == 200


def test_whoever_acknowledges_has_it_under_their_login(desk: IncidentSite) -> None:
    """The page says so, the time line names them, and the same again changes nothing."""
    dana = desk.person("dana")
    done = send(dana, path(desk, "acknowledge"), note="asking the supplier")
    assert done.status_code == 303
    assert done.headers["location"].endswith("?done=acknowledge")
    page = dana.get(done.headers["location"]).text
    assert "<b>dana</b> has it since" in page
    assert "You have it already" in page
    assert events(desk)[-1] == ("acknowledged", "dana", "asking the supplier")
    assert send(dana, path(desk, "acknowledge")).headers["location"].endswith("?done=nothing")
    assert desk.one()["acknowledged_by"] == "dana"


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        ({"for": "4h"}, 4),
        ({"for": "1w"}, 168),
        ({"for": "other", "until": "2026-11-21T09:30"}, (24 + 7) + 1 / 6),
        ({"for": "4h", "until": "2026-11-21T09:30"}, (24 + 7) + 1 / 6),
    ],
)
def test_it_may_wait_for_a_while_or_until_a_date(desk: IncidentSite, fields: dict[str, str], hours: float) -> None:
    """With its reason; a typed date is UTC as all on the page, and counts also where the length chosen before stays chosen."""
    assert send(desk.person("dana"), path(desk, "waive"), reason="Friday's release", **fields).status_code == 303
    row = desk.one()
    assert (row["state"], row["waived_by"], row["waived_reason"]) == ("waived", "dana", "Friday's release")
    assert abs(row["waived_until"] - (NOW + HOUR + timedelta(hours=hours))) < timedelta(minutes=1)
    page = desk.person("dana").get(path(desk)).text
    assert "Waived by <b>dana</b> until" in page
    assert "It may wait, says dana: Friday&#39;s release" in page


def test_tomorrow_at_nine_is_where_the_people_are(desk: IncidentSite) -> None:
    """In the time zone of the workflow's working hours."""
    send(desk.person("dana"), path(desk, "waive"), reason="later", **{"for": "tomorrow"})
    until = desk.one()["waived_until"]
    fleet, own = desk.wired().services.fleet.alerts, desk.known()[SLUG].alerts
    hours = (own.working_hours if own else None) or fleet.working_hours
    from zoneinfo import ZoneInfo

    local = until.astimezone(ZoneInfo(hours.zone if hours else "UTC"))
    assert (local.hour, local.minute) == (9, 0)
    assert timedelta() < until - desk.now < timedelta(hours=48)


@pytest.mark.parametrize(
    ("action", "fields", "why"),
    [
        ("waive", {"for": "4h", "reason": ""}, "Say why it may wait"),
        ("waive", {"for": "other", "until": "", "reason": "x"}, "Say until when"),
        ("waive", {"for": "other", "until": "2026-11-19T09:30", "reason": "kept as typed"}, "is over"),
        ("waive", {"for": "other", "until": "2027-11-19T09:30", "reason": "x"}, "at most 90 days"),
        ("waive", {"for": "1000w", "reason": "x"}, "Say until when"),
    ],
)
def test_an_answer_that_cannot_be_taken_comes_back_with_what_was_typed(
    desk: IncidentSite, action: str, fields: dict[str, str], why: str
) -> None:
    """And nothing is saved."""
    answer = send(desk.person("dana"), path(desk, action), **fields)
    assert answer.status_code == 422
    assert why in answer.text
    assert f'value="{fields["reason"]}"' in answer.text
    assert desk.one()["state"] == "open"


def test_what_is_settled_is_over_and_takes_no_answer_any_more(desk: IncidentSite) -> None:
    """The page has no forms then; an old one is told that it is over."""
    dana, lee = desk.person("dana"), desk.person("lee")
    lee.get(path(desk))
    assert send(dana, path(desk, "settle"), note="deleted on purpose").status_code == 303
    page = dana.get(path(desk)).text
    assert "lasted <b>1 h</b>" in page
    assert "<form" not in page
    late = lee.post(path(desk, "acknowledge"), data={"token": lee.cookies["afterpilot_review"]})
    assert late.status_code == 422
    assert "is over since" in late.text


def test_no_other_site_no_reader_and_no_stranger_can_answer(desk: IncidentSite) -> None:
    """A form of elsewhere, without the token, without the right, or without a login: refused, and nothing is saved."""
    dana, reader = desk.person("dana"), desk.person("reader")
    dana.get(path(desk))
    token = {"token": dana.cookies["afterpilot_review"]}
    acts = {"acknowledge": {}, "waive": {"for": "4h", "reason": "x"}, "settle": {"note": "x"}}
    for act, fields in acts.items():
        where = path(desk, act)
        assert dana.post(where, data=fields).status_code == 403, act
        assert dana.post(where, data={**fields, "token": "x" * 32}).status_code == 403, act
        elsewhere = dana.post(where, data=fields | token, headers={"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403, act
        assert reader.post(where, data=fields | token).status_code == 403, act
        stranger = TestClient(desk.app, headers={"Sec-Fetch-Site": "same-origin"})
        assert stranger.post(where, data=fields | token).status_code == 401, act
    assert "may not change runs" in reader.get(path(desk)).text
    assert "<form" not in reader.get(path(desk)).text
    assert desk.one()["state"] == "open"
    assert [what for what, _, _ in events(desk)] == ["opened", "seen"]


def test_an_address_that_is_no_incident_takes_no_answer(desk: IncidentSite) -> None:
    """Neither a strange id nor one that is not kept."""
    dana = desk.person("dana")
    for which in ("abc", uuid.UUID(int=1)):
        answer = send(dana, f"/afterpilot/incidents/{which}/acknowledge", path(desk))
        assert answer.status_code == 404


def test_runs_people_and_messages_are_one_stream_in_the_order_of_time(desk: IncidentSite) -> None:
    """Runs that found the same are one line; each message says what became of it and why it was not sent."""
    for _ in range(3):
        desk.now += HOUR
        desk.ran([stale()])
    send(desk.person("dana"), path(desk, "waive"), reason="known", **{"for": "1w"})
    desk.queued()
    desk.ran([stale(title="The newest row is 13 h old")])
    page = desk.person("dana").get(path(desk)).text
    stream = page[page.index('<ol class="line">') : page.index("</ol>")]
    assert re.findall(r'class="e-(?:message m-)?([\w-]+)"', stream) == [
        "opened",
        "pending",
        "seen",
        "waived",
        "pending",
        "changed",
        "silenced",
    ]
    assert "4 times, from" in stream
    assert "not sent: waived until 2026-11-27" in stream


def test_what_explains_it_and_what_it_explains_are_linked(desk: IncidentSite) -> None:
    """Each page leads to the other, and says which of them is told."""
    desk.ran([stale(), Finding(SLUG, "check", "quality.volume_between", Severity.WARNING, "Few rows")])
    few = desk.one("quality.volume_between")
    with desk.engine.begin() as connection:
        connection.execute(
            sa.update(tables.incidents).where(tables.incidents.c.id == few["id"]).values(cause_id=desk.one()["id"])
        )
    dana = desk.person("dana")
    assert f'/afterpilot/incidents/{few["id"]}"' in dana.get(path(desk)).text
    explained = dana.get(f"/afterpilot/incidents/{few['id']}").text
    assert "Explained by" in explained
    assert f'/afterpilot/incidents/{desk.one()["id"]}"' in explained


@pytest.mark.parametrize(
    ("workflow", "stage", "links"),
    [
        (SLUG, "evaluate", (f"/runbooks/{SLUG}", f"/evals/{SLUG}")),
        (SLUG, "spend", (f"/runbooks/{SLUG}", f"/spend/{SLUG}")),
        (SLUG, "pull", (f"/runbooks/{SLUG}",)),
        ("_fleet", "spend", ()),
    ],
)
def test_runbook_and_chart_are_linked_where_there_is_one(
    desk: IncidentSite, workflow: str, stage: str, links: tuple[str, ...]
) -> None:
    """Of the workflow and of the stage; the fleet has neither."""
    with rewritten(desk.engine, "incidents") as connection:
        connection.execute(sa.update(tables.incidents).values(workflow=workflow, stage=stage))
    page = desk.person("dana").get(path(desk)).text
    buttons = page[page.index('id="do"') : page.index('id="answer"')]
    found = [
        href for href in re.findall(r'href="/afterpilot(/[^"]+)"', buttons) if not href.startswith(("/runs", "/sil"))
    ]
    assert tuple(found) == links


def test_every_form_is_well_formed_with_all_that_can_stand_on_the_page(desk: IncidentSite) -> None:
    """Waived, silenced, with long texts: elements are closed in order and stand where HTML allows them, ids once each."""
    dana = desk.person("dana")
    send(dana, "/afterpilot/silences", "/afterpilot/silences", workflow=SLUG, reason="long " * 150, **{"for": "2h"})
    send(dana, path(desk, "waive"), reason="why " * 240, **{"for": "4h"})
    desk.ran([stale(Severity.CRITICAL, "word " * 200)])
    for address in (path(desk), "/afterpilot/silences", "/afterpilot/incidents"):
        page = outline(dana.get(address).text)
        assert (page.open, page.crossed, page.misplaced) == ([], [], []), address
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids)), address
        inputs = {value for tag, name, value in page.attributes if tag in {"input", "select"} and name == "id"}
        assert inputs <= set(page.values("label", "for")), address


def test_the_list_is_narrowed_by_severity_and_by_what_was_told(desk: IncidentSite) -> None:
    """A silenced one is found among all; a word that is none is told."""
    dana = desk.person("dana")
    where = f"/afterpilot/incidents/{desk.one()['id']}"
    with desk.engine.begin() as connection:
        connection.execute(sa.update(tables.outbox).values(state="silenced", why="x"))
    for query, there in (
        ("told=silenced", True),
        ("told=dead", False),
        ("severity=warning", True),
        ("severity=critical", False),
    ):
        assert (where in dana.get(f"/afterpilot/incidents?{query}").text) == there, query
    assert "silenced" in dana.get("/afterpilot/incidents?state=open").text
    assert "is none of" in dana.get("/afterpilot/incidents?told=lost").text


def test_a_silence_is_begun_shown_on_its_incidents_and_ended(desk: IncidentSite) -> None:
    """Whoever ends it is named; a second click changes nothing."""
    dana, lee = desk.person("dana"), desk.person("lee")
    fields = {"workflow": SLUG, "kind": "quality.*", "for": "2h", "reason": "the warehouse moves"}
    assert send(dana, "/afterpilot/silences", "/afterpilot/silences", **fields).status_code == 303
    (row,) = desk.rows(tables.silences)
    assert (row["by"], row["kind"]) == ("dana", "quality.*")
    assert "by dana: the warehouse moves" in dana.get(path(desk)).text
    end = f"/afterpilot/silences/{row['id']}/end"
    assert send(lee, end, "/afterpilot/silences").headers["location"].endswith("done=ended")
    assert send(lee, end, "/afterpilot/silences").headers["location"].endswith("done=nothing")
    page = dana.get("/afterpilot/silences").text
    assert "Nothing is silenced." in page
    assert "ended by lee" in page
    assert "the warehouse moves" not in dana.get(path(desk)).text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"workflow": ""}, "Name a workflow"),
        ({"scope": "all"}, "Say one of them"),
        ({"workflow": "invoice_machting"}, "do you mean invoice_matching"),
        ({"reason": ""}, "Say why"),
        ({"until": "2027-11-21T09:30"}, "at most 30 days"),
        ({"for": "soon"}, "is no time"),
    ],
)
def test_a_silence_that_cannot_be_begun_says_why(desk: IncidentSite, changed: dict[str, str], why: str) -> None:
    """And what was typed is still there."""
    fields = {"workflow": SLUG, "kind": "quality.*", "for": "2h", "reason": "moving", **changed}
    answer = send(desk.person("dana"), "/afterpilot/silences", "/afterpilot/silences", **fields)
    assert answer.status_code == 422
    assert why in answer.text
    assert 'value="quality.*"' in answer.text
    assert desk.rows(tables.silences) == []


def test_nobody_but_who_may_change_runs_silences_anything(desk: IncidentSite) -> None:
    """A reader, another site, a form without the token; beginning and ending alike."""
    dana = desk.person("dana")
    send(dana, "/afterpilot/silences", "/afterpilot/silences", workflow=SLUG, reason="x", **{"for": "2h"})
    (row,) = desk.rows(tables.silences)
    token = {"token": dana.cookies["afterpilot_review"]}
    for where in ("/afterpilot/silences", f"/afterpilot/silences/{row['id']}/end"):
        fields = {"workflow": "*", "for": "1h", "reason": "y"}
        assert desk.person("reader").post(where, data=fields | token).status_code == 403
        assert dana.post(where, data=fields).status_code == 403
        assert dana.post(where, data=fields | token, headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert desk.rows(tables.silences) == [row]
    assert "<form" not in desk.person("reader").get("/afterpilot/silences").text


class TestInABrowser:
    """As an owner has it at night, on a phone."""

    pytestmark = browser

    def test_the_page_fits_and_complains_of_nothing(self, desk: IncidentSite) -> None:
        """Phone and desk, light and dark: the list, the incident open and over, and the silences."""
        where = path(desk).removeprefix("/afterpilot")
        with served(desk.app) as base, chromium.tab() as tab:
            log_in(tab, base)
            for page in (where, "/incidents", "/silences"):
                for width, dark in ((400, False), (1280, True)):
                    tab.open(base + page, width=width, dark=dark)
                    assert tab.complaints == [], page
                    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    assert tab.value(over) == 0, (page, width)

    def test_an_owner_on_a_phone_takes_it_up_and_another_lets_it_wait(self, desk: IncidentSite) -> None:
        """Slack's plain links lead to the very form; it is typed, sent, and the page says what has become of it."""
        where = path(desk).removeprefix("/afterpilot")
        with served(desk.app) as base, chromium.tab() as tab:
            log_in(tab, base)
            tab.open(f"{base}{where}#acknowledge", width=400)
            assert tab.value("document.querySelector('#acknowledge:target').getBoundingClientRect().top") < 900
            tab.value("document.querySelector('#ack-note').focus()")
            tab.write("on it")
            tab.press("Enter")
            tab.until("document.querySelector('.notice.good') && document.body.innerText.includes('You have it now')")
            assert desk.one()["acknowledged_by"] == "dana"
            tab.open(f"{base}{where}#waive", width=400)
            tab.value("document.querySelector('#waive input[value=\"1w\"]').click()")
            tab.value("document.querySelector('#waive-reason').focus()")
            tab.write("the supplier mends it on Friday")
            tab.press("Enter")
            tab.until("document.body.innerText.includes('It is waived')")
            assert desk.one()["waived_reason"] == "the supplier mends it on Friday"


def log_in(tab: chromium.Tab, base: str) -> None:
    """Make the browser dana's."""
    tab.call("Network.enable")
    tab.call("Network.setCookie", name="user", value="dana", url=base)
