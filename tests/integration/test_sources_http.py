"""Records over HTTP, from a real server on this machine."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from afterpilot.domain.errors import SourceError
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.source import HttpReader, Paging, UsageColumns
from afterpilot.pull.http.client import Client, Limits
from afterpilot.pull.http.paging import pages
from afterpilot.pull.http.reader import HttpRows
from afterpilot.pull.rows import Records, Tally
from afterpilot.pull.sources import RowSource, source_of
from doubles.api import ApiDouble, Asked, Reply
from doubles.sources import START, WINDOW, Places, source, workflow_of

pytestmark = pytest.mark.integration

RUNS = [
    {"id": f"r{number}", "finished_at": f"2026-11-16T00:{number:02}:00Z", "output": f"answer {number}"}
    for number in range(10)
]


def reader(**keys: Any) -> HttpReader:
    """A reader of ``/runs``, with plain values for what is not given."""
    plain: dict[str, Any] = {"path": "/runs", "rows": "$.data[*]"}
    return HttpReader(**(plain | keys))


def pulled(api: ApiDouble, of: HttpReader, **keys: Any) -> tuple[list[Record], RowSource]:
    """All records of the window, and their source."""
    workflow = workflow_of(source(reader=of, **keys))
    found = source_of(workflow, Places(place=api.endpoint))
    assert isinstance(found, RowSource)
    return list(found.records(WINDOW)), found


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Asked], Any]], ApiDouble]]:
    """Starts a service that answers with a function."""
    started: list[ApiDouble] = []

    def start(answer: Callable[[Asked], Any]) -> ApiDouble:
        api = ApiDouble(answer)
        api.__enter__()
        started.append(api)
        return api

    yield start
    for api in started:
        api.__exit__()


Serve = Callable[[Callable[[Asked], Any]], ApiDouble]
_WAYS = {
    "cursor": Paging("cursor", at="$.next", parameter="after", size_parameter="limit", size=3),
    "page": Paging("page", parameter="page", size_parameter="limit", size=3),
    "pages with a total": Paging("page", parameter="page", size_parameter="limit", size=3, total="$.pages"),
    "pages from nought": Paging("page", parameter="page", first=0, size_parameter="limit", size=3),
    "offset": Paging("offset", parameter="offset", size_parameter="limit", size=3),
    "offset with a total": Paging("offset", parameter="offset", size_parameter="limit", size=3, total="$.total"),
    "link header": Paging("link", at="next", size_parameter="limit", size=3),
    "address of the next page": Paging("next", at="$.links.next", size_parameter="limit", size=3),
}  # fmt: skip


def paged(first: int) -> Callable[[Asked], Any]:
    """A service that pages in every way at once: by cursor, number, offset, link and address."""

    def answer(asked: Asked) -> Reply:
        size = int(asked.query.get("limit", 3))
        number = int(asked.query.get("page", first)) - first
        start = int(asked.query.get("after", asked.query.get("offset", number * size)))
        rows, end = RUNS[start : start + size], start + size
        more = end < len(RUNS)
        address = f"/runs?limit={size}&offset={end}"
        body = {
            "data": rows,
            "next": str(end) if more else None,
            "pages": -(-len(RUNS) // size),
            "total": len(RUNS),
            "links": {"next": address if more else None},
        }
        return Reply(body, headers={"Link": f'<{address}>; rel="next"'} if more else {})

    return answer


@pytest.mark.parametrize("way", _WAYS.values(), ids=_WAYS.keys())
def test_every_way_of_paging_brings_every_row_once(serve: Serve, way: Paging) -> None:
    """Ten rows in pages of three, in the service's order, none left out and none twice."""
    records, found = pulled(serve(paged(way.first)), reader(paging=way))
    assert [record.key for record in records] == [run["id"] for run in RUNS]
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


def test_a_row_becomes_a_record_with_what_is_declared_and_no_more(serve: Serve) -> None:
    """Nested values, decimals, times as numbers and usage are read; what is not declared is not kept."""
    run = {
        "id": 17,
        "finished_at": 1794787260,
        "result": {"total": 0.1, "lines": [{"sku": "a\x00b", "price": 12.50}]},
        "model": {"name": "m-1"},
        "usage": {"in": 410, "out": "60", "cached": None},
        "secret": "not declared",
    }
    records, found = pulled(
        serve(lambda _: {"data": [run]}),
        reader(),
        fields={"total": "number", "lines": "text", "sku": "text", "missing": "text"},
        paths={"total": "$.result.total", "lines": "$.result.lines", "sku": "$.result.lines[0].sku"},
        usage=UsageColumns("$.model.name", "$.usage.in", "$.usage.out", "$.usage.cached"),
    )
    (record,) = records
    assert (record.key, record.at) == ("17", START.replace(minute=1))
    assert record.data == {
        "total": "0.1",
        "lines": '[{"sku": "a\\u0000b", "price": 12.5}]',
        "sku": "a␀b",
        "missing": None,
    }
    assert record.usage == Usage("m-1", 410, 60, 0)
    assert dict(found.noted) == {"no row has missing": 1}


def test_rows_outside_of_the_window_are_left_and_broken_ones_counted(serve: Serve) -> None:
    """The window is half-open; what cannot be taken is counted by its reason."""
    rows = [
        {"id": "at the end", "finished_at": "2026-11-16T01:00:00Z"},
        {"id": "before", "finished_at": "2026-11-15T23:59:59Z"},
        {"id": "in", "finished_at": "2026-11-16T00:00:00+00:00", "output": float("nan")},
        {"id": "running", "finished_at": None},
        {"id": "odd", "finished_at": "yesterday"},
        {"id": "", "finished_at": "2026-11-16T00:00:00Z"},
        {"id": "k" * 501, "finished_at": "2026-11-16T00:00:00Z"},
        {"id": "\ud800", "finished_at": "2026-11-16T00:00:00Z"},
        "no object",
    ]
    records, found = pulled(serve(lambda _: {"data": rows}), reader(), fields={"output": "number"})
    assert [(record.key, record.data) for record in records] == [("in", {"output": None})]
    assert dict(found.skipped) == {
        "row whose finished_at is no time": 1,
        "row without id": 1,
        "row whose id is longer than 500 characters or holds what no database takes": 2,
        "row that is no JSON object": 1,
    }
    assert dict(found.noted) == {
        "rows without finished_at lie in no window": 1,
        "output is not a finite number: kept as missing": 1,
    }


def test_where_chooses_the_workflows_own_rows(serve: Serve) -> None:
    """By name or JSONPath: a text, a number, a boolean, or an item of a list."""
    rows = [
        {**RUNS[0], "kind": "refund", "meta": {"version": 2, "live": True, "tags": ["a", "b"]}},
        {**RUNS[1], "kind": "refund", "meta": {"version": 2, "live": False, "tags": ["a", "b"]}},
        {**RUNS[2], "kind": "refund", "meta": {"version": 3, "live": True, "tags": ["c"]}},
        {**RUNS[3], "kind": "letter", "meta": {"version": 2, "live": True, "tags": ["b"]}},
        RUNS[4],
    ]
    where = {"kind": ("refund", "x"), "$.meta.version": ("2", "3"), "$.meta.live": ("true",), "$.meta.tags": ("b",)}
    records, found = pulled(serve(lambda _: {"data": rows}), reader(), where=where)
    assert [record.key for record in records] == ["r0"]
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


def test_the_query_says_the_window(serve: Serve) -> None:
    """As ISO 8601, a day, seconds or milliseconds."""
    api = serve(lambda _: {"data": []})
    query = {
        "since": "{{ start }}",
        "day": "{{end | date}}",
        "from": "{{ start | unix }}",
        "to": "{{ end | unix_ms }}",
        "of": "me",
    }
    pulled(api, reader(query=query))
    assert api.asked[0].query == {
        "since": "2026-11-16T00:00:00Z",
        "day": "2026-11-16",
        "from": "1794787200",
        "to": "1794790800000",
        "of": "me",
    }


@pytest.mark.parametrize(
    ("auth", "header", "shown"),
    [
        ("bearer", "authorization", "Bearer token-0123456789"),
        ("basic", "authorization", "Basic cHVibGljLWtleTp0b2tlbi0wMTIzNDU2Nzg5"),
        ("header X-API-Key", "x-api-key", "token-0123456789"),
        ("none", "authorization", None),
    ],
)
def test_the_token_is_shown_as_declared(serve: Serve, auth: str, header: str, shown: str | None) -> None:
    """In the header that the service wants."""
    api = serve(lambda _: {"data": []})
    pulled(api, reader(auth=auth))
    assert api.asked[0].headers.get(header) == shown


class Patience:
    """A client whose pauses take no time and are noted."""

    def __init__(self, api: ApiDouble, **limits: Any) -> None:
        self.pauses: list[float] = []
        self.client = Client(api.endpoint, limits=dataclasses.replace(Limits(), **limits), pause=self.pauses.append)

    def keys(self, of: HttpReader | None = None) -> list[str]:
        """The keys of all records of the window."""
        tally = Tally()
        made = Records(workflow_of(source()), tally)
        rows = HttpRows(self.client, of or reader(), tally).rows(WINDOW)
        return [record.key for row in rows if (record := made.record(row, WINDOW))]


def test_a_service_that_asks_to_wait_is_waited_for(serve: Serve) -> None:
    """429 with Retry-After: exactly so long, then the rows."""
    api = serve(lambda _: {"data": RUNS[:1]})
    api.faults.extend([Reply({}, 429, {"Retry-After": "7"}), Reply({}, 503, {"Retry-After": "soon"})])
    patience = Patience(api)
    assert patience.keys() == ["r0"]
    assert patience.pauses == [7.0, 2.0]


@pytest.mark.parametrize(
    "fault",
    [
        Reply({"error": "oops"}, 500),
        Reply({"data": RUNS[:1]}, cut=10),
        Reply(raw=b'{"data": [{"id"'),
        Reply(raw=b"<html>busy</html>"),
        Reply(raw=b"\xff\xfe"),
        Reply(raw=b'{"data":' + b"[" * 200_000),
    ],
    ids=["500", "cut body", "cut JSON", "HTML", "no UTF-8", "nested without end"],
)
def test_what_may_pass_is_tried_again(serve: Serve, fault: Reply) -> None:
    """Once broken, then well."""
    api = serve(lambda _: {"data": RUNS[:2]})
    api.faults.append(fault)
    patience = Patience(api)
    assert patience.keys() == ["r0", "r1"]
    assert patience.pauses == [1.0]


def test_a_service_that_says_nothing_is_asked_again(serve: Serve) -> None:
    """Silence beyond the bound is no answer; neither is a service that is not there."""
    api = serve(lambda _: {"data": RUNS[:1]})
    api.faults.append(Reply({"data": RUNS}, after=1.0))
    patience = Patience(api, silence=0.2)
    assert patience.keys() == ["r0"]
    assert patience.pauses == [1.0]
    gone = ApiDouble(lambda _: None)
    with gone:
        nobody = Patience(gone, attempts=2)
    with pytest.raises(SourceError, match=r"no whole answer came \(ConnectionError\), 2 times in a row"):
        nobody.keys()


def test_patience_ends(serve: Serve) -> None:
    """Five attempts with growing pauses, and the error says what was answered."""
    api = serve(lambda _: Reply({"error": "down"}, 503))
    patience = Patience(api)
    with pytest.raises(SourceError, match="/runs: it answered 503, 5 times in a row"):
        patience.keys()
    assert patience.pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_pull_does_not_wait_for_an_hour(serve: Serve) -> None:
    """A Retry-After beyond the bound ends it at once."""
    api = serve(lambda _: Reply({}, 429, {"Retry-After": "3600"}))
    patience = Patience(api)
    with pytest.raises(SourceError, match=r"it answered 429 and asks to wait 3,600 s, longer than a pull waits"):
        patience.keys()
    assert patience.pauses == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply({"error": "bad key token-0123456789"}, 401), "refuses the connection's token (401"),
        (Reply({"error": "no such token-0123456789"}, 404), "answered 404"),
        (Reply({}, 302, {"Location": "https://elsewhere.example/login?key=token-0123456789"}), "leads elsewhere (302, to elsewhere.example)"),
    ],
    ids=["wrong token", "not there", "moved"],
)  # fmt: skip
def test_a_refusal_ends_it_and_shows_no_token(serve: Serve, reply: Reply, said: str) -> None:
    """No second attempt, and the token is masked even where the service repeats it."""
    api = serve(lambda _: reply)
    with pytest.raises(SourceError) as error:
        Patience(api).keys()
    assert said in str(error.value)
    assert "token-0123456789" not in str(error.value)
    assert len(api.asked) == 1


def test_a_token_that_is_no_header_is_not_shown(serve: Serve) -> None:
    """A line break in a token is refused by the library, whose own words would show it."""
    api = serve(lambda _: {"data": []})
    api.token = "secret\nword"
    with pytest.raises(SourceError) as error:
        Patience(api).keys()
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None


def test_the_token_stays_with_its_service(serve: Serve) -> None:
    """A link to another host is not followed."""
    other = serve(lambda _: {"data": RUNS})
    api = serve(lambda _: {"data": RUNS[:1], "next": f"{other.url}/runs"})
    with pytest.raises(SourceError, match="leads to another place"):
        Patience(api).keys(reader(paging=Paging("next", at="$.next")))
    assert other.asked == []


def test_a_page_beyond_all_bounds_is_not_read(serve: Serve) -> None:
    """The bound holds for what is unpacked."""
    api = serve(lambda _: Reply({"data": [], "padding": "x" * 200_000}, zipped=True))
    with pytest.raises(SourceError, match="larger than 100,000 bytes"):
        Patience(api, body=100_000).keys()


def test_an_answer_without_the_list_is_no_empty_page(serve: Serve) -> None:
    """An error that comes with status 200 is not silence."""
    with pytest.raises(SourceError, match=r"the answer holds no list at \$.data"):
        Patience(serve(lambda _: {"error": "quota"})).keys()


_ENDLESS: dict[str, tuple[Paging, Callable[[int], Any], str]] = {
    "same page": (Paging("cursor", at="$.next", parameter="c"), lambda n: {"data": RUNS, "next": str(n)}, "the same page again"),
    "same cursor": (Paging("cursor", at="$.next", parameter="c"), lambda n: {"data": [{"n": n}], "next": "x"}, "would never end"),
    "ignored number": (Paging("page", parameter="p"), lambda _: {"data": RUNS}, "the same page again"),
    "empty pages": (Paging("cursor", at="$.next", parameter="c"), lambda n: {"data": [], "next": str(n)}, "empty pages without an end"),
    "ever new": (Paging("cursor", at="$.next", parameter="c"), lambda n: {"data": [{"n": n}], "next": str(n)}, "more than 200 pages"),
}  # fmt: skip


@pytest.mark.parametrize("way", _ENDLESS)
def test_paging_that_never_ends_is_an_error(serve: Serve, way: str) -> None:
    """In whatever way the service goes round in circles."""
    paging, answer, said = _ENDLESS[way]
    count = itertools.count()
    api = serve(lambda _: answer(next(count)))
    with pytest.raises(SourceError, match=said):
        list(pages(Client(api.endpoint), "/runs", (), rows="$.data[*]", paging=paging, most_pages=200))


def test_rows_that_vanish_between_two_pages_are_told(serve: Serve) -> None:
    """A total that shrinks has moved rows over a page's edge: the window is read again rather than with a gap."""
    totals = iter([10, 8])
    api = serve(lambda asked: {"data": RUNS[int(asked.query["offset"]) :][:3], "total": next(totals)})
    with pytest.raises(SourceError, match="rows vanished while they were read"):
        Patience(api).keys(reader(paging=Paging("offset", parameter="offset", total="$.total")))


def test_a_short_page_is_not_the_last_one(serve: Serve) -> None:
    """A service that holds back rows within a page still has the rest."""
    answers = {"0": RUNS[:3], "3": RUNS[3:4], "4": RUNS[4:7], "7": []}
    api = serve(lambda asked: {"data": answers[asked.query["offset"]]})
    paging = Paging("offset", parameter="offset", size_parameter="limit", size=3)
    assert Patience(api).keys(reader(paging=paging)) == [run["id"] for run in RUNS[:7]]


def test_a_page_that_is_empty_before_the_end_is_told(serve: Serve) -> None:
    """The service says that there are ten rows and gives three."""
    api = serve(lambda asked: {"data": RUNS[:3] if asked.query["offset"] == "0" else [], "total": 10})
    with pytest.raises(SourceError, match="a page is empty, although 10 are told of"):
        Patience(api).keys(reader(paging=Paging("offset", parameter="offset", total="$.total")))


def test_nothing_at_all_is_nothing(serve: Serve) -> None:
    """An empty first page ends it, in every way of paging."""
    for way in _WAYS.values():
        api = serve(lambda _: {"data": [], "next": None, "pages": 1, "total": 0, "links": {}})
        assert Patience(api).keys(reader(paging=way)) == []
        assert len(api.asked) == 1


def test_a_huge_number_is_no_gigabyte(serve: Serve) -> None:
    """A number that would be written out with a billion digits is missing, and noted."""
    api = serve(
        lambda _: Reply(
            raw=b'{"data": [{"id": 1, "finished_at": "2026-11-16T00:00:00Z", "output": 1e999999999, "n": '
            + b"9" * 5000
            + b"}]}"
        )
    )
    (record,), found = pulled(api, reader(), fields={"output": "number", "n": "text"})
    assert record.data == {"output": None, "n": "9" * 5000}
    assert dict(found.noted) == {"output is not a finite number: kept as missing": 1}
