"""``afterpilot audit`` seals, exports, verifies and tells what it finds."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
import uuid
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from fsspec.implementations.memory import MemoryFileSystem
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.domain.errors import AfterpilotError, ConfigurationError, LedgerBroken
from afterpilot.domain.ledger import Entry, Personal, person
from afterpilot.domain.message import Message
from afterpilot.domain.publishing import Place, Publishing
from afterpilot.pipeline.sealing import seal
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.beats import Beats
from afterpilot.record.ledger import heads, publishing
from afterpilot.record.ledger import standing as ledger_standing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.signing_keys import key_in, parsed, read_key
from afterpilot.record.ops import Ops
from afterpilot.record.tables import ledger, ledger_keys

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)

_INSERT = (
    "INSERT INTO ledger (xid, at, actor, action, subject, workflow, payload, payload_hash) "
    "VALUES ({xid}, now(), 'a', 'a:b:c', 'd:e', 'invoices', '{{}}', sha256('{hashed}'))"
)


@pytest.fixture
def installed(ops_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell with the variables of an installation that has a key; the folder of its files."""
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    (workflows / "_fleet.yaml").write_text(
        "channel: '#ops'\noperators: [{name: Robin Hale, slack: U0AB12CD3}]\n"
        "schedules: {records: {hourly: '5 * * * *'}, evals: {nightly: '0 2 * * *'}, report: {monday: '0 6 * * mon'}}\n"
        f"ledger: {{publish: ['file://{tmp_path}/heads'], every: 1d}}\n"
    )
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    monkeypatch.setenv("AFTERPILOT_WORKFLOWS", str(workflows))
    assert audit("keygen", "-o", str(tmp_path / "ledger.pem"))[0] == 0
    monkeypatch.setenv("AFTERPILOT_LEDGER_KEY_FILE", str(tmp_path / "ledger.pem"))
    return tmp_path


def audit(*arguments: str) -> tuple[int, str]:
    """Exit status and what is printed."""
    done = CliRunner().invoke(app, ["audit", *arguments], catch_exceptions=False)
    return done.exit_code, done.stdout


def _told(*arguments: str) -> dict[str, Any]:
    return json.loads(audit(*arguments, "--json")[1])  # type: ignore[no-any-return]


def _add(ops: sa.Engine, count: int = 5, workflow: str = "invoices", action: str = "review:decision:made") -> None:
    note = Personal("Ann called", person("Ann Ruiz"))
    entries = [
        Entry(action, f"output:{at}", NOW, workflow, person("dana"), {"n": at, "note": note}) for at in range(count)
    ]
    with ops.begin() as connection:
        Ledger(connection).append_many(entries)


def _tamper(owner: sa.Engine, *statements: str) -> None:
    with owner.begin() as connection:
        for table in ("ledger", "ledger_leaves", "ledger_nodes", "ledger_heads", "ledger_keys"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    assert audit("keygen", "-o", str(file))[0] == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        audit("keygen", "-o", str(file))
    assert file.read_bytes() == before
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        key_in(file)


def test_a_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    audit("keygen", "-o", str(tmp_path / "key.pem"))
    text = (tmp_path / "key.pem").read_text()
    key = parsed(text.encode(), "here")
    seed = key.private.private_bytes_raw()
    import base64

    assert read_key(base64.b64encode(seed).decode(), "") == key
    shown = repr(key) + str(key) + audit("keygen", "-o", str(tmp_path / "other.pem"))[1]
    assert seed.hex() not in shown
    assert text.splitlines()[1] not in shown
    with pytest.raises(ConfigurationError) as refused:
        parsed(b"not-a-key-" + seed.hex().encode(), "AFTERPILOT_LEDGER_KEY")
    assert seed.hex() not in str(refused.value)


def test_sealing_publishes_the_head_once_a_day_and_says_where(installed: Path, ops: sa.Engine) -> None:
    _add(ops)
    status, shown = audit("seal")
    assert status == 0
    head = _told("head")
    assert head["head"] in shown
    (file,) = (installed / "heads").glob("*/head-*.json")
    said = json.loads(file.read_text())
    assert (said["head"], said["entries"], said["statement"]) == (head["head"], 6, head["statement"])
    assert [told["place"] for told in head["publications"]] == [f"file://{installed}/heads"]
    _add(ops)
    assert _told("seal")["published"] == []
    assert len(list((installed / "heads").glob("*/*.json"))) == 1
    actions = {row["action"] for row in json.loads(audit("log", "--json")[1])}
    assert {"seal:key:added", "seal:head:published"} <= actions


def test_what_stands_in_a_folder_is_compared_at_each_pass(installed: Path, ops: sa.Engine) -> None:
    """Not only when a head is due there: a file that was put there, changed or taken away is noticed within a minute."""
    _add(ops)
    audit("seal")
    (file,) = (installed / "heads").glob("*/head-*.json")
    said = file.read_text()
    assert audit("seal")[0] == 0
    file.write_text(said.replace('\\"entries\\":6', '\\"entries\\":7'))
    with pytest.raises(LedgerBroken, match="is not one of this ledger"):
        audit("seal")
    with ops.connect() as connection:
        assert "is not one of this ledger" in Beats(connection).all()["ledger"].detail["broken"]
    file.write_text(said)
    later = file.with_name("head-000000000099.json")
    later.write_text(said)
    with pytest.raises(LedgerBroken, match="a head over 99 entries"):
        audit("seal")
    later.unlink()
    file.rename(installed / "away.json")
    status, shown = audit("seal")
    assert status == 1
    assert "was published there, and is not there any more" in " ".join(shown.split())
    (installed / "away.json").rename(file)
    assert audit("seal")[0] == 0


def test_what_stands_in_a_bucket_is_compared_once_an_hour(ops: sa.Engine) -> None:
    """With two requests: the names there, and the newest file."""
    store, asked, now = MemoryFileSystem(), list[str](), [NOW]

    def open_store(scheme: str, connection: str) -> MemoryFileSystem:
        asked.append(f"{scheme}@{connection}")
        return store

    where = Publishing((Place.of(f"memory://bucket/{uuid.uuid4().hex}"),))
    services: Any = SimpleNamespace(ops=Ops(ops), fleet=SimpleNamespace(publishing=where), now=lambda: now[0])

    def passed(minutes: int) -> int:
        """How often the bucket was asked at a pass so much later."""
        before, now[0] = len(asked), now[0] + timedelta(minutes=minutes)
        _add(ops, 1)
        assert seal(services, lambda: None, open_store).failed == {}
        return len(asked) - before

    assert [passed(one) for one in (0, 1, 30, 29, 1, 58, 2)] == [1, 0, 0, 1, 0, 0, 1]
    (name,) = store.find(where.places[0].path)
    store.pipe_file(name, store.cat_file(name).replace(b"statement", b"stated"))
    assert passed(59) == 0
    with pytest.raises(LedgerBroken):
        passed(1)


def test_a_place_that_cannot_be_written_to_is_told_and_tried_again(installed: Path, ops: sa.Engine) -> None:
    (installed / "heads").write_text("a file stands where the folder should")
    _add(ops)
    status, shown = audit("seal")
    assert status == 1
    assert "Not published" in shown
    (installed / "heads").unlink()
    assert _told("seal")["published"] == [f"file://{installed}/heads"]


def test_a_ledger_that_was_cut_off_does_not_fit_what_was_published(
    installed: Path, ops: sa.Engine, ops_owner: sa.Engine
) -> None:
    _add(ops)
    audit("seal")
    text = "TRUNCATE ledger_leaves, ledger_nodes, ledger_heads, ledger_publications"
    _tamper(ops_owner, "ALTER TABLE ledger_publications DISABLE TRIGGER USER", text, "DELETE FROM ledger WHERE id > 3")
    with pytest.raises(LedgerBroken, match="6 entries"):
        audit("seal")


def test_a_bundle_is_verified_without_a_server_and_taking_it_is_on_record(
    installed: Path, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(ops, 600)
    _add(ops, 40, "mails")
    audit("seal")
    file = installed / "bundle.zip"
    told = _told("export", "--workflow", "invoices", "-o", str(file))
    assert told["entries"] == 600
    (row,) = json.loads(audit("log", "--action", "audit:*", "--json")[1])
    assert (row["payload"]["bundle"], row["payload"]["names"]) == (told["sha256"], False)
    for name in ("AFTERPILOT_DATABASE_URL", "AFTERPILOT_WORKFLOWS", "AFTERPILOT_LEDGER_KEY_FILE"):
        monkeypatch.delenv(name)
    status, shown = audit("verify", str(file), "--head", told["head"])
    assert (status, shown.splitlines()[0]) == (0, "VERIFIED")
    assert audit("verify", str(file), "--head", "0" * 64)[0] == 1
    with zipfile.ZipFile(file) as archive:
        archive.extract("verify.py", installed)
        assert b"Ann called" not in b"".join(map(archive.read, archive.namelist()))
    alone = [sys.executable, "-I", str(installed / "verify.py"), str(file), "--head", told["head"]]
    assert subprocess.run(alone, check=False, capture_output=True, env={"PATH": os.environ["PATH"]}).returncode == 0


def test_a_head_that_somebody_kept_is_in_the_bundle_where_it_is_asked_for(installed: Path, ops: sa.Engine) -> None:
    """A head that was published nowhere; without it the bundle cannot be verified against it, and one of another ledger is refused."""
    _add(ops, 3)
    audit("seal")  # published
    _add(ops, 3)
    audit("seal")
    kept = _told("head")
    assert kept["publications"] == []
    _add(ops, 3)
    audit("seal")
    file = str(installed / "bundle.zip")
    audit("export", "--workflow", "invoices", "-o", file)
    status, shown = audit("verify", file, "--head", kept["head"])
    assert (status, "asked for when the bundle is made" in shown) == (1, True)
    assert audit("export", "--workflow", "invoices", "-o", file, "--head", kept["head"])[0] == 0
    assert audit("verify", file, "--head", kept["head"])[0] == 0
    with pytest.raises(ConfigurationError, match="no signed head of this ledger"):
        audit("export", "--workflow", "invoices", "-o", file, "--head", "0" * 64)


def test_names_are_opened_only_where_they_are_asked_for(installed: Path, ops: sa.Engine) -> None:
    _add(ops, 3)
    audit("seal")
    file = installed / "bundle.zip"
    told = _told("export", "--workflow", "invoices", "-o", str(file), "--with-names")
    assert audit("verify", str(file), "--head", told["head"])[0] == 0
    with zipfile.ZipFile(file) as archive:
        assert archive.read("opened.jsonl").count(b"Ann called") == 3


def test_a_period_without_entries_is_proven_to_have_none(installed: Path, ops: sa.Engine) -> None:
    _add(ops, 3)
    audit("seal")
    file = installed / "bundle.zip"
    day = (NOW - timedelta(days=9)).date()
    told = _told(
        "export", "--workflow", "invoices", "-o", str(file), "--from", str(day), "--to", str(day + timedelta(days=2))
    )
    status, shown = audit("verify", str(file), "--head", told["head"])
    assert (status, shown.splitlines()[0]) == (0, "VERIFIED"), shown


def test_a_bundle_needs_a_signed_head(installed: Path, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFTERPILOT_LEDGER_KEY_FILE")
    _add(ops)
    assert "NOT SIGNED" in audit("seal")[1]
    assert audit("head")[0] == 2
    with pytest.raises(ConfigurationError, match="no head of the ledger is signed"):
        audit("export", "--workflow", "invoices", "-o", str(installed / "bundle.zip"))
    assert not list(installed.glob("*bundle*"))


def test_the_whole_ledger_is_verified(installed: Path, ops: sa.Engine) -> None:
    for _ in range(4):
        _add(ops, 300, action="pull:decision:read")
        audit("seal")
    _add(ops, 2, action="pull:decision:read")
    status, shown = audit("verify")
    assert status == 0, shown
    assert "1,203 entries" not in shown or "VERIFIED" in shown
    told = _told("verify", "--all", "--head", _told("head")["head"])
    assert (told["outcome"], told["heads"], told["waiting"] >= 2) == ("verified", 4, True)
    assert audit("verify", "--head", "0" * 64)[0] == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE ledger SET payload = replace(payload, '\"n\":3', '\"n\":4') WHERE payload LIKE '%%\"n\":3,%%'",
            "payload of",
        ),
        ("UPDATE ledger SET actor = 'cli:other' WHERE id = 5", "not as it was sealed"),
        ("UPDATE ledger SET recorded_at = recorded_at + interval '1 second' WHERE id = 5", "not as it was sealed"),
        ("DELETE FROM ledger WHERE id = 5", "not in the ledger any more"),
        ("DELETE FROM ledger_leaves WHERE leaf_index = 4", "are not there"),
        ("UPDATE ledger_leaves SET number = 9999 WHERE leaf_index = 4", "stands where number"),
        ("UPDATE ledger_nodes SET hash = sha256('x') WHERE index = 0", "is not the hash of what is below"),
        ("UPDATE ledger_heads SET workflows_root = sha256('x') WHERE entries < 400", "counts other entries"),
        ("UPDATE ledger_heads SET root = sha256('x') WHERE entries < 400", "another root"),
        ("UPDATE ledger_heads SET signature = sha256('x') WHERE entries < 400", "is not signed by"),
        ("UPDATE ledger_heads SET statement = statement || ' ' WHERE entries < 400", "does not say"),
        (_INSERT.format(xid="'5'", hashed="{}"), "put in later"),
        (_INSERT.format(xid="pg_current_xact_id()", hashed="x"), "not sealed yet, and not as recorded"),
    ],
)
def test_any_change_of_the_ledger_is_found(
    installed: Path, ops: sa.Engine, ops_owner: sa.Engine, statement: str, said: str
) -> None:
    _add(ops, 350)
    audit("seal")
    _add(ops, 350)
    audit("seal")
    _tamper(ops_owner, statement)
    status, shown = audit("verify")
    assert status == 1
    assert said in shown


def test_a_verification_that_was_interrupted_goes_on_from_the_last_head_that_it_reached(
    installed: Path, ops: sa.Engine, ops_owner: sa.Engine
) -> None:
    """What is below that head is not read again, and that is said; the tree as it is stored there has to give it."""
    passed = []
    for _ in range(3):
        _add(ops, 300, action="pull:decision:read")
        audit("seal")
        passed.append(_told("head")["head"])
    _tamper(ops_owner, "UPDATE ledger SET actor = 'cli:other' WHERE id = 700")
    assert audit("verify")[0] == 1
    assert audit("verify", "--from", passed[1])[0] == 1
    status, shown = audit("verify", "--from", passed[2])
    assert status == 0
    assert f"the head {passed[2]} is taken to be verified" in " ".join(shown.split())
    with pytest.raises(ConfigurationError, match="is no head of this ledger"):
        audit("verify", "--from", "0" * 64)
    _tamper(ops_owner, "UPDATE ledger_nodes SET hash = sha256('x') WHERE index = 0")
    assert "another root" in audit("verify", "--from", passed[1])[1]


def test_an_interrupted_verification_says_where_to_go_on(
    installed: Path, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(ops, 3)
    audit("seal")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger_standing, "look", stopped)
    done = CliRunner().invoke(app, ["audit", "verify"])
    assert done.exit_code == 130
    assert f"--from {_told('head')['head']}" in " ".join(done.output.split())


def test_a_rotated_key_is_endorsed_and_one_that_is_simply_replaced_is_not(
    installed: Path, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(ops)
    audit("seal")
    assert audit("rotate", "--to", str(installed / "next.pem"))[0] == 0
    monkeypatch.setenv("AFTERPILOT_LEDGER_KEY_FILE", str(installed / "next.pem"))
    _add(ops)
    audit("seal")
    file = installed / "bundle.zip"
    told = _told("export", "--workflow", "invoices", "-o", str(file))
    first = key_in(installed / "ledger.pem").id
    assert audit("verify", str(file), "--head", told["head"], "--key", first)[0] == 0
    audit("keygen", "-o", str(installed / "third.pem"))
    monkeypatch.setenv("AFTERPILOT_LEDGER_KEY_FILE", str(installed / "third.pem"))
    _add(ops)
    audit("seal")
    with ops.connect() as connection:
        known, which = heads.keys(connection), heads.ledger_id(connection)
        assert [heads.is_endorsed(key, known, which) for key in known.values()] == [True, True, False]
        assert connection.scalar(sa.select(sa.func.count()).select_from(ledger_keys)) == 3
    status, shown = audit("verify")
    assert status == 0
    assert "no earlier key has endorsed" in shown


def test_the_log_lists_entries_newest_first_by_pages(installed: Path, ops: sa.Engine) -> None:
    _add(ops, 30)
    rows = json.loads(audit("log", "--workflow", "invoices", "--json", "-n", "10")[1])
    more = json.loads(audit("log", "--workflow", "invoices", "--json", "-n", "10", "--before", str(rows[-1]["id"]))[1])
    with ops.connect() as connection:
        ids = list(connection.scalars(sa.select(ledger.c.id).order_by(ledger.c.id.desc()).limit(20)))
    assert [row["id"] for row in (*rows, *more)] == ids


def test_a_head_that_a_weekly_message_has_told_is_on_record_and_held_against_the_ledger(
    installed: Path, ops: sa.Engine, ops_owner: sa.Engine
) -> None:
    _add(ops)
    audit("seal")
    with ops.begin() as connection:
        line = publishing.ledger_line(connection)
        message = Message(tone="good", title="The week", summary="s", notification="n", footer=f"Afterpilot · {line}")
        OutboxWriter(connection).put(
            message, dedupe_key="weekly/1", workflow="invoices", kind="weekly", channel="#ap", report_id=None
        )
    with ops.begin() as connection:
        connection.execute(sa.text("UPDATE outbox SET state = 'sent', sent_at = now()"))
    audit("seal")
    (told,) = [one for one in _published(ops) if one.startswith("slack:")]
    assert told == "slack:#ap"
    audit("seal")
    assert len(_published(ops)) == 2
    _tamper(
        ops_owner,
        "ALTER TABLE ledger_publications DISABLE TRIGGER USER",
        "DELETE FROM ledger_publications",
        "UPDATE ledger_heads SET statement = replace(statement, '\"entries\":6,', '\"entries\": 6,')",
    )
    with pytest.raises(LedgerBroken, match="told of a head"):
        audit("seal")
    with ops.connect() as connection:
        assert "told of a head" in Beats(connection).all()["ledger"].detail["broken"]


def _published(ops: sa.Engine) -> list[str]:
    with ops.connect() as connection:
        return [told.place for head in heads.published_heads(connection) for told in head.publications]


def test_what_cannot_be_done_is_said_in_a_sentence(installed: Path, ops: sa.Engine) -> None:
    """A folder that is not there, a head that is none, and options of another kind of verification."""
    _add(ops)
    audit("seal")
    for arguments, said in (
        (("export", "--workflow", "invoices", "-o", "/nonexistent/b.zip"), "b.zip cannot be written"),
        (("export", "--workflow", "invoicing"), "no entry of invoicing is sealed"),
        (("verify", "--head", "123"), "'123' is no head"),
        (("verify", "--key", "0123456789abcdef"), "--key is of a bundle"),
        (("verify", "bundle.zip", "--all"), "a bundle is always verified as a whole"),
    ):
        with pytest.raises(AfterpilotError, match=said):
            audit(*arguments)


def test_the_log_shows_actions_and_subjects_as_they_are(installed: Path, ops: sa.Engine) -> None:
    """Nothing in them is a picture, or what a terminal obeys; a log without entries is empty and no mistake."""
    with ops.begin() as connection:
        Ledger(connection).append(Entry("seal:key:added", "key:[red]x[/red]", NOW))
    status, shown = audit("log")
    assert status == 0
    assert "seal:key:added" in shown.replace("\n", "").replace(" ", "")
    assert "[red]" in shown
    assert audit("log", "--action", "gate:*") == (0, "The ledger has no such entry.\n")
    with pytest.raises(AfterpilotError, match="there is no workflow 'none'"):
        audit("log", "--workflow", "none")


@pytest.mark.parametrize("columns", ["80", "120"])
def test_no_id_of_the_log_is_broken(
    installed: Path, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """Each subject stands whole on one line, so that it can be taken into the next command; people stand by their names."""
    subjects = [f"run:{uuid.uuid4()}" for _ in range(3)]
    with ops.begin() as connection:
        for subject in subjects:
            Ledger(connection).append(
                Entry(
                    "check:run:recorded",
                    subject,
                    NOW,
                    workflow="invoice_matching",
                    actor=person("dana.ruiz@example.com"),
                )
            )
    monkeypatch.setenv("COLUMNS", columns)
    with ops.begin() as connection:
        long = f"declaration:{'a' * 64}"
        Ledger(connection).append(Entry("declare:declaration:loaded", long, NOW, actor="airflow:records.six_hourly"))
    assert f" {long}\n" in audit("log", "-n", "1")[1] or columns == "120"
    _, shown = audit("log", "-n", "2", "--action", "check:*")
    lines = shown.splitlines()
    assert lines[1] == lines[1].rstrip()
    assert lines[1].split() == [subjects[2], "by", "dana.ruiz@example.com"]
    assert max(map(len, lines[:4])) <= 80
    assert subjects[1] in shown
    assert subjects[0] not in shown
    assert re.search(r"Older ones: afterpilot audit log --action 'check:\*' --before \d+$", lines[-1])


@pytest.mark.parametrize("asked", ["Dana Ruiz", "dana.ruiz", "DANA.RUIZ@example.com"])
def test_the_log_finds_a_person_by_each_of_their_names(installed: Path, ops: sa.Engine, asked: str) -> None:
    """One who acted on the pages under a login and in the terminal under a name is asked for once."""
    with ops.begin() as connection:
        for who, subject in (("Dana Ruiz", "run:1"), ("dana.ruiz", "run:2"), ("dana.ruizo", "run:3"), ("Sam", "run:4")):
            Ledger(connection).append(Entry("check:run:recorded", subject, NOW, actor=person(who)))
    assert {row["subject"] for row in json.loads(audit("log", "--actor", asked, "--json")[1])} == {"run:1", "run:2"}


def test_the_log_finds_a_person_by_name_and_days(installed: Path, ops: sa.Engine) -> None:
    """By login or name as the page does; a day that is none is told by its option; CSV is safe for spreadsheets."""
    with ops.begin() as connection:
        for who, subject in (("Dana Ruiz", "run:1"), ("Sam", "=HYPERLINK(1):x")):
            Ledger(connection).append(Entry("check:run:recorded", subject, NOW, actor=person(who)))
    (row,) = json.loads(audit("log", "--actor", "dana  ruiz", "--json")[1])
    assert (row["subject"], row["name"]) == ("run:1", "dana ruiz")
    today = f"{NOW:%Y-%m-%d}"
    assert len(json.loads(audit("log", "--from", today, "--to", today, "--json", "--action", "check:*")[1])) == 2
    assert json.loads(audit("log", "--to", "2020-01-01", "--json")[1]) == []
    header, *rows = csv.reader(io.StringIO(audit("log", "--csv", "--action", "check:run:*")[1]))
    assert [dict(zip(header, one, strict=True))["subject"] for one in rows] == ["'=HYPERLINK(1):x", "run:1"]
    for form in ("--csv", "--json"):
        part = CliRunner().invoke(app, ["audit", "log", form, "--action", "check:*", "-n", "1"])
        assert "Older ones: afterpilot audit log --action 'check:*' --before " in part.stderr, "what is cut says so"
        assert "Older" not in part.stdout
        assert CliRunner().invoke(app, ["audit", "log", form, "--action", "check:*"]).stderr == ""
    for arguments, why in (
        (("--from", "yesterday"), "--from: 'yesterday' is no day such as 2026-11-01"),
        (("--json", "--csv"), "not both"),
    ):
        with pytest.raises(AfterpilotError, match=why):
            audit("log", *arguments)
