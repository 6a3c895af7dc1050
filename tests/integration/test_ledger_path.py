"""What happens on the path stands in the ledger: each thing once, by whoever did it, with nothing left out and no name readable."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import HOUR, SLUG, Site, checked, evaluated, gated, perfect, pulled, spent, trigger

from afterpilot import pipeline
from afterpilot.domain.ledger import output_subject
from afterpilot.domain.message import Message
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline import reviewing
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.silencing import Asked, begin_silence, end_silence
from afterpilot.record import partitions
from afterpilot.record.alerts.delivery import PostgresOutbox
from afterpilot.record.ledger.audit import TABLES, missing
from afterpilot.record.ledger.documents import declaration_document, hash_of, message_document, run_document
from afterpilot.record.ops import unit_of
from doubles.model import ModelDouble

pytestmark = pytest.mark.integration
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "ledger.md"
DAY = timedelta(days=1)
WHOLE = {"since": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}


@pytest.fixture
def model() -> Iterator[ModelDouble]:
    """A model that knows every answer."""
    with ModelDouble(perfect) as double:
        yield double


@pytest.fixture
def site(site: Site) -> Site:
    """The site, after the ledger began: what is older has no entries."""
    began: datetime = site.rows("SELECT began_at FROM ledger_identity")[0]["began_at"]
    site.now = began + HOUR
    return site


def entries(site: Site, like: str = "%") -> list[dict[str, Any]]:
    """Entries with their payloads, oldest first."""
    rows = site.rows("SELECT * FROM ledger WHERE action LIKE :like ORDER BY id", like=like)
    return [{**row, "payload": json.loads(row["payload"])} for row in rows]


def actions(site: Site) -> set[str]:
    """What was done at all."""
    return {row["action"] for row in site.rows("SELECT DISTINCT action FROM ledger")}


def declared(site: Site) -> None:
    """Load the folder."""
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())


def found(site: Site, *kinds: str, severity: Severity = Severity.CRITICAL, started_by: Trigger | None = None) -> None:
    """A run of the check that found just that."""
    wired = site.wired()
    findings = tuple(Finding(SLUG, "check", kind, severity, f"Bad: {kind}") for kind in kinds)
    result = StageResult(SLUG, "check", "looked", findings, checked=1, covered=("quality.*",))
    window = Window(site.now - HOUR, site.now)
    concluded(wired.services, result, wired.workflow(SLUG), window, started_by or trigger(), site.now)


def people_act(site: Site) -> None:
    """They take an incident up, let it wait, set a silence and end it, approve a run, decide on an output."""
    wired = site.wired()
    services, known = wired.services, {SLUG: wired.workflow(SLUG)}
    which = str(site.incidents()[0]["id"])
    pipeline.acknowledge(services, which, by="Dana Ruiz", note="I call the supplier", known=known)
    pipeline.waive(services, which, by="Dana Ruiz", until=site.now + HOUR, reason="Ann is ill", known=known)
    pipeline.settle(services, which, by="dana  ruiz", note="mended", known=known)
    with services.ops.begin() as unit:
        asked = Asked(SLUG, "", site.now + 2 * HOUR, "Lee Okafor", "the warehouse moves")
        silence = begin_silence(unit, asked, workflows=[SLUG], now=site.now)
        end_silence(unit, str(silence.id), by="Lee Okafor", now=site.now)
    pipeline.approve(services, known[SLUG], by="Dana Ruiz", note="better than before")
    decision = HumanDecision(
        SLUG, "r-00040", site.now, "corrected", Decimal("1.25"), "it says 140", {"total": "140.00"}, "review", "dana"
    )
    with site.ops.begin() as connection:
        assert reviewing.decide(connection, reviewing.terms_of(connection, SLUG), decision)


def whole(site: Site) -> None:
    """The path, with people beside it."""
    site.invoices([1, 2, 3], at=site.now - HOUR)
    site.invoices([40], at=site.now - HOUR, total=Decimal("999.99"))
    site.produce(
        "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, clerk) VALUES ('r-00001', :at, 'ok', 0.5, 'Ann')",
        at=site.now - timedelta(minutes=20),
    )
    declared(site)
    window = pulled(site).window
    checked(site, window)
    gated(site, window)
    evaluated(site)
    spent(site)
    found(site, "quality.x")
    found(site, "quality.x")
    people_act(site)
    found(site)
    site.wired().deliver()


def test_every_action_of_the_path_is_in_the_reference_and_no_row_is_without_its_entry(site: Site) -> None:
    """Those that are always there are named here; what else comes is in the reference."""
    whole(site)
    named = re.findall(r"^\| `([^`]+)` \|", REFERENCE.read_text(), re.MULTILINE)
    patterns = [re.escape(row).replace("<stage>", "[a-z]+") for row in named]
    assert not {one for one in actions(site) if not any(re.fullmatch(pattern, one) for pattern in patterns)}
    assert actions(site) >= {
        *("declare:version:loaded", "declare:version:current", "declare:run:recorded", "pull:run:recorded"),
        *("check:run:recorded", "gate:run:recorded", "evaluate:run:recorded", "spend:run:recorded"),
        *(
            "alerts:incident:opened",
            "alerts:incident:acknowledged",
            "alerts:incident:waived",
            "alerts:incident:resolved",
        ),
        *("alerts:message:queued", "deliver:message:sent", "alerts:silence:set", "alerts:silence:ended"),
        *("evals:baseline:approved", "review:decision:made", "pull:decision:read", "spend:price:added"),
    }
    with site.ops.begin() as connection:
        assert missing(connection, **WHOLE) == []
    subjects = [row["subject"] for row in entries(site, "%recorded")]
    assert len(subjects) == len(set(subjects)) == site.count("runs")


def test_documents_are_the_same_when_they_are_made_again(site: Site) -> None:
    """Of every run, message and version of a declaration, whichever stage has written it."""
    whole(site)
    with site.ops.begin() as connection:
        made = {
            **{
                f"run:{row['id']}": run_document(row, _findings(connection, row["id"]))
                for row in _all(connection, "runs")
            },
            **{f"message:{row['id']}": message_document(row) for row in _all(connection, "outbox")},
            **{f"declaration:{row['sha256']}": declaration_document(row) for row in _all(connection, "declarations")},
        }
    named = {row["subject"]: row["payload"]["document"] for row in entries(site) if "document" in row["payload"]}
    assert named == {subject: hash_of(document) for subject, document in made.items()}
    assert len(named) > 10


def _all(connection: sa.Connection, table: str) -> list[Mapping[Any, Any]]:
    return list(connection.execute(sa.text(f"SELECT * FROM {table}")).mappings())


def _findings(connection: sa.Connection, run_id: uuid.UUID) -> list[Mapping[Any, Any]]:
    statement = sa.text("SELECT * FROM findings WHERE run_id = :run_id")
    return list(connection.execute(statement, {"run_id": run_id}).mappings())


def test_nobody_is_named_in_what_a_person_did(site: Site) -> None:
    """Neither who acted, nor what they wrote, nor the key and the values of an output; one person is one pseudonym."""
    whole(site)
    by = {row["action"]: row["actor"] for row in entries(site)}
    assert re.fullmatch(r"person:[0-9a-f-]{36}", by["alerts:incident:acknowledged"])
    assert by["alerts:incident:acknowledged"] == by["evals:baseline:approved"] == by["alerts:incident:waived"]
    assert by["alerts:silence:set"] != by["evals:baseline:approved"]
    text = json.dumps([(row["subject"], row["payload"]) for row in entries(site)])
    text = re.sub(r'"(nonce|sealed)": "[^"]*"', "", text)  # any short word may be in these by chance
    for secret in ("Dana", "dana", "Lee", "supplier", "Ann", "warehouse", "better than", "r-00040", "140.00"):
        assert secret not in text, secret
    (decision,) = entries(site, "review:decision:made")
    assert decision["subject"] == output_subject(SLUG, "r-00040")
    assert decision["payload"]["decision"] == "corrected"
    assert decision["payload"]["minutes"] == "1.25"
    (opened,) = entries(site, "alerts:incident:opened")
    assert opened["payload"] == {
        "kind": "quality.x",
        "severity": "critical",
        "state": "open",
        "title": "Bad: quality.x",
        "run": opened["payload"]["run"],
    }


def test_the_same_trigger_again_adds_nothing(site: Site) -> None:
    """Neither by itself nor with others: another attempt of a run is no second one."""
    same = trigger()
    found(site, "quality.x", started_by=same)
    before = entries(site)
    found(site, "quality.x", started_by=same)
    assert entries(site) == before
    result = StageResult(SLUG, "spend", "nothing new", checked=1)
    for _ in range(2):
        with site.ops.begin() as connection:
            unit_of(connection).runs.add_many(
                [(result, Window(site.now, site.now), {})], trigger=same, started_at=site.now, finished_at=site.now
            )
    (added,) = entries(site, "spend:run:recorded")
    assert added["actor"] == "airflow:records.hourly"
    assert added["payload"]["findings"] == {}
    assert len(entries(site)) == len(before) + 1


def test_which_version_a_folder_holds_is_known_at_any_time(site: Site) -> None:
    """Loaded, changed, changed back, gone, returned: each once, also where the same is loaded again and again."""
    path = f"{SLUG}/workflow.yaml"
    declared(site)
    declared(site)
    first = site.rows("SELECT sha256 FROM current_declarations")[0]["sha256"]
    site.edit(path, "cap: 5 USD/month", "cap: 6 USD/month")
    declared(site)
    second = site.rows("SELECT sha256 FROM current_declarations")[0]["sha256"]
    site.edit(path, "cap: 6 USD/month", "cap: 5 USD/month")
    declared(site)
    (site.folder / SLUG).rename(site.folder.parent / "away")
    declared(site)
    (site.folder.parent / "away").rename(site.folder / SLUG)
    declared(site)
    told = [
        (row["action"], row["payload"]["sha256"]) for row in entries(site, "declare:%") if "sha256" in row["payload"]
    ]
    assert told == [
        ("declare:version:loaded", first),
        ("declare:version:current", first),
        ("declare:version:loaded", second),
        ("declare:version:current", second),
        ("declare:version:current", first),
        ("declare:workflow:removed", first),
        ("declare:workflow:returned", first),
    ]


def test_a_row_that_was_written_past_the_ledger_is_found(site: Site) -> None:
    """Of every table that is looked at; what is older than the ledger is not."""
    at, early = site.now, datetime(2020, 1, 1, tzinfo=UTC)
    with site.ops.begin() as connection:
        for name in ("runs", "findings"):
            partitions.ensure(connection, name, [at])
        connection.execute(sa.text(_PAST_THE_LEDGER), {"at": at, "early": early})
        for name in ("run_ids", "runs"):
            connection.execute(sa.text(_RUN[name]), {"at": at})
        connection.execute(sa.text(_RUN["run_ids"].replace("1'", "2'")), {"at": at})  # of a run that there never was
        assert {one.table for one in missing(connection, **WHOLE)} == {*TABLES} - {"removals"}  # dated by the database
        assert all(one.at == at for one in missing(connection, **WHOLE))
        assert not missing(connection, since=at + DAY, until=at + 2 * DAY)


_RUN = {
    "run_ids": "INSERT INTO run_ids (id, finished_at) VALUES ('00000000-0000-4000-8000-000000000001', :at)",
    "runs": "INSERT INTO runs (id, workflow, stage, verdict, window_start, window_end, started_at, finished_at) "
    "VALUES ('00000000-0000-4000-8000-000000000001', 'w', 'check', 'PASS', :at, :at, :at, :at)",
}
_PAST_THE_LEDGER = """
WITH incident AS (
  INSERT INTO incidents (fingerprint, workflow, stage, kind, severity, title, opened_at, last_seen_at)
  VALUES ('f', 'w', 'check', 'k', 'critical', 't', :at, :at) RETURNING id
), found AS (INSERT INTO findings (run_id, fingerprint, workflow, stage, kind, severity, title, at) VALUES (gen_random_uuid(), 'f', 'w', 'check', 'k', 'critical', 't', :at)
), events AS (INSERT INTO incident_events (incident_id, at, what) SELECT id, CAST(:at AS timestamptz), what FROM incident, unnest(ARRAY['opened', 'seen']) AS what
), letters AS (INSERT INTO outbox (dedupe_key, workflow, kind, channel, message, created_at) VALUES ('a', 'w', 'k', '#c', '{}', :at), ('b', 'w', 'k', '#c', '{}', :early)
), versions AS (INSERT INTO declarations (workflow, sha256, usable, first_loaded_at) VALUES ('w', 's', true, :at)
), decided AS (INSERT INTO human_decisions (workflow, key, decided_at, decision, origin) VALUES ('w', 'é', :at, 'accepted', 'review'), ('w', 'k', :at, 'accepted', 'source')
), approved AS (INSERT INTO baselines (workflow, run_id, approved_by, approved_at) VALUES ('w', gen_random_uuid(), 'x', :at)
), raised AS (INSERT INTO cap_raises (id, workflow, cap, period_start, period_end, amount, currency, state, asked_by, asked_at, reason) VALUES (gen_random_uuid(), 'w', 'c', :at, CAST(:at AS timestamptz) + interval '1 day', 1, 'USD', 'pending', 'x', :at, 'r')
), offered AS (INSERT INTO case_offers (workflow, key, decided_at, digest, state, answered_at) VALUES ('w', 'o', :at, 'd', 'accepted', :at), ('w', 'p', :at, 'd', 'offered', NULL)
), priced AS (INSERT INTO prices (id, first_used_at) VALUES (7, :at), (8, :early)
), again AS (INSERT INTO repricings (at, workflow, model, old_price, new_price, first_day, last_day, calls) VALUES (:at, 'w', 'm', 8, 7, '2026-01-01', '2026-01-01', 1)
), held AS (INSERT INTO holds (workflow, reason, set_by, set_at) VALUES ('w', 'r', 'x', :at)
), silenced AS (INSERT INTO silences (workflow, by, reason, starts_at, ends_at, created_at) VALUES ('w', 'x', 'r', :at, CAST(:at AS timestamptz) + interval '1 day', :at)
) INSERT INTO stop_orders (id, workflow, action, target, said, created_at) VALUES (gen_random_uuid(), 'w', 'stop', '{}', '{}', :at)
"""


def test_what_cannot_be_delivered_is_told_without_the_address(site: Site) -> None:
    """A dead letter, its copy in the fallback channel, and no e-mail address in either entry."""
    wired = site.wired()
    with wired.services.ops.begin() as unit:
        message = Message(tone="unknown", title="t", summary="s", notification="n")
        unit.outbox.put(
            message, dedupe_key="x", workflow=SLUG, kind="weekly", channel="dana@example.com", target="mail"
        )
    outbox = PostgresOutbox(site.ops, fallback_channel="#ops")
    outbox.tidy()
    (letter,) = outbox.claim(10)
    outbox.dead(letter, error="no mailbox dana@example.com")
    queued, dead, copied = entries(site, "%:message:%")
    assert [row["action"] for row in (queued, dead, copied)] == [
        *("alerts:message:queued", "deliver:message:dead", "alerts:message:queued"),
    ]
    assert "dana@" not in json.dumps([queued["payload"], dead["payload"]])
    assert queued["subject"] == dead["subject"] != copied["subject"]
