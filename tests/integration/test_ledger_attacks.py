"""What somebody who can write to the database does behind the ledger's back, with the application's role or the owner's, is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import Site, perfect
from test_ledger_path import site as later_site
from test_ledger_path import whole

from afterpilot.domain.errors import LedgerBroken
from afterpilot.domain.ledger import Entry, person
from afterpilot.pipeline.erasing import erase_person
from afterpilot.record import heads, sealing
from afterpilot.record.ledger import Ledger
from afterpilot.record.ledger_check import Checked, check_ledger
from afterpilot.record.ops import Ops
from afterpilot.record.publishing import put_on_record
from afterpilot.record.signing_keys import SigningKey, make_key
from doubles.model import ModelDouble

pytestmark = pytest.mark.integration
site = later_site
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
_RUN = (
    "INSERT INTO runs (id, workflow, stage, verdict, window_start, window_end, started_at, finished_at) "
    "SELECT gen_random_uuid(), 'w', 'check', 'PASS', now(), now(), now(), {} FROM ledger_identity"
)
_ERASURE = "INSERT INTO removals (how, rows, subject, actor) VALUES ('erased', 1, 'person:x', 'cli')"
_ALONE = (
    "ledger_heads",
    "ledger_publications",
    "ledger_identity",
    "runs",
    "declarations",
    "removals",
    "subjects",
)


@pytest.fixture
def model() -> Iterator[ModelDouble]:
    with ModelDouble(perfect) as double:
        yield double


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path / "attacked.pem")


@pytest.fixture
def sealed(site: Site, key: SigningKey) -> sa.Engine:
    """The whole path, sealed, with one head published; it verifies."""
    whole(site)
    sealing.seal(site.ops, key, batch=20)
    with site.ops.begin() as connection:
        head = heads.last_head(connection)
        assert head is not None
        put_on_record(connection, head, "file:///mnt/audit", "x", head.at)
    sealing.seal(site.ops, key)
    assert (checked(site.ops).exit_code, checked(site.ops).problems) == (0, [])
    engine: sa.Engine = site.ops
    return engine


def checked(engine: sa.Engine) -> Checked:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return check_ledger(connection, everything=True)


def owner_of(engine: sa.Engine) -> sa.Engine:
    return sa.create_engine(engine.url.set(username="afterpilot_owner"))


def _as_owner(engine: sa.Engine, *statements: str) -> None:
    owner = owner_of(engine)
    with owner.begin() as connection:
        for table in _ALONE:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount
    owner.dispose()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE human_decisions SET decision = 'accepted' WHERE origin = 'review'", "another decision"),
        ("UPDATE human_decisions SET minutes = 99 WHERE origin = 'review'", "another minutes"),
        ("UPDATE human_decisions SET corrected = '{}' WHERE origin = 'review'", "another corrected"),
        ("UPDATE human_decisions SET note = '' WHERE origin = 'review'", "another note"),
        ("UPDATE human_decisions SET note = 'erased person 1a2b3c4d agreed' WHERE origin = 'review'", "another note"),
        ("UPDATE human_decisions SET decided_by = 'eve' WHERE origin = 'review'", "another name"),
        ("UPDATE incident_events SET note = 'all is well' WHERE what = 'waived'", "another note"),
        ("UPDATE incident_events SET actor = 'eve' WHERE what = 'acknowledged'", "another name"),
        ("UPDATE baselines SET approved_by = 'eve'", "another name"),
        ("UPDATE baselines SET runs = '{}'", "another runs"),
        ("DELETE FROM baselines", "is not there any more"),
        ("UPDATE silences SET reason = 'nothing'", "another reason"),
        ("UPDATE subjects SET key = NULL, name = NULL, digest = NULL, erased_at = now()", "and no entry says why"),
        ("INSERT INTO ledger_publications (entries, place) VALUES (3, 's3://x')", "no entry says so"),
        ("INSERT INTO ledger_nodes VALUES (8, 5, sha256('x'))", "entries make 0"),
        (
            "INSERT INTO ledger_keys (key_id, public_key, since) VALUES ('0123456789abcdef', sha256('x'), '2000-01-01')",
            "by an id that is not its own",
        ),
        (
            "INSERT INTO ledger_keys VALUES (left(encode(sha256(sha256('x')), 'hex'), 16), sha256('x'), '2000-01-01')",
            "is not as an entry of the ledger has added it",
        ),
    ],
)
def test_what_the_application_writes_past_the_ledger_is_found(sealed: sa.Engine, statement: str, said: str) -> None:
    with sealed.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount
    found = checked(sealed)
    assert found.exit_code == 1
    assert any(said in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("UPDATE runs SET summary = 'x'", _ERASURE), "the run that"),
        (("UPDATE declarations SET document = '{}'", _ERASURE), "the declaration that"),
        ((_ERASURE,), "stands in removals"),
        (("DELETE FROM human_decisions WHERE origin = 'review'",), "is not there any more"),
        (("DELETE FROM ledger_heads WHERE entries = (SELECT max(entries) FROM ledger_publications)",), "was published"),
        (("DELETE FROM ledger_publications",), "is not on record any more"),
        (("UPDATE ledger_identity SET began_at = '2100-01-01'", _RUN.format("now()")), "after its first entry"),
    ],
)
def test_what_the_owner_explains_away_is_found(sealed: sa.Engine, statements: tuple[str, ...], said: str) -> None:
    if statements[0].startswith("DELETE FROM human"):
        statements = ("ALTER TABLE human_decisions DISABLE TRIGGER USER", *statements)
    _as_owner(sealed, *statements)
    found = checked(sealed)
    assert found.exit_code == 1
    assert any(said in problem for problem in found.problems), found.problems


def test_a_row_that_is_dated_before_the_ledger_is_said_to_be_unproven(sealed: sa.Engine) -> None:
    with sealed.begin() as connection:
        month = sa.text(
            "SELECT afterpilot_partition('runs', CAST(began_at - interval '1 minute' AS date)) FROM ledger_identity"
        )
        connection.execute(month)
        connection.exec_driver_sql(_RUN.format("began_at - interval '1 minute'"))
    assert any("before the ledger began" in note for note in checked(sealed).notes)


def test_a_person_who_is_erased_leaves_rows_that_still_fit(sealed: sa.Engine) -> None:
    """Their name, and notes in which it stood, are not what was sealed; nobody is accused for that."""
    names = ["dana", "Dana Ruiz"]
    with sealed.begin() as connection:
        connection.exec_driver_sql("UPDATE silences SET reason = reason")
    erase_person(Ops(sealed), names, by="Sam Whitfield", reason="ticket 811", at=NOW)
    assert checked(sealed).problems == []


def test_sealing_stops_where_the_newest_published_head_is_gone(sealed: sa.Engine, key: SigningKey) -> None:
    """Nobody can say any more whether the ledger goes on from what was published."""
    _as_owner(sealed, "DELETE FROM ledger_heads WHERE entries = (SELECT max(entries) FROM ledger_publications)")
    with sealed.begin() as connection:
        Ledger(connection).append(Entry("check:run:recorded", "run:1", NOW, "w"))
    with pytest.raises(LedgerBroken, match="was published, and is not there any more"):
        sealing.seal(sealed, key)


def test_sealing_stops_where_a_head_knows_the_future(sealed: sa.Engine, key: SigningKey) -> None:
    """Else nothing would ever be sealed again, and nothing would seem to wait."""
    _as_owner(sealed, "UPDATE ledger_heads SET horizon = '9000000000000000000'")
    with sealed.begin() as connection:
        Ledger(connection).append(Entry("check:run:recorded", "run:1", NOW, "w", person("dana")))
    with sealed.connect() as connection:
        assert sealing.lag(connection).waiting == 1
    with pytest.raises(LedgerBroken, match="transactions that are still to come"):
        sealing.seal(sealed, key)
