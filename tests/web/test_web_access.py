"""Who sees what: owners their part, auditors everything but what is personal, and every look at evidence on record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from access_site import MINE, PREFIX, THEIRS, AccessSite

from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres
from afterpilot.record import tables

LISTS = (
    "/",
    "/runs",
    "/runs.jsonl",
    "/evals",
    "/spend",
    "/incidents",
    "/messages",
    "/declarations",
    "/review",
    "/silences",
)


@pytest.fixture(scope="module")
def database(new_ops: Callable[[], str]) -> str:
    """The name of this module's ops database."""
    return new_ops()


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres, database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessSite]:
    """The pages with people of every role."""
    engine = sa.create_engine(postgres.url(database, role=APPLICATION))
    yield AccessSite(engine, tmp_path_factory.mktemp("workflows"))
    engine.dispose()


@pytest.fixture(autouse=True)
def _anew(site: AccessSite) -> None:
    site.inner.state.views.forget()


@pytest.mark.parametrize(
    "page", [*LISTS, "/health", "/coverage", "/as-of", "/obligations", "/ledger", "/bundle", "/retention"]
)
def test_no_list_names_a_workflow_that_an_owner_does_not_see(site: AccessSite, page: str) -> None:
    """Neither in rows nor in suggestions, links or figures; an engineer and an auditor see both."""
    assert THEIRS not in site.client("owner").get(f"{PREFIX}{page}").text
    assert MINE not in site.client("other").get(f"{PREFIX}{page}").text
    nothing = site.client("stranger").get(f"{PREFIX}{page}")
    assert nothing.status_code == 200
    assert MINE not in nothing.text
    assert THEIRS not in nothing.text


def test_whom_no_declaration_names_is_told_so(site: AccessSite) -> None:
    """An empty page says why, and by which name they are known."""
    page = site.client("stranger").get(f"{PREFIX}/").text
    assert "No declaration names you." in page
    assert "nina.nobody" in page


@pytest.mark.parametrize("page", [page for page in LISTS if page not in {"/review", "/silences"}])
def test_engineers_and_auditors_see_every_workflow(site: AccessSite, page: str) -> None:
    """The same lists, whole."""
    for role in ("engineer", "auditor"):
        text = site.client(role).get(f"{PREFIX}{page}").text
        assert MINE in text, role
        assert THEIRS in text, role


@pytest.mark.parametrize("page", ["/runs", "/incidents", "/messages", "/review", "/evals", "/spend", "/ledger", "/"])
def test_a_filter_shows_an_owner_nothing_more(site: AccessSite, page: str) -> None:
    """To ask for another's workflow by name gives an empty list, the same as one that is not there."""
    client = site.client("other")
    theirs = client.get(f"{PREFIX}{page}?workflow={MINE}").text
    none = client.get(f"{PREFIX}{page}?workflow=no_such_one____").text
    assert theirs.replace(MINE, "no_such_one____") == none


def test_what_is_not_seen_and_what_is_not_there_are_answered_alike(site: AccessSite) -> None:
    """Whether a run, an incident or a workflow exists cannot be asked."""
    client = site.client("other")
    for kind in ("run", "incident", "message"):
        hidden = client.get(f"{PREFIX}/{kind}s/{site.names[kind]}")
        lost = client.get(f"{PREFIX}/{kind}s/{site.names['lost']}")
        said = hidden.text.replace(site.names[kind], site.names["lost"])  # the address that was asked for
        assert (hidden.status_code, said) == (lost.status_code, lost.text)
    for path in ("/evals/{}", "/spend/{}", "/declarations/{}", "/runbooks/{}", "/outputs?workflow={}&key=run-00000",
                 "/coverage?workflow={}", "/as-of?workflow={}", "/obligations?workflow={}", "/bundle?workflow={}", "/bundle.zip?workflow={}",
                 "/review/item?workflow={}&key=run-00000"):  # fmt: skip
        hidden, lost = (client.get(f"{PREFIX}{path.format(slug)}") for slug in (MINE, "no_such_one"))
        said = hidden.text.replace(MINE, "no_such_one")  # the address that was asked for
        assert (hidden.status_code, said) == (lost.status_code, lost.text), path


@pytest.mark.parametrize(
    "path",
    [
        "/runs/",
        "//runs",
        "/runs//{run}",
        "/%2e%2e/runs",
        "/runs/..%2f{run}",
        "/evals/%2e/compare",
        "/runs;a=b",
        "/RUNS",
        "/runs/{run}/",
        "/evals/" + quote("email_triage/../invoice_matching", safe=""),
        "/declarations/invoice_matching%00",
        "/style.css/",
        "/afterpilot/runs",
    ],
)
def test_an_address_written_otherwise_opens_nothing(site: AccessSite, path: str) -> None:
    """Slashes at the end, doubled or encoded: without a login 401, with one nothing is there; never a page without its gate."""
    url = f"{PREFIX}{path.format(**site.names)}"
    assert site.client("nobody").get(url).status_code == 401
    answer = site.client("other").get(url)
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-User", "X-Remote-User", "X-Original-URL", "X-Rewrite-URL"],
)
def test_no_header_of_a_proxy_lets_anybody_in_or_leads_anywhere(site: AccessSite, header: str) -> None:
    """They change neither who asks nor which page it is, nor where its links lead."""
    url = f"{PREFIX}/runs/{site.names['run']}"
    assert site.client("nobody", **{header: "/afterpilot/style.css"}).get(url).status_code == 401
    assert site.client("other", **{header: "dana.ruiz"}).get(url).status_code == 404
    assert "evil.example" not in site.client("owner", **{header: "evil.example"}).get(url).text


def test_a_form_of_another_site_is_refused_whoever_is_logged_in(site: AccessSite) -> None:
    """Also with a token that it made up, and where it names this site's proxy."""
    url = f"{PREFIX}/incidents/{site.names['incident']}/acknowledge"
    strange = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}
    client = site.client("owner", **strange, Host="testserver")
    client.cookies.set("afterpilot_review", "x" * 40)
    assert client.post(url, data={"token": "x" * 40}).status_code == 403


def test_a_look_again_costs_nothing_and_another_person_is_another_look(site: AccessSite) -> None:
    """Within ten minutes the same person's same look is one entry."""
    url, before = f"{PREFIX}/runs/{site.names['run']}", len(site.views())
    for role in ("owner", "owner", "auditor", "owner"):
        assert site.client(role).get(url).status_code == 200
    assert len(site.views()) == before + 2
    assert site.client("owner").get(f"{url}/evidence.json").status_code == 200
    assert site.views()[-1]["action"] == "web:evidence:downloaded"


def test_who_reads_an_entry_of_the_ledger_is_on_record_with_what_it_is_about(site: AccessSite) -> None:
    """Its payload is evidence: the same thing's page says who has read it."""
    assert site.client("auditor").get(f"{PREFIX}/ledger/{site.names['entry']}").status_code == 200
    view = site.views()[-1]
    assert (view["action"], view["subject"]) == ("web:evidence:viewed", site.names["entry_subject"])
    assert json.loads(view["payload"])["part"] == f"entry {site.names['entry']}"


def test_a_run_says_who_saw_it(site: AccessSite) -> None:
    """By name, the last one first."""
    url = f"{PREFIX}/runs/{site.kept.runs['gate']}"
    assert "Nobody before you." in site.client("auditor").get(url).text
    site.client("owner").get(f"{url}/evidence.json")
    seen = site.client("engineer").get(url).text.partition('id="seen"')[2]
    assert re.search(r"dana\.ruiz, as a file.*ada\.auditor", seen, re.DOTALL)


def test_the_log_of_a_task_is_linked_for_those_who_may_read_it(site: AccessSite) -> None:
    """An auditor is told which task it was, and led nowhere."""
    url = f"{PREFIX}/runs/{site.names['run']}"
    link = "/dags/records.hourly/runs/"
    assert link in site.client("owner").get(url).text
    assert link in site.client("engineer").get(url).text
    page = site.client("auditor").get(url).text
    assert link not in page
    assert "records.hourly / check" in page


def test_an_auditor_sees_no_value_of_a_field_that_is_personal_by_now(site: AccessSite) -> None:
    """It may have been kept before the declaration said so: in the record, in a correction, in what a check found."""
    key, secret = site.names["key"], "greta.larsen@private.example"
    with site.engine.begin() as connection:
        record = tables.records.c
        mine = sa.and_(record.workflow == MINE, record.key == key)
        data = connection.scalar(sa.select(record.data).where(mine)) or {}
        connection.execute(sa.update(tables.records).where(mine).values(data={**data, "supplier_contact": secret}))
        item = tables.review_items.c
        found = [
            {"check": "c", "field": "supplier_contact", "said": secret, "expected": "", "source": "", "text": secret}
        ]
        where = sa.and_(item.workflow == MINE, item.key == key)
        connection.execute(sa.update(tables.review_items).where(where).values(discrepancies=found, at=sa.func.now()))
        run = connection.scalar(sa.select(item.run_id).where(where))
    asked = f"workflow={MINE}&key={key}"
    for path in (f"/outputs?{asked}", f"/review/item?{asked}", f"/review?state=all&run={run}", f"/runs/{run}"):
        url = f"{PREFIX}{path}"
        assert secret in site.client("owner").get(url).text
        page = site.client("auditor").get(url)
        assert page.status_code == 200
        assert secret not in page.text


def test_a_run_that_touched_something_of_the_fleet_shows_an_owner_nothing_of_it(site: AccessSite) -> None:
    """Neither the incident nor the message about it, which may name whom else it concerns; an engineer sees both."""
    here, run = tables.incidents.c, site.names["run"]
    with site.engine.begin() as connection:
        given = {
            "workflow": "_fleet",
            "stage": "spend",
            "kind": "k",
            "severity": "warning",
            "title": "ERP away for all",
        }
        at = sa.func.now()
        made = sa.insert(tables.incidents).values(fingerprint="all", opened_at=at, last_seen_at=at, **given)
        incident = connection.scalar(made.returning(here.id))
        event = {"incident_id": incident, "at": at, "what": "seen", "run_id": run}
        connection.execute(sa.insert(tables.incident_events).values(**event))
        letter = {"dedupe_key": "all", "workflow": "_fleet", "kind": "incident", "channel": "#c", "message": {}}
        connection.execute(sa.insert(tables.outbox).values(incident_id=incident, why="told of the fleet", **letter))
    assert "ERP away for all" in site.client("engineer").get(f"{PREFIX}/runs/{run}").text
    page = site.client("owner").get(f"{PREFIX}/runs/{run}")
    assert page.status_code == 200
    assert "ERP away for all" not in page.text
    assert "told of the fleet" not in page.text


def test_engineers_operate_and_decide_nothing_that_does_not_name_them(site: AccessSite) -> None:
    """They find no form to decide by, and a forged one is refused; owners find both."""
    url = f"{PREFIX}/review/item?workflow={MINE}&key={site.names['key']}"
    decide = f'action="{PREFIX}/review/decide"'
    assert decide in site.client("owner").get(url).text
    engineer = site.client("engineer")
    assert decide not in engineer.get(url).text
    given = {"workflow": MINE, "key": site.names["key"], "decision": "accepted", "token": "x" * 40}
    refused = engineer.post(f"{PREFIX}/review/decide", data=given)
    assert refused.status_code == 403
    assert "does not name you" in refused.text
    assert "may not change" not in engineer.get(f"{PREFIX}/incidents/{site.names['incident']}").text


def test_an_owner_silences_their_own_workflows_only(site: AccessSite) -> None:
    """Neither all of them, nor by a pattern, nor another's."""
    client = site.client("other")
    token = re.findall(r'name="token" value="([^"]+)"', client.get(f"{PREFIX}/silences").text)[0]
    base = {"token": token, "for": "1h", "reason": "quiet, please"}
    for asked in ({"scope": "all"}, {"workflow": "*"}, {"workflow": "inv*"}, {"workflow": MINE}):
        answer = client.post(f"{PREFIX}/silences", data={**base, **asked})
        assert answer.status_code == 422, asked
        assert "You may silence the workflows that name you" in answer.text
    assert client.post(f"{PREFIX}/silences/{site.names['silence']}/end", data={"token": token}).status_code == 422
    assert client.post(f"{PREFIX}/silences", data={**base, "workflow": THEIRS}).status_code == 303


def test_what_cannot_be_recorded_is_not_shown(site: AccessSite, postgres: EmbeddedPostgres, database: str) -> None:
    """Where the ledger takes nothing, evidence answers 503 and says why; lists are shown."""
    owner = sa.create_engine(postgres.url(database, role=OWNER))
    url = f"{PREFIX}/messages/{site.names['message']}"
    try:
        with owner.begin() as connection:
            connection.exec_driver_sql(f"REVOKE INSERT ON ledger FROM {APPLICATION}")
        refused = site.client("auditor").get(url)
        assert refused.status_code == 503
        assert "Every look at evidence is recorded" in refused.text
        assert site.client("auditor").get(f"{PREFIX}/messages").status_code == 200
    finally:
        with owner.begin() as connection:
            columns = "at, actor, action, subject, workflow, payload, payload_hash"
            connection.exec_driver_sql(f"GRANT INSERT ({columns}) ON ledger TO {APPLICATION}")
        owner.dispose()
    assert site.client("auditor").get(url).status_code == 200
