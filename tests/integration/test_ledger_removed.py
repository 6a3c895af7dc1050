"""What is gone by retention is told from what was cut off: by entries of the ledger alone, and never before the legal minimum."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from retention_site import OLD, Kept

from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ledger import Entry
from afterpilot.domain.message import Message
from afterpilot.domain.retention import Gone
from afterpilot.pipeline.exporting import Asked, export_bundle
from afterpilot.record import partitions
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.bundle import verifier as bundle_verifier
from afterpilot.record.ledger import heads, sealing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.check import check_ledger
from afterpilot.record.ledger.publishing import put_on_record
from afterpilot.record.ledger.removed import Removed, gone
from afterpilot.record.ledger.signing_keys import SigningKey, make_key

pytestmark = pytest.mark.integration
NEXT = OLD + timedelta(days=31)
MINIMUM = timedelta(days=183)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path / "ledger.pem")


@pytest.fixture
def kept(ops: sa.Engine, ops_owner: sa.Engine, key: SigningKey) -> Kept:
    """Five entries of one month and three of the next, sealed then, of which retention removes the first month."""
    made = Kept(ops)
    _owned(ops_owner, "ledger_identity", "UPDATE ledger_identity SET began_at = :at", at=OLD)
    for at, count in ((OLD, 5), (NEXT, 3)):
        with ops.begin() as connection:
            partitions.ensure(connection, "ledger", [at])
        with ops_owner.begin() as connection:
            for minute in range(count):  # the database dates entries by itself; only its owner can do otherwise
                connection.exec_driver_sql(
                    "INSERT INTO ledger (recorded_at, at, actor, action, subject, workflow, payload, payload_hash) VALUES "
                    f"('{at + timedelta(minutes=minute)}', '{at}', 'cli', 'a:b:c', 'd:e', 'w', '{{}}', sha256('{{}}'))"
                )
    sealing.seal(ops, key)
    _date_back(ops, ops_owner, key, OLD)
    made.days = {"ledger": 400}
    return made


def _date_back(ops: sa.Engine, owner: sa.Engine, key: SigningKey, at: datetime) -> None:
    """Let the only head have been signed and published at another time."""
    with ops.begin() as connection:
        head = heads.last_head(connection)
        assert head is not None
        said = heads.head_statement(
            head.entries, head.root, head.workflows_root, at, heads.ledger_id(connection), key.id
        )
    _owned(
        owner, "ledger_heads", "UPDATE ledger_heads SET at = :at, statement = :said, signature = :signed",
        at=at, said=said, signed=key.sign(said.encode()),
    )  # fmt: skip
    with ops.begin() as connection:
        told = heads.head_at(connection, head.entries)
        assert told is not None
        put_on_record(connection, told, "file:x", "x", at)


def _owned(owner: sa.Engine, table: str, statement: str, **given: object) -> None:
    with owner.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(sa.text(statement), given)


@pytest.fixture
def looking(ops: sa.Engine) -> Iterator[sa.Connection]:
    with ops.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection


def test_a_month_that_retention_removed_leaves_a_ledger_that_verifies(kept: Kept, looking: sa.Connection) -> None:
    assert [one.table for one in kept.run().removed] == ["ledger", "ledger"]
    assert gone(looking).entries == 8
    found = check_ledger(looking)
    assert found.problems == []
    assert found.gone == 8


def test_what_went_beside_a_removed_month_is_missed(kept: Kept, ops_owner: sa.Engine, looking: sa.Connection) -> None:
    """That retention has removed something explains nothing else."""
    kept.hold("w", NEXT - timedelta(days=5))
    kept.run()
    _owned(ops_owner, "ledger", "DELETE FROM ledger WHERE id = 7")
    (problem,) = check_ledger(looking).problems
    assert "(id 7) is not in the ledger any more" in problem


def test_more_than_was_removed_is_missed(kept: Kept, ops_owner: sa.Engine, looking: sa.Connection) -> None:
    """A claim about a span of ids holds for as many entries as it says."""
    kept.hold("w", NEXT - timedelta(days=5))
    kept.run()
    payload = kept.rows("SELECT payload FROM ledger WHERE action = 'retention:partition:dropped'")[0].payload
    assert json.loads(payload)["gone"] == {"entries": 5, "ids": [[1, 5]]}
    claimed = {**json.loads(payload), "gone": {"entries": 5, "ids": [[1, 8]]}}
    with kept.engine.begin() as connection:
        entry = Entry("retention:partition:dropped", "partition:ledger_2020_03", OLD, payload=claimed)
        Ledger(connection).append(entry)
    _owned(ops_owner, "ledger", "DELETE FROM ledger WHERE id = 7")
    assert check_ledger(looking).problems == ["6 entries are not in the ledger any more, and retention has removed 5"]


def test_what_was_sealed_lately_is_never_gone_by_retention(
    kept: Kept, ops_owner: sa.Engine, key: SigningKey, looking: sa.Connection
) -> None:
    kept.run()
    _date_back(kept.engine, ops_owner, key, datetime.now(UTC) - timedelta(days=100))
    assert any("too young for retention" in one for one in check_ledger(looking).problems)


def test_months_that_go_one_after_the_other_are_told_together(kept: Kept, looking: sa.Connection) -> None:
    """The last entry about it tells of all before, which may be gone by then itself."""
    kept.run()
    told = [json.loads(one.payload)["gone"] for one in kept.entries() if one.action == "retention:partition:dropped"]
    assert told == [{"entries": 5, "ids": [[1, 5]]}, {"entries": 8, "ids": [[1, 8]]}]
    assert Gone(3, ((1, 2), (9, 9))).has(9)
    assert not Gone(3, ((1, 2), (9, 9))).has(3)


def _export(connection: sa.Connection, path: Path, since: datetime, until: datetime) -> bundle_verifier.Result:
    done = export_bundle(connection, Asked("w", since, until, "cli:me"), path, record=lambda _: None, at=until)
    return bundle_verifier.verify(path, done.head)


def test_a_bundle_begins_after_the_first_entry_that_is_left_and_is_proven_from_there(
    kept: Kept, looking: sa.Connection, tmp_path: Path
) -> None:
    kept.hold("w", NEXT - timedelta(days=5))
    kept.run()
    found = _export(looking, tmp_path / "bundle.zip", OLD - timedelta(days=9), NEXT + timedelta(days=9))
    assert (found.problems, found.counts["entries"], found.counts["boundary"]) == ([], 2, 1)
    assert found.facts["from"] > f"{NEXT:%Y-%m-%d}"
    with pytest.raises(ConfigurationError, match="was removed by retention"):
        _export(looking, tmp_path / "other.zip", OLD - timedelta(days=9), OLD + timedelta(days=9))


def test_a_bundle_is_not_made_where_entries_are_gone_that_retention_did_not_remove(
    kept: Kept, ops_owner: sa.Engine, looking: sa.Connection, tmp_path: Path
) -> None:
    """A cut beginning is no removed one."""
    _owned(ops_owner, "ledger", "DELETE FROM ledger WHERE id <= 5")
    with pytest.raises(ConfigurationError, match="is not in the ledger any more"):
        _export(looking, tmp_path / "bundle.zip", OLD - timedelta(days=9), NEXT + timedelta(days=9))


def test_a_claim_of_removal_beside_the_ledger_hides_no_key_that_was_put_in(kept: Kept, looking: sa.Connection) -> None:
    """The application may write to ``removals``: what it says there of the ledger is not believed."""
    kept.add(
        "removals", how="dropped", table_name="ledger", month=datetime(2099, 1, 1, tzinfo=UTC), rows=1, actor="cli"
    )
    kept.add("ledger_keys", key_id="0" * 16, public_key=bytes(32))
    assert any("the key 0000000000000000 is not as an entry" in one for one in check_ledger(looking).problems)


# ── Documents ──


def _message(kept: Kept) -> str:
    with kept.engine.begin() as connection:
        message = Message(tone="good", title="The week", summary="s", notification="n")
        OutboxWriter(connection).put(
            message, dedupe_key="1", workflow="invoices", kind="weekly", channel="#ap", report_id=None
        )
    return f"message:{kept.rows('SELECT id FROM outbox')[0].id}"


def test_a_changed_message_is_explained_by_its_own_erasure_alone(
    kept: Kept, ops_owner: sa.Engine, looking: sa.Connection
) -> None:
    """That somebody else was erased later explains nothing."""
    subject = _message(kept)
    kept.add("removals", how="erased", rows=1, actor="cli", subject="person:1")
    _owned(ops_owner, "outbox", 'UPDATE outbox SET message = message || CAST(\'{"title": "Other"}\' AS jsonb)')
    sealing.seal(kept.engine, None)
    assert any("is not as it was" in one for one in check_ledger(looking, everything=True).problems)
    looking.rollback()
    with kept.engine.begin() as connection:
        Ledger(connection).append(Entry("retention:message:erased", subject, OLD, "invoices"))
    assert not any("is not as it was" in one for one in check_ledger(looking, everything=True).problems)


@pytest.mark.parametrize("kind", ["run", "declaration"])
def test_runs_and_declarations_are_never_changed(kept: Kept, looking: sa.Connection, kind: str) -> None:
    subject = f"{kind}:{uuid.UUID(int=1)}"
    with kept.engine.begin() as connection:
        Ledger(connection).append(Entry("retention:message:erased", subject, OLD, "invoices"))
    assert Removed(looking).why(subject, "invoices", OLD, changed=True) == ""


def test_rows_are_gone_by_retention_where_an_entry_says_so_and_they_were_old_enough(
    kept: Kept, looking: sa.Connection
) -> None:
    """What was deleted, or dropped, before the legal minimum was over is not explained by whoever says that it was."""
    now = datetime.now(UTC)

    def said(subject: str, action: str, workflow: str = "_fleet", **payload: str) -> None:
        with kept.engine.begin() as connection:
            Ledger(connection).append(Entry(f"retention:{action}", subject, now, workflow, payload=payload))

    def why(subject: str, at: datetime, workflow: str = "invoices") -> str:
        looking.rollback()
        return Removed(looking).why(subject, workflow, at, changed=False)

    old, young = now - MINIMUM - timedelta(days=40), now - timedelta(days=30)
    kept.add("removals", how="deleted", table_name="outbox", rows=1, actor="cli", before=now)
    assert why("message:1", old) == ""
    said("table:outbox", "rows:deleted", "invoices", before=young.isoformat())
    assert why("message:1", old) == ""
    said("table:outbox", "rows:deleted", "invoices", before=(now - MINIMUM - timedelta(days=1)).isoformat())
    assert why("message:1", old) == "retention"
    assert why("message:1", young) == ""
    assert why("message:1", old, "claims") == ""
    for month in (young, old):
        said(f"partition:runs_{month:%Y_%m}", "partition:dropped")
    assert (why("run:1", young), why("run:1", OLD), why("run:1", old - timedelta(days=62))) == ("", "", "")
    assert why("run:1", now - timedelta(days=250)) == (
        "retention" if old.month == (now - timedelta(days=250)).month else ""
    )
    assert why("declaration:1", old) == ""
