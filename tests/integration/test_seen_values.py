"""Doubles among many records: found by their digests, whoever was judged when, and at the same cost."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.check.seen import Earlier, SeenInRecords
from afterpilot.domain.record import GateDecision, Record
from afterpilot.record.ops import Ops

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
RUN = uuid.UUID(int=1)
COLUMNS = ["supplier", "total"]


def record(key: str, at: datetime = AT, **data: Any) -> Record:
    """An output of always the same values, unless others are given."""
    return Record("w", key, at, {"supplier": "Weber", "total": "5", **data})


def keep(ops: sa.Engine, *records: Record) -> None:
    """Write records as a pull does."""
    with Ops(ops).begin() as unit:
        unit.records.write(records, RUN)


def decide(ops: sa.Engine, *keys: str, released: bool) -> None:
    """Write decisions as the gate does."""
    decisions = [
        GateDecision("w", key, AT, released=released, reason="passed" if released else "failed_check") for key in keys
    ]
    with Ops(ops).begin() as unit:
        unit.gate.write(decisions, RUN)


def seen(ops: sa.Engine, *batch: Record, columns: Sequence[str] = COLUMNS) -> dict[str, Earlier]:
    """What the batch repeats."""
    return dict(SeenInRecords(ops)("w", columns, batch))


def test_an_output_does_not_count_its_own_double(ops: sa.Engine) -> None:
    """B was released, A came late and was routed as its double; then B changes elsewhere and is judged again: it passes."""
    late, first = record("a", AT - timedelta(hours=1)), record("b")
    keep(ops, first)
    assert seen(ops, first) == {}
    decide(ops, "b", released=True)
    keep(ops, late)
    assert seen(ops, late) == {"a": Earlier("b", AT)}
    decide(ops, "a", released=False)
    changed = record("b", note="changed")
    keep(ops, changed)
    assert seen(ops, changed) == {}
    third = record("c", AT + timedelta(hours=1))
    keep(ops, third)
    assert seen(ops, third) == {"c": Earlier("a", late.at)}


def test_a_record_that_says_something_else_by_now_is_no_double(ops: sa.Engine) -> None:
    """Its old values are free again, its new ones are taken as soon as it was judged with them."""
    keep(ops, record("a"))
    assert seen(ops, record("a")) == {}
    moved = record("a", total="6")
    keep(ops, moved)
    after = record("b", AT + timedelta(hours=1))
    keep(ops, after)
    assert seen(ops, moved, after) == {}
    same = record("c", AT + timedelta(hours=2), total="6")
    keep(ops, same)
    assert seen(ops, same) == {"c": Earlier("a", AT)}


def test_records_from_before_the_check_was_declared_count(ops: sa.Engine) -> None:
    """All that is there is taken in by the first batch; what is gated while no check names the columns, when one does again."""
    keep(ops, record("a"))
    second = record("b", AT + timedelta(hours=1))
    keep(ops, second)
    assert seen(ops, second) == {"b": Earlier("a", AT)}
    other = record("m", total="7")
    keep(ops, other)
    again = record("n", AT + timedelta(hours=1), total="7")
    keep(ops, again)
    assert seen(ops, again) == {}  # `m` was never judged with this check: the gate has not told of it
    with Ops(ops).begin() as unit:
        unit.gate.forget_columns_seen("w", [COLUMNS])
    assert seen(ops, again) == {}
    with Ops(ops).begin() as unit:
        unit.gate.forget_columns_seen("w", [["total"]])
    assert seen(ops, again) == {"n": Earlier("m", AT)}


def test_which_columns_are_compared_makes_a_difference(ops: sa.Engine) -> None:
    """The same values of other columns, or in another order, are no double."""
    one = record("a", supplier="5", total="Weber")
    keep(ops, one)
    two = record("b", AT + timedelta(hours=1))
    keep(ops, two)
    assert seen(ops, one, two) == {}
    assert seen(ops, two, columns=["total"]) == {}
    assert seen(ops, record("b", AT + timedelta(hours=1), supplier="We ber"), columns=["supplier"]) == {}


def test_a_batch_reads_as_much_among_many_records_as_among_few(ops: sa.Engine) -> None:
    """By the pages that PostgreSQL touches, which no other load on the machine changes: the indexes get deeper, that is all."""

    def pages() -> int:
        batch = [record(f"n{n}", AT + timedelta(days=1, seconds=n), total=str(n * 3)) for n in range(50)]
        keep(ops, *batch)
        with ops.begin() as connection:
            connection.execute(sa.text("DELETE FROM seen_values WHERE key LIKE 'n%'"))
        before = touched()
        found = seen(ops, *batch)
        after = touched()
        assert set(found) >= {"n5", "n40"}
        return after - before

    def touched() -> int:
        with ops.begin() as connection:
            connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        with ops.begin() as connection:
            return connection.execute(
                sa.text(
                    "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0)) "
                    "FROM pg_statio_user_tables"
                )
            ).scalar_one()

    def fill(low: int, high: int) -> None:
        with ops.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO records (workflow, key, at, data, run_id) SELECT 'w', 'k' || n, :at, "
                    "jsonb_build_object('supplier', 'Weber', 'total', n::text), :run FROM generate_series(CAST(:low AS int), CAST(:high AS int)) n"
                ),
                {"at": AT, "run": RUN, "low": low, "high": high},
            )
            connection.execute(sa.text("DELETE FROM seen_columns"))
        seen(ops, record("k1"))

    keep(ops, record("k0", total="0"))
    fill(1, 500)
    few = pages()
    fill(501, 60_000)
    many = pages()
    assert many <= 3 * few  # for 120 times as many records
