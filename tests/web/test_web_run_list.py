"""The list of runs: what it can be narrowed by, where a look ends, and what can be taken away as a file."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted
from outline import outline

from afterpilot.record import partitions
from afterpilot.record.history.paging import Page
from afterpilot.web import list_files
from afterpilot.web.listings import RUNS
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration
RUN = re.compile(r'<th scope="row" class="when"><a href="/afterpilot/runs/([0-9a-f-]{36})"')
AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
_MANY = """
INSERT INTO runs (id, workflow, stage, window_start, window_end, verdict, started_at, finished_at, actor)
SELECT gen_random_uuid(), workflow, 'check', at, at, verdict, at, at, actor
FROM (VALUES ('w', 'PASS', 'airflow:records.hourly'), ('x', 'FAIL', 'airflow:spend')) AS kind(workflow, verdict, actor),
  generate_series(1, 25000) AS number, LATERAL (SELECT :at - number * interval '1 second' AS at) AS times
"""


def run(at: datetime, **more: Any) -> dict[str, Any]:
    """A run that was finished at a moment."""
    times = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), at)
    return {"workflow": "w", "stage": "check", "verdict": "PASS", "actor": "cli", **times, **more}


def get(ops: sa.Engine, path: str) -> str:
    """A page that must be there."""
    response = TestClient(mounted(ops)).get(f"/afterpilot{path}", headers=BROWSER)
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=2026-11-20T14:30", 2),
        ("from=2026-11-20T15:30%2B01:00", 2),
        ("from=2026-11-20&from_time=14:31", 1),
        ("to=2026-11-20T14:30", 1),
        ("to=2026-11-20", 3),
        ("from=2026-11-20T14:30Z&to=2026-11-20&to_time=14:31", 1),
        ("actor=cli", 2),
        ("actor=airflow:spend&to=2026-11-20", 1),
        ("actor=nobody", 0),
    ],
)
def test_runs_are_narrowed_by_moments_and_by_who_started_them(ops: sa.Engine, query: str, found: int) -> None:
    """A moment counts to the minute, with its offset or in UTC; the end of a span of moments does not belong to it."""
    with ops.begin() as connection:
        put_runs(
            connection, run(AT - timedelta(minutes=1)), run(AT), run(AT + timedelta(minutes=1), actor="airflow:spend")
        )
    assert len(RUN.findall(get(ops, f"/runs?{query}"))) == found


@pytest.mark.parametrize(
    "query", ["from=yesterday", "from=2026-11-20&from_time=25:00", "to_time=14:30", "from=2026-11-21&to=2026-11-20"]
)
def test_a_span_that_is_none_is_told(site: Site, query: str) -> None:
    """Nothing is listed then, and no file is made."""
    page = site.get(f"/runs?{query}")
    assert "The filter cannot be used as it stands" in page
    assert not RUN.findall(page)
    assert site.client.get(f"/afterpilot/runs.csv?{query}").status_code == 400


def test_a_page_that_has_looked_long_enough_says_how_far_and_goes_on(ops: sa.Engine) -> None:
    """Of what is asked for each part is frequent, and together it is rare: pages end soon, go on where they ended, and find it."""
    with ops.begin() as connection:
        partitions.ensure(connection, "runs", [AT])
        connection.execute(sa.text(_MANY), {"at": AT})
        (rare,) = put_runs(connection, run(AT - timedelta(days=1), verdict="FAIL", actor="airflow:records.hourly"))
    path: str | None = "/runs?workflow=w&actor=airflow:records.hourly&verdict=FAIL"
    pages = []
    while path and len(pages) < 20:
        pages.append(get(ops, path))
        onward = re.search(r'rel="next" href="/afterpilot([^"]+)"', pages[-1])
        path = onward[1].replace("&amp;", "&") if onward else None
    assert len(pages) > 1
    assert all("Looked back to" in page and "nothing matches so far" in page for page in pages[:-1])
    assert [RUN.findall(page) for page in pages] == [*[[]] * (len(pages) - 1), [str(rare)]]
    assert RUN.findall(get(ops, "/runs?workflow=w&verdict=FAIL&stage=report")) == []


def test_a_file_has_every_run_that_the_list_has(site: Site) -> None:
    """As CSV and as JSON lines, in the order of the list, each with verdict, reasons, versions, trigger and a link; the end says it."""
    answer = site.client.get("/afterpilot/runs.csv?workflow=invoice_matching&stage=check")
    table = list(csv.reader(io.StringIO(answer.text)))
    lines = [
        json.loads(line)
        for line in site.client.get("/afterpilot/runs.jsonl?workflow=invoice_matching&stage=check").text.splitlines()
    ]
    listed = RUN.findall(site.get("/runs?workflow=invoice_matching&stage=check"))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="runs-invoice_matching-check.csv"'
    assert tuple(table[0]) == (*RUNS.columns, "link")
    assert [row[0] for row in table[1:-1]] == [line["id"] for line in lines[:-1]] == listed
    assert table[-1] == [f"# whole: {len(listed)} runs"]
    assert lines[-1] == {"end": {"whole": True, "runs": len(listed)}}
    first = dict(zip(table[0], table[1], strict=True))
    assert first["link"] == f"http://testserver/afterpilot/runs/{listed[0]}"
    assert (first["trigger_origin"], first["actor"]) == ("airflow", "airflow:records.hourly")
    assert lines[0]["trigger"]["dag_id"] == "records.hourly"
    assert site.client.get(f"/afterpilot{first['link'].partition('/afterpilot')[2]}").status_code == 200


def test_a_cell_of_a_file_is_no_formula(ops: sa.Engine) -> None:
    """What workflows and people name themselves is text in a spreadsheet; in JSON it stands as it is."""
    evil = "=HYPERLINK(1)"
    with ops.begin() as connection:
        put_runs(connection, run(AT, summary=evil, reasons=["+1", "x"], versions={"-model": "@x"}))
    _, row, _ = csv.reader(io.StringIO(get(ops, "/runs.csv")))
    found = dict(zip((*RUNS.columns, "link"), row, strict=True))
    assert (found["summary"], found["reasons"], found["versions"]) == (f"'{evil}", "'+1; x", "'-model=@x")
    assert json.loads(get(ops, "/runs.jsonl").splitlines()[0])["summary"] == evil


def test_a_file_that_is_full_says_where_to_go_on() -> None:
    """It ends with the most runs that a file holds, and the next one begins with the run after; what was looked at in vain counts."""
    runs = [{"id": number, "finished_at": AT - timedelta(hours=number)} for number in range(10)]

    def ask(after: str) -> Page:
        start = int(after or 0)
        return Page(runs[start : start + 2], str(start + 2) if start + 2 < len(runs) else "")

    first = list(list_files.rows(ask(""), ask, at="finished_at", most=4))
    end = first[-1]
    assert isinstance(end, list_files.End)
    assert (end.rows, end.after, end.whole, end.down_to) == (4, "4", False, "2026-11-20T11:30:00+00:00")
    rest = list(list_files.rows(ask(end.after), ask, at="finished_at", most=100))
    assert [*first[:-1], *rest[:-1]] == runs
    assert list(list_files.as_csv(iter([end]), RUNS, link=str, onward=lambda after: f"/more?after={after}"))[-1] == (
        '"# not whole: 4 runs, down to 2026-11-20T11:30:00+00:00; go on with /more?after=4"\r\n'
    )


def test_a_file_is_narrowed_as_the_list_is(site: Site) -> None:
    """The page leads to files of what it lists, and of nothing else."""
    addresses = outline(site.get("/runs?verdict=FAIL")).values("a", "href")
    assert {"/afterpilot/runs.csv?verdict=FAIL", "/afterpilot/runs.jsonl?verdict=FAIL"} <= set(addresses)
    text = site.client.get("/afterpilot/runs.jsonl?verdict=FAIL").text.splitlines()
    assert {json.loads(line)["verdict"] for line in text[:-1]} == {"FAIL"}


def test_one_run_says_who_started_it(site: Site) -> None:
    """By name, with the way to all that the same one has started."""
    page = site.get(f"/runs/{site.kept.runs['check']}")
    assert '/afterpilot/runs?actor=airflow%3Arecords.hourly"' in page
    assert str(site.kept.runs["check"]) in site.get(f"/runs?actor=airflow:records.hourly&to={sample_data.NOW:%Y-%m-%d}")
