"""Filters and paging: every row exactly once, in order, whatever the filter."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted

from afterpilot.domain.run import Stage
from afterpilot.record.history import declarations, incidents, messages, review, runs, samples, status
from afterpilot.record.history.paging import Page
from afterpilot.record.history.runs import RunFilter
from afterpilot.record.ops import Ops
from afterpilot.record.tables import declarations as declarations_table
from afterpilot.record.tables import runs as runs_table

pytestmark = pytest.mark.integration
RUN = re.compile(r'<th scope="row" class="when"><a href="/afterpilot/runs/([0-9a-f-]{36})"')


def walk(ask: Callable[[str], Page]) -> list[Page]:
    """All pages of a list."""
    pages = [ask("")]
    while pages[-1].after:
        pages.append(ask(pages[-1].after))
        assert len(pages) < 500
    return pages


def rows(pages: list[Page], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for page in pages for row in page.rows]


@pytest.mark.parametrize("limit", [1, 7, 10_000])
def test_paging_shows_every_run_once(site: Site, limit: int) -> None:
    """Whatever the size of a page, all runs come, each once, newest first; runs of the same moment too."""
    with site.engine.connect() as connection:
        wanted = set(connection.scalars(sa.select(runs_table.c.id)))
        pages = walk(lambda after: runs.list_runs(connection, RunFilter(), after=after, limit=limit))
    seen = rows(pages, "finished_at", "id")
    assert len(seen) == len(wanted)
    assert {run_id for _, run_id in seen} == wanted
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)
    assert len({at for at, _ in seen}) < len(seen)  # there are ties


@pytest.mark.parametrize("state", ["", "waiting", "decided"])
def test_paging_shows_every_review_item_once(site: Site, state: str) -> None:
    """Small pages and one big page of the review queue hold the same, in both directions of time."""
    with site.engine.connect() as connection:
        small = walk(lambda after: review.list_items(connection, state=state, after=after, limit=4))
        whole = walk(lambda after: review.list_items(connection, state=state, after=after, limit=1000))
    assert rows(small, "key") == rows(whole, "key")
    assert len(whole) == 1
    assert len(set(rows(whole, "key"))) == len(rows(whole, "key")) > 8


def test_paging_shows_everything_else_once(site: Site) -> None:
    """Samples, incidents, messages, folders and versions page without a gap or a double."""
    run = site.kept.runs["evaluate"]
    with site.engine.connect() as connection:
        lists: dict[str, tuple[Callable[[str, int], Page], tuple[str, ...], int]] = {
            "samples": (lambda a, n: samples.list_samples(connection, run, after=a, limit=n), ("case_id", "epoch"), 62),
            "failed": (
                lambda a, n: samples.list_samples(connection, run, show="failed", after=a, limit=n),
                ("case_id",),
                9,
            ),
            "incidents": (lambda a, n: incidents.list_incidents(connection, after=a, limit=n), ("id",), 5),
            "unresolved": (
                lambda a, n: incidents.list_incidents(connection, state="unresolved", after=a, limit=n),
                ("id",),
                4,
            ),
            "messages": (lambda a, n: messages.list_messages(connection, after=a, limit=n), ("id",), 6),
            "folders": (lambda a, n: status.folders(connection, after=a, limit=n), ("workflow",), 7),
            "current": (lambda a, n: declarations.list_current(connection, after=a, limit=n), ("workflow",), 7),
            "versions": (
                lambda a, n: declarations.list_versions(connection, "invoice_matching", after=a, limit=n),
                ("sha256",),
                2,
            ),
        }
        for name, (ask, key, count) in lists.items():
            seen = rows(walk(lambda after, ask=ask: ask(after, 1)), *key)  # type: ignore[misc]
            assert len(seen) == len(set(seen)) == count, name
            assert seen == rows([ask("", 1000)], *key), name


def test_rows_that_arrive_while_paging_hide_nothing(ops: sa.Engine) -> None:
    """New runs come on top of the list: the rest of it is shown all the same, each once."""
    at = sample_data.NOW
    with Ops(ops).begin() as unit:
        before = {sample_data.add_run(unit, "a", Stage.PULL, at - timedelta(minutes=n)) for n in range(9)}
    seen, cursor = [], ""
    for turn in range(3):
        with Ops(ops).begin() as unit:
            page = runs.list_runs(unit.connection, RunFilter(), after=cursor, limit=3)
            sample_data.add_run(unit, "a", Stage.PULL, at + timedelta(minutes=turn + 1))
        seen += [row["id"] for row in page.rows]
        cursor = page.after
    assert len(seen) == 9
    assert set(seen) == before


def test_filters_select_what_they_say(site: Site) -> None:
    """Workflow, stage, verdict and days hold together, and each alone."""
    with site.engine.connect() as connection:
        everything = list(connection.execute(sa.select(runs_table)).mappings())
        since, until = datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
        for wanted in (
            RunFilter(workflow="email_triage"),
            RunFilter(stage="pull"),
            RunFilter(verdict="UNKNOWN"),
            RunFilter(since=since),
            RunFilter(until=until),
            RunFilter(workflow="invoice_matching", stage="check", verdict="PASS", since=since, until=until),
            RunFilter(workflow="nobody"),
        ):
            expected = {
                run["id"]
                for run in everything
                if wanted.workflow in {"", run["workflow"]}
                and wanted.stage in {"", run["stage"]}
                and wanted.verdict in {"", run["verdict"]}
                and (wanted.since is None or run["finished_at"] >= wanted.since)
                and (wanted.until is None or run["finished_at"] < wanted.until)
            }
            page = runs.list_runs(connection, wanted, limit=1000)
            assert {row["id"] for row in page.rows} == expected
            assert expected or wanted.workflow == "nobody"


def test_the_last_day_of_a_filter_is_included(site: Site) -> None:
    """From and to the same day give that whole day in UTC; the day's runs are all there."""
    page = site.get("/runs?from=2026-11-18&to=2026-11-18")
    with site.engine.connect() as connection:
        day = sa.cast(runs_table.c.finished_at, sa.Date) == sa.literal("2026-11-18").cast(sa.Date)
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        expected = {str(run) for run in connection.scalars(sa.select(runs_table.c.id).where(day))}
    assert set(RUN.findall(page)) == expected
    assert expected


def test_the_filter_stays_in_the_form_and_in_the_next_page(ops: sa.Engine) -> None:
    """A shared address shows the same filter, and its next page keeps it; together the pages hold each run once."""
    with Ops(ops).begin() as unit:
        for number in range(120):
            workflow = "a&b" if number % 2 else "other"
            sample_data.add_run(
                unit, workflow, Stage.PULL, sample_data.NOW - timedelta(minutes=number // 5, seconds=number)
            )
    client = TestClient(mounted(ops))
    path, seen = "/afterpilot/runs?workflow=a%26b&stage=pull", []
    while path:
        page = client.get(path, headers=BROWSER).text
        assert 'value="a&amp;b"' in page
        assert '<option value="pull" selected>' in page
        seen += RUN.findall(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following.group(1).replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) == 60


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("verdict=GREEN", "none of FAIL, PASS, UNKNOWN, WARN"),
        ("stage=x%3Cb%3E", "&lt;b&gt;"),
        ("from=yesterday", "is not a day such as 2026-11-20"),
        ("to=2026-13-01", "is not a day such as 2026-11-20"),
    ],
)
def test_a_filter_that_is_not_understood_lists_nothing(site: Site, query: str, said: str) -> None:
    """A wrong filter is named and gives no rows: it is never silently left out."""
    page = site.get(f"/runs?{query}")
    assert said in page
    assert "nothing is listed" in page
    assert not RUN.findall(page)


@pytest.mark.parametrize(
    "cursor", ["x", "e30", "W10", "WzEsMl0", "WyJ4IiwieSJd", "é", "WyIyMDI2LTExLTIwVDAwOjAwOjAwIiwieCJd"]
)
def test_a_cursor_that_is_none_is_a_bad_address(site: Site, cursor: str) -> None:
    """A damaged place in a list gives a page that says so, not a list from elsewhere and not a crash."""
    for path in ("/runs", "/incidents", "/messages", "/review"):
        response = site.client.get(f"/afterpilot{path}", params={"after": cursor}, headers=BROWSER)
        assert response.status_code == 400, path
        assert "Start again from the top" in response.text


def test_versions_loaded_at_the_same_moment_are_compared_with_earlier_ones_only(ops: sa.Engine) -> None:
    """The version before a version is one that was loaded earlier, the newest of those."""
    with ops.begin() as connection:
        for sha, hours in (("a", 3), ("b", 2), ("c", 1), ("d", 1)):
            at = sample_data.NOW - timedelta(hours=hours)
            connection.execute(
                sa.insert(declarations_table).values(workflow="w", sha256=sha, usable=True, first_loaded_at=at)
            )
        version = declarations.one_version(connection, "w", "d")
        assert version is not None
        before = declarations.before(connection, version)
        assert before is not None
        assert before["sha256"] == "b"
