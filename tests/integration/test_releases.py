"""What the gate and people decide reaches production: each exactly once, whoever is killed, asks twice or comes at the same time."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import gated_run
import psycopg
import pytest
import sqlalchemy as sa
from path_site import HOUR, NOW, SLUG, Site, gated, pulled, trigger

from afterpilot import pipeline
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.run import Run
from afterpilot.domain.verdict import Verdict
from afterpilot.pipeline import reviewing
from afterpilot.record import tables
from afterpilot.review import call_back, status_column
from doubles.desk import TOKEN, Desk, Reply
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration

COLUMN = "release: {column: {column: status, released: ready, held: review}}\n"
CALL_BACK = "release: {call_back: {connection: desk, path: '/release/{key}', held: '/hold/{key}'}}\n"
VIEW = "SELECT key, reason FROM released_outputs WHERE workflow = :slug ORDER BY key"
LOG = """
ALTER TABLE ai_invoice_runs DROP COLUMN status;
ALTER TABLE ai_invoice_runs ADD COLUMN status text NOT NULL DEFAULT 'waiting';
CREATE TABLE status_log (run_id text, was text, is_now text);
CREATE FUNCTION log_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.status IS DISTINCT FROM OLD.status THEN INSERT INTO status_log VALUES (NEW.run_id, OLD.status, NEW.status); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER log_status AFTER UPDATE ON ai_invoice_runs FOR EACH ROW EXECUTE FUNCTION log_status();
"""


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose invoices wait for release, and which logs each change of a status."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    site.produce(LOG)
    declare(site, "")
    return site


@pytest.fixture
def desk(site: Site) -> Iterator[Desk]:
    """A system that takes call-backs, declared as the way of releases."""
    with Desk() as desk:
        site.env["AIRFLOW_CONN_DESK"] = desk.url
        declare(site, CALL_BACK)
        yield desk


def declare(site: Site, release: str) -> None:
    """Declare how outputs are released, in place of what was declared."""
    path = site.folder / SLUG / "workflow.yaml"
    path.write_text(re.sub(r"(?ms)^(?:release:.*?)?(?=spot_check:)", release, path.read_text(), count=1))


def statuses(site: Site) -> dict[str, str]:
    """The status of each invoice."""
    with site.erp.begin() as connection:
        return dict(connection.execute(sa.text("SELECT run_id, status FROM ai_invoice_runs")).tuples().all())


def moves(site: Site) -> list[tuple[str, str, str]]:
    """Every change of a status, in order of the key."""
    with site.erp.begin() as connection:
        rows = connection.execute(sa.text("SELECT run_id, was, is_now FROM status_log ORDER BY run_id, is_now"))
        return [(row.run_id, row.was, row.is_now) for row in rows]


def clerk_decides(site: Site, key: str, word: str) -> None:
    """A clerk decides in the office's own system, five minutes ago."""
    site.produce(
        "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, note, clerk) VALUES (:key, :at, :word, 1, '', 'Kim')",
        key=key,
        at=site.now - timedelta(minutes=5),
        word=word,
    )


def releases(site: Site, column: str = "state") -> Counter[Any]:
    """How many releases have which state."""
    return Counter(row[column] for row in site.rows("SELECT * FROM releases"))


def due(site: Site) -> None:
    """The time passes until every release may be tried again, and leases of the dead are over."""
    site.rows("UPDATE releases SET not_before = now(), leased_until = NULL WHERE state = 'pending' RETURNING 1")


def decide(site: Site) -> Run:
    """Pull and gate."""
    return gated(site, pulled(site).window)


def test_a_passing_output_is_released_and_a_failing_one_is_held(site: Site) -> None:
    """One change of status each; another run changes nothing."""
    declare(site, COLUMN)
    site.invoices(range(1, 4))
    site.invoices([9], total="1.00")
    run = decide(site)
    assert run.verdict is Verdict.PASS
    assert run.evidence["releases"] == {"done": 4, "pending": 0}
    passed = [(f"r-0000{n}", "waiting", "ready") for n in (1, 2, 3)]
    assert moves(site) == [*passed, ("r-00009", "waiting", "review")]
    (item,) = site.rows("SELECT key, discrepancies FROM review_items")
    assert item["key"] == "r-00009"
    assert "purchase order PO-50009" in item["discrepancies"][0]["text"]
    site.now = NOW + HOUR
    assert decide(site).evidence["releases"] == {"pending": 0}
    assert len(moves(site)) == 4


def test_without_a_word_for_held_outputs_their_rows_are_left_alone(site: Site) -> None:
    """Only what passes is written."""
    declare(site, COLUMN.replace(", held: review", ""))
    site.invoices([1])
    site.invoices([9], total="1.00")
    decide(site)
    assert statuses(site) == {"r-00001": "ready", "r-00009": "waiting"}
    assert releases(site, "effect") == {"released": 1}


def test_the_view_holds_what_may_be_used(site: Site) -> None:
    """Without a declaration nothing is written anywhere; production reads what passed, and what a person accepted."""
    site.invoices([1, 2])
    site.invoices([8, 9], total="1.00")
    decide(site)
    assert site.count("releases") == 0
    view = VIEW
    assert [row["key"] for row in site.rows(view, slug=SLUG)] == ["r-00001", "r-00002"]
    person = "INSERT INTO human_decisions (workflow, key, decided_at, decision) VALUES (:slug, :key, now(), :said) RETURNING 1"
    site.rows(person, slug=SLUG, key="r-00008", said="corrected")
    site.rows(person, slug=SLUG, key="r-00009", said="rejected")
    found = site.rows(view, slug=SLUG)
    assert [(row["key"], row["reason"]) for row in found] == [
        ("r-00001", "passed"),
        ("r-00002", "passed"),
        ("r-00008", "corrected"),
    ]


def test_the_view_holds_what_people_accepted_before_the_gate_looked(site: Site) -> None:
    """A clerk was faster than the gate that held the output; when it came into the view is when the gate had decided too."""
    site.invoices([7, 8, 9], total="1.00")
    for key, word in (("r-00007", "ok"), ("r-00008", "fixed"), ("r-00009", "refused")):
        clerk_decides(site, key, word)
    decide(site)
    assert [(row["key"], row["reason"]) for row in site.rows(VIEW, slug=SLUG)] == [
        ("r-00007", "accepted"),
        ("r-00008", "corrected"),
    ]
    late = "SELECT count(*) AS n FROM released_outputs JOIN gate_decisions USING (workflow, key) WHERE released_at < decided_at"
    assert site.rows(late) == [{"n": 0}]


def test_what_people_said_of_an_output_before_it_changed_releases_nothing(site: Site) -> None:
    """It was a clean one, and accepted; then it changed, fails now, and waits for a person again: in the view and in the queue."""
    site.invoices([1])
    decide(site)
    with rewritten(site.ops, "gate_decisions") as connection:  # its own time is the database's
        connection.execute(sa.update(tables.gate_decisions).values(decided_at=NOW))
    site.now = NOW + HOUR
    clerk_decides(site, "r-00001", "ok")
    pulled(site)
    site.produce("UPDATE ai_invoice_runs SET total = 5")
    site.now = NOW + 2 * HOUR
    decide(site)
    with rewritten(site.ops, "gate_decisions") as connection:
        connection.execute(sa.update(tables.gate_decisions).values(decided_at=NOW + 2 * HOUR))
    pulled(site)
    site.wired().sweep_reviews()
    assert site.rows(VIEW, slug=SLUG) == []
    assert [row["decided_at"] for row in site.rows("SELECT decided_at FROM review_items")] == [None]
    site.now = NOW + 3 * HOUR
    clerk_decides(site, "r-00001", "fixed")
    pulled(site)
    assert [row["reason"] for row in site.rows(VIEW, slug=SLUG)] == ["corrected"]
    assert [row["decided_at"] is None for row in site.rows("SELECT decided_at FROM review_items")] == [False]


def test_a_gate_that_cannot_run_releases_nothing(site: Site) -> None:
    """The order table is away: no row changes, the owner knows; when it is back, everything is released."""
    declare(site, COLUMN)
    site.invoices(range(1, 6))
    pull = pulled(site)
    site.produce("ALTER TABLE purchase_orders RENAME TO away")
    assert gated(site, pull.window).verdict is Verdict.UNKNOWN
    assert (set(statuses(site).values()), site.count("releases")) == ({"waiting"}, 0)
    assert [row["kind"] for row in site.incidents()] == ["gate.could_not_run"]
    site.produce("ALTER TABLE away RENAME TO purchase_orders")
    site.now = NOW + HOUR
    decide(site)
    assert set(statuses(site).values()) == {"ready"}


def test_a_row_that_production_has_moved_on_is_left_alone_and_told(site: Site) -> None:
    """The word that nobody expected stays; a warning names the output."""
    declare(site, COLUMN)
    site.invoices([1, 2])
    site.produce("UPDATE ai_invoice_runs SET status = 'paid' WHERE run_id = 'r-00002'")
    run = decide(site)
    assert statuses(site) == {"r-00001": "ready", "r-00002": "paid"}
    assert run.verdict is Verdict.WARN
    (incident,) = site.incidents()
    assert incident["kind"] == "gate.release_overtaken"
    assert "ai_invoice_runs.status of r-00002 is 'paid', not 'waiting': left as it is" in incident["detail"]


def test_an_attempt_that_got_through_unnoticed_is_no_surprise(site: Site) -> None:
    """A worker died between its update and its note, and production went on with the row: nothing is told."""
    declare(site, COLUMN)
    site.invoices([1])
    decide(site)
    site.produce("UPDATE ai_invoice_runs SET status = 'paid'")
    site.rows("UPDATE releases SET state = 'pending', done_at = NULL, lease = gen_random_uuid() RETURNING 1")
    assert decide(site).verdict is Verdict.PASS
    assert (releases(site), statuses(site)) == ({"done": 1}, {"r-00001": "paid"})


def test_an_attempt_that_surely_failed_does_not_hide_that_production_went_on_without_it(site: Site) -> None:
    """The column was away at the first attempt; before the second one production took the row without waiting."""
    declare(site, COLUMN)
    site.invoices([1])
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN status TO state")
    decide(site)
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN state TO status")
    site.produce("UPDATE ai_invoice_runs SET status = 'paid'")
    due(site)
    assert decide(site).verdict is Verdict.WARN
    assert (releases(site), releases(site, "attempts")) == ({"overtaken": 1}, {2: 1})


def test_an_attempt_that_was_cut_off_is_remembered_by_those_after_it(site: Site) -> None:
    """The second one failed for sure, which says nothing about the first."""
    declare(site, COLUMN)
    site.invoices([1])
    decide(site)
    site.rows("UPDATE releases SET state = 'pending', done_at = NULL, lease = gen_random_uuid() RETURNING 1")
    site.produce("UPDATE ai_invoice_runs SET status = 'paid'")
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN status TO state")
    decide(site)
    assert releases(site) == {"pending": 1}
    site.produce("ALTER TABLE ai_invoice_runs RENAME COLUMN state TO status")
    due(site)
    decide(site)
    assert releases(site) == {"done": 1}


def test_a_commit_without_an_answer_may_have_got_through(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks just after the database has committed; production uses the row before the next attempt."""
    declare(site, COLUMN)
    site.invoices([1])

    def lost(connection: Any) -> None:
        connection.commit()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def breaking(url: str, engine: Callable[[str], sa.Engine] = status_column._engine) -> sa.Engine:
        made = engine(url)
        monkeypatch.setattr(made.dialect, "do_commit", lost)
        return made

    with monkeypatch.context() as once:
        once.setattr(status_column, "_engine", breaking)
        decide(site)
    assert (releases(site), statuses(site)) == ({"pending": 1}, {"r-00001": "ready"})
    site.produce("UPDATE ai_invoice_runs SET status = 'paid'")
    due(site)
    decide(site)
    assert releases(site) == {"done": 1}


@pytest.mark.parametrize("kind", ["text", "char(12)", "status_word"])
def test_a_status_of_any_type_is_written(site: Site, kind: str) -> None:
    """Text, padded text, or an enumeration of the database."""
    site.produce("CREATE TYPE status_word AS ENUM ('waiting', 'ready', 'review')")
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN status DROP DEFAULT")
    site.produce(f"ALTER TABLE ai_invoice_runs ALTER COLUMN status TYPE {kind} USING status::{kind}")
    site.produce("ALTER TABLE ai_invoice_runs ALTER COLUMN status SET DEFAULT 'waiting'")
    declare(site, COLUMN)
    site.invoices([1])
    assert decide(site).evidence["releases"]["done"] == 1
    assert {word.strip() for word in statuses(site).values()} == {"ready"}


@pytest.mark.parametrize(
    ("breaks", "mends", "says"),
    [
        (
            "ALTER DATABASE {name} SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only",
            "in a read-only transaction",
        ),
        (
            "ALTER TABLE ai_invoice_runs RENAME COLUMN status TO state",
            "ALTER TABLE ai_invoice_runs RENAME COLUMN state TO status",
            "table ai_invoice_runs has no column status",
        ),
        (
            "ALTER TABLE ai_invoice_runs ADD CONSTRAINT words CHECK (status <> 'ready')",
            "ALTER TABLE ai_invoice_runs DROP CONSTRAINT words",
            'violates check constraint "words"',
        ),
    ],
    ids=["read-only", "no column", "no such word"],
)
def test_a_status_that_cannot_be_written_is_told_and_made_good(site: Site, breaks: str, mends: str, says: str) -> None:
    """A critical finding with the reason; nothing is lost, and all is released when it is mended."""
    declare(site, COLUMN)
    site.invoices([1, 2])
    pull, name = pulled(site), site.erp.url.database
    site.produce(breaks.format(name=name))
    run = gated(site, pull.window)
    assert run.verdict is Verdict.FAIL
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"]) == ("gate.release_refused", "critical")
    assert says in incident["detail"]
    assert releases(site) == {"pending": 2}
    with site.erp.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in mends.format(name=name).split(";"):
            connection.execute(sa.text(statement))
    due(site)
    site.now = NOW + HOUR
    assert decide(site).verdict is Verdict.PASS
    assert set(statuses(site).values()) == {"ready"}
    assert site.incidents()[0]["state"] == "resolved"


def test_a_row_that_the_database_refuses_holds_up_no_other(site: Site) -> None:
    """A constraint of the office keeps one invoice from being ready; the others are, and that one alone is told."""
    declare(site, COLUMN)
    site.produce("ALTER TABLE ai_invoice_runs ADD CHECK (run_id <> 'r-00003' OR status <> 'ready')")
    site.invoices(range(1, 9))
    decide(site)
    assert Counter(statuses(site).values()) == {"ready": 7, "waiting": 1}
    assert releases(site, "refused") == {False: 7, True: 1}
    (incident,) = [one for one in site.incidents() if one["kind"] == "gate.release_refused"]
    assert incident["title"].startswith("1 output was decided on")


def test_a_word_that_no_row_may_have_is_found_out_by_few(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database refuses every row: all are told, and most are not tried one by one."""
    declare(site, COLUMN)
    site.produce("ALTER TABLE ai_invoice_runs ADD CHECK (status <> 'ready')")
    site.invoices(range(1, 101))
    tried: list[int] = []
    written = status_column._written

    def count(*given: Any) -> Any:
        tried.append(len(given[2]))
        return written(*given)

    monkeypatch.setattr(status_column, "_written", count)
    decide(site)
    assert releases(site, "refused") == {True: 100}
    assert len(tried) < 100  # one by one would be 199


def test_an_output_that_changes_after_its_release_is_taken_back(site: Site) -> None:
    """It fails now: its row goes from ready to review, one move each."""
    declare(site, COLUMN)
    site.invoices([1])
    decide(site)
    site.now = NOW + HOUR
    site.produce("UPDATE ai_invoice_runs SET total = 5")
    decide(site)
    assert moves(site) == [("r-00001", "waiting", "ready"), ("r-00001", "ready", "review")]


def test_a_release_that_was_not_told_yet_is_not_made_when_the_output_fails_now(site: Site, desk: Desk) -> None:
    """Nothing is declared for what is held: production hears of neither, and of the release when a person accepts it."""
    site.edit(f"{SLUG}/workflow.yaml", ", held: '/hold/{key}'", "")
    desk.answer = lambda _path, _times: Reply(503)
    site.invoices([1])
    decide(site)
    site.now = NOW + HOUR
    site.produce("UPDATE ai_invoice_runs SET total = 5")
    desk.answer = lambda _path, _times: Reply()
    due(site)
    decide(site)
    assert (desk.released, desk.held) == ({}, {})
    assert accept(site, "r-00001", "accepted")
    decide(site)
    assert desk.released == {"r-00001": 1}


def accept(site: Site, key: str, decision: str) -> bool:
    """What the review queue does in its transaction."""
    wired = site.wired()
    made = HumanDecision(SLUG, key, site.now, decision)
    with wired.services.ops.begin() as unit:
        return unit.releases.after_decision(made, wired.workflow(SLUG).release)


def test_what_a_person_accepts_or_corrects_is_released(site: Site) -> None:
    """What is rejected stays held, and what was released already is not released again; twice is once."""
    declare(site, COLUMN)
    site.invoices([1])
    site.invoices([7, 8, 9], total="1.00")
    decide(site)
    said = {"r-00001": "accepted", "r-00007": "accepted", "r-00008": "corrected", "r-00009": "rejected"}
    assert [accept(site, key, word) for key, word in said.items()] == [False, True, True, False]
    assert [accept(site, key, word) for key, word in said.items()] == [False] * 4
    decide(site)
    assert statuses(site) == {"r-00001": "ready", "r-00007": "ready", "r-00008": "ready", "r-00009": "review"}
    assert Counter(is_now for _, _, is_now in moves(site)) == {"review": 3, "ready": 3}


def test_a_decision_replaces_what_was_not_told_yet(site: Site, desk: Desk) -> None:
    """The desk was away when the output was held; it only hears that a person has released it."""
    desk.answer = lambda _path, _times: Reply(503)
    site.invoices([9], total="1.00")
    decide(site)
    assert accept(site, "r-00009", "accepted")
    desk.answer = lambda _path, _times: Reply()
    due(site)
    decide(site)
    assert (desk.released, desk.held) == ({"r-00009": 1}, {})
    assert releases(site) == {"superseded": 1, "done": 1}


def test_a_call_back_says_what_was_decided(site: Site, desk: Desk) -> None:
    """Path, body, token and idempotency key, as documented."""
    site.invoices([1])
    site.invoices([9], total="1.00")
    assert decide(site).verdict is Verdict.PASS
    told = {body["key"]: (key, path, body) for key, (path, body) in desk.done.items()}
    md5 = {row["key"]: row["data_md5"] for row in site.rows("SELECT key, data_md5 FROM gate_decisions")}
    key, path, body = told["r-00001"]
    assert key == f"{SLUG}/r-00001/{md5['r-00001']}/1"
    assert path == "/desk/release/r-00001"
    assert {name: body[name] for name in ("workflow", "key", "released", "reason")} == {
        "workflow": SLUG,
        "key": "r-00001",
        "released": True,
        "reason": "passed",
    }
    assert body["decided_at"].endswith("+00:00")
    assert (told["r-00009"][1], told["r-00009"][2]["reason"]) == ("/desk/hold/r-00009", "failed_check")
    assert desk.strangers == 0


def test_a_reply_that_gets_lost_is_asked_for_again(site: Site, desk: Desk, monkeypatch: Any) -> None:
    """Cut off, or too late: the desk is asked again under the same key and does it once."""

    def answer(path: str, times: int) -> Reply:
        if times > 1:
            return Reply()
        return Reply(lost=True) if path.endswith("1") else Reply(held=True)

    desk.answer = answer
    site.invoices([1, 2])
    with monkeypatch.context() as impatient:
        impatient.setattr(call_back, "REPLY_SECONDS", 0.3)
        decide(site)
    desk.let_go.set()
    desk.wait_for(2)  # a busy machine may have read the question only after nobody waited any more
    assert releases(site) == {"pending": 2}
    due(site)
    decide(site)
    assert (releases(site), desk.released) == ({"done": 2}, {"r-00001": 1, "r-00002": 1})
    assert set(desk.posts.values()) == {2}


def test_a_desk_that_asks_to_wait_is_left_in_peace(site: Site, desk: Desk) -> None:
    """After a 429 the rest of the batch is not sent, and nothing is due before the time that it named."""
    desk.answer = lambda _path, _times: Reply(429, retry_after="600")
    site.invoices(range(1, 41))
    decide(site)
    assert 1 <= desk.posts.total() <= call_back.AT_ONCE
    (row,) = site.rows("SELECT min(not_before) - now() AS wait, max(error) AS error FROM releases")
    assert timedelta(minutes=9) < row["wait"] <= timedelta(minutes=10)
    assert "HTTP 429" in row["error"]
    desk.answer = lambda _path, _times: Reply()
    decide(site)
    assert desk.released == {}
    due(site)
    decide(site)
    assert desk.released == Counter({f"r-{n:05d}": 1 for n in range(1, 41)})


@pytest.mark.parametrize(
    ("reply", "state", "kind"),
    [
        (Reply(422, text="no such invoice"), "failed", "gate.release_failed"),
        (Reply(302), "failed", "gate.release_failed"),
        (Reply(403, text=f"token {TOKEN} may not"), "pending", "gate.release_refused"),
        (Reply(403, text=f"{'x' * 190} {TOKEN}"), "pending", "gate.release_refused"),
    ],
    ids=["unprocessable", "moved", "forbidden", "cut off"],
)
def test_a_refusal_is_told_at_once(site: Site, desk: Desk, reply: Reply, state: str, kind: str) -> None:
    """For good where the desk does not take it; tried again where the token must be mended. The token is not shown."""
    desk.answer = lambda _path, _times: reply
    site.invoices([1])
    run = decide(site)
    assert (run.verdict, releases(site)) == (Verdict.FAIL, {state: 1})
    (incident,) = site.incidents()
    assert incident["kind"] == kind
    assert f"POST desk:/release/r-00001: HTTP {reply.status}" in incident["detail"]
    told = repr(site.incidents()) + repr(site.letters()) + repr(site.rows("SELECT * FROM releases"))
    assert TOKEN[:6] not in told
    desk.answer = lambda _path, _times: Reply()
    wired = site.wired()
    with wired.services.ops.begin() as unit:
        assert unit.releases.again(SLUG) == (1 if state == "failed" else 0)
    due(site)
    assert decide(site).verdict is Verdict.PASS
    assert desk.released == {"r-00001": 1}
    assert site.incidents()[0]["state"] == "resolved"


def test_what_waits_for_too_long_is_told(site: Site, desk: Desk) -> None:
    """Not at once; a quarter of an hour after the decision."""
    desk.answer = lambda _path, _times: Reply(503)
    site.invoices([1])
    assert decide(site).verdict is Verdict.PASS
    with rewritten(site.ops, "releases") as connection:
        connection.exec_driver_sql("UPDATE releases SET decided_at = decided_at - interval '16 minutes'")
    assert decide(site).verdict is Verdict.WARN
    assert [row["kind"] for row in site.incidents()] == ["gate.release_waiting"]


def gates_at_once(site: Site, many: int) -> None:
    """So many gates in processes of their own threads, each with its own services."""
    with ThreadPoolExecutor(many) as pool:
        list(pool.map(lambda _: gated_run.gate(site.env, site.now + HOUR), range(many)))


def test_gates_at_once_release_each_output_once(site: Site) -> None:
    """Four gates over the same sixty outputs: each row moves once, each output has one decision."""
    declare(site, COLUMN)
    site.invoices(range(1, 61))
    pulled(site)
    gates_at_once(site, 4)
    assert moves(site) == [(f"r-{n:05d}", "waiting", "ready") for n in range(1, 61)]
    assert (site.count("gate_decisions"), releases(site)) == (60, {"done": 60})


def test_gates_at_once_call_back_once(site: Site, desk: Desk) -> None:
    """Four gates over the same sixty outputs: no output is told under two keys, and none without an attempt on record."""
    site.invoices(range(1, 61))
    pulled(site)
    gates_at_once(site, 4)
    due(site)  # on a busy machine a reply may have come too late
    gates_at_once(site, 1)
    assert desk.released == Counter({f"r-{n:05d}": 1 for n in range(1, 61)})
    assert len(desk.posts) == 60
    assert desk.posts.total() <= site.rows("SELECT sum(attempts) AS made FROM releases")[0]["made"]
    assert releases(site) == {"done": 60}


def killed(site: Site, reached: Callable[[int], bool]) -> None:
    """Run the gate in processes that are killed without a warning, again and again, until it gets through."""
    arguments = [sys.executable, gated_run.__file__, json.dumps(site.env), (site.now + HOUR).isoformat()]
    for turn in range(40):
        process = subprocess.Popen(arguments)
        while process.poll() is None and not reached(turn):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            return
        due(site)
    pytest.fail("it never got through")


def test_killed_at_any_moment_each_row_moves_once(site: Site) -> None:
    """Nothing is lost and nothing moves twice, whatever was under way when the process died."""
    declare(site, COLUMN)
    site.invoices(range(1, 25))
    site.invoices(range(80, 84), total="1.00")
    pulled(site)

    def reached(turn: int) -> bool:
        decided, moved = site.count("gate_decisions"), len(moves(site))
        return (decided if turn % 2 else moved) >= 5 * (turn + 1) and turn < 6

    killed(site, reached)
    expected = {f"r-{n:05d}": "ready" for n in range(1, 25)} | {f"r-{n:05d}": "review" for n in range(80, 84)}
    assert statuses(site) == expected
    assert moves(site) == sorted((key, "waiting", word) for key, word in expected.items())
    assert releases(site) == {"done": 28}


def test_killed_at_any_moment_each_call_back_counts_once(site: Site, desk: Desk) -> None:
    """Posts may come twice, under the same key: the desk releases and holds each output once."""
    desk.answer = lambda _path, _times: Reply(delay=0.02)
    site.invoices(range(1, 41))
    site.invoices(range(80, 84), total="1.00")
    pulled(site)
    killed(site, lambda turn: len(desk.posts) >= 9 * (turn + 1) and turn < 4)
    assert desk.released == Counter({f"r-{n:05d}": 1 for n in range(1, 41)})
    assert desk.held == Counter({f"r-{n:05d}": 1 for n in range(80, 84)})
    assert releases(site) == {"done": 44}
    assert max(desk.posts.values()) <= 5  # four deaths at most, and once more


def test_the_review_queue_releases_what_it_accepts(site: Site) -> None:
    """One transaction keeps decision and release; the second reviewer is refused, and nothing is released twice."""
    declare(site, COLUMN)
    site.invoices([7], total="1.00")
    decide(site)
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    said = [HumanDecision(SLUG, "r-00007", site.now, "accepted", decided_by=who) for who in ("ann", "ben")]
    with wired.engine.begin() as connection:
        terms = reviewing.terms_of(connection, SLUG)
        assert [reviewing.decide(connection, terms, one) for one in said] == [True, False]
    decide(site)
    assert moves(site) == [("r-00007", "review", "ready"), ("r-00007", "waiting", "review")]
