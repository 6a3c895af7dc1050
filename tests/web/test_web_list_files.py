"""The ledger, incidents, messages, decisions and coverage as files: what the list shows, for whoever sees it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sample_data
import sqlalchemy as sa
from access_site import LOGINS, MINE, PREFIX, AccessSite
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted

from afterpilot.demo.postgres import OWNER
from afterpilot.domain.ledger import Entry, person
from afterpilot.record import tables
from afterpilot.record.ledger.appending import Ledger
from afterpilot.web import list_files
from afterpilot.web.listings import COVERAGE, DECISIONS, INCIDENTS, LEDGER, MESSAGES

pytestmark = pytest.mark.integration
LISTS = {"incidents": INCIDENTS, "messages": MESSAGES, "ledger": LEDGER, "review": DECISIONS, "coverage": COVERAGE}
_FILTER = {
    "incidents": "severity=critical&state=open",
    "messages": "kind=incident",
    "ledger": "action=check:run:*",
    "review": "state=decided",
    "coverage": "workflow=order_replies&from=2026-11-16&to=2026-11-20",
}


def table(client: TestClient, path: str) -> list[dict[str, str]]:
    """The rows of a CSV file that is whole."""
    answer = client.get(f"{PREFIX}{path}")
    assert answer.status_code == 200, answer.text
    header, *rows, end = csv.reader(io.StringIO(answer.text))
    assert re.fullmatch(rf"# whole: {len(rows)} [a-z]+", end[0])
    return [dict(zip(header, row, strict=True)) for row in rows]


def lines(client: TestClient, path: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines that is whole."""
    answer = client.get(f"{PREFIX}{path}")
    assert answer.status_code == 200, answer.text
    *rows, end = map(json.loads, answer.text.splitlines())
    assert end["end"]["whole"] is True
    assert len(rows) in end["end"].values()
    return rows


@pytest.mark.parametrize("query", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_both_files_hold_what_the_list_shows(audited: Site, name: str, query: bool) -> None:  # noqa: FBT001 - a parameter
    """In its order, filtered as it is, each row with the address of its page; the page leads to them."""
    asked = f"?{_FILTER[name]}" if query else ""
    cells, documents = table(audited.client, f"/{name}.csv{asked}"), lines(audited.client, f"/{name}.jsonl{asked}")
    assert cells
    assert tuple(cells[0]) == (*LISTS[name].columns, "link")
    assert [row["link"] for row in cells] == [row["link"] for row in documents]
    page = audited.get(f"/{name}{asked}")
    assert re.search(rf'href="/afterpilot/{name}\.csv[?"]', page)
    shown = [link.removeprefix("http://testserver").replace("&", "&amp;") for link in (row["link"] for row in cells)]
    if name != "coverage":
        places = [page.find(f'href="{link}') for link in shown[:20]]
        assert places == sorted(places)
        assert places[0] > 0
    assert audited.client.get(cells[0]["link"], headers=BROWSER).status_code == 200


@pytest.mark.parametrize("query", ["state=lost", "from=2026-13-01", "severity=dire"])
@pytest.mark.parametrize("name", ["incidents", "ledger"])
def test_a_filter_that_is_none_makes_no_file(audited: Site, name: str, query: str) -> None:
    """Where the list knows the field, what cannot be understood is told; nothing is written."""
    known = (name == "ledger") == query.startswith("from")
    assert audited.client.get(f"{PREFIX}/{name}.csv?{query}").status_code == (400 if known else 200)


def test_a_cell_of_the_ledger_is_no_formula(ops: sa.Engine) -> None:
    """Whoever names a subject may be anybody: in a spreadsheet it is text, in JSON as it is; people stand by their names."""
    with ops.begin() as connection:
        Ledger(connection).append(
            Entry("check:run:recorded", "=HYPERLINK(1):x", sample_data.NOW, actor=person("Dana"), payload={"=1": "@x"})
        )
    client = TestClient(mounted(ops))
    (row,) = table(client, "/ledger.csv")
    assert (row["subject"], row["name"], row["payload"]) == ("'=HYPERLINK(1):x", "dana", '{"=1":"@x"}')
    (document,) = lines(client, "/ledger.jsonl")
    assert (document["subject"], document["payload"]) == ("=HYPERLINK(1):x", {"=1": "@x"})


def test_a_file_holds_few_rows_in_memory_and_goes_on_where_it_ended(
    ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, each entry once; a file that is full names the address of the next one."""
    with ops.begin() as connection:
        for number in range(2_500):
            Ledger(connection).append(Entry("check:run:recorded", f"run:{number}", sample_data.NOW))
    steps = []
    asked = list_files.rows

    def watched(*given: Any, **more: Any) -> Iterator[Any]:
        return asked(given[0], lambda after: steps.append(after) or given[1](after), **more, most=2_000)

    client = TestClient(mounted(ops))
    monkeypatch.setattr(list_files, "rows", watched)
    *first, end = map(json.loads, client.get(f"{PREFIX}/ledger.jsonl").text.splitlines())
    assert len(first) == 2_000
    assert len(steps) == 1
    assert end["end"]["whole"] is False
    *rest, last = map(json.loads, client.get(end["end"]["go_on"]).text.splitlines())
    assert last == {"end": {"whole": True, "entries": 500}}
    assert len({row["id"] for row in (*first, *rest)}) == 2_500


@pytest.fixture(scope="module")
def site(postgres: Any, new_ops: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessSite]:
    """The pages with people of every role."""
    engine = sa.create_engine(postgres.url(new_ops(), role=OWNER))
    yield AccessSite(engine, tmp_path_factory.mktemp("workflows"))
    engine.dispose()


@pytest.mark.parametrize("name", LISTS)
def test_a_file_holds_the_workflows_of_whoever_takes_it(site: AccessSite, name: str) -> None:
    """Owners take theirs, others of another workflow none of it, auditors and engineers all."""
    query = "?state=all" if name == "review" else ""
    found = {
        role: {row["workflow"] for row in table(site.client(role), f"/{name}.csv{query}")}
        for role in ("owner", "other", "auditor", "engineer")
    }
    assert MINE in found["owner"]
    assert MINE not in found["other"]
    assert found["auditor"] == found["engineer"] >= found["owner"]


def test_an_auditor_takes_no_value_of_a_personal_field(site: AccessSite) -> None:
    """What a declaration calls personal by now is left out of the file as it is on the page."""
    with site.engine.begin() as connection:
        item = tables.review_items.c
        key = connection.scalar(sa.select(item.key).where(item.workflow == MINE).limit(1))
        found = [
            {"check": "x", "field": "supplier_contact", "said": "Ann Ruiz", "expected": "", "text": "It names Ann Ruiz"}
        ]
        connection.execute(sa.update(tables.review_items).where(item.key == key).values(discrepancies=found))
    for form in ("csv", "jsonl"):
        whole, withheld = (
            site.client(role).get(f"{PREFIX}/review.{form}?state=all").text for role in ("engineer", "auditor")
        )
        assert "Ann Ruiz" in whole
        assert "Ann Ruiz" not in withheld
        assert key in withheld


def test_the_name_that_somebody_asked_for_is_not_in_the_ledger_for_good(site: AccessSite) -> None:
    """That a file was taken stays on record, with the filter; a person's name that stood in it could not be erased again."""
    before = len(site.views())
    client = site.client("auditor")
    assert client.get(f"{PREFIX}/ledger.csv?actor=Dana+Ruiz&workflow={MINE}").status_code == 200
    assert client.get(f"{PREFIX}/ledger.csv?actor=airflow:gate").status_code == 200
    named, part = (json.loads(one["payload"]) for one in site.views()[before:])
    assert named["query"] == {"actor": "[a name]", "workflow": MINE}
    assert part["query"] == {"actor": "airflow:gate"}
    assert LOGINS["auditor"][0] not in json.dumps(named)
