"""What each page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted
from outline import outline
from sample_data import NOW

from afterpilot.domain.message import Message
from afterpilot.domain.record import Record
from afterpilot.domain.run import FLEET, Stage
from afterpilot.record import tables
from afterpilot.record.ops import Ops
from afterpilot.web.letters import named_letters

pytestmark = pytest.mark.integration


def test_every_page_is_whole_and_well_formed(site: Site) -> None:
    """Each page has one main heading, a title, landmarks, a skip link, unique ids and closed elements."""
    for path in site.paths:
        page = outline(site.get(path))
        assert page.crossed == [], path
        assert page.open == [], path
        assert page.misplaced == [], path
        assert page.tags.count("h1") == page.tags.count("main") == 1, path
        assert page.tags[: page.tags.index("body")].count("title") == 1, path
        assert {"header", "nav", "footer"} <= set(page.tags), path
        assert "#main" in page.values("a", "href"), path
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids)), path
        assert all(scope in {"col", "row"} for scope in page.values("th", "scope")), path
        assert page.tags.count("th") == len(page.values("th", "scope")), path
        labelled = set(page.values("label", "for"))
        assert labelled >= set(page.values("select", "id")), path


def test_every_link_of_every_page_leads_somewhere(site: Site) -> None:
    """No page links to an address that the pages do not have."""
    seen: set[str] = set()
    waiting = ["/afterpilot/"]
    while waiting:
        path = waiting.pop()
        response = site.client.get(path, headers=BROWSER)
        assert response.status_code == 200, path
        if "text/html" not in response.headers["content-type"]:
            continue
        for link in outline(response.text).values("a", "href"):
            target = link.partition("#")[0]
            if target.startswith("/afterpilot") and target not in seen and len(seen) < 300:
                seen.add(target)
                waiting.append(target)
    assert len(seen) > 60


def test_a_stage_without_a_run_is_unknown_and_says_so(site: Site) -> None:
    """A workflow that never ran shows UNKNOWN in all eight stages, with the reason, and nothing green."""
    row = _row(site.get("/"), sample_data.NEW)
    assert row.count("#v-UNKNOWN") == 8
    assert row.count("no run yet") == 5
    assert "no evals are declared" in row
    assert row.count("no output checks are declared") == 2
    assert "PASS" not in row


def test_status_shows_the_newest_verdict_of_each_stage(site: Site) -> None:
    """The newest run counts, not an earlier one: the check of the invoices was good and is a warning now."""
    row = _row(site.get("/"), sample_data.INVOICES)
    assert re.findall(r'class="verdict (\w+)"', row) == ["PASS", "PASS", "WARN", "PASS", "PASS", "WARN", "PASS", "PASS"]
    assert "170 outputs released, 30 routed to a person" in row
    assert "212.40 USD of 400.00 USD this month" in row
    assert "16 min ago" in row


def test_each_stage_stands_below_its_name(site: Site) -> None:
    """A row of the status has the stages of the heading, in their order: what is of the fleet alone has no column."""
    page = site.get("/")
    headings = re.findall(r'<th scope="col">(\w+)</th>', page[page.index("<thead>") : page.index("</thead>")])
    assert headings == ["Workflow", *re.findall(r'data-label="(\w+)"', _row(page, sample_data.INVOICES))]


def test_a_run_that_checked_nothing_is_unknown(site: Site) -> None:
    """A check over an empty window is UNKNOWN on the status page and on its own."""
    assert re.findall(r'class="verdict (\w+)"', _row(site.get("/"), sample_data.TRIAGE))[2] == "UNKNOWN"
    page = site.get(f"/runs/{site.kept.runs['check/triage']}")
    assert "UNKNOWN means that this run says nothing about the workflow" in page
    assert "everything that was looked at was in order" not in page


def test_unpriced_spend_is_a_lower_bound(site: Site) -> None:
    """The bar of a sum that lacks prices says that it is at least so much."""
    assert "at least 3.10 USD of 20.00 USD this month: 18 calls without a price" in site.get("/")


def test_a_broken_declaration_is_named_with_its_lines(site: Site) -> None:
    """The status page names file, line, key and the nearest key, and the last version that could be used."""
    page = site.get("/")
    assert "contract_summaries: the declaration is broken" in page
    assert "include/workflows/contract_summaries/workflow.yaml:14" in page
    assert "evals.modle" in page
    assert "did you mean evals.model?" in page
    assert f"/afterpilot/declarations/{sample_data.BROKEN}?version={sample_data.USABLE[sample_data.BROKEN]}" in page


def test_status_is_filtered_by_part_of_a_name(site: Site) -> None:
    """A part of a name narrows the table; % and _ stand for themselves."""
    assert "refund_letters" not in _table(site.get("/?workflow=voice"))
    assert "invoice_matching" in _table(site.get("/?workflow=voice"))
    assert "No workflow has this in its name" in site.get("/?workflow=%25")


def test_a_run_shows_versions_window_and_airflow(site: Site) -> None:
    """A run leads to its declaration version and to the task instance in Airflow."""
    page = site.get(f"/runs/{site.kept.runs['check']}")
    assert f"/afterpilot/declarations/invoice_matching?version={sample_data.USABLE[sample_data.INVOICES]}" in page
    link = "/dags/records.hourly/runs/scheduled__2026-11-20T14%3A14%3A00%2B00%3A00/tasks/check/mapped/3?try_number=1"
    assert f'href="{link}"' in page
    assert "0.1.0+701b5ba" in page
    assert "2026-11-20 13:14 UTC" in page


def test_links_to_airflow_follow_the_address_given(site: Site) -> None:
    """A public address of Airflow is used where one is given; without any Airflow there is no link."""
    run = site.kept.runs["check"]
    outside = TestClient(mounted(site.engine, airflow_url="https://airflow.example.com/ops/"))
    assert 'href="https://airflow.example.com/ops/dags/records.hourly/' in outside.get(f"/afterpilot/runs/{run}").text


def test_a_run_of_the_gate_shows_discrepancies_in_words(site: Site) -> None:
    """The gate's page counts its decisions and says what the output and what the source say."""
    page = site.get(f"/runs/{site.kept.runs['gate']}")
    assert "170 released, 30 to a person" in page
    assert "The invoice asks for 632.60 GBP, but purchase order PO-51182 is over 560.00 GBP." in page
    assert "purchase order PO-51182 says" in page
    assert f"/afterpilot/review?run={site.kept.runs['gate']}" in page


def test_samples_show_scores_reasons_cost_and_errors_apart(site: Site) -> None:
    """Failed samples carry their reasons; harness errors are not failures; costs come from the priced usage."""
    run = site.kept.runs["evaluate"]
    page = site.get(f"/runs/{run}")
    assert "51 passed, 9 failed, 2 not scored" in page
    assert "says PO-51178, PO-51187 was expected" in page
    assert "0.000032 USD" in page
    assert "Cost: 0.0019 USD; 2 samples have no known cost" in page
    errors = site.get(f"/runs/{run}?samples=not_scored")
    assert errors.count("the model did not answer within 60 s") == 2
    assert "case-003" not in errors
    assert "Approved as the baseline" in page
    assert "Dana Ruiz" in page


def test_one_sample_shows_request_and_response(site: Site) -> None:
    """What was sent and received stands there in full; an error says whose fault it is."""
    page = site.get(f"/runs/{site.kept.runs['evaluate']}/samples/case-003/0")
    assert "INV-3100003" in page
    assert "&#34;temperature&#34;: 0" in page
    assert "380" in page  # cached tokens
    assert "says nothing about the model" in site.get(f"/runs/{site.kept.runs['evaluate']}/samples/case-060/0")


def test_evidence_is_given_as_tables_and_as_json(site: Site) -> None:
    """Nested evidence is readable on the page, and complete as JSON."""
    run = site.kept.runs["check"]
    page = site.get(f"/runs/{run}")
    assert re.search(r'<th scope="col">expect</th><th scope="col">column</th>', page)
    raw = site.client.get(f"/afterpilot/runs/{run}/evidence.json").json()
    assert raw["evidence"]["expectations"][0]["observed"] == "87.1 % filled"
    assert raw["findings"][0]["about"] == "po_number"


def test_an_incident_has_its_line_runs_and_messages(site: Site) -> None:
    """The time line stands in the order of time, with the verdict of each run and the message as it looks."""
    page = site.get(f"/incidents/{site.kept.incidents['po_number']}")
    assert re.findall(r'<span class="what">(\w+)</span>', page) == ["opened", "notified", "seen"]
    assert "check WARN" in page
    assert "preview: not sent to Slack" in page
    assert "tone-warning" in page
    assert "Who acts" in page


def test_messages_say_what_became_of_them(site: Site) -> None:
    """Sent, previewed, waiting and dead messages are told apart, and a weekly one carries its chart."""
    page = site.get("/messages")
    for fate in ("preview: not sent to Slack", "sent through slack", "waits to be sent", "could not be delivered"):
        assert fate in page
    assert "Last answer: " in page
    assert "channel_not_found" in page
    chart = f"/afterpilot/reports/{site.kept.reports['weekly']}/chart.png"
    assert chart in page
    picture = site.client.get(chart)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content == sample_data.picture()


def test_whom_a_message_calls_stands_there_by_name(site: Site) -> None:
    """Slack shows the name of a mention; so do the pages, and keep the id beside it."""
    for address in ("/messages", f"/incidents/{site.kept.incidents['po_number']}"):
        assert '<span title="U02AB3CD4">@Dana Ruiz</span>' in site.get(address)


@pytest.mark.parametrize(
    ("workflow", "mention", "called"),
    [
        (sample_data.INVOICES, "U05EF6GH7 U0STRANGER U05EF6GH7", ["Lee Okafor", "U0STRANGER"]),
        (sample_data.TRIAGE, "U05EF6GH7", ["U05EF6GH7"]),  # its declaration names nobody with that id
        (FLEET, "U05EF6GH7 U07SAM000", ["Lee Okafor", "Sam Idowu"]),
        (sample_data.INVOICES, "@here", ["here"]),
        (sample_data.INVOICES, "erased person 1a2b3c4d", ["erased person 1a2b3c4d"]),
        (sample_data.INVOICES, "", []),
    ],
)
def test_a_mention_has_the_name_that_the_own_declaration_gives_it(
    site: Site, workflow: str, mention: str, called: list[str]
) -> None:
    """That of the whole fleet has those of all; what is no id stands as it is."""
    assert _called(site.engine, workflow, mention, NOW) == called


def test_a_mention_has_the_name_of_its_time(ops: sa.Engine) -> None:
    """Whoever owned it then: a new owner with the same account, a broken version or another's folder changes no message of before."""

    def said(name: object) -> dict[str, Any]:
        return {"owner": {"name": name, "slack": "U02AB3CD4"}}

    with ops.begin() as connection:
        for workflow, sha256, usable, document, day in [
            ("w", "a", True, said("Dana Ruiz"), 1),
            ("w", "b", True, said("Lee Okafor"), 10),
            ("w", "c", False, said("Nobody"), 11),
            ("w", "d", True, said({"first": "Lee"}), 12),
            ("w", "e", True, {"owner": "Lee"}, 13),
            ("copied", "f", True, said("Sam Idowu"), 2),
        ]:
            loaded = datetime(2026, 11, day, tzinfo=UTC)
            row = {
                "workflow": workflow,
                "sha256": sha256 * 64,
                "usable": usable,
                "document": document,
                "path": workflow,
            }
            connection.execute(sa.insert(tables.declarations).values(**row, first_loaded_at=loaded))
    at = {day: _called(ops, "w", "U02AB3CD4", datetime(2026, 11, day, 12, tzinfo=UTC)) for day in (5, 10, 20)}
    assert at == {5: ["Dana Ruiz"], 10: ["Lee Okafor"], 20: ["Lee Okafor"]}
    assert _called(ops, "w", "U02AB3CD4", datetime(2026, 10, 1, tzinfo=UTC)) == ["Dana Ruiz"]


def _called(engine: sa.Engine, workflow: str, mention: str, at: datetime) -> list[str]:
    message = Message("info", "Stuck", "", "", mention=mention).as_dict()
    row = {"message": message, "workflow": workflow, "created_at": at, "state": "pending", "attempts": 0}
    with engine.connect() as connection:
        (letter,) = named_letters(connection, [row])
    return [one.name for one in letter.called]


def test_review_lists_what_waits_oldest_first(site: Site) -> None:
    """Decided items are not waiting; asked for, they show the decision, its minutes and its note."""
    waiting = re.findall(r"<code>(run-\d+)</code>", site.get("/review?reason=failed_check"))
    assert waiting == sorted(waiting)
    assert len(waiting) == 18
    decided = site.get("/review?state=decided")
    assert "corrected" in decided
    assert "took 4.5 min" in decided
    assert "supplier called" in decided
    assert not set(waiting) & set(re.findall(r"<code>(run-\d+)</code>", decided))


def test_one_output_can_be_followed_whole(site: Site) -> None:
    """By its key: what was pulled, what the gate decided and when, why, and what people decided."""
    routed = site.get("/outputs?workflow=invoice_matching&key=run-00001")
    assert "It failed a check and was not used as it was." in routed
    assert "The invoice asks for 451.60 GBP, but purchase order PO-51001 is over 379.00 GBP." in routed
    assert "accepted" in routed
    assert "4.5 min" in routed
    assert "Harbour Lights Ltd" in routed
    assert f"/afterpilot/runs/{site.kept.runs['gate']}" in routed
    released = site.get("/outputs?workflow=invoice_matching&key=run-00003")
    assert "It passed every check." in released


def test_an_output_without_a_decision_is_unknown(ops: sa.Engine) -> None:
    """A record on which the gate has not decided is not called released, and a key that is not there is a 404."""
    with Ops(ops).begin() as unit:
        record = Record("a", "k/1 &", sample_data.NOW, {"x": 1})
        unit.records.write([record], sample_data.add_run(unit, "a", Stage.PULL, sample_data.NOW))
    client = TestClient(mounted(ops))
    page = client.get("/afterpilot/outputs", params={"workflow": "a", "key": "k/1 &"}, headers=BROWSER).text
    assert "The gate has not decided on this output" in page
    assert 'class="verdict UNKNOWN"' in page
    assert client.get("/afterpilot/outputs?workflow=a&key=other").status_code == 404
    assert client.get("/afterpilot/outputs?workflow=a").status_code == 400


def test_review_items_of_one_run(site: Site) -> None:
    """The link from a run leads to its items, decided or not, and to no other's."""
    other = site.get(f"/review?run={site.kept.runs['gate/triage']}")
    assert "No item matches" in other
    assert site.get(f"/review?run={site.kept.runs['gate']}").count("<tr>") == 36  # 30 routed, 5 spot checks, the head


def test_a_declaration_shows_versions_and_what_changed(site: Site) -> None:
    """The newest version is compared with the one before it, key by key."""
    page = site.get("/declarations/invoice_matching")
    assert "spend.cap" in page
    assert "300 USD/month" in page
    assert "400 USD/month" in page
    assert "in force" in page
    old = site.get(f"/declarations/invoice_matching?version={sample_data.EARLIER}")
    assert "What it changed" not in old
    broken = site.get("/declarations/contract_summaries")
    assert "the newest version is broken" in broken
    assert "cases.jsonl:3" in broken


def test_empty_history_tells_what_to_do(ops: sa.Engine) -> None:
    """On a fresh database every list says how something comes into it; nothing looks good or broken."""
    client = TestClient(mounted(ops))
    for path, hint in (
        ("/", "afterpilot validate"),
        ("/runs", "look into Airflow whether they are paused"),
        ("/incidents", "stands as UNKNOWN"),
        ("/messages", "Without a Slack token"),
        ("/review", "when the gate ran last"),
        ("/declarations", "afterpilot validate"),
    ):
        response = client.get(f"/afterpilot{path}", headers=BROWSER)
        assert response.status_code == 200
        assert hint in response.text, path
        assert 'class="verdict PASS"' not in response.text


def _table(html: str) -> str:
    return html[html.index("Newest run of every stage") :]


def _row(html: str, workflow: str) -> str:
    rows = re.findall(r'<tr>\s*<th scope="row">.*?</tr>', _table(html).replace("<wbr>", ""), re.DOTALL)
    (row,) = [row for row in rows if f">{workflow}</a>" in row]
    return row
