"""Pull, check and gate over days of production: what is new, late, changed, away and back again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import HOUR, NOW, SLUG, Site, checked, gated, pulled, trigger

from afterpilot import pipeline
from afterpilot.check import values
from afterpilot.domain.errors import SourceError
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window
from afterpilot.pipeline import gating
from afterpilot.pipeline import records as stages
from afterpilot.pull.sql import SqlSource
from afterpilot.record.production.records import Records

pytestmark = pytest.mark.integration

MANY = 20_000
BOTH = pytest.mark.parametrize("way", ["by COPY", "row by row"])


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office without any invoice yet."""
    return Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)


def test_a_new_trigger_takes_what_is_new_and_late(site: Site) -> None:
    """The second pull takes the new rows and one that came late, updates one that changed, and doubles none."""
    site.invoices(range(1, 6))
    first = pulled(site)
    site.now = NOW + HOUR
    site.invoices([10, 11], at=NOW + timedelta(minutes=30))
    site.invoices([12], at=NOW - timedelta(minutes=90))  # written after the first pull, within late_by
    site.invoices([13], at=NOW - timedelta(hours=3))  # later than the team says it can be
    site.produce("UPDATE ai_invoice_runs SET total = 777.77 WHERE run_id = 'r-00002'")
    second = pulled(site)
    assert second.id != first.id
    assert second.window == Window(first.window.end, NOW + HOUR)
    assert (second.evidence["pulled"], second.evidence["late"]) == (3, 1)
    kept = {row["key"]: row["total"] for row in site.rows("SELECT key, data ->> 'total' AS total FROM records")}
    assert set(kept) == {f"r-{number:05d}" for number in (1, 2, 3, 4, 5, 10, 11, 12)}
    assert kept["r-00002"] == "777.77"
    assert site.count("usage") == 8
    gate = gated(site, second.window)
    assert gate.evidence["decided"] == 8  # the late one too, although it lies before the window


@pytest.mark.parametrize("batch", [500, 1], ids=["in one batch", "across batches"])
def test_a_key_that_the_source_holds_twice_is_told(site: Site, monkeypatch: Any, batch: int) -> None:
    """The newest row of the key is kept, and the pull warns of the other one."""
    monkeypatch.setattr(stages, "BATCH", batch)
    site.invoices([1, 2])
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT ai_invoice_runs_pkey CASCADE")
    site.produce(
        "INSERT INTO ai_invoice_runs SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'finished_at', finished_at + interval '5 minutes', 'total', 5))).* FROM ai_invoice_runs r WHERE run_id = 'r-00001'"
    )
    run = pulled(site)
    assert run.verdict is Verdict.WARN
    assert (run.evidence["skipped"], run.evidence["repeated"]) == ({}, 1)
    assert [incident["kind"] for incident in site.incidents()] == ["pull.keys_repeated"]
    assert run.evidence["pulled"] == site.count("records") == site.count("usage") == 2
    assert {row["total"] for row in site.rows("SELECT data ->> 'total' AS total FROM records")} == {"5.00", "102.00"}


def test_a_retry_of_a_pull_that_was_killed_loses_and_doubles_nothing(site: Site, monkeypatch: Any) -> None:
    """What the dead attempt wrote stands; the next attempt of the same trigger writes the rest."""
    monkeypatch.setattr(stages, "BATCH", 10)
    site.invoices(range(1, 26))
    attempt = trigger()
    die_after(monkeypatch, calls=2)
    with pytest.raises(KeyboardInterrupt):
        pulled(site, started_by=attempt)
    assert (site.count("records"), site.count("runs"), site.count("watermarks")) == (10, 0, 0)
    monkeypatch.undo()
    run = pulled(site, started_by=attempt)
    assert (run.verdict, site.count("records"), site.count("watermarks")) == (Verdict.PASS, 25, 1)
    assert run.evidence["pulled"] == 25  # what both attempts wrote
    assert site.count("pull_counts") == 0


def die_after(monkeypatch: Any, *, calls: int) -> None:
    """The process is killed while it writes the batch of this number."""
    write, seen = Records.write, []

    def dying(self: Records, *arguments: Any, **named: Any) -> Any:
        seen.append(1)
        if len(seen) >= calls:
            raise KeyboardInterrupt
        return write(self, *arguments, **named)

    monkeypatch.setattr(Records, "write", dying)


@BOTH
def test_twenty_thousand_rows_are_never_held_at_once(site: Site, monkeypatch: Any, way: str) -> None:
    """Pull and gate go through a large source in batches; no batch holds more than the declared number of records."""
    go(monkeypatch, way)
    monkeypatch.setattr(stages, "BATCH", 500)
    sizes = batches_written(monkeypatch)
    site.edit(f"{SLUG}/workflow.yaml", "  - {expect: not_seen_before, columns: [supplier, invoice_no]}\n", "")
    site.produce(
        "INSERT INTO ai_invoice_runs (run_id, invoice_id, received_at, finished_at, document, supplier_contact, "
        "  extracted_json, supplier, total, currency, model_name, tok_in, tok_cached, tok_out, latency_ms) "
        "SELECT 'r-' || n, 's-' || n, :at, CAST(:at AS timestamptz) - n * interval '1 second', 'd', 'Ann', 'no', 'x', 1, 'GBP', "
        "  'smollm2-135m-instruct', 1, 0, 1, 1 FROM generate_series(1, :many) n",
        at=NOW,
        many=MANY,
    )
    alive = Alive(monkeypatch)
    run = pulled(site)
    assert run.evidence["pulled"] == site.count("records") == MANY
    assert max(sizes) == stages.BATCH
    # The batch as read, redacted, and the reader's own; lines are not made into records at all.
    assert (0 < alive.most <= 3 * stages.BATCH) if way == "row by row" else alive.most == 0
    alive.most = 0
    compiled = values._compiled.cache_info().misses
    gate = gated(site, run.window)
    assert gate.evidence["decided"] == MANY
    assert 0 < alive.most <= 3 * gating.BATCH
    assert values._compiled.cache_info().misses - compiled <= 1  # the schema is not checked anew for every answer


def go(monkeypatch: Any, way: str) -> None:
    """The pull reads row by row, also from PostgreSQL."""
    if way == "row by row":
        monkeypatch.setattr(SqlSource, "lines", lambda *_arguments, **_options: None)


def batches_written(monkeypatch: Any) -> list[int]:
    """The sizes of the batches, as they are written."""
    write: Any = Records.write
    sizes: list[int] = []

    def counting(self: Records, batch: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(batch.rows if isinstance(batch, RecordLines) else len(batch))
        return write(self, batch, *arguments, **options)

    monkeypatch.setattr(Records, "write", counting)
    return sizes


class Alive:
    """Counts the records that exist at the same time."""

    def __init__(self, monkeypatch: Any) -> None:
        self.now = self.most = 0
        from afterpilot.domain.record import Record

        monkeypatch.setattr("afterpilot.pull.sql.Record", self._counted(Record))
        monkeypatch.setattr("afterpilot.record.production.records.Record", self._counted(Record))

    def _counted(self, kind: Callable[..., Any]) -> Callable[..., Any]:
        import weakref

        counted = dataclasses.make_dataclass("Counted", [], bases=(kind,), frozen=True)  # type: ignore[arg-type]

        def make(*arguments: Any) -> Any:
            made = counted(*arguments)
            self.now += 1
            self.most = max(self.most, self.now)
            weakref.finalize(made, self._gone)
            return made

        return make

    def _gone(self) -> None:
        self.now -= 1


@pytest.mark.parametrize(
    ("breaks", "mends", "says"),
    [
        ("ALTER TABLE ai_invoice_runs RENAME TO gone", "ALTER TABLE gone RENAME TO ai_invoice_runs", "no table"),
        (
            "ALTER TABLE ai_invoice_runs RENAME COLUMN run_id TO id",
            "ALTER TABLE ai_invoice_runs RENAME COLUMN id TO run_id",
            "no column run_id",
        ),
        ("ALTER TABLE ap_decisions RENAME TO gone", "ALTER TABLE gone RENAME TO ap_decisions", "no table ap_decisions"),
    ],
    ids=["table missing", "key vanished", "decisions missing"],
)
def test_a_source_that_breaks_and_comes_back(site: Site, breaks: str, mends: str, says: str) -> None:
    """UNKNOWN and one incident while it is away; everything is there when it is back, and the incident's message is edited."""
    site.invoices([1, 2])
    first = pulled(site)
    site.now = NOW + HOUR
    site.invoices([3], at=NOW + timedelta(minutes=10))
    site.produce(breaks)
    away = [path_of(site), path_of(site)]
    for pull, check in away:
        assert (pull.verdict, check.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
        assert says in pull.evidence["error"]
        assert check.summary == "not run: the source could not be read"
    (incident,) = site.incidents()
    assert (incident["kind"], incident["state"], incident["occurrences"]) == ("pull.source_unreadable", "open", 2)
    (watermark,) = site.rows("SELECT pulled_to FROM watermarks")
    assert watermark["pulled_to"] == first.window.end
    assert site.wired().deliver().sent == 0  # it waits half a minute for others that the same source may fail
    assert site.rows("UPDATE outbox SET not_before = now() RETURNING kind") == [{"kind": "incident"}]
    assert site.wired().deliver().sent == 1

    site.produce(mends)
    site.now = NOW + 5 * HOUR
    pull, check = path_of(site)
    assert (pull.verdict, check.verdict) == (Verdict.PASS, Verdict.PASS)
    assert pull.window.start == first.window.end
    assert site.count("records") == 3
    (incident,) = site.incidents()
    assert incident["state"] == "resolved"
    assert site.wired().deliver().sent == 1
    opened, over = site.letters()
    assert (opened["kind"], over["kind"]) == ("incident", "resolved")
    assert (over["posted_channel"], over["posted_ts"]) == (opened["posted_channel"], opened["posted_ts"])  # an edit
    assert over["message"]["notification"].startswith("OVER after ")


def path_of(site: Site) -> tuple[Run, Run]:
    """Pull and check, as the DAG runs them."""
    pull = pulled(site)
    if pull.verdict is not Verdict.UNKNOWN:
        return pull, checked(site, pull.window)
    wired = site.wired()
    why, of = "the source could not be read", wired.workflow(SLUG)
    return pull, pipeline.not_run(wired.services, of, Stage.CHECK, why, window=pull.window, trigger=trigger())


def test_a_source_whose_server_is_down(site: Site) -> None:
    """No server, no connection, a wrong password: UNKNOWN, and no secret in what is said."""
    good = site.env["AIRFLOW_CONN_ERP"]
    for url in ("postgresql://clerk:hush-hush@127.0.0.1:1/erp", ""):
        site.env["AIRFLOW_CONN_ERP"] = url
        run = pulled(site)
        assert run.verdict is Verdict.UNKNOWN
        assert "hush" not in repr(site.incidents()) + repr(site.letters()) + repr(run)
    site.env["AIRFLOW_CONN_ERP"] = good
    assert pulled(site).verdict is Verdict.PASS
    assert {incident["state"] for incident in site.incidents()} == {"resolved"}


@BOTH
def test_a_source_that_dies_in_the_middle_is_read_again(site: Site, monkeypatch: Any, way: str) -> None:
    """What came before the break is kept once; the watermark waits for a pull that reaches the end."""
    go(monkeypatch, way)
    monkeypatch.setattr(stages, "BATCH", 5)
    site.invoices(range(1, 21))
    name, last = ("records", 12) if way == "row by row" else ("lines", 2)
    read = getattr(SqlSource, name)

    def breaking(self: SqlSource, *arguments: Any, **options: Any) -> Any:
        for number, one in enumerate(read(self, *arguments, **options)):
            if number == last:
                raise SourceError("the server closed the connection")
            yield one

    monkeypatch.setattr(SqlSource, name, breaking)
    run = pulled(site)
    assert (run.verdict, run.evidence["pulled"], site.count("records")) == (Verdict.UNKNOWN, 10, 10)
    assert site.count("watermarks") == 0
    monkeypatch.undo()
    run = pulled(site)
    assert (run.verdict, run.evidence["pulled"], site.count("records")) == (Verdict.PASS, 10, 20)


def test_a_reference_table_that_is_away_leaves_outputs_undecided(site: Site) -> None:
    """Neither released nor routed, UNKNOWN with an incident; the next run decides them all, late though it is."""
    site.invoices(range(1, 5))
    site.invoices([9], total="1.00")
    pull = pulled(site)
    site.produce("ALTER TABLE purchase_orders RENAME TO away")
    gate = gated(site, pull.window)
    assert gate.verdict is Verdict.UNKNOWN
    assert (site.count("gate_decisions"), site.count("review_items")) == (0, 0)
    assert gate.evidence["undecided"] == 5
    (incident,) = site.incidents()
    assert incident["kind"] == "gate.could_not_run"
    assert "purchase_orders" in incident["detail"]

    site.produce("ALTER TABLE away RENAME TO purchase_orders")
    site.now = NOW + 30 * HOUR
    later = gated(site, pulled(site).window)
    assert (later.verdict, later.evidence["released"], later.evidence["routed"]) == (Verdict.PASS, 4, 1)
    assert site.incidents()[0]["state"] == "resolved"


def test_a_gate_that_was_killed_goes_on_where_it_stopped(site: Site, monkeypatch: Any) -> None:
    """The same trigger again decides on what is left; the run tells of all that the trigger decided."""
    monkeypatch.setattr(gating, "BATCH", 4)
    site.invoices(range(1, 11))
    pull = pulled(site)
    attempt, judge, seen = trigger(), gating._decision, []

    def dying(*arguments: Any) -> Any:
        seen.append(1)
        if len(seen) > 5:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(gating, "_decision", dying)
    with pytest.raises(KeyboardInterrupt):
        gated(site, pull.window, started_by=attempt)
    assert site.count("gate_decisions") == 4
    monkeypatch.setattr(gating, "_decision", judge)
    run = gated(site, pull.window, started_by=attempt)
    assert (run.evidence["decided"], run.evidence["undecided"]) == (10, 0)


def test_a_stage_that_was_not_run_ends_no_incident(site: Site) -> None:
    """A check that crashed is not over because the next one had nothing to look at."""
    site.invoices([1])
    wired = site.wired()
    of = wired.workflow(SLUG)
    broken = pipeline.crashed(wired.services, of, Stage.CHECK, RuntimeError("secret /path"), trigger=trigger())
    assert broken.verdict is Verdict.UNKNOWN
    assert "secret" not in repr(site.incidents())
    pipeline.not_run(wired.services, of, Stage.CHECK, "no source", window=broken.window, trigger=trigger())
    assert [incident["state"] for incident in site.incidents()] == ["open"]
    assert checked(site, pulled(site).window).verdict is Verdict.PASS
    assert [incident["state"] for incident in site.incidents()] == ["resolved"]


def test_what_was_not_checked_is_checked_by_the_next_one(site: Site) -> None:
    """A check crashed, another was left out: the next check looks at all that was pulled since the last one that looked."""
    site.edit(f"{SLUG}/workflow.yaml", "min_value: 0, max_value: 50000", "min_value: 0, max_value: 2")
    site.invoices([1, 2, 3])
    first = pulled(site)
    for hour in (1, 2):
        site.now = NOW + hour * HOUR
        last = pulled(site)
    wired = site.wired()
    of = wired.workflow(SLUG)
    crash = pipeline.crashed(wired.services, of, Stage.CHECK, RuntimeError("x"), trigger=trigger())
    idle = pipeline.not_run(wired.services, of, Stage.CHECK, "x", window=last.window, trigger=trigger())
    assert (crash.evidence["ran"], idle.evidence["ran"]) == (False, False)
    run = checked(site, last.window)
    assert run.window == Window(first.window.start, last.window.end)
    assert run.verdict is Verdict.WARN  # the first pull's three records were seen
    assert {row["kind"]: row["state"] for row in site.incidents()} == {
        "check.did_not_run": "resolved",
        "quality.volume_between": "open",
    }
    site.now = NOW + 3 * HOUR
    after = pulled(site)
    again = checked(site, after.window)
    assert (again.window, again.verdict) == (after.window, Verdict.PASS)
    for hour in (5, 6, 7):  # pulled by hand, without a check
        site.now = NOW + hour * HOUR
        last = pulled(site)
    assert checked(site, last.window).window == Window(after.window.end, last.window.end)


@pytest.mark.xdist_group("great_expectations")
@pytest.mark.parametrize("crashes", [False, True])
def test_late_rows_are_checked_too(site: Site, *, crashes: bool) -> None:
    """The window that they belong to is judged again, also when the check right after them crashed; no window grows."""
    site.edit(
        f"{SLUG}/workflow.yaml",
        "  - {expect: volume_between",
        "  - {expect: column_values_to_not_be_null, column: supplier, severity: critical}\n  - {expect: volume_between",
    )
    site.invoices([1])
    first = checked(site, pulled(site).window)
    assert first.verdict is Verdict.PASS
    site.now = NOW + HOUR
    site.invoices([2], at=NOW - timedelta(minutes=30), supplier=None)
    late = pulled(site)
    assert late.evidence["late"] == 1
    if crashes:
        wired = site.wired()
        pipeline.crashed(
            wired.services, wired.workflow(SLUG), Stage.CHECK, RuntimeError("the engine broke"), trigger=trigger()
        )
        site.now = NOW + 2 * HOUR
    latest = pulled(site) if crashes else late
    run = checked(site, latest.window)
    assert (run.window, run.verdict) == (Window(late.window.start, latest.window.end), Verdict.PASS)
    (again,) = site.rows("SELECT verdict, corrects, window_end FROM runs WHERE corrects IS NOT NULL")
    assert (again["verdict"], again["corrects"], again["window_end"]) == ("FAIL", first.id, first.window.end)
    site.now = NOW + 5 * HOUR
    after = pulled(site)
    assert checked(site, after.window).window == after.window


def test_an_output_that_changes_after_its_release_is_judged_again(site: Site) -> None:
    """One fails now and goes to a person, one still passes; both are told, once, and a retry of the trigger tells the same."""
    site.invoices(range(1, 6))
    gated(site, pulled(site).window)
    site.now = NOW + HOUR
    site.produce("UPDATE ai_invoice_runs SET total = 777.77 WHERE run_id = 'r-00002'")
    site.produce("UPDATE ai_invoice_runs SET document = document || '!' WHERE run_id = 'r-00003'")
    window, attempt = pulled(site).window, trigger()
    run = gated(site, window, started_by=attempt)
    assert run.verdict is Verdict.WARN
    assert {name: run.evidence[name] for name in ("decided", "released", "routed", "decided_again", "taken_back")} == {
        "decided": 2,
        "released": 1,
        "routed": 1,
        "decided_again": 2,
        "taken_back": 1,
    }
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"]) == ("gate.changed_after_release", "warning")
    assert "r-00002, r-00003" in incident["detail"]
    assert [row["key"] for row in site.rows("SELECT key FROM review_items")] == ["r-00002"]
    before = site.counts()
    assert gated(site, window, started_by=attempt) == run
    assert site.counts() == before
    site.now = NOW + 2 * HOUR
    later = gated(site, pulled(site).window)
    assert (later.verdict, later.evidence["decided_again"]) == (Verdict.PASS, 0)
    assert site.incidents()[0]["state"] == "resolved"
