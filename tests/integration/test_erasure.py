"""Somebody who is erased is gone for good: the key of what the ledger seals, their name everywhere else; proofs hold, acts stay."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from retention_site import NOW, OLD, Kept
from sqlalchemy.dialects.postgresql import JSONB

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.ledger import Entry, Personal, output, output_subject, person
from afterpilot.domain.personal_places import LEFT, NO_NAMES, PLACES
from afterpilot.domain.retention import Hold
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.pipeline.erasing import (
    erase_outputs,
    erase_person,
    erasures,
    preview_outputs,
    preview_person,
    read_list,
    reapply,
)
from afterpilot.record import tables
from afterpilot.record.ledger import states as ledger_states
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.personal import opened
from afterpilot.record.ops import Ops
from afterpilot.record.retention.holds import Holds

pytestmark = pytest.mark.integration
DANA, SAM = "Dana Ruiz", "Sam Whitfield"
WHY: Mapping[str, Any] = {"by": SAM, "reason": "ticket 811", "at": NOW}


@pytest.fixture
def kept(ops: sa.Engine) -> Kept:
    """The database, as the application has it."""
    return Kept(ops)


@pytest.fixture
def acted(kept: Kept) -> Kept:
    """Dana has decided, waived and written; some speak of her, and somebody has a name like hers."""
    kept.add("silences", by="dana  ruiz ", reason="Dana Ruiz asked", starts_at=OLD, ends_at=NOW)
    kept.add("silences", by="Dana Ruizova", reason="not Dana  Ruizova's", starts_at=OLD, ends_at=NOW)
    kept.add(
        "human_decisions",
        workflow="invoices",
        key="k",
        decided_at=OLD,
        decision="corrected",
        decided_by=DANA,
        note="ask DANA RUIZ.",
        corrected={"clerk": 'line\nDana Ruiz, "DR"', "n": 1},
    )
    kept.add("case_offers", workflow="invoices", key="k", decided_at=OLD, case={}, digest="d", decided_by=DANA)
    kept.add(
        "outbox", dedupe_key="m", workflow="invoices", kind="incident", channel="#c", message={"text": "Hi Dana Ruiz"}
    )
    with kept.engine.begin() as connection:
        entry = Entry("review:decision:made", "output:1", OLD, "invoices", person(DANA), {"note": Personal("call Ann")})
        Ledger(connection).append(entry)
    return kept


def test_every_text_column_has_been_considered() -> None:
    """A new one says whether names may stand in it."""
    known = {(one.table, one.column) for one in PLACES}
    known |= {(table, column) for table, columns in NO_NAMES.items() for column in columns.split()}
    kinds = (sa.Text, JSONB, sa.ARRAY, sa.LargeBinary)
    there = {
        (table.name, column.name)
        for table in tables.metadata.tables.values()
        if table.name not in LEFT
        for column in table.columns
        if isinstance(column.type, kinds)
    }
    assert there - known == set()
    assert known - there == set(), "there is no such column any more"


def test_the_name_is_gone_everywhere_and_nobody_else_is_touched(acted: Kept) -> None:
    ops = Ops(acted.engine)
    found = preview_person(ops, [DANA])
    expected = {
        "silences.by": 1,
        "silences.reason": 1,
        "human_decisions.decided_by": 1,
        "human_decisions.note": 1,
        "human_decisions.corrected": 1,
        "case_offers.decided_by": 1,
        "outbox.message": 1,
    }
    assert found.counts == expected
    assert list(found.pseudonyms) == ["dana ruiz"]
    erased = erase_person(ops, [DANA], **WHY)
    assert erased.counts == expected
    label = f"erased person {erased.pseudonyms[0].partition(':')[2][:8]}"
    assert acted.rows(
        "SELECT by, reason FROM silences ORDER BY id = (SELECT id FROM silences WHERE by LIKE 'Dana%')"
    ) == [
        (label, f"{label} asked"),
        ("Dana Ruizova", "not Dana  Ruizova's"),
    ]
    (decision,) = acted.rows("SELECT decided_by, note, corrected FROM human_decisions")
    assert decision == (label, f"ask {label}.", {"clerk": f'line\n{label}, "DR"', "n": 1})
    assert acted.rows("SELECT message FROM outbox") == [({"text": f"Hi {label}"},)]
    assert preview_person(ops, [DANA]).counts == {}


def test_what_the_ledger_sealed_cannot_be_opened_and_has_not_changed(acted: Kept) -> None:
    """Its payload and hash are the same; the key is gone from the table and is no other's; whoever acts again is somebody new."""
    before = acted.rows("SELECT id, actor, payload, payload_hash FROM ledger WHERE action LIKE 'review%'")
    (key,) = acted.rows("SELECT key FROM subjects WHERE name = 'dana ruiz'")
    box = json.loads(before[0].payload)["note"]["$sealed"]
    assert opened(box, key[0]) == b'"call Ann"'
    (pseudonym,) = erase_person(Ops(acted.engine), [DANA], **WHY).pseudonyms
    assert acted.rows("SELECT id, actor, payload, payload_hash FROM ledger WHERE action LIKE 'review%'") == before
    assert hashlib.sha256(before[0].payload.encode()).digest() == before[0].payload_hash
    (subject,) = acted.rows(f"SELECT name, digest, key, erased_at FROM subjects WHERE id = '{pseudonym[7:]}'")
    assert subject[:3] == (None, None, None)
    assert subject.erased_at is not None
    for (other,) in acted.rows("SELECT key FROM subjects WHERE key IS NOT NULL"):
        with pytest.raises(ValueError, match="not sealed under this key"):
            opened(box, other)
    with acted.engine.begin() as connection:
        Ledger(connection).append(Entry("alerts:silence:set", "silence:1", NOW, "invoices", person(DANA)))
    (newest,) = acted.rows("SELECT actor FROM ledger ORDER BY id DESC LIMIT 1")
    assert newest.actor.startswith("person:")
    assert newest.actor != pseudonym


def test_the_entry_names_nobody_and_each_message_that_was_changed_has_one(acted: Kept) -> None:
    (pseudonym,) = erase_person(Ops(acted.engine), [DANA], **WHY).pseudonyms
    entries = [one for one in acted.entries() if one.action.startswith("retention:")]
    assert [(one.action, one.subject.split(":")[0]) for one in entries] == [
        ("retention:person:erased", "person"),
        ("retention:message:erased", "message"),
    ]
    assert entries[0].subject == pseudonym
    payload = json.loads(entries[0].payload)
    assert payload["counts"]["silences.by"] == 1
    named = re.compile(
        r"(?<![\w+/=-])(dana|ruiz|811|sam)(?![\w+/=-])", re.IGNORECASE
    )  # sealed bytes may hold any letters
    assert not any(named.search(one.payload) for one in entries)
    assert named.search(json.dumps({"reason": "ticket 811", "by": "Dana Ruiz"}))
    (row,) = acted.rows("SELECT how, subject, rows, actor FROM removals")
    assert (row.how, row.subject, row.rows) == ("erased", pseudonym, 7)
    assert row.actor.startswith("person:")


def test_several_spellings_are_one_person_and_others_are_pointed_out(acted: Kept) -> None:
    acted.add("silences", by="dana.ruiz@example.com", reason="x", starts_at=OLD, ends_at=NOW)
    ops = Ops(acted.engine)
    assert preview_person(ops, [DANA]).others == {"dana.ruiz@example.com": 1}
    erased = erase_person(ops, [DANA, "dana.ruiz@example.com", "U07DANA"], **WHY)
    assert len(erased.pseudonyms) == 3
    labels = {by for (by,) in acted.rows("SELECT by FROM silences") if by.startswith("erased")}
    assert len(labels) == 1


def test_a_hold_refuses_also_whoever_asks_the_database(acted: Kept) -> None:
    ops, hold = Ops(acted.engine), acted.hold("invoices")
    assert preview_person(ops, [DANA]).held == (f"hold {str(hold.id)[:8]} of invoices",)
    with pytest.raises(AnswerRefused, match="while it is held"):
        erase_person(ops, [DANA], **WHY)
    shred = "UPDATE subjects SET key = NULL, name = NULL, digest = NULL, erased_at = now() WHERE name = 'dana ruiz'"
    with acted.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="is held"):
        connection.exec_driver_sql(shred)
    assert erase_person(ops, ["Nobody Known"], **WHY).counts == {}, "of whom nothing is held"
    with acted.engine.begin() as connection:
        Holds(connection).release(str(hold.id), by=SAM, reason="over", at=NOW)
    assert erase_person(ops, ["Dana Ruiz"], **WHY).counts


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM subjects",
        "TRUNCATE subjects",
        "UPDATE subjects SET name = 'somebody else'",
        "UPDATE subjects SET key = decode('00', 'hex')",
        "UPDATE subjects SET key = NULL, erased_at = now()",
    ],
)
def test_a_subject_is_erased_as_a_whole_or_left(acted: Kept, statement: str) -> None:
    with acted.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError):
        connection.exec_driver_sql(statement)


def test_nobody_erases_themselves_and_a_single_letter_is_no_name(acted: Kept) -> None:
    with pytest.raises(AnswerRefused, match="cannot be the one who erases"):
        erase_person(Ops(acted.engine), ["DANA ruiz"], by=DANA, reason="x", at=NOW)
    with pytest.raises(AnswerRefused, match="too short"):
        preview_person(Ops(acted.engine), ["d"])


def test_what_is_longer_than_any_name_is_none(kept: Kept) -> None:
    """It would be looked for in every text for minutes."""
    with pytest.raises(AnswerRefused, match="too long for a name"):
        erase_person(Ops(kept.engine), ["a" * 100_000], **WHY)


def test_several_who_erase_at_once_wait_for_one_another(acted: Kept) -> None:
    """Each destroys the key of somebody who has set a hold, and takes the name out of it."""
    with acted.engine.begin() as connection:
        held = Holds(connection)
        for name in ("Ann Lee", "Bo Mills", "Cy Nash"):
            hold = Hold(uuid.uuid4(), "other", None, None, f"{name} asked", name, OLD)
            held.add(hold)
            held.release(str(hold.id), by=name, reason="over", at=NOW)
    with ThreadPoolExecutor(3) as pool:
        done = list(
            pool.map(lambda name: erase_person(Ops(acted.engine), [name], **WHY), ("Ann Lee", "Bo Mills", "Cy Nash"))
        )
    assert all(one.counts["holds.set_by"] == 1 for one in done)


def test_a_name_with_signs_is_taken_literally(kept: Kept) -> None:
    """No sign of a name is one of the pattern's."""
    for by in (r"d.r*(x)[a]\q", "dxr"):
        kept.add("silences", by="x", reason=f"by {by}, today", starts_at=OLD, ends_at=NOW)
    assert erase_person(Ops(kept.engine), [r"d.r*(x)[a]\q"], **WHY).counts == {"silences.reason": 1}
    assert kept.rows("SELECT FROM silences WHERE reason = 'by dxr, today'")


def test_who_comes_back_with_a_restored_dump_is_erased_again(acted: Kept, ops_owner: sa.Engine) -> None:
    """From the entries that are there, and from a list kept beside the backups where the dump is older than they are."""
    ops = Ops(acted.engine)
    (before,) = acted.rows("SELECT * FROM subjects WHERE name = 'dana ruiz'")
    (pseudonym,) = erase_person(ops, [DANA], **WHY).pseudonyms
    assert reapply(ops, actor="cli", at=NOW) == []
    _restore(ops_owner, before)
    hold = acted.hold("")
    assert reapply(ops, actor="cli", at=NOW) == [], "what is held by now stays"
    with acted.engine.begin() as connection:
        Holds(connection).release(str(hold.id), by=SAM, reason="over", at=NOW)
    (again,) = reapply(ops, actor="cli", at=NOW)
    assert again.pseudonyms == (pseudonym,)
    assert acted.rows("SELECT FROM subjects WHERE name = 'dana ruiz'") == []
    assert "Dana Ruiz" not in {by for (by,) in acted.rows("SELECT by FROM silences")}
    assert reapply(ops, actor="cli", at=NOW) == [], "once is enough"


def test_a_list_beside_the_backups_tells_an_older_dump_what_to_erase(acted: Kept) -> None:
    (row,) = acted.rows("SELECT id FROM subjects WHERE name = 'dana ruiz'")
    listed = read_list([json.dumps({"subject": f"person:{row.id}", "workflow": "", "at": "x"}), ""])
    (again,) = reapply(Ops(acted.engine), actor="cli", at=NOW, also=listed)
    assert again.pseudonyms == (f"person:{row.id}",)
    assert [one["subject"] for one in erasures(Ops(acted.engine))] == [f"person:{row.id}"]
    with pytest.raises(AnswerRefused, match="line 1"):
        read_list(["dana"])


def test_an_output_is_erased_and_its_key_and_decision_stay(kept: Kept) -> None:
    ops = Ops(kept.engine)
    for key in ("k", "other"):
        kept.record("invoices", key, OLD)
        kept.item(key, OLD, decided=OLD)
        kept.add("seen_values", workflow="invoices", digest=uuid.uuid4(), key=key)
        kept.add(
            "human_decisions",
            workflow="invoices",
            key=key,
            decided_at=OLD,
            decision="corrected",
            corrected={"name": "Ann"},
        )
    with kept.engine.begin() as connection:
        connection.exec_driver_sql(
            'UPDATE review_items SET discrepancies = \'[{"check": "c", "said": "Ann", "text": "Ann"}]\''
        )
        sealed = Personal({"name": "Ann"}, output("invoices", "k"))
        Ledger(connection).append(
            Entry("review:decision:made", "output:1", OLD, "invoices", payload={"corrected": sealed})
        )
    expected = {
        "records.data": 1,
        "seen_values": 1,
        "review_items.discrepancies": 1,
        "human_decisions.corrected": 1,
    }
    assert preview_outputs(ops, "invoices", ["k"]).counts == expected
    erased = erase_outputs(ops, "invoices", ["k"], **WHY)
    assert (erased.counts, erased.pseudonyms) == (expected, (output_subject("invoices", "k"),))
    assert kept.rows("SELECT key FROM records") == [("other",)]
    (item,) = kept.rows("SELECT discrepancies FROM review_items WHERE key = 'k'")
    assert item.discrepancies == [{"check": "c", "said": "erased", "expected": "erased", "text": "erased"}]
    assert kept.rows("SELECT decision, corrected FROM human_decisions WHERE key = 'k'") == [("corrected", {})]
    assert kept.rows("SELECT FROM subjects WHERE kind = 'output' AND key IS NOT NULL") == []
    assert "k" not in json.loads(kept.entries()[-1].payload)


@pytest.fixture
def quoted(kept: Kept) -> Kept:
    """An output of Ann Sørensen's, and texts that quote it: an incident, its note, a message, a report, a run; others say alike."""
    said = {
        "name": "Ann Sørensen",
        "currency": "EUR",
        "amount": 48213.55,
        "items": 3,
        "state": "late",
        "due": "2021-06-01",
        "letter": "Dear Sir, I write to you about the bill that I have paid twice, first in May and then again in June",
    }
    kept.record("invoices", "k", OLD)
    kept.record("invoices", "other", OLD)
    with kept.engine.begin() as connection:
        connection.execute(sa.update(tables.records).where(tables.records.c.key == "k").values(data=said))
        connection.execute(
            sa.update(tables.records).where(tables.records.c.key == "other").values(data={"currency": "EUR"})
        )
    incident = uuid.uuid4()
    kept.add(
        "incidents", id=incident, fingerprint="f", workflow="invoices", stage="check", kind="quality.x", severity="warning",
        title="the name is Ann  Sørensen, 48213.55 EUR", detail="k: Annette Sørensen is late", opened_at=OLD, last_seen_at=OLD,
    )  # fmt: skip
    kept.add("incident_events", incident_id=incident, at=OLD, what="acknowledged", note="I call Ann Sørensen.")
    for workflow in ("invoices", "_fleet", "letters"):
        message = {
            "title": 'of "Ann Sørensen": Dear Sir, I write to you about the bill that I have paid twice, fir…',
            "n": 3,
        }
        kept.add("outbox", dedupe_key=workflow, workflow=workflow, kind="incident", channel="#c", message=message)
    entry = Entry("alerts:incident:opened", f"incident:{incident}", OLD, "invoices", payload={"title": "Ann Sørensen"})
    with kept.engine.begin() as connection:
        Ledger(connection).append(entry)
    run = kept.ran("invoices", OLD)
    kept.add(
        "findings", run_id=run, fingerprint="f", workflow="invoices", stage="check", kind="k", severity="warning",
        title="Ann Sørensen", at=OLD,
    )  # fmt: skip
    return kept


def test_what_quotes_an_erased_output_quotes_it_no_more(quoted: Kept) -> None:
    """Whole, cut off and in JSON; a longer name and another workflow's message are left, and so is what others say too."""
    ops = Ops(quoted.engine)
    there = {"incident_events.note": 1, "incidents.title": 1, "outbox.message": 2}
    preview = preview_outputs(ops, "invoices", ["k"])
    assert preview.counts == {"records.data": 1, **there}
    erased = erase_outputs(ops, "invoices", ["k"], **WHY)
    assert erased.counts == preview.counts
    label = f"erased output {output_subject('invoices', 'k')[7:15]}"
    assert quoted.rows("SELECT title, detail FROM incidents") == [
        (f"the name is {label}, {label} EUR", "k: Annette Sørensen is late")
    ]
    assert quoted.rows("SELECT note FROM incident_events") == [(f"I call {label}.",)]
    told = dict(quoted.rows("SELECT workflow, message FROM outbox"))
    assert told["invoices"] == told["_fleet"] == {"title": f'of "{label}": {label}', "n": 3}
    assert "Ann Sørensen" in told["letters"]["title"]
    again = preview_outputs(ops, "invoices", ["k"])
    assert (again.counts, again.staying) == ({}, {}), "nothing of it is known any more"


def test_what_was_not_masked_is_said(quoted: Kept) -> None:
    """Runs and findings stay as they are and are counted; values that were not looked for are counted by the reason."""
    ops = Ops(quoted.engine)
    preview = preview_outputs(ops, "invoices", ["k"])
    erased = erase_outputs(ops, "invoices", ["k"], **WHY)
    assert erased.staying == preview.staying == {"findings.title": 1, "ledger.payload": 1}
    assert (
        erased.not_sought
        == preview.not_sought
        == {
            "are plain words or too short": 1,
            "are short numbers": 1,
            "are times": 1,
            "stand in other outputs too": 1,
        }
    )
    assert quoted.rows("SELECT title FROM findings") == [("Ann Sørensen",)]


def test_each_message_that_quoted_an_output_has_an_entry(quoted: Kept) -> None:
    """It is no longer what the ledger vouches for, and the entry says by the output's digest why."""
    subject = output_subject("invoices", "k")
    erase_outputs(Ops(quoted.engine), "invoices", ["k"], **WHY)
    changed = quoted.rows("SELECT id FROM outbox WHERE workflow <> 'letters' ORDER BY id")
    entries = [one for one in quoted.entries() if one.action == "retention:message:erased"]
    assert sorted(one.subject for one in entries) == sorted(f"message:{row.id}" for row in changed)
    assert {json.loads(one.payload)["erased"] for one in entries} == {subject}
    assert not any("Sørensen" in one.payload for one in quoted.entries() if one.action.startswith("retention:"))


def test_what_several_erased_outputs_share_goes_too(quoted: Kept) -> None:
    """Only outputs that stay keep a value in texts."""
    quoted.record("invoices", "second", OLD)
    with quoted.engine.begin() as connection:
        connection.execute(
            sa.update(tables.records).where(tables.records.c.key == "second").values(data={"name": "Ann Sørensen"})
        )
    ops = Ops(quoted.engine)
    assert "incident_events.note" not in preview_outputs(ops, "invoices", ["k"]).counts
    assert erase_outputs(ops, "invoices", ["k", "second"], **WHY).counts["incident_events.note"] == 1


def test_an_output_that_its_source_still_holds_goes_again(kept: Kept) -> None:
    ops = Ops(kept.engine)
    kept.record("invoices", "k", OLD)
    erase_outputs(ops, "invoices", ["k"], **WHY)
    kept.record("invoices", "k", OLD)
    kept.record("invoices", "other", OLD)
    hold = kept.hold("invoices")
    assert reapply(ops, actor="cli", at=NOW) == [], "what is held by now stays"
    with kept.engine.begin() as connection:
        Holds(connection).release(str(hold.id), by=SAM, reason="over", at=NOW)
    assert [one.pseudonyms for one in reapply(ops, actor="cli", at=NOW)] == [(output_subject("invoices", "k"),)]
    assert kept.rows("SELECT key FROM records") == [("other",)]
    assert reapply(ops, actor="cli", at=NOW) == []


def test_an_output_that_still_waits_or_is_held_is_not_erased(kept: Kept) -> None:
    ops = Ops(kept.engine)
    kept.record("invoices", "k", OLD)
    kept.item("k", OLD, decided=None)
    with pytest.raises(AnswerRefused, match="still waits"):
        erase_outputs(ops, "invoices", ["k"], **WHY)
    kept.hold("invoices", OLD)
    with pytest.raises(AnswerRefused, match="while it is held"):
        erase_outputs(ops, "invoices", ["k"], **WHY)
    assert kept.rows("SELECT key FROM records") == [("k",)]


def _restore(owner: sa.Engine, before: Any) -> None:
    """As a dump of before the erasure would bring it back: the key with its name, and the name elsewhere."""
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE subjects DISABLE TRIGGER USER")
        given = {"key": before.key, "name": before.name, "digest": before.digest, "erased_at": None}
        connection.execute(sa.update(tables.subjects).where(tables.subjects.c.id == before.id).values(**given))
        connection.execute(
            sa.update(tables.silences).where(tables.silences.c.by.startswith("erased")).values(by="Dana Ruiz")
        )
        connection.exec_driver_sql("ALTER TABLE subjects ENABLE ALWAYS TRIGGER subject_erased")


def test_an_address_that_mails_went_to_is_gone_and_so_is_a_name_whose_blank_does_not_break(kept: Kept) -> None:
    """Mails to an owner stand under the address; two spellings of it do not get into each other's way."""
    for address in ("dana.ruiz@example.com", "dana@example.com"):
        kept.add("lanes", target="mail", channel=address, free_at=NOW)
        kept.add(
            "outbox",
            dedupe_key=f"incident/1/mail/{address}",
            workflow="invoices",
            kind="incident",
            channel=address,
            message={},
        )
    kept.add("silences", by="Lee", reason="ring Dana\u00a0Ruiz", starts_at=OLD, ends_at=NOW)
    erased = erase_person(Ops(kept.engine), ["Dana Ruiz", "dana.ruiz@example.com", "dana@example.com"], **WHY)
    label = f"erased person {erased.pseudonyms[0].partition(':')[2][:8]}"
    assert {row.channel for row in kept.rows("SELECT channel FROM outbox")} == {label}
    assert kept.rows("SELECT * FROM outbox WHERE dedupe_key LIKE '%dana%'") == []
    assert kept.rows("SELECT channel FROM lanes") == []
    assert kept.rows("SELECT reason FROM silences") == [(f"ring {label}",)]
    told = [row.subject for row in kept.entries() if row.action == "retention:message:erased"]
    assert sorted(told) == sorted(f"message:{row.id}" for row in kept.rows("SELECT id FROM outbox"))


def test_what_gave_way_to_an_erasure_is_no_change_to_verification(kept: Kept) -> None:
    """The title of an incident is still held against its entry: with the label where the erased output's value stood it fits, else not."""
    kept.record("invoices", "k", OLD)
    ops = Ops(kept.engine)
    with ops.begin() as unit:
        quoting = Finding("invoices", "check", "quality.x", Severity.WARNING, "the name is Ann, which is none of a, b")
        unit.incidents.open(quoting, run_id=None, at=OLD)
    assert erase_outputs(ops, "invoices", ["k"], **WHY).counts["incidents.title"] == 1
    with kept.engine.connect() as connection:
        assert [one for one in ledger_states.look(connection).problems if "incident" in one] == []
    with kept.engine.begin() as connection:
        connection.execute(sa.update(tables.incidents).values(title="the name is somebody, which is none of a, b"))
    with kept.engine.connect() as connection:
        assert any("incident" in one for one in ledger_states.look(connection).problems)
