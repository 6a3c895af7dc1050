"""The review queue beside the path: due times, the deputy, decisions back at their source exactly once, corrections as cases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import NOW, SLUG, Site, gated, pulled, trigger
from typer.testing import CliRunner

from afterpilot import pipeline
from afterpilot.cli.app import app
from afterpilot.domain.errors import SourceError
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.review import WriteBack
from afterpilot.pipeline import reviewing, sweeping
from afterpilot.review.write_back import SourceWriteBack
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration
KEY = "r-00001"
MADE = HumanDecision(
    SLUG,
    KEY,
    NOW,
    "corrected",
    minutes=Decimal("1.25"),
    note="the order says 101",
    corrected={"total": "101.00"},
    decided_by="dana",
    seconds=Decimal(75),
)


@pytest.fixture
def routed(site: Site) -> Site:
    """Three invoices whose total is not the order's wait for a person; the sweep has seen them."""
    site.invoices([1, 2, 3], total=Decimal("999.00"))
    gated(site, pulled(site).window)
    changed(site, "UPDATE review_items SET opened_at = :at", at=NOW)
    swept(site)
    return site


def swept(site: Site) -> sweeping.Swept:
    """One sweep, as the DAG does it."""
    return site.wired().sweep_reviews()


def decided(site: Site, **more: Any) -> bool:
    """What the page does when somebody saves."""
    with site.ops.begin() as connection:
        made = replace(MADE, **{"decided_at": site.now, **more})
        return reviewing.decide(connection, reviewing.terms_of(connection, SLUG), made)


def declared(site: Site) -> None:
    """Keep the declaration, as the DAG of declarations does: the page reads it from there."""
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())


def changed(site: Site, statement: str, **values: Any) -> None:
    """Run a statement in the ops database, as the owner of its tables."""
    with rewritten(site.ops, statement.split()[1]) as connection:
        connection.execute(sa.text(statement), values)


def apart(site: Site) -> Wired:
    """Another process beside the one before."""
    wired = wire(Settings.from_environment(site.env), EnvConnections(site.env))
    return replace(wired, services=replace(wired.services, now=lambda: site.now))


def at_source(site: Site) -> list[Mapping[str, Any]]:
    """What stands in the office's own table."""
    with site.erp.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text("SELECT * FROM ap_decisions")).mappings()]


def item(site: Site, key: str = KEY) -> dict[str, Any]:
    """A review item."""
    return site.rows("SELECT * FROM review_items WHERE key = :key", key=key)[0]


def test_items_are_due_as_declared(routed: Site) -> None:
    """Eight hours after they were opened, in the example; a second sweep changes nothing."""
    assert item(routed)["due_at"] == NOW + timedelta(hours=8)
    before = routed.rows("SELECT * FROM review_items ORDER BY key")
    swept(routed)
    assert routed.rows("SELECT * FROM review_items ORDER BY key") == before


def test_what_is_overdue_goes_to_the_deputy_once(routed: Site) -> None:
    """All of it in one message that calls the deputy; later sweeps say nothing more; what was decided in time is left alone."""
    declared(routed)
    assert decided(routed)
    letters = len(routed.letters())
    routed.now = NOW + timedelta(hours=8, minutes=5)
    assert swept(routed).escalated == 2
    (letter,) = routed.letters()[letters:]
    message = letter["message"]
    assert message["title"] == f"{SLUG}: 2 outputs wait beyond their time for a person"
    assert message["mention"] == "U05EF6GH7"
    assert (letter["kind"], letter["channel"]) == ("review", "#ap-automation")
    assert [
        (row["assigned_to"], row["escalated_at"] is None)
        for row in (item(routed, f"r-0000{number}") for number in (1, 2, 3))
    ] == [
        ("", True),
        ("Lee Okafor", False),
        ("Lee Okafor", False),
    ]
    routed.now += timedelta(hours=3)
    assert swept(routed).escalated == 0
    assert len(routed.letters()) == letters + 1


def test_the_deputy_hears_at_most_once_an_hour(routed: Site) -> None:
    """What becomes overdue right after the message goes with the next one."""
    changed(routed, "UPDATE review_items SET due_at = due_at + interval '10 minutes' WHERE key = 'r-00003'")
    routed.now = NOW + timedelta(hours=8, minutes=5)
    assert swept(routed).escalated == 2
    routed.now = NOW + timedelta(hours=8, minutes=30)
    assert swept(routed).escalated == 0
    routed.now = NOW + timedelta(hours=9, minutes=6)
    assert swept(routed).escalated == 1


def test_sweeps_at_once_escalate_once(routed: Site) -> None:
    """Four sweeps at the same moment: one message, each item in it once."""
    routed.now = NOW + timedelta(hours=9)
    letters = len(routed.letters())
    assert sum(one.escalated for one in at_once(routed, 4)) == 3
    assert len(routed.letters()) == letters + 1


def test_a_decision_reaches_the_source_once(routed: Site) -> None:
    """In the source's words and types, under the reviewer's name; however often the sweep comes by, and from several at once."""
    declared(routed)
    assert decided(routed)
    assert sum(one.written for one in at_once(routed, 4)) == 1
    assert swept(routed).written == 0
    (row,) = at_source(routed)
    assert row["decided_at"] == routed.rows("SELECT decided_at FROM human_decisions")[0]["decided_at"]
    assert {
        name: row[name] for name in ("run_id", "decision", "minutes", "note", "clerk", "right_total", "right_supplier")
    } == {
        "run_id": KEY,
        "decision": "fixed",
        "minutes": Decimal("1.25"),
        "note": "the order says 101",
        "clerk": "dana",
        "right_total": Decimal("101.00"),
        "right_supplier": None,
    }
    assert routed.rows("SELECT state, attempts, error FROM write_backs") == [
        {"state": "done", "attempts": 1, "error": ""}
    ]


def test_the_source_read_again_counts_our_decision_once(routed: Site) -> None:
    """The pull meets the row that we have written, its time cut to seconds: the same decision, and it stays the reviewer's."""
    declared(routed)
    decided(routed)
    swept(routed)
    routed.produce("UPDATE ap_decisions SET decided_at = date_trunc('second', decided_at), note = 'seen'")
    routed.now += timedelta(hours=1)
    run = pulled(routed)
    assert run.evidence["decisions"] == 0
    (made,) = routed.rows("SELECT origin, decided_by, note FROM human_decisions")
    assert made == {"origin": "review", "decided_by": "dana", "note": "the order says 101"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_sweep_writes_neither_twice_nor_never(routed: Site, when: str) -> None:
    """Killed right before or right after the source has the row: the next sweep ends with one row, and knows that it is there."""
    declared(routed)
    decided(routed)
    code = KILLED.format(before="kill()" if when == "before" else "", after="kill()" if when == "after" else "")
    env = {**os.environ, **routed.env}
    ended = subprocess.run([sys.executable, "-c", code], env=env, check=False, capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert len(at_source(routed)) == (1 if when == "after" else 0)
    assert routed.rows("SELECT state FROM write_backs") == [{"state": "pending"}]
    routed.now = datetime.now(UTC)
    assert swept(routed).written == 1
    assert len(at_source(routed)) == 1
    assert routed.rows("SELECT state FROM write_backs") == [{"state": "done"}]


KILLED = """
import os, signal
from afterpilot.review import write_back
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

real = write_back.SourceWriteBack.write

def write(self, decision, data):
    {before}
    real(self, decision, data)
    {after}

write_back.SourceWriteBack.write = write
wire(Settings.from_environment(), EnvConnections()).sweep_reviews()
"""


def test_a_source_that_refuses_is_told_and_tried_again(routed: Site) -> None:
    """One incident with one message, ever longer waits, the error on the item; when the source is back it is written and over."""
    declared(routed)
    decided(routed)
    routed.produce("ALTER TABLE ap_decisions RENAME TO elsewhere")
    letters = len(routed.letters())
    waits = []
    for _ in range(3):
        assert swept(routed).failed == 1
        assert swept(routed).failed == 0  # not before its time
        (row,) = routed.rows("SELECT * FROM write_backs")
        assert "there is no table ap_decisions" in row["error"]
        waits.append(round((row["not_before"] - routed.now).total_seconds() / 60))
        routed.now = row["not_before"] + timedelta(seconds=1)
    assert waits == [1, 2, 4]
    (incident,) = [one for one in routed.incidents() if one["stage"] == "review"]
    assert (incident["kind"], incident["title"]) == ("review.write_back_failed", "1 decision does not reach the source")
    (letter,) = routed.letters()[letters:]
    assert letter["incident_id"] == incident["id"]
    routed.produce("ALTER TABLE elsewhere RENAME TO ap_decisions")
    assert swept(routed).written == 1
    assert len(at_source(routed)) == 1
    assert [one["state"] for one in routed.incidents() if one["stage"] == "review"] == ["resolved"]
    assert [one["kind"] for one in routed.letters()[letters:]] == ["incident", "resolved"]


def test_a_value_that_does_not_fit_is_said_without_the_row(routed: Site) -> None:
    """The error names column and value, never the whole row or a password; others are written all the same."""
    declared(routed)
    decided(routed, corrected={"total": "99999999999.00"})
    decided(routed, key="r-00002")
    done = swept(routed)
    assert (done.written, done.failed) == (1, 1)
    (row,) = routed.rows("SELECT error FROM write_backs WHERE state = 'pending'")
    assert "numeric field overflow" in row["error"]
    assert "the order says" not in row["error"]


@pytest.mark.parametrize("reason", ["failed_check", "spot_check"])
def test_a_correction_becomes_a_case(routed: Site, reason: str) -> None:
    """Also one of an output that had been released: the sweep offers it to the suite, as a correction of the source is."""
    changed(routed, "UPDATE review_items SET reason = :reason WHERE key = :key", reason=reason, key=KEY)
    changed(
        routed,
        "UPDATE gate_decisions SET released = :released WHERE key = :key",
        released=reason == "spot_check",
        key=KEY,
    )
    declared(routed)
    assert decided(routed)
    swept(routed)
    (offer,) = routed.rows('SELECT key, state, "case" FROM case_offers')
    assert (offer["key"], offer["state"]) == (KEY, "offered")
    assert offer["case"]["expected"]["total_due"] == "101.00 GBP"


def test_what_a_reviewer_types_is_redacted_like_the_rest(routed: Site) -> None:
    """An e-mail address in the reason or in a field is not kept."""
    declared(routed)
    decided(routed, note="asked ann.miller@harbour.example", corrected={"supplier": "ann@harbour.example"})
    (made,) = routed.rows("SELECT note, corrected FROM human_decisions")
    assert made == {"note": "asked [e-mail]", "corrected": {"supplier": "[e-mail]"}}


def test_an_output_that_changed_after_its_spot_check_is_asked_anew(routed: Site) -> None:
    """The item is open again with nobody's name on it, and the earlier decision does not close it."""
    declared(routed)
    decided(routed)
    changed(routed, "UPDATE gate_decisions SET released = true, data_md5 = 'other' WHERE key = :key", key=KEY)
    run = gated(routed, pulled(routed).window)
    assert run.evidence["routed"] == 1
    swept(routed)
    assert (item(routed)["decided_at"], item(routed)["decided_by"]) == (None, "")


def test_other_databases_take_decisions_too(tmp_path: Path) -> None:
    """In SQLite, with a key of digits: added once, and a second decision on the same key is a second row."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE done (case_no INTEGER, word TEXT, at DATETIME, what TEXT, fine BOOLEAN)"
        )
    columns = {
        "case_no": "key",
        "word": "decision",
        "at": "decided_at",
        "what": "final.label",
        "fine": "corrected.fine",
    }
    sink = SourceWriteBack(url, WriteBack("done", columns, {"corrected": "moved", "accepted": "kept"}))
    made = replace(MADE, key="17", corrected={"fine": True})
    assert sink.write(made, {"label": "advert"})
    assert not sink.write(made, {"label": "advert"})
    assert sink.write(replace(made, decided_at=NOW + timedelta(hours=1), decision="accepted", corrected={}), {})
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT case_no, word, what, fine FROM done ORDER BY at").all() == [
            (17, "moved", "advert", 1),
            (17, "kept", None, None),
        ]
    with pytest.raises(SourceError, match="'abc' does not fit the column case_no"):
        sink.write(replace(made, key="abc"), {})
    with pytest.raises(SourceError, match="no column nowhere"):
        SourceWriteBack(url, WriteBack("done", {"nowhere": "key"})).write(made, {})


def test_what_waits_is_listed_on_the_command_line(routed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With due times, who has it and a link; all that is late is status 1; one person's items by login or name."""
    for name, value in (routed.env | {"AFTERPILOT_BASE_URL": "https://air.example"}).items():
        monkeypatch.setenv(name, value)
    soon = datetime.now(UTC) + timedelta(hours=3)
    changed(routed, "UPDATE review_items SET due_at = :soon", soon=soon)
    changed(routed, "UPDATE review_items SET assigned_to = 'Lee Okafor' WHERE key = 'r-00002'")
    listed = CliRunner().invoke(app, ["review", SLUG, "--json"])
    assert listed.exit_code == 0, listed.output
    items = json.loads(listed.output)
    assert sorted(one["key"] for one in items) == ["r-00001", "r-00002", "r-00003"]
    assert items[0]["due_at"] == soon.isoformat()
    assert items[0]["url"].startswith(f"https://air.example/afterpilot/review/item?workflow={SLUG}&key=r-0000")
    assert "999.00" in items[0]["why"][0]
    mine = CliRunner().invoke(app, ["review", "--mine", "lee.okafor"])
    assert "r-00002" in mine.output
    assert "r-00001" not in mine.output
    assert "1 waits for a person, 0 beyond their time." in mine.output
    changed(routed, "UPDATE review_items SET due_at = :past WHERE key = 'r-00001'", past=soon - timedelta(hours=4))
    assert CliRunner().invoke(app, ["review"]).exit_code == 1


def at_once(site: Site, many: int) -> list[sweeping.Swept]:
    """So many sweeps at the same moment, each with connections of its own."""
    wired = [apart(site) for _ in range(many)]
    barrier, found = threading.Barrier(many), []

    def sweep(number: int) -> None:
        barrier.wait()
        found.append(wired[number].sweep_reviews())

    threads = [threading.Thread(target=sweep, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in wired:
        one.engine.dispose()
    return found
