"""What is older than its class is kept goes: months as a whole, older rows in batches; what is needed, held or too young stays."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from retention_site import LATER, NOW, OLD, Kept

from afterpilot.domain.errors import AnswerRefused, ConfigurationError
from afterpilot.domain.ledger import Entry
from afterpilot.domain.retention import CLASSES, LEGAL_MINIMUM
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.record import partitions, tables
from afterpilot.record.alerts.incidents import Incidents
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.retention import expiring
from afterpilot.record.retention.holds import Holds
from afterpilot.record.retention.removals import kept_since
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration


@pytest.fixture
def kept(ops: sa.Engine) -> Kept:
    """The database, as the application has it."""
    return Kept(ops)


def test_a_month_goes_when_all_of_it_is_older_than_its_class_is_kept(kept: Kept) -> None:
    """To the moment: a month's last second has to be that old. Twice is once; each drop is an entry and a row."""
    kept.days = {"records": 400}
    kept.declare("invoices", "400d")
    kept.record("invoices", "a", OLD)
    kept.record("invoices", "b", OLD + timedelta(days=31))
    end = datetime(2020, 4, 1, tzinfo=UTC) + timedelta(days=400)
    assert kept.run(now=end - timedelta(seconds=1)).removed == ()
    assert kept.months("records") == {"records_2020_03", "records_2020_04"}
    (gone,) = kept.run(now=end).removed
    assert (gone.table, gone.month, gone.rows) == ("records", date(2020, 3, 1), 1)
    assert kept.months("records") == {"records_2020_04"}
    assert kept.run(now=end).removed == ()
    (entry,) = kept.entries()
    assert entry[:4] == ("retention:partition:dropped", "partition:records_2020_03", "_fleet", "airflow:retention")
    said = json.loads(entry.payload)
    assert (said["table"], said["month"], said["rows"], said["class"]) == ("records", "2020-03", 1, "records")
    assert said["bytes"] > 0
    with kept.engine.connect() as connection:
        assert kept_since(connection, "records") == datetime(2020, 4, 1, tzinfo=UTC)
        assert kept_since(connection, "usage") is None


def test_a_dry_run_says_the_same_and_does_nothing(kept: Kept) -> None:
    kept.record("invoices", "a", OLD)
    kept.add("silences", by="Dana", reason="x", starts_at=OLD, ends_at=LATER)
    told = [(one.table, one.month, one.rows) for one in kept.run(dry_run=True).removed]
    assert told == [("records", date(2020, 3, 1), 1), ("silences", None, 1)]
    assert kept.months("records") == {"records_2020_03"}
    assert kept.entries() == []
    assert [(one.table, one.month, one.rows) for one in kept.run().removed] == told


def test_records_stay_for_the_workflow_that_keeps_them_longest_and_those_of_others_go_row_by_row(kept: Kept) -> None:
    kept.days = {"records": 400}
    kept.declare("claims", "3000d")
    kept.declare("chats", "30d")
    kept.record("claims", "kept", OLD)
    kept.record("chats", "goes", OLD)
    kept.record("chats", "stays", NOW - timedelta(days=29))
    kept.add("seen_values", workflow="chats", digest=uuid.uuid4(), key="goes")
    kept.add("seen_values", workflow="chats", digest=uuid.uuid4(), key="stays")
    passed = kept.run()
    assert [(one.month, one.why) for one in passed.stays] == [
        (date(2020, 3, 1), "claims keeps its records for 3000 days")
    ]
    assert kept.rows("SELECT key FROM records ORDER BY key") == [("kept",), ("stays",)]
    assert kept.rows("SELECT key FROM seen_values") == [("stays",)]
    actions = [(one.action, one.subject, one.workflow) for one in kept.entries()]
    assert actions == [
        ("retention:rows:deleted", "table:records", "chats"),
        ("retention:rows:deleted", "table:seen_values", "chats"),
    ]


def test_a_folder_that_is_gone_keeps_its_last_rule(kept: Kept) -> None:
    kept.declare("claims", "3000d", present=False)
    kept.record("claims", "a", OLD)
    assert kept.run().removed == ()


def test_what_a_workflow_says_and_nobody_can_read_keeps_its_records_for_good(kept: Kept) -> None:
    kept.declare("claims", "a while")
    kept.record("claims", "a", OLD)
    passed = kept.run()
    assert passed.removed == ()
    assert [one.why for one in passed.stays] == ["claims keeps its records for 36600 days"]
    assert kept.months("records") == {"records_2020_03"}


def test_calls_go_with_their_sums_and_days(kept: Kept) -> None:
    """All three or none: a sum without its calls would be made anew as nothing."""
    with kept.engine.begin() as connection:
        for table in ("usage", "usage_sums"):
            partitions.ensure(connection, table, [OLD])
        connection.execute(sa.insert(tables.usage).values(workflow="w", at=OLD, kind="production", ref="a"))
        sums = {"workflow": "w", "kind": "production", "model": "m", "price_id": 0, "calls": 1}
        tokens = dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), 0)
        connection.execute(sa.insert(tables.usage_sums).values(at=OLD, **sums, **tokens))
        connection.execute(sa.insert(tables.usage_days).values(day=OLD.date(), **sums, **tokens))
        connection.execute(sa.insert(tables.usage_days).values(day=NOW.date(), **sums, **tokens))
    gone = {(one.table, one.rows) for one in kept.run().removed}
    assert gone == {("usage", 1), ("usage_sums", 1), ("usage_days", 1)}
    assert kept.rows("SELECT day FROM usage_days") == [(NOW.date(),)]
    assert kept.months("usage") == kept.months("usage_sums") == set()


@pytest.mark.parametrize("table", ["runs", "findings", "samples", "usage", "usage_sums", "ledger"])
def test_the_database_itself_keeps_logs_for_six_months(kept: Kept, table: str) -> None:
    """Whatever the application asks for, by the database's own clock."""
    with kept.engine.begin() as connection:
        young = connection.scalar(sa.text("SELECT now()")) - timedelta(days=150)
        partitions.ensure(connection, table, [young])
    asked = sa.text("SELECT afterpilot_drop_partition(:table, :day)")
    with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="has to be kept until"):
        connection.execute(asked, {"table": table, "day": young.date()})
    with kept.engine.begin() as connection:
        partitions.ensure(connection, "records", [young])
        assert connection.scalar(asked, {"table": "records", "day": young.date()}) is True


def test_the_database_itself_keeps_rows_of_the_log_for_six_months_while_they_are_open_and_while_they_are_held(
    kept: Kept,
) -> None:
    """Also from the application's own DELETE, and from whoever has turned ordinary triggers off."""
    letter = {"workflow": "w", "kind": "incident", "channel": "#c", "message": {}, "state": "sent"}
    young = kept.rows("SELECT now() - interval '182 days'")[0][0]
    kept.add("outbox", dedupe_key="young", created_at=young, **letter)
    kept.add("outbox", dedupe_key="old", created_at=OLD, **letter)
    kept.add("task_failures", dag_id="d", task_id="t", run_id="r", map_index=0, at=OLD)
    kept.item("waits", OLD, decided=None)

    def refused(statement: str) -> str:
        with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError) as refusal:
            connection.exec_driver_sql(statement)
        return str(refusal.value.orig)

    assert "has to be kept for 183 days from" in refused("DELETE FROM outbox WHERE dedupe_key = 'young'")
    assert "has to be kept for 183 days after its end" in refused("DELETE FROM review_items")
    hold = kept.hold("w")
    assert "is held" in refused("DELETE FROM outbox WHERE dedupe_key = 'old'")
    with kept.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM task_failures")  # of no workflow: a hold of one does not cover it
        Holds(connection).release(str(hold.id), by="Sam", reason="over", at=NOW)
        connection.exec_driver_sql("DELETE FROM outbox WHERE dedupe_key = 'old'")


def test_what_a_row_says_of_its_age_is_not_enough_where_the_ledger_tells_of_it(
    kept: Kept, ops_owner: sa.Engine
) -> None:
    """Entries are dated by the database. An incident is over where its last entry says so; looks at it count for nothing."""
    with kept.engine.begin() as connection:
        incident = Incidents(connection).open(Finding("w", "check", "k", Severity.WARNING, "t"), run_id=None, at=OLD)
        connection.exec_driver_sql(f"UPDATE incidents SET state = 'resolved', resolved_at = '{OLD}'")

    def why() -> str:
        kept.run()
        try:
            with kept.engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM incident_events")
                connection.exec_driver_sql("DELETE FROM incidents")
                connection.rollback()
        except sa.exc.ProgrammingError as error:
            return str(error.orig)
        return ""

    assert f"the ledger tells of incident:{incident.id} less than 183 days ago" in why()
    with kept.engine.begin() as connection:
        partitions.ensure(connection, "ledger", [OLD])
    with rewritten(ops_owner, "ledger") as connection:
        connection.exec_driver_sql(f"UPDATE ledger SET recorded_at = '{OLD}' WHERE subject LIKE 'incident:%%'")
    assert "does not say that it is over" in why()
    with kept.engine.begin() as connection:
        Incidents(connection).resolve(incident, at=OLD)
        Ledger(connection).append(Entry("web:evidence:viewed", f"incident:{incident.id}", NOW, "w"))
    with rewritten(ops_owner, "ledger") as connection:
        connection.exec_driver_sql(f"UPDATE ledger SET recorded_at = '{OLD}' WHERE action LIKE 'alerts:%%'")
    kept.run()
    assert kept.rows("SELECT FROM incidents") == []


def test_a_message_that_the_ledger_tells_of_lately_is_kept_whatever_date_it_was_put_in_with(kept: Kept) -> None:
    letter = {"workflow": "w", "kind": "incident", "channel": "#c", "message": {}, "state": "sent"}
    kept.add("outbox", dedupe_key="old", created_at=OLD, **letter)
    (message,) = kept.rows("SELECT id FROM outbox")[0]
    with kept.engine.begin() as connection:
        Ledger(connection).append(Entry("alerts:message:queued", f"message:{message}", NOW, "w"))
    kept.run()
    with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="the ledger tells of message"):
        connection.exec_driver_sql("DELETE FROM outbox")


def test_what_is_done_anew_is_never_dated_back(kept: Kept) -> None:
    """A review item that is decided on is as old as its opening here, however long ago it was decided at its source."""
    kept.item("k", LATER, decided=LATER)
    with kept.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE review_items SET opened_at = '{OLD}'")
        assert connection.scalar(sa.select(tables.review_items.c.opened_at)) == LATER
        connection.exec_driver_sql(f"UPDATE review_items SET opened_at = now(), decided_at = '{OLD}'")
    with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="has to be kept for 183 days"):
        connection.exec_driver_sql("DELETE FROM review_items")


def test_every_table_of_the_log_keeps_its_rows(kept: Kept) -> None:
    """A new one has a trigger too; an offered case may be erased at once, and events go with their incident."""
    guarded = {name for (name,) in kept.rows(
        "SELECT CAST(tgrelid AS regclass)::text FROM pg_trigger WHERE tgname = 'row_kept' AND tgenabled = 'A'"
    )}  # fmt: skip
    of_the_log = {table for one in CLASSES.values() if one.minimum == LEGAL_MINIMUM for table in one.rows}
    assert guarded == of_the_log - {"case_offers"} | {"incident_events"}


def test_the_newest_run_of_a_stage_stays_for_as_long_as_its_workflow_is_declared(kept: Kept) -> None:
    kept.declare("invoices", "400d")
    kept.declare("retired", "400d", stage="retired")
    for workflow in ("invoices", "retired", "gone"):
        kept.ran(workflow, OLD)
    passed = kept.run()
    assert [one.why for one in passed.stays] == ["the newest run of check of invoices is among it"]
    kept.ran("invoices", LATER)
    removed = kept.run().removed
    assert [(one.table, one.month) for one in removed] == [
        ("runs", date(2020, 3, 1)),
        ("findings", date(2020, 3, 1)),
    ]
    assert kept.months("runs") == {"runs_2021_05"}
    assert len(kept.rows("SELECT FROM run_ids")) == 4, "no run is ever written twice"


def test_what_an_open_incident_a_waiting_output_or_a_baseline_stands_on_stays(kept: Kept) -> None:
    incident, waiting, approved = kept.ran("a", OLD), kept.ran("b", LATER), kept.ran("c", LATER + timedelta(days=40))
    times = {"opened_at": OLD, "last_seen_at": OLD}
    kept.add(
        "incidents", fingerprint="f", workflow="a", stage="check", kind="k", severity="warning", title="t",
        run_id=incident, **times,
    )  # fmt: skip
    kept.item("k", LATER, decided=None, run=waiting)
    kept.record("invoices", "k", LATER)
    kept.add("baselines", workflow="c", run_id=approved, approved_by="Dana", runs=[approved])
    why = {one.why.replace(one.why[13:21], "…") if "incident" in one.why else one.why for one in kept.run().stays}
    assert why == {
        "the incident … is not resolved",
        "an output of invoices waits for a person",
        "evals of c are compared with a run of it",
    }
    with kept.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE incidents SET state = 'resolved', resolved_at = '{OLD}'")
        connection.exec_driver_sql(f"UPDATE review_items SET decided_at = '{LATER}'")
        connection.exec_driver_sql("DELETE FROM baselines")
    assert kept.run().stays == ()
    assert kept.months("runs") == kept.months("records") == set()
    assert kept.rows("SELECT FROM incidents") == kept.rows("SELECT FROM review_items") == []


def test_rows_that_still_wait_stay_and_what_is_over_goes_in_batches(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "BATCH", 2)
    letter = {"workflow": "w", "kind": "incident", "channel": "#c", "message": {}, "created_at": OLD}
    for number in range(5):
        kept.add("outbox", dedupe_key=f"sent{number}", state="sent", **letter)
    kept.add("outbox", dedupe_key="pending", state="pending", **letter)
    kept.add("outbox", dedupe_key="digest", state="digest", **letter)
    kept.add("silences", by="Dana", reason="x", starts_at=OLD, ends_at=LATER)
    kept.add("silences", by="Dana", reason="x", starts_at=OLD, ends_at=NOW)
    gone = [(one.table, one.rows) for one in kept.run().removed]
    assert gone == [("outbox", 2), ("outbox", 2), ("outbox", 1), ("silences", 1)]
    assert kept.rows("SELECT dedupe_key FROM outbox ORDER BY 1") == [("digest",), ("pending",)]
    assert [one.rows for one in kept.rows("SELECT rows FROM removals ORDER BY id")] == [2, 2, 1, 1]


def test_a_decision_stays_for_as_long_as_its_record(kept: Kept) -> None:
    """Without it the gate would decide on the record once more."""
    kept.declare("invoices", "3000d")
    kept.record("invoices", "kept", OLD)
    for key in ("kept", "gone"):
        with kept.engine.begin() as connection:
            connection.execute(
                sa.insert(tables.gate_decisions).values(
                    workflow="invoices",
                    key=key,
                    at=OLD,
                    released=True,
                    reason="passed",
                    decided_at=OLD,
                    run_id=uuid.uuid4(),
                )
            )
    kept.run()
    assert kept.rows("SELECT key FROM gate_decisions") == [("kept",)]


def test_a_hold_keeps_months_and_rows_until_it_is_released(kept: Kept) -> None:
    """Also from whoever asks the database directly; it names who set it by pseudonym alone."""
    kept.record("invoices", "a", OLD)
    kept.record("other", "b", LATER)
    kept.add(
        "outbox",
        dedupe_key="m",
        workflow="invoices",
        kind="weekly",
        channel="#c",
        message={},
        state="sent",
        created_at=OLD,
    )
    hold = kept.hold("invoices")
    passed = kept.run()
    assert [one.table for one in passed.removed] == ["records"], "the month of the other workflow alone"
    assert [one.why for one in passed.stays] == [f"is held: hold {str(hold.id)[:8]} of invoices"]
    assert len(kept.rows("SELECT FROM outbox")) == 1
    drop = sa.text("SELECT afterpilot_drop_partition('records', '2020-03-01')")
    with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError, match="is held: hold"):
        connection.execute(drop)
    with kept.engine.begin() as connection:
        released, changed = Holds(connection).release(str(hold.id)[:8], by="Sam", reason="the claim is settled", at=NOW)
        assert (released.ended_by, changed) == ("Sam", True)
        assert Holds(connection).release(str(hold.id), by="Sam", reason="again", at=NOW)[1] is False
        with pytest.raises(AnswerRefused, match="no hold has the id"):
            Holds(connection).release("00000000", by="Sam", reason="x", at=NOW)
    assert {one.table for one in kept.run().removed} == {"records", "outbox"}
    said = [one for one in kept.entries() if one.action.startswith("retention:hold")]
    assert [one.action for one in said] == ["retention:hold:set", "retention:hold:released"]
    assert all(one.actor.startswith("person:") and "court" not in one.payload for one in said)


def test_a_hold_over_some_time_keeps_the_months_that_it_touches(kept: Kept) -> None:
    for day in (OLD, LATER):
        kept.record("invoices", f"{day:%Y}", day)
    kept.hold("", OLD + timedelta(days=21), OLD + timedelta(days=22))
    kept.run()
    assert kept.months("records") == {"records_2020_03"}


def test_a_hold_is_not_changed_and_not_deleted(kept: Kept) -> None:
    kept.hold("invoices")
    for statement in (
        "UPDATE holds SET workflow = 'other'",
        "UPDATE holds SET to_at = now()",
        "DELETE FROM holds",
        "TRUNCATE holds",
    ):
        with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError):
            connection.exec_driver_sql(statement)


def test_what_was_removed_cannot_be_denied(kept: Kept) -> None:
    kept.record("invoices", "a", OLD)
    kept.run()
    for statement in ("UPDATE removals SET rows = 0", "DELETE FROM removals", "TRUNCATE removals"):
        with kept.engine.begin() as connection, pytest.raises(sa.exc.ProgrammingError):
            connection.exec_driver_sql(statement)


def test_nothing_is_removed_while_the_fleet_cannot_be_read(kept: Kept) -> None:
    kept.record("invoices", "a", OLD)
    with pytest.raises(ConfigurationError, match="nothing is removed"):
        kept.run(whole=False)
    assert kept.months("records") == {"records_2020_03"}


def test_entries_go_only_below_a_signed_and_published_head(kept: Kept, ops_owner: sa.Engine) -> None:
    """And never unless somebody says so; leaves and heads stay, by which later ones are proven."""
    with kept.engine.begin() as connection:
        partitions.ensure(connection, "ledger", [OLD])
    with ops_owner.begin() as connection:
        for _ in range(2):  # the database dates entries by itself; only its owner can do otherwise
            connection.exec_driver_sql(
                "INSERT INTO ledger (recorded_at, at, actor, action, subject, workflow, payload, payload_hash) "
                f"VALUES ('{OLD}', '{OLD}', 'cli', 'a:b:c', 'd:e', 'w', '{{}}', '')"
            )
    (first,), (second,) = kept.rows("SELECT id FROM ledger ORDER BY id")
    assert kept.run().stays == (), "for good"
    kept.days = {"ledger": 400}
    why = "has entries that no signed and published head covers"

    def leaf(index: int, entry: int) -> None:
        kept.add("ledger_leaves", leaf_index=index, entry_id=entry, workflow="w", number=index + 1, leaf_hash=b"x")

    def head(entries: int, signature: bytes | None) -> None:
        statement = "INSERT INTO ledger_heads VALUES (:e, '', '', now(), 's', 'k', :s, pg_current_xact_id(), 'c')"
        with kept.engine.begin() as connection:
            connection.execute(sa.text(statement), {"e": entries, "s": signature})

    assert [one.why for one in kept.run().stays] == [why], "not sealed"
    leaf(0, first)
    head(1, b"x")
    kept.add("ledger_publications", entries=1, place="file:x")
    assert [one.why for one in kept.run().stays] == [why], "one of them is not sealed"
    leaf(1, second)
    assert [one.why for one in kept.run().stays] == [why], "not under a head"
    head(2, None)
    kept.add("ledger_publications", entries=2, place="file:x")
    assert [one.why for one in kept.run().stays] == [why], "not signed"
    leaf(2, 10**9)
    head(3, b"x")
    assert [one.why for one in kept.run().stays] == [why], "not published"
    kept.add("ledger_publications", entries=3, place="file:x")
    assert [(one.table, one.rows) for one in kept.run().removed] == [("ledger", 2)]
    assert kept.rows("SELECT FROM ledger WHERE workflow = 'w'") == []
    assert len(kept.rows("SELECT FROM ledger_leaves")) == 3


def test_only_one_pass_at_a_time(kept: Kept) -> None:
    kept.record("invoices", "a", OLD)
    with kept.engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(hashtext('afterpilot retention'))"))
        assert kept.run().busy
        connection.execute(sa.text("SELECT pg_advisory_unlock(hashtext('afterpilot retention'))"))
    assert len(kept.run().removed) == 1


def test_a_month_that_somebody_reads_is_left_for_the_next_pass(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterpilot.record.months._LOCK_WAIT", "100ms")
    kept.record("invoices", "a", OLD)
    with kept.engine.begin() as connection:
        connection.execute(sa.select(tables.records)).all()
        assert [one.why for one in kept.run().stays] == ["somebody is reading it just now; the next pass tries again"]
    assert len(kept.run().removed) == 1
