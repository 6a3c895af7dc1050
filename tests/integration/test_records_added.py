"""Records of which none is known yet go straight into their tables; one that is known makes the batch a merge."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from afterpilot.domain.record import Record, Usage
from afterpilot.record import partitions
from afterpilot.record.ops import Ops, Unit
from afterpilot.record.production import adding
from afterpilot.record.production.merging import Written, lines_of
from afterpilot.record.tables import records, usage

pytestmark = pytest.mark.integration
AT = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
RUN = uuid.UUID(int=1)


def rows(*keys: str, at: datetime = AT, total: str = "1", tokens: int | None = 100) -> list[Record]:
    return [Record("w", key, at, {"total": total}, Usage("m", tokens, 10, 20)) for key in keys]


def added(unit: Unit, batch: Sequence[Record]) -> bool:
    given = adding.split(lines_of(batch), None, since=None)
    for table in ("records", "usage"):
        partitions.ensure(unit.connection, table, given.quarters)
    return adding.add(unit.connection, given, RUN)


def kept(unit: Unit) -> Sequence[tuple[str, datetime, str]]:
    found = unit.connection.execute(sa.select(records.c.key, records.c.at, records.c.data).order_by(records.c.key))
    return [(row.key, row.at, row.data["total"]) for row in found]


def test_what_is_new_is_added_as_it_is(ops: sa.Engine) -> None:
    """Keys and texts with the signs of COPY, tokens that nobody counted, rows of two months."""
    batch = [
        *rows("a\\b", "\\N", total="tab\tnewline\nback\\slash"),
        *rows("c", at=AT + timedelta(days=1), tokens=None),
    ]
    with Ops(ops).begin() as unit:
        assert added(unit, batch)
        text = "tab\tnewline\nback\\slash"
        assert set(kept(unit)) == {("a\\b", AT, text), ("\\N", AT, text), ("c", AT + timedelta(days=1), "1")}
        assert set(unit.connection.scalars(sa.select(records.c.run_id))) == {RUN}
        calls = unit.connection.execute(sa.select(usage.c.ref, usage.c.kind, usage.c.model, usage.c.input_tokens)).all()
        assert {tuple(call) for call in calls} == {
            ("a\\b", "production", "m", 100),
            ("\\N", "production", "m", 100),
            ("c", "production", "m", None),
        }


def test_what_is_older_than_the_watermark_is_counted_as_late(ops: sa.Engine) -> None:
    """A new record of the very moment is not late."""
    with Ops(ops).begin() as unit:
        batch = [*rows("a", at=AT - timedelta(seconds=1)), *rows("b")]
        assert unit.records.write(batch, RUN, since=AT) == Written(new=2, late=1)


@pytest.mark.parametrize("known", ["a", "b", "m", "z", "a\\b"])
def test_a_key_that_is_known_is_not_added_again(ops: sa.Engine, known: str) -> None:
    """The first, the last, one between, one of another month: the record is corrected and stands once."""
    earlier = AT - timedelta(days=90)
    with Ops(ops).begin() as unit:
        unit.records.write(rows(known, at=earlier), RUN)
        batch = rows("z", "a", "m", "b", "a\\b", "n")
        assert not added(unit, batch)
        assert unit.records.write(batch, uuid.UUID(int=2)) == Written(new=5, changed=1, left=(earlier,))
        assert sorted(kept(unit)) == sorted((key, AT, "1") for key in ("a", "b", "m", "z", "a\\b", "n"))


def test_keys_between_known_ones_are_added(ops: sa.Engine) -> None:
    """None of them is known, though smaller and greater ones are, and another workflow knows them."""
    with Ops(ops).begin() as unit:
        unit.records.write(rows("a", "c", "e"), RUN)
        unit.records.write([Record("other", "b", AT, {}, None)], RUN)
        assert added(unit, rows("b", "d"))
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(records)) == 6


def test_a_key_that_comes_twice_is_left_to_the_merge(ops: sa.Engine) -> None:
    """Nothing of the batch is written before it is known which one stands."""
    with Ops(ops).begin() as unit:
        assert not added(unit, rows("a", "b", "a"))
        assert kept(unit) == []


def test_a_call_without_its_record_is_no_obstacle(ops: sa.Engine) -> None:
    """What the call used is replaced, and the record stands."""
    with Ops(ops).begin() as unit:
        unit.records.write(rows("b", tokens=1), RUN)
        unit.connection.execute(sa.delete(records))
        assert not added(unit, rows("a", "b"))
        assert kept(unit) == []
        assert unit.records.write(rows("a", "b"), RUN) == Written(new=2)
        assert len(kept(unit)) == 2
        assert set(unit.connection.scalars(sa.select(usage.c.input_tokens))) == {100}
