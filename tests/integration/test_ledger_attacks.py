"""What somebody who can write to the database does behind the ledger's back, with the application's role or the owner's, is found."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import SLUG, Site, perfect
from test_ledger_path import site as later_site
from test_ledger_path import whole

from afterpilot.domain.allowance import CapRaise
from afterpilot.domain.errors import LedgerBroken
from afterpilot.domain.ledger import Entry, person
from afterpilot.domain.message import Message
from afterpilot.domain.money import Money
from afterpilot.domain.retention import Hold
from afterpilot.domain.spend import Stop
from afterpilot.domain.stop_orders import StopOrder
from afterpilot.domain.window import Window
from afterpilot.pipeline.erasing import erase_person
from afterpilot.record import tables
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.evals.offers import CaseOffers, Offer
from afterpilot.record.ledger import heads, sealing
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.audit import older
from afterpilot.record.ledger.check import Checked, check_ledger
from afterpilot.record.ledger.entries import message_changed
from afterpilot.record.ledger.publishing import put_on_record
from afterpilot.record.ledger.signing_keys import SigningKey, make_key
from afterpilot.record.ops import Ops
from afterpilot.record.retention.holds import Holds
from afterpilot.record.spend.cap_raises import CapRaises
from afterpilot.record.spend.stop_orders import StopOrders
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
    "human_decisions",
    "incident_events",
    "incidents",
    "outbox",
    "prices",
    "run_ids",
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
    beside(site)
    sealing.seal(site.ops, key, batch=20)
    with site.ops.begin() as connection:
        head = heads.last_head(connection)
        assert head is not None
        put_on_record(connection, head, "file:///mnt/audit", "x", head.at)
    sealing.seal(site.ops, key)
    assert (checked(site.ops).exit_code, checked(site.ops).problems) == (0, [])
    engine: sa.Engine = site.ops
    return engine


def beside(site: Site) -> None:
    """What the path does not do by itself: raises of caps, orders to stop, offers of cases, a hold, calls with another price."""
    at, month = site.now, Window(site.now, site.now + timedelta(days=30))
    with site.ops.begin() as connection:
        raises, orders, offers = CapRaises(connection), StopOrders(connection), CaseOffers(connection)
        asked = [
            CapRaise(
                uuid.uuid4(), SLUG, "month", month, Money(Decimal("9.50")), f"why {one}", "pending", "Dana Ruiz", at
            )
            for one in ("waits", "decided")
        ]
        for one in asked:
            raises.add(one)
        raises.decide(asked[1].id, "approved", by="Lee Okafor", at=at + timedelta(minutes=1))
        orders.give(
            [
                StopOrder(uuid.uuid4(), SLUG, action, Stop("call_back", "switch", path), "the cap", at)
                for action, path in (("stop", "/a"), ("resume", "/b"))
            ]
        )
        offers.add(SLUG, [Offer(key, at, {"id": key}, key) for key in ("r-1", "r-2")], at=at)
        offers.answer(SLUG, "r-1", "accepted", by="Dana Ruiz", note="a good one", at=at)
        Holds(connection).add(Hold(uuid.uuid4(), SLUG, None, None, "a claim", "Dana Ruiz", at))
        message = Message(tone="good", title="The week", summary="s", notification="n")
        OutboxWriter(connection).put(message, dedupe_key="waits", workflow=SLUG, kind="weekly", channel="#ap")
        OutboxWriter(connection).put(message, dedupe_key="explained", workflow=SLUG, kind="weekly", channel="#ap")
        held_back = sa.update(tables.outbox).where(tables.outbox.c.dedupe_key == "explained")
        row = (
            connection.execute(held_back.values(state="suppressed", why="the cause").returning(tables.outbox))
            .mappings()
            .one()
        )
        Ledger(connection).append(message_changed(row, "suppressed", at=at, why="the cause"))
        again = tables.repricings.c
        rows = connection.execute(sa.insert(tables.repricings).values(_REPRICED).returning(again.id)).all()
        assert len(rows) == 1
        said = {"model": "m", "instead_of": "1", "days": ["2026-11-01", "2026-11-02"], "calls": 3, "run": None}
        Ledger(connection).append(
            Entry("spend:price:changed", "price:2", at, SLUG, payload={**said, "costs": ["1.5", None]})
        )


_REPRICED = {
    "workflow": SLUG,
    "model": "m",
    "old_price": 1,
    "new_price": 2,
    "first_day": date(2026, 11, 1),
    "last_day": date(2026, 11, 2),
    "calls": 3,
    "old_cost": Decimal("1.5"),
}


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


_AGAIN = "workflow, stage, window_start, window_end, summary, reasons, evidence, versions, trigger, started_at, actor"
# What is written past the ledger, and what is said of it.
_BY_APPLICATION = (
    (
        (
            f"INSERT INTO runs (id, verdict, finished_at, {_AGAIN}) "
            f"SELECT id, 'PASS', finished_at + interval '1 second', {_AGAIN} FROM runs LIMIT 1"
        ),
        "a second time",
    ),
    (
        (
            "INSERT INTO findings (run_id, fingerprint, workflow, stage, kind, severity, title, at) "
            "SELECT run_id, fingerprint, workflow, stage, kind, severity, 'x', at + interval '1 second' FROM findings LIMIT 1"
        ),
        "stands in findings",
    ),
    (
        (
            "INSERT INTO findings (run_id, fingerprint, workflow, stage, kind, severity, title, at) "
            "SELECT gen_random_uuid(), fingerprint, workflow, stage, kind, severity, 'x', at FROM findings LIMIT 1"
        ),
        "stands in findings",
    ),
    (
        (
            "INSERT INTO incidents (fingerprint, workflow, stage, kind, severity, title, opened_at, last_seen_at) "
            "SELECT 'x', workflow, stage, kind, severity, 'x', now(), now() FROM incidents LIMIT 1"
        ),
        "stands in incidents",
    ),
    ("UPDATE incident_events SET note = 'all is well' WHERE what = 'seen'", "another note"),
    ("UPDATE incident_events SET actor = 'eve' WHERE what = 'seen'", "another name"),
    (
        (
            "INSERT INTO incident_events (incident_id, at, what, actor, note, run_id) "
            "SELECT incident_id, at, what, actor, note, gen_random_uuid() FROM incident_events WHERE what = 'seen' LIMIT 1"
        ),
        "another run",
    ),
    (
        (
            "INSERT INTO incident_events (incident_id, at, what, actor, note, run_id) "
            "SELECT incident_id, at, what, actor, note, run_id FROM incident_events WHERE what = 'acknowledged' LIMIT 1"
        ),
        "stands there 2 times",
    ),
    (
        (
            "INSERT INTO baselines (workflow, run_id, approved_by, approved_at, note, runs, terms) "
            "SELECT 'other', run_id, approved_by, approved_at, note, runs, terms FROM baselines LIMIT 1"
        ),
        "stands in baselines",
    ),
    (
        (
            "INSERT INTO declarations (workflow, sha256, usable, document, first_loaded_at) "
            "SELECT 'other', sha256, usable, document, first_loaded_at FROM declarations LIMIT 1"
        ),
        "stands in declarations",
    ),
    (
        (
            "INSERT INTO repricings (workflow, model, old_price, new_price, first_day, last_day, calls) "
            "SELECT 'other', model, old_price, new_price, first_day, last_day, calls FROM repricings LIMIT 1"
        ),
        "stands in repricings",
    ),
    (
        "UPDATE cap_raises SET decided_at = decided_at - interval '1 hour' WHERE state = 'approved'",
        "another decided_at",
    ),
    ("UPDATE human_decisions SET decision = 'accepted' WHERE origin = 'review'", "another decision"),
    ("UPDATE human_decisions SET minutes = 99 WHERE origin = 'review'", "another minutes"),
    ("UPDATE human_decisions SET corrected = '{}' WHERE origin = 'review'", "another corrected"),
    ("UPDATE human_decisions SET note = '' WHERE origin = 'review'", "another note"),
    ("UPDATE human_decisions SET note = 'erased person 1a2b3c4d agreed' WHERE origin = 'review'", "another note"),
    ("UPDATE human_decisions SET decided_by = 'eve' WHERE origin = 'review'", "another name"),
    ("UPDATE incident_events SET note = 'all is well' WHERE what = 'waived'", "another note"),
    ("UPDATE incident_events SET actor = 'eve' WHERE what = 'acknowledged'", "another name"),
    ("UPDATE baselines SET approved_by = 'eve'", "another name"),
    ("UPDATE incidents SET title = 'all is well'", "another title"),
    ("UPDATE incidents SET title = 'erased person 1a2b3c4d'", "another title"),
    ("UPDATE incidents SET severity = 'info'", "another severity"),
    ("UPDATE incidents SET state = 'open' WHERE state = 'resolved'", "another state"),
    ("UPDATE incidents SET resolved_at = resolved_at - interval '1 hour'", "another resolved_at"),
    ("UPDATE incidents SET acknowledged_by = 'eve' WHERE acknowledged_by <> ''", "another acknowledged_by"),
    ("UPDATE incidents SET acknowledged_at = now() WHERE acknowledged_by <> ''", "another acknowledged_by"),
    ("UPDATE outbox SET state = 'dead' WHERE state = 'sent'", "another state"),
    ("UPDATE outbox SET state = 'sent', sent_at = now() WHERE state <> 'sent'", "another state"),
    ("UPDATE outbox SET sent_at = sent_at - interval '1 hour' WHERE state = 'sent'", "another sent_at"),
    ("UPDATE outbox SET posted_channel = 'C0' WHERE state = 'sent'", "another place"),
    ("UPDATE outbox SET transport = 'x' WHERE state = 'sent'", "another transport"),
    ("UPDATE outbox SET why = 'eve said so' WHERE state = 'suppressed'", "another why"),
    ("UPDATE silences SET ends_at = ends_at + interval '1 day'", "another ends_at"),
    ("UPDATE silences SET ended_by = 'eve'", "another ended_by"),
    ("UPDATE cap_raises SET state = 'approved', second_by = 'eve' WHERE state = 'pending'", "another state"),
    ("UPDATE cap_raises SET reason = 'none' WHERE state = 'pending'", "another reason"),
    ("UPDATE cap_raises SET asked_by = 'eve' WHERE state = 'pending'", "another asked_by"),
    ("UPDATE cap_raises SET second_by = 'eve' WHERE state = 'approved'", "another second_by"),
    ("UPDATE case_offers SET state = 'declined' WHERE state = 'accepted'", "another state"),
    ("UPDATE case_offers SET state = 'offered' WHERE state = 'accepted'", "another state"),
    (
        "UPDATE case_offers SET state = 'accepted', answered_at = now() WHERE state = 'offered'",
        "stands in case_offers",
    ),
    ("UPDATE case_offers SET decided_by = 'eve' WHERE state = 'accepted'", "another decided_by"),
    ("UPDATE case_offers SET note = 'x' WHERE state = 'accepted'", "another note"),
    ("DELETE FROM case_offers WHERE state = 'accepted'", "of which the ledger tells"),
    ('UPDATE stop_orders SET said = said || \'{"reason": "x"}\'', "another said"),
    ("UPDATE stop_orders SET state = 'done', done_at = now()", "another state"),
    ("DELETE FROM stop_orders WHERE action = 'resume'", "of which the ledger tells"),
    ("UPDATE holds SET reason = 'x'", "another reason"),
    ("UPDATE holds SET ended_at = now(), ended_by = 'eve'", "another ended_at"),
    ("UPDATE current_declarations SET present = false", "another present"),
    ("UPDATE current_declarations SET usable_sha256 = NULL", "another version that is used"),
    ("DELETE FROM current_declarations", "another present"),
    ("INSERT INTO prices (id, model, first_used_at) VALUES (1, 'm', '2100-01-01')", "stands in prices"),
    (
        "INSERT INTO run_ids SELECT gen_random_uuid(), began_at + interval '1 s' FROM ledger_identity",
        "stands in run_ids",
    ),
    ("DELETE FROM repricings", "of which the ledger tells"),
    ("DELETE FROM baselines", "is not there any more"),
    ("UPDATE silences SET reason = 'nothing'", "another reason"),
    (
        (
            "UPDATE holds SET ended_at = now()",
            "UPDATE subjects SET key = NULL, name = NULL, digest = NULL, erased_at = now()",
        ),
        "and no entry says why",
    ),
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
)
_BY_OWNER = (
    (("UPDATE runs SET summary = 'x'", _ERASURE), "the run that"),
    (("UPDATE declarations SET document = '{}'", _ERASURE), "the declaration that"),
    ((_ERASURE,), "stands in removals"),
    (("UPDATE baselines SET runs = '{}'",), "another runs"),
    (("UPDATE prices SET rates = '{}'",), "another rates"),
    (("UPDATE prices SET note = 'x'",), "another note"),
    (("DELETE FROM prices",), "of which the ledger tells"),
    (("UPDATE repricings SET old_cost = 1",), "another price, span or cost"),
    (("UPDATE cap_raises SET amount = 99",), "another limit"),
    (('UPDATE stop_orders SET target = target || \'{"connection": "x"}\'',), "another target"),
    (("UPDATE incidents SET kind = 'x'",), "another kind"),
    (("UPDATE incident_events SET what = 'gone' WHERE what = 'waived'",), "is not there any more"),
    (("DELETE FROM incident_events", "DELETE FROM outbox", "DELETE FROM incidents"), "of which the ledger tells"),
    (("UPDATE outbox SET created_at = created_at - interval '1 year'",), "the message that"),
    (("UPDATE run_ids SET finished_at = finished_at - interval '1 year'",), "the run that"),
    (("DELETE FROM human_decisions WHERE origin = 'review'",), "is not there any more"),
    (("DELETE FROM ledger_heads WHERE entries = (SELECT max(entries) FROM ledger_publications)",), "was published"),
    (("DELETE FROM ledger_publications",), "is not on record any more"),
    (("UPDATE ledger_identity SET began_at = '2100-01-01'", _RUN.format("now()")), "after its first entry"),
)


def _unfound(engine: sa.Engine, attacks: Iterable[tuple[str | tuple[str, ...], str]], *, owner: bool) -> list[object]:
    """Those of the attacks that a verification does not find, each undone again; with what it finds instead."""
    missed: list[object] = []
    by = owner_of(engine) if owner else engine
    with by.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for given, said in attacks:
            if owner:
                for table in _ALONE:
                    connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in (given,) if isinstance(given, str) else given:
                assert connection.exec_driver_sql(statement).rowcount, statement
            problems = check_ledger(connection, everything=True).problems
            if not any(said in problem for problem in problems):
                missed.append((given, said, problems))
            connection.rollback()
    if owner:
        by.dispose()
    return missed


def test_what_the_application_writes_past_the_ledger_is_found(sealed: sa.Engine) -> None:
    """Whatever of it the database does not refuse."""
    assert _unfound(sealed, _BY_APPLICATION, owner=False) == []


def test_what_the_owner_explains_away_is_found(sealed: sa.Engine) -> None:
    assert _unfound(sealed, _BY_OWNER, owner=True) == []


def test_a_row_that_is_dated_before_the_ledger_is_said_to_be_unproven(sealed: sa.Engine) -> None:
    with sealed.begin() as connection:
        month = sa.text(
            "SELECT afterpilot_partition('runs', CAST(began_at - interval '1 minute' AS date)) FROM ledger_identity"
        )
        connection.execute(month)
        connection.exec_driver_sql(_RUN.format("began_at - interval '1 minute'"))
    assert any("before the ledger began" in note for note in checked(sealed).notes)


def test_a_row_of_before_the_ledger_that_has_its_entry_is_not_called_unproven(sealed: sa.Engine) -> None:
    """What is written today about an earlier time, such as evals that are replayed."""
    with sealed.begin() as connection:
        month = "SELECT afterpilot_partition('runs', CAST(began_at - interval '1 minute' AS date)) FROM ledger_identity"
        connection.exec_driver_sql(month)
        before = older(connection)
        statement = _RUN.format("began_at - interval '1 minute'")
        run, at = connection.exec_driver_sql(f"{statement} RETURNING id, finished_at").one()
        connection.execute(tables.run_ids.insert().values(id=run, finished_at=at))
        assert older(connection) == before + 1
        Ledger(connection).append(Entry("check:run:recorded", f"run:{run}", NOW, actor="cli", workflow="w"))
        assert older(connection) == before


def test_a_person_who_is_erased_leaves_rows_that_still_fit(sealed: sa.Engine) -> None:
    """Their name, and notes in which it stood, are not what was sealed; nobody is accused for that. All else is held as before."""
    names = ["dana", "Dana Ruiz", "Bad"]  # the last one stands in the titles of incidents
    with sealed.begin() as connection:
        (hold,) = Holds(connection).all()
        Holds(connection).release(str(hold.id), by="Sam Whitfield", reason="Dana Ruiz has paid", at=NOW)
    erase_person(Ops(sealed), names, by="Sam Whitfield", reason="ticket 811", at=NOW)
    assert checked(sealed).problems == []
    for statement, said in (
        ("UPDATE incidents SET acknowledged_by = 'eve' WHERE acknowledged_by <> ''", "another acknowledged_by"),
        ("UPDATE incidents SET title = title || ', and mended'", "another title"),
        ("UPDATE human_decisions SET decided_by = 'erased person 1a2b3c4d' WHERE origin = 'review'", "another name"),
    ):
        with sealed.begin() as connection:
            assert connection.exec_driver_sql(statement).rowcount
        assert any(said in problem for problem in checked(sealed).problems), statement


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
