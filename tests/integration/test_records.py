"""Records, usage and runs in the ops database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.record import (
    ChangedReleases,
    Discrepancy,
    GateDecision,
    GateTally,
    HumanDecision,
    Record,
    Usage,
)
from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record.ops import Ops, Unit
from afterpilot.record.production.displaced import Displaced
from afterpilot.record.production.merging import Written
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.tables import findings, gate_decisions, human_decisions, records, usage, usage_changes
from afterpilot.spend.prices import Prices

pytestmark = pytest.mark.integration
AT = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
RUN = uuid.uuid4()


def record(key: str = "k", at: datetime = AT, **data: object) -> Record:
    return Record("w", key, at, data or {"total": "1.50"}, Usage("m", 100, 10, 20))


def priced(input_per_million: int = 1) -> Pricing:
    rates = (("input_tokens", Decimal(input_per_million).scaleb(-6)), ("cached_tokens", Decimal("5e-7")))
    return Pricing(Prices([ModelPrice("m", (*rates, ("output_tokens", Decimal("2e-6"))), "USD", "")]))


def costs(unit: Unit) -> Sequence[Decimal | None]:
    return unit.connection.scalars(sa.select(usage.c.cost).order_by(usage.c.ref)).all()


def test_writing_twice_changes_nothing(ops: sa.Engine) -> None:
    """The second write of the same rows finds none new, keeps the prices that they had, and has nothing summed anew."""
    with Ops(ops).begin() as unit:
        assert unit.records.write([record("a"), record("b", AT + timedelta(hours=1))], RUN, pricing=priced()).new == 2
        unit.connection.execute(sa.delete(usage_changes))
        again = [record("a"), record("b", AT + timedelta(hours=1))]
        assert unit.records.write(again, RUN, pricing=priced(input_per_million=9)) == Written()
        assert costs(unit) == [Decimal("0.00011"), Decimal("0.00011")]
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(usage_changes)) == 0


def test_a_changed_call_is_priced_anew(ops: sa.Engine) -> None:
    """A row that was corrected at the source costs what its new usage costs."""
    with Ops(ops).begin() as unit:
        unit.records.write([record()], RUN, pricing=priced())
        unit.records.write([Record("w", "k", AT, {"total": "2"}, Usage("m", 999, 10, 0))], RUN, pricing=priced())
        assert costs(unit) == [Decimal("0.001019")]


def test_a_record_that_moved_in_time_stands_once(ops: sa.Engine) -> None:
    """A corrected time, even into another month, leaves one record and one call."""
    with Ops(ops).begin() as unit:
        unit.records.write([record(at=AT)], RUN)
        assert unit.records.write([record(at=AT + timedelta(days=2))], uuid.uuid4()) == Written(changed=1, left=(AT,))
        assert unit.connection.scalars(sa.select(records.c.at)).all() == [AT + timedelta(days=2)]
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(usage)) == 1


@pytest.mark.parametrize("sizes", [(3,), (1, 1, 1), (2, 1)], ids=["one batch", "each in its own", "across two"])
def test_a_key_that_occurs_twice_stands_once(ops: sa.Engine, sizes: tuple[int, ...]) -> None:
    """The newest of a key stands, with one call; the others are counted, every time they are read."""
    rows = [record("a", AT, n=1), record("b", AT, n=1), record("a", AT + timedelta(hours=1), n=2)]
    with Ops(ops).begin() as unit:
        for run, new in ((RUN, 2), (uuid.uuid4(), 0)):
            left = iter(rows)
            written = [unit.records.write([next(left) for _ in range(size)], run) for size in sizes]
            assert sum(one.new for one in written) == new
            assert sum(one.repeated for one in written) == 1
            kept = unit.connection.execute(sa.select(records.c.key, records.c.data).order_by(records.c.key)).all()
            assert [tuple(row) for row in kept] == [("a", {"n": 2}), ("b", {"n": 1})]
            calls = unit.connection.execute(sa.select(usage.c.ref, usage.c.at).order_by(usage.c.ref)).all()
            assert [tuple(row) for row in calls] == [("a", AT + timedelta(hours=1)), ("b", AT)]


@pytest.mark.parametrize("newest_first", [False, True], ids=["by time", "the newer first"])
def test_a_key_that_occurs_twice_changes_nothing_when_it_is_read_again(ops: sa.Engine, *, newest_first: bool) -> None:
    """In batches of their own, in windows that are both read: no record changes, no window is touched, and its run stays."""
    older, newer = record("a", AT, n=1), record("a", AT + timedelta(hours=1), n=2)
    spans = (Window(AT, AT + timedelta(minutes=30)), Window(AT + timedelta(minutes=30), AT + timedelta(hours=2)))
    first = pulled_in_batches(ops, RUN, [[older], [newer]], spans)
    assert (first.new, first.repeated, first.changed) == (1, 1, 0)
    for _ in range(3):
        rows = [[newer], [older]] if newest_first else [[older], [newer]]
        assert pulled_in_batches(ops, uuid.uuid4(), rows, spans) == Written(repeated=1)
        with Ops(ops).begin() as unit:
            kept = unit.connection.execute(sa.select(records.c.at, records.c.data, records.c.run_id)).one()
            assert tuple(kept) == (newer.at, {"n": 2}, RUN)


def test_a_record_that_moved_back_in_time_is_told_once_all_is_read(ops: sa.Engine) -> None:
    """The newer row does not come any more: it is where it was corrected to, and its old place is judged again."""
    span = (Window(AT - timedelta(days=1), AT + timedelta(days=1)),)
    pulled_in_batches(ops, RUN, [[record("a", AT, n=2)]], span)
    run, back = uuid.uuid4(), record("a", AT - timedelta(hours=1), n=2)
    assert pulled_in_batches(ops, run, [[back], [record("b", AT)]], span) == Written(new=1, changed=1, left=(AT,))
    changed = [[record("a", AT - timedelta(hours=2), n=2)], [record("a", AT - timedelta(hours=1), n=3)]]
    told = pulled_in_batches(ops, uuid.uuid4(), changed, span)
    assert (told.changed, told.repeated, told.left) == (1, 1, (AT - timedelta(hours=1),))


def pulled_in_batches(
    ops: sa.Engine, run_id: uuid.UUID, batches: Sequence[Sequence[Record]], spans: Sequence[Window]
) -> Written:
    """What a pull has written, each batch in a transaction of its own."""
    displaced, made = Displaced(), []
    for batch in batches:
        with Ops(ops).begin() as unit:
            made.append(unit.records.write(batch, run_id, spans=spans, displaced=displaced))
    counts = [sum(one[place] for one in made) for place in range(4)]
    return Written(*counts, left=(*(moment for one in made for moment in one.left), *displaced.left()))


def test_of_two_equally_new_rows_the_last_stands(ops: sa.Engine) -> None:
    """An older row that comes later in the batch does not replace a newer one either."""
    rows = [record("a", AT, n=1), record("a", AT, n=2), record("a", AT - timedelta(hours=1), n=3)]
    with Ops(ops).begin() as unit:
        assert unit.records.write(rows, RUN) == Written(new=1, repeated=2)
        assert unit.connection.scalars(sa.select(records.c.data)).all() == [{"n": 2}]


def test_what_a_model_says_can_always_be_kept(ops: sa.Engine) -> None:
    """NUL and half surrogate pairs, which PostgreSQL refuses, are replaced; everything else is kept as it is."""
    hostile = "a\x00b\ud800c<script>'\"\\u0000 😀"
    with Ops(ops).begin() as unit:
        unit.records.write([record(output=hostile)], RUN)
        kept = unit.connection.scalars(sa.select(records.c.data)).one()["output"]
    assert kept == "a␀b?c<script>'\"\\u0000 😀"


def test_the_watermark_never_goes_back(ops: sa.Engine) -> None:
    """An older run that ends late does not undo a newer one."""
    with Ops(ops).begin() as unit:
        assert unit.records.pulled_to("w") is None
        unit.records.set_pulled_to("w", AT)
        unit.records.set_pulled_to("w", AT - timedelta(days=1))
        assert unit.records.pulled_to("w") == AT


def test_the_gate_decides_once(ops: sa.Engine) -> None:
    """A second decision on the same output changes nothing, and it is not offered again, changed or not: a person has it."""
    span = Window(AT, AT + timedelta(hours=1))
    found = Discrepancy("in_set", "currency", "XXX", "EUR", "", "wrong")
    with Ops(ops).begin() as unit:
        unit.records.write([record("a")], RUN)
        ((waiting, data_md5),) = unit.records.undecided("w", span)
        assert waiting.key == "a"
        first = GateDecision("w", "a", AT, released=False, reason="failed_check", discrepancies=(found,))
        unit.gate.write([first], RUN, data_md5={"a": data_md5})
        unit.gate.write([GateDecision("w", "a", AT, released=True, reason="passed")], uuid.uuid4())
        assert list(unit.records.undecided("w", span)) == []
        unit.records.write([record("a", total="9")], RUN)
        assert list(unit.records.undecided("w", span)) == []
        assert unit.gate.of_run(RUN) == GateTally(1, 0, 0, {("in_set", "currency"): 1})


def test_a_run_is_counted_by_the_database(ops: sa.Engine) -> None:
    """An output counts once for each check and field that it failed, and the most frequent ones come first."""
    total = Discrepancy("match_reference", "total", "1", "2", "purchase order PO-1", "Total: 1, not 2")
    supplier = Discrepancy("in_table", "supplier", "X", "", "", "Supplier: X")
    held = [
        GateDecision(
            "w", f"h{n}", AT, released=False, reason="failed_check", discrepancies=(total, total, supplier)[: 2 + n]
        )
        for n in range(2)
    ]
    spot = GateDecision("w", "s", AT, released=True, reason="spot_check")
    passed = GateDecision("w", "p", AT, released=True, reason="passed")
    with Ops(ops).begin() as unit:
        unit.gate.write([*held, spot, passed], RUN)
        unit.gate.write([GateDecision("other", "p", AT, released=True, reason="passed")], uuid.uuid4())
        made = unit.gate.of_run(RUN)
    assert (made.decided, made.released, made.spot_checked, made.routed) == (4, 2, 1, 2)
    assert list(made.routed_by.items()) == [(("match_reference", "total"), 2), (("in_table", "supplier"), 1)]


def test_a_changed_release_is_decided_again(ops: sa.Engine) -> None:
    """The new decision stands, the earlier one is kept beside it, and the same data is never decided on twice."""
    span = Window(AT, AT + timedelta(hours=1))
    found = Discrepancy("in_set", "currency", "XXX", "EUR", "", "wrong")
    release = GateDecision("w", "a", AT, released=True, reason="spot_check")
    route = GateDecision("w", "a", AT, released=False, reason="failed_check", discrepancies=(found,))
    held = GateTally(1, 0, 0, {("in_set", "currency"): 1})
    other = uuid.uuid4()
    with Ops(ops).begin() as unit:
        unit.records.write([record("a")], RUN)
        (before,) = unit.records.undecided("w", span)
        unit.gate.write([release], RUN, data_md5={"a": before.data_md5})
        unit.gate.write([route], other, data_md5={"a": before.data_md5})
        assert (unit.gate.of_run(RUN), unit.gate.of_run(other)) == (GateTally(1, 1, 1), GateTally())
        unit.records.write([record("a")], RUN)  # the same data again
        assert unit.records.count_undecided("w", span) == 0
        unit.records.write([record("a", total="9")], RUN)
        (after,) = unit.records.undecided("w", span)
        assert unit.records.count_undecided("w", span) == 1
        for _ in range(2):
            unit.gate.write([route], other, data_md5={"a": after.data_md5})
        assert (unit.gate.of_run(RUN), unit.gate.of_run(other)) == (GateTally(), held)
        assert unit.gate.changed_after_release(RUN) == ChangedReleases()
        assert unit.gate.changed_after_release(other) == ChangedReleases(1, 1, ("a",))
        (earlier,) = unit.connection.scalars(sa.select(gate_decisions.c.earlier)).one()
        assert (earlier["released"], earlier["reason"], earlier["run_id"]) == (True, "spot_check", str(RUN))
        assert unit.records.count_undecided("w", span) == 0


def test_overrides_are_counted_by_week(ops: sa.Engine) -> None:
    """Released outputs that a person corrected later are overrides; accepted ones are not."""
    with Ops(ops).begin() as unit:
        unit.gate.write([GateDecision("w", key, AT, released=True, reason="passed") for key in "abc"], RUN)
        unit.gate.write([GateDecision("w", "d", AT, released=False, reason="failed_check")], RUN)
        unit.records.write_decisions(
            [HumanDecision("w", "a", AT, "corrected"), HumanDecision("w", "a", AT + timedelta(1), "accepted")]
        )
        unit.records.write_decisions([HumanDecision("w", "b", AT, "accepted"), HumanDecision("w", "d", AT, "rejected")])
        (week,) = unit.reports.weekly_counts("w", Window(AT - timedelta(days=9), AT + timedelta(days=9)))
        assert (week.outputs, week.released, week.routed, week.judged, week.overridden) == (4, 3, 1, 2, 1)
        assert str(week.week) == "2026-10-26"
        assert unit.reports.waiting("w", now=AT + timedelta(days=3)) == 0


def test_a_decision_corrected_in_place_is_taken_over(ops: sa.Engine) -> None:
    """The same moment with another word or other minutes is the corrected decision; the same again is nothing new."""
    first = HumanDecision("w", "a", AT, "accepted", Decimal(3))
    with Ops(ops).begin() as unit:
        assert [unit.records.write_decisions([first]) for _ in range(2)] == [1, 0]
        assert unit.records.write_decisions([HumanDecision("w", "a", AT, "corrected", Decimal(30))]) == 1
        kept = unit.connection.execute(sa.select(human_decisions.c.decision, human_decisions.c.minutes)).all()
    assert kept == [("corrected", Decimal("30.000"))]


def test_a_repeated_run_finds_what_stands(ops: sa.Engine) -> None:
    """A second attempt of the same trigger writes nothing, whatever it found."""
    trigger = Trigger("airflow", "scheduled__1", dag_id="records.hourly")
    bad = StageResult("w", "check", "bad", findings=(Finding("w", "check", "k", Severity.CRITICAL, "t"),), checked=1)
    good = StageResult("w", "check", "good", checked=1)
    written = []
    for result in (bad, good):
        with Ops(ops).begin() as unit:
            written.append(
                unit.runs.add(
                    result, window=Window(AT, AT), trigger=trigger, versions={}, started_at=AT, finished_at=AT
                )
            )
    assert written[0][0] == written[1][0]
    assert [new for _, new in written] == [True, False]
    with Ops(ops).begin() as unit:
        run = unit.runs.find("w", Stage.CHECK, trigger)
        assert run is not None
        assert (run.verdict, run.summary) == (Verdict.FAIL, "bad")
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(findings)) == 1
