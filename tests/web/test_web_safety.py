"""Who may read, and that nothing on record can act in the reader's browser."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest
import sample_data
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from history_site import BROWSER, Site, mounted
from outline import outline

from afterpilot.domain.evals import Sample, Score, ToolCall
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.record import Discrepancy, GateDecision
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Severity
from afterpilot.record import tables
from afterpilot.record.ops import Ops, Unit
from afterpilot.record.tables import incident_events
from afterpilot.web.app import create_app
from afterpilot.web.frame import Frame, utc_now
from afterpilot.web.headers import POLICY, WITH_SCRIPT

pytestmark = pytest.mark.integration
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\u202e\u0007</details></td>"

HOSTILE_CASES = (
    EVIL,
    "../../runs",
    "a/b/0",
    "x?y=1#z",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "</title></svg><script>a</script>",
)


def closed() -> None:
    """A gate that lets nobody in."""
    raise HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})


def refused() -> None:
    """A gate that knows the reader and refuses."""
    raise HTTPException(403, "Forbidden")


def through(gate: object, engine: sa.Engine) -> TestClient:
    app = mounted(engine, gate=[Depends(gate)], login=lambda back: f"/auth/login?next={back}")  # type: ignore[arg-type]
    return TestClient(app, follow_redirects=False)


def test_the_gate_covers_every_address(site: Site) -> None:
    """Without a login there is no page, no style sheet, no picture, no JSON, and no word on what exists."""
    client = through(closed, site.engine)
    chart = f"/reports/{site.kept.reports['weekly']}/chart.png"
    more = [
        "/style.css",
        "/icon.svg",
        chart,
        f"/runs/{site.kept.runs['gate']}/evidence.json",
        "/nothing/at/all",
        "/docs",
        "/openapi.json",
    ]
    for path in [*site.paths, *more]:
        response = client.get(f"/afterpilot{path}")
        assert response.status_code == 401, path
        assert response.json() == {"detail": "Not authenticated"}
        assert response.headers["www-authenticate"] == "Bearer"


def test_every_route_has_the_gate() -> None:
    """No route of the application is without the gate's dependency, so that a new page cannot forget it."""
    called = []

    def gate() -> None:
        called.append(1)

    app = mounted(sa.create_engine("postgresql+psycopg://nobody@/none"), gate=[Depends(gate)])
    inner: FastAPI = app.routes[-1].app  # type: ignore[attr-defined]
    gated = [route for route in inner.routes if getattr(route, "dependant", None) is not None]
    paths = {getattr(route, "path", "") for route in inner.routes} - {
        "/api/v1",  # which has tokens of its own
        "/api/v1/health",  # for monitors: one word
    }
    assert {getattr(route, "path", "") for route in gated} == paths
    assert all(route.dependant.dependencies[0].call is gate for route in gated)  # type: ignore[attr-defined]
    pages = [route for route in gated if route.path != "/{path:path}"]  # type: ignore[attr-defined]
    assert {method for route in pages for method in route.methods} == {"GET"}  # type: ignore[attr-defined]
    assert not any(path.startswith(("/docs", "/redoc", "/openapi")) for path in paths)


def test_a_browser_is_sent_to_the_login_and_back(site: Site) -> None:
    """A 401 sends a browser to the login with the address to come back to; others get JSON."""
    client = through(closed, site.engine)
    response = client.get("/afterpilot/runs?verdict=FAIL", headers=BROWSER)
    assert response.status_code == 307
    assert response.headers["location"] == "/auth/login?next=http://testserver/afterpilot/runs?verdict=FAIL"
    assert client.get("/afterpilot/runs", headers={"Accept": "application/json"}).status_code == 401


def test_who_may_not_read_is_told_so_without_a_loop(site: Site) -> None:
    """A 403 is a page, not another login."""
    response = through(refused, site.engine).get("/afterpilot/", headers=BROWSER)
    assert response.status_code == 403
    assert "Not allowed" in response.text
    assert "invoice_matching" not in response.text


def test_every_answer_carries_the_headers(site: Site) -> None:
    """Pages, files, errors and redirects forbid scripts (but our own in the review queue) and foreign frames, and are not stored."""
    gated = through(closed, site.engine)
    answers = [
        site.client.get(f"/afterpilot{path}", headers=BROWSER)
        for path in [*site.paths, "/style.css", "/nothing", "/runs/x"]
    ]
    answers += [
        gated.get("/afterpilot/", headers=BROWSER),
        gated.get("/afterpilot/"),
        site.client.post("/afterpilot/runs"),
    ]
    for answer in answers:
        queue = answer.url.path == "/afterpilot/review"
        assert answer.headers["content-security-policy"] == (WITH_SCRIPT if queue else POLICY)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in answer.headers["cache-control"]) != ("text/css" in answer.headers.get("content-type", ""))
    assert "default-src 'none'" in POLICY
    assert "script-src" not in POLICY
    assert "frame-ancestors 'self'" in POLICY
    assert "unsafe" not in WITH_SCRIPT
    assert set(WITH_SCRIPT.split("; ")) - set(POLICY.split("; ")) == {"script-src 'self'", "connect-src 'self'"}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/runs/123",
        f"/runs/{uuid.UUID(int=1)}",
        f"/incidents/{uuid.UUID(int=1)}",
        "/declarations/none",
        f"/messages/{uuid.UUID(int=1)}",
        f"/runs/{uuid.UUID(int=1)}/samples/a/0",
        f"/reports/{uuid.UUID(int=1)}/chart.png",
    ],
)
def test_a_lost_address_is_a_page_of_its_own(site: Site, path: str) -> None:
    """An unknown address or id is a 404 in the same frame for browsers, JSON for others."""
    page = site.client.get(f"/afterpilot{path}", headers=BROWSER)
    assert page.status_code == 404
    assert "<h1>Nothing here</h1>" in page.text
    assert 'aria-label="Pages"' in page.text
    assert set(site.client.get(f"/afterpilot{path}").json()) == {"detail"}


def test_the_pages_cannot_write(site: Site) -> None:
    """No method but GET is answered, and the connection itself refuses to change anything."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert site.client.request(method, "/afterpilot/runs").status_code == 405
    frame = Frame(lambda: site.engine, prefix="", airflow_url="", clock=utc_now)
    with pytest.raises(sa.exc.InternalError, match="read-only"), frame.reading() as connection:
        connection.execute(sa.delete(tables.watermarks))


def test_after_a_page_the_connection_can_write_again(ops: sa.Engine) -> None:
    """The read-only mode ends with the page: an engine that is shared is left as it was."""
    frame = Frame(lambda: ops, prefix="", airflow_url="", clock=utc_now)
    with frame.reading() as connection:
        connection.execute(sa.select(tables.watermarks))
    with ops.begin() as connection:
        connection.execute(sa.insert(tables.watermarks).values(workflow="a", pulled_to=sample_data.NOW))
        assert connection.scalar(sa.text("SHOW statement_timeout")) == "0"


class Elements(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(  # noqa: D102 - the parser's own
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))


def test_hostile_text_stays_text(ops: sa.Engine) -> None:
    """Whatever stands on record, no page gains an element, a handler, a foreign address or an invisible character."""
    ids = _hostile(ops)
    client = TestClient(mounted(ops), follow_redirects=False)
    evil = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    for path in (
        "/",
        "/runs",
        f"/runs?workflow={evil}&from={evil}&stage={evil}",
        f"/?workflow={evil}",
        f"/{evil}",
        f"/runs/{ids['run']}",
        f"/runs/{ids['evaluate']}",
        f"/runs/{ids['evaluate']}/samples/{evil}/0",
        f"/runs/{ids['gate']}",
        f"/runs/{ids['evals']}",
        *(f"/runs/{ids['evals']}/samples/{quote(case, safe='')}/0" for case in HOSTILE_CASES),
        "/evals",
        f"/evals?workflow={evil}",
        f"/evals/{evil}",
        "/evals/evil",
        "/evals/evil?runs=all",
        f"/evals/evil?runs={evil}",
        "/evals/evil/compare",
        f"/evals/evil/compare?a={evil}",
        *(f"/evals/evil/cases/{quote(case, safe='')}" for case in HOSTILE_CASES),
        f"/evals/evil/cases/{evil}",
        "/incidents",
        f"/incidents/{ids['incident']}",
        "/messages",
        "/review?state=all",
        f"/review?workflow={evil}",
        f"/review/item?workflow={evil}&key={evil}",
        "/review/item?" + urlencode({"workflow": EVIL.replace("\u0007", ""), "key": EVIL}),
        f"/outputs?workflow={evil}&key={evil}",
        "/outputs?" + urlencode({"workflow": EVIL.replace("\u0007", ""), "key": EVIL}),
        "/declarations",
        f"/declarations/{evil}",
    ):
        response = client.get(f"/afterpilot{path}", headers=BROWSER)
        assert response.status_code in {200, 404}, path
        parser = Elements()
        parser.feed(response.text)
        for tag, attributes in parser.seen:
            ours = tag == "script" and attributes["src"].startswith("/afterpilot/review.js?v=") and "/review" in path
            assert ours or tag not in {"script", "iframe", "object", "embed", "base", "style"}, path
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, attributes)
            for name in ("href", "src", "action"):
                value = attributes.get(name, "/")
                assert value.startswith(("/", "#", "https://ok.example/")), (path, value)
                assert not value.startswith("//"), (path, value)
        assert all(
            attributes["src"].startswith("/afterpilot/reports/") for tag, attributes in parser.seen if tag == "img"
        )
        assert "49" not in response.text.split("{{")[0][-40:]  # templates in data are not run
        assert not set(response.text) & set("\u202e\u0007\u0000")


def test_hostile_answers_are_compared_as_text(ops: sa.Engine) -> None:
    """A diff shows the characters of both answers, marked where they differ, and none of them as markup."""
    _hostile(ops)
    client = TestClient(mounted(ops))
    page = client.get(f"/afterpilot/evals/evil/cases/{quote(EVIL, safe='')}", headers=BROWSER).text
    shape = outline(page)
    assert (shape.crossed, shape.open, shape.misplaced) == ([], [], [])
    assert "<ins>" in page
    assert "<del>" in page
    assert "&lt;ins&gt;not ours&lt;/ins&gt;" in re.sub(r"</?ins>", "", page)
    assert "[U+202E]" in page
    compared = outline(client.get("/afterpilot/evals/evil/compare", headers=BROWSER).text)
    assert (compared.crossed, compared.open, compared.misplaced) == ([], [], [])


@pytest.mark.parametrize("case", HOSTILE_CASES, ids=[f"name{n}" for n in range(len(HOSTILE_CASES))])
def test_any_name_of_a_case_has_a_page(ops: sa.Engine, case: str) -> None:
    """Slashes, dots, question marks and markup in the name of a case lead to its page, by the link that the pages give."""
    _hostile(ops)
    client = TestClient(mounted(ops))
    links = outline(client.get("/afterpilot/evals/evil", headers=BROWSER).text).values("a", "href")
    address = f"/afterpilot/evals/evil/cases/{quote(case, safe='')}"
    assert address in links
    page = client.get(address, headers=BROWSER)
    assert page.status_code == 200
    assert "3 runs, newest first" in page.text


def test_hostile_text_is_shown_in_full(ops: sa.Engine) -> None:
    """Escaping loses nothing: the reader sees the very characters, the hidden ones by name."""
    ids = _hostile(ops)
    page = TestClient(mounted(ops)).get(f"/afterpilot/runs/{ids['run']}", headers=BROWSER).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "[U+202E]" in page
    assert "\N{SYMBOL FOR BELL}" in page


def test_long_texts_are_folded_with_nothing_lost(ops: sa.Engine) -> None:
    """A long answer of a model is cut for reading and stands in full in its fold."""
    long = "word " * 500
    found = sample_data.finding("a", Stage.EVALUATE, "k", Severity.CRITICAL, long, detail=long, evidence={"x": long})
    with Ops(ops).begin() as unit:
        run_id = sample_data.add_run(
            unit, "a", Stage.EVALUATE, sample_data.NOW, summary=long, findings=[found], evidence={"x": [long]}
        )
        incident = unit.incidents.open(found, run_id=run_id, at=sample_data.NOW)
        message = Message("good", long, long, long, (Fact("a", long),), (long,), footer=long)
        unit.outbox.put(message, dedupe_key="a", workflow="a", kind="incident", channel="#a", incident_id=incident.id)
        unit.connection.execute(sa.update(tables.outbox).values(error=long))
        error = Sample("e", 0, None, (), error=long)
        sample = Sample("c", 0, "word " * 2000 + "THE END", (Score("exact", 1.0, True),))
        unit.samples.prepare(sample_data.NOW)
        unit.samples.add([error, sample], workflow="a", run_id=run_id, began_at=sample_data.NOW)
    client = TestClient(mounted(ops))
    for path in (f"/incidents/{incident.id}", f"/runs/{run_id}/samples/e/0", f"/runs/{run_id}"):
        page = client.get(f"/afterpilot{path}", headers=BROWSER).text
        shape = outline(page)
        assert (shape.crossed, shape.open, shape.misplaced) == ([], [], []), path
    assert "all 10,007 characters" in page
    assert "THE END" in page


def test_a_database_that_is_away_is_said_without_its_address() -> None:
    """When the database cannot be reached the page says so, and tells neither address nor password."""
    engine = sa.create_engine("postgresql+psycopg://bob:hunter2@127.0.0.1:1/ops", connect_args={"connect_timeout": 2})
    response = TestClient(mounted(engine), raise_server_exceptions=False).get("/afterpilot/", headers=BROWSER)
    assert response.status_code == 503
    assert "cannot be reached" in response.text
    assert "hunter2" not in response.text
    assert "127.0.0.1" not in response.text


def test_a_database_without_tables_asks_for_the_migration(empty_database: str) -> None:
    """Before the first migration the pages say what an operator has to do."""
    engine = sa.create_engine(empty_database)
    response = TestClient(mounted(engine)).get("/afterpilot/", headers=BROWSER)
    engine.dispose()
    assert response.status_code == 503
    assert "afterpilot db upgrade" in response.text


@pytest.mark.parametrize(
    "path", ["/runs?workflow=%00", "/declarations/%00", f"/runs/{uuid.UUID(int=1)}/samples/a/99999999999"]
)
def test_what_the_database_cannot_look_for_is_a_bad_address(site: Site, path: str) -> None:
    """A NUL or a number too large is the address's fault, not a crash."""
    assert site.client.get(f"/afterpilot{path}", headers=BROWSER).status_code in {400, 404}


def test_a_bug_shows_a_page_with_headers_and_no_details(site: Site) -> None:
    """An unforeseen error gives a plain page, with the headers of all others and none of its words."""

    def broken() -> sa.Engine:
        raise ZeroDivisionError("secret words")

    outer = FastAPI()
    outer.mount("/afterpilot", create_app(broken, gate=()))
    response = TestClient(outer, raise_server_exceptions=False).get("/afterpilot/", headers=BROWSER)
    assert response.status_code == 500
    assert "secret words" not in response.text
    assert "This did not work" in response.text
    assert response.headers["content-security-policy"] == POLICY


def test_links_follow_where_the_pages_are_mounted(site: Site) -> None:
    """Behind a prefix of the server, and alone without any, the addresses are right."""
    behind = TestClient(mounted(site.engine), root_path="/airflow")
    page = behind.get("/airflow/afterpilot/", headers=BROWSER).text
    assert 'href="/airflow/afterpilot/runs"' in page
    run = behind.get(f"/airflow/afterpilot/runs/{site.kept.runs['check']}", headers=BROWSER).text
    assert 'href="/airflow/dags/records.hourly/' in run
    alone = TestClient(create_app(lambda: site.engine, gate=(), prefix="")).get("/", headers=BROWSER).text
    assert 'href="/runs"' in alone


def _hostile(engine: sa.Engine) -> dict[str, uuid.UUID]:
    """A history whose every text is hostile."""
    at, slug = sample_data.NOW, EVIL.replace("\u0007", "")
    ids: dict[str, uuid.UUID] = {}
    problem = {"file": EVIL, "line": 3, "key": EVIL, "text": EVIL, "hint": EVIL}
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.declarations).values(
                workflow=slug,
                sha256=EVIL,
                usable=False,
                document={EVIL: [EVIL, {EVIL: EVIL}], "owner": {"name": EVIL}, "stage": EVIL},
                problems=[problem],
                path=EVIL,
            )
        )
        connection.execute(
            sa.insert(tables.current_declarations).values(workflow=slug, sha256=EVIL, usable_sha256=EVIL, loaded_at=at)
        )
    with Ops(engine).begin() as unit:
        wrong = sample_data.finding(
            slug,
            Stage.CHECK,
            EVIL,
            Severity.CRITICAL,
            EVIL,
            about=EVIL,
            detail=EVIL,
            evidence={EVIL: [{EVIL: EVIL}, {EVIL: None}]},
        )
        ids["run"] = sample_data.add_run(
            unit,
            slug,
            Stage.CHECK,
            at,
            summary=EVIL,
            findings=[wrong],
            evidence={EVIL: {EVIL: [EVIL, 1, None, True]}},
            versions={EVIL: EVIL, "declaration": EVIL},
        )
        incident = unit.incidents.open(wrong, run_id=ids["run"], at=at)
        ids["incident"] = incident.id
        unit.incidents.note(incident.id, "changed", at=at, actor=EVIL, text=EVIL)
        unit.connection.execute(sa.insert(incident_events).values(incident_id=incident.id, what=EVIL, at=at))
        links = (
            Link(EVIL, "javascript:alert(1)"),
            Link("a", f"https://ok.example/{EVIL}"),
            Link("b", "//evil.example"),
            Link("c", "data:text/html,x"),
        )
        message = Message("critical", EVIL, EVIL, EVIL, (Fact(EVIL, EVIL),), (EVIL,), links, EVIL, EVIL, EVIL, EVIL)
        unit.outbox.put(message, dedupe_key="a", workflow=slug, kind=EVIL, channel=EVIL, incident_id=incident.id)
        unit.outbox.put(
            Message("good", "x", "y", "z"),
            dedupe_key="b",
            workflow=slug,
            kind="incident",
            channel="#a",
            incident_id=incident.id,
        )
        unit.connection.execute(
            sa.update(tables.outbox).where(tables.outbox.c.dedupe_key == "b").values(message={EVIL: EVIL}, error=EVIL)
        )
        ids["gate"] = sample_data.add_run(unit, slug, Stage.GATE, at, evidence={"released": EVIL, "routed": [EVIL]})
        unit.gate.write(
            [GateDecision(slug, EVIL, at, False, "failed_check", (Discrepancy(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL),))],
            ids["gate"],
        )
        ids["evaluate"] = sample_data.add_run(
            unit, slug, Stage.EVALUATE, at, summary=EVIL, evidence={"passed": "NaN", "failed": -1}
        )
        for case, error in ((EVIL, ""), ('"><script>alert(1)</script>', EVIL)):
            sample = Sample(
                case,
                0,
                EVIL,
                (Score(EVIL, 0.0, False, EVIL),),
                error=error,
                request={EVIL: EVIL},
                response={EVIL: EVIL},
            )
            unit.samples.prepare(at)
            unit.samples.add([sample], workflow=slug, run_id=ids["evaluate"], began_at=at)
    with Ops(engine).begin() as unit:
        ids["evals"] = _hostile_evals(unit, at)
    return ids


def _hostile_evals(unit: Unit, at: datetime) -> uuid.UUID:
    """Two eval runs of the workflow ``evil``, every text of which is hostile; the newer broke every case."""
    waivers = [{"case": EVIL, "until": EVIL, "by": EVIL, "why": EVIL}, {"tag": EVIL, "by": EVIL, "why": EVIL}]
    document = {"evals": {"waivers": waivers, "cases": EVIL, "pass_rate": EVIL, "alarm": EVIL}}
    keep = unit.connection.execute
    keep(sa.insert(tables.declarations).values(workflow="evil", sha256="e", usable=True, document=document))
    keep(sa.insert(tables.current_declarations).values(workflow="evil", sha256="e", usable_sha256="e", loaded_at=at))
    unit.samples.prepare(at)
    for number, passed in enumerate((True, False, False)):
        began = at - timedelta(days=2 - number)
        odd = {EVIL: {"passed": 1, "of": 2, "mean": EVIL, "advisory": True}}
        judge = {"judge": EVIL, "scorer": EVIL, "why": EVIL, "trusted": False, "labels": EVIL}
        regression = {"cause": EVIL, "drop": EVIL, "since_between": [EVIL]}
        run_id = sample_data.add_run(
            unit,
            "evil",
            Stage.EVALUATE,
            began,
            evidence={
                "judges": [judge],
                "regression": regression,
                "by_tag": odd,
                "waived": [{"case": EVIL, "tag": EVIL}],
            },
        )
        output = f'{{"x": {json.dumps(EVIL + str(passed))}}}' if number < 2 else f"{EVIL} <ins>not ours</ins>"
        score = Score(EVIL, 0.5, passed, EVIL, advisory=True, details={EVIL: EVIL})
        more = {"request": {"messages": [{"role": EVIL, "content": EVIL}]}, "fingerprint": {"model": EVIL}}
        calls = {"tool_calls": (ToolCall(EVIL, {EVIL: EVIL}),), "sources": (EVIL,)}
        batch = [
            Sample(case, 0, output, (Score(EVIL, 1.0, passed, EVIL), score), **more, **calls) for case in HOSTILE_CASES
        ]
        unit.samples.add(batch, workflow="evil", run_id=run_id, began_at=began)
        keep(
            sa.insert(tables.eval_results).values(
                run_id=run_id, workflow="evil", at=began, origin=EVIL, valid=True, suite=EVIL, cases=7, passed=7 * passed,
                scored=7, outcomes={case: [int(passed), 1] for case in HOSTILE_CASES}, slices=odd, scorers=odd,
                fingerprint={"prompt": EVIL + str(number), EVIL: EVIL, "answered": {EVIL: [EVIL]}}, currency=EVIL[:9],
                cost=1, alarm="alarm" if number else "none", evidence=5.0,
            )
        )  # fmt: skip
        if not number:
            unit.baselines.approve("evil", [run_id], by=EVIL, note=EVIL, at=at)
    seen = {"workflow": "evil", "first_seen_at": at, "last_seen_at": at, "error": EVIL}
    keep(sa.insert(tables.fingerprints), [{**seen, "fingerprint": {"prompt": EVIL + str(n)}} for n in range(2)])
    case = {"vars": {EVIL: EVIL}, "expected": {EVIL: EVIL}}
    keep(sa.insert(tables.case_offers).values(workflow="evil", key=EVIL, decided_at=at, case=case, digest=EVIL))
    return run_id
