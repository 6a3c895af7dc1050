"""Was the same thing seen before?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check.words import as_text, either, is_missing, label, missing, phrase, shown
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.workflow import Check

# Everything that looks like nothing, also between words: a blank more must not make a duplicate a new invoice.
_POINTS = (*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0xAD, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029)
_BLANKS = "".join(map(chr, (*_POINTS, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)))
_WITHOUT = {ord(blank): None for blank in _BLANKS}


@dataclass(frozen=True, slots=True)
class Earlier:
    """The record that was there first."""

    key: str
    at: datetime


class Seen(Protocol):
    """Finds earlier records with the same values; letters' case and blanks around a value do not matter."""

    def __call__(self, workflow: str, columns: Sequence[str], batch: Sequence[Record]) -> Mapping[str, Earlier]:
        """For each record that is a repetition, by its key, the first one with the same values in all columns. Records
        that lack one of the values are never a repetition. Raises CheckError.
        """
        ...


_ALIKE = 50  # earlier records with the same values, among which the first one is named
_FILL_SECONDS = 3600
_BETWEEN = chr(31)  # counts as a blank, so that no plain value holds it

_records = sa.table(
    "records",
    sa.column("workflow", sa.Text()),
    sa.column("key", sa.Text()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("data", JSONB()),
)
_decisions = sa.table(
    "gate_decisions", sa.column("workflow", sa.Text()), sa.column("key", sa.Text()), sa.column("released", sa.Boolean())
)
_values = sa.table(
    "seen_values",
    sa.column("workflow", sa.Text()),
    sa.column("digest", sa.Uuid()),
    sa.column("key", sa.Text()),
    sa.column("repeats", sa.Text()),
)
_columns = sa.table("seen_columns", sa.column("workflow", sa.Text()), sa.column("columns", sa.ARRAY(sa.Text())))


class SeenInRecords:
    """Looks among the records in the ops database: those that are older, and those that were decided on already (a record
    that comes late does not pass because it is older than its double).

    Each record's values are kept as a digest, by which they are found: a batch costs the same however many records there are.
    The first batch of a check reads all records of its workflow once.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __call__(self, workflow: str, columns: Sequence[str], batch: Sequence[Record]) -> Mapping[str, Earlier]:
        """See :class:`Seen`. A few statements for the whole batch.

        Raises:
            CheckError: the ops database cannot be read.
        """
        values = [
            (record.key, record.at, *(as_text(record.data.get(column)) for column in columns))
            for record in batch
            if _complete(record, columns)
        ]
        if not values:
            return {}
        given = _given(columns, values)
        try:
            with self._engine.begin() as connection:
                _fill(connection, workflow, columns)
                _add(connection, workflow, given)
                rows = connection.execute(_statement(workflow, columns, given)).all()
                _note(connection, workflow, [(row.digest, row.given_key, row.key) for row in rows])
        except SQLAlchemyError as error:
            raise CheckError(f"earlier records cannot be read: {' '.join(str(error.args[0]).split())[:300]}") from error
        return {row.given_key: Earlier(row.key, row.at) for row in rows}


def not_seen_before(
    check: Check, batch: Sequence[Record], seen: Seen, workflow: str
) -> Callable[[Record], Iterator[Discrepancy]]:
    """No earlier record, in the batch or before it, has the same values in these columns."""
    columns = [str(column) for column in check.params["columns"]]
    first: dict[tuple[str, ...], Record] = {}
    repeated = dict(seen(workflow, columns, batch))
    for record in batch:
        if _complete(record, columns):
            earlier = first.setdefault(_plain_values(record, columns), record)
            if earlier.key != record.key and record.key not in repeated:
                repeated[record.key] = Earlier(earlier.key, earlier.at)

    def judge(record: Record) -> Iterator[Discrepancy]:
        for column in columns:
            if is_missing(record.data.get(column)):
                yield missing(check, column)
        earlier = repeated.get(record.key)
        if earlier is not None:
            names = either([phrase(column) for column in columns], "and")
            said = ", ".join(shown(record.data.get(column)) for column in columns)
            source = f"record {shown(earlier.key)} of {earlier.at.astimezone(UTC):%Y-%m-%d}"
            text = f"{label(columns[0])}: {source} has the same {names} ({said})"
            yield Discrepancy(check.expect, columns[0], said, "not seen before", source, text)

    return judge


def _given(columns: Sequence[str], values: Sequence[tuple[Any, ...]]) -> sa.CTE:
    """The batch's keys, times and digests."""
    names = [f"value_{index}" for index in range(len(columns))]
    current = sa.values(
        sa.column("given_key", sa.Text),
        sa.column("given_at", sa.DateTime(timezone=True)),
        *(sa.column(name, sa.Text) for name in names),
        name="given",
    ).data(list(values))
    digest = _digest(columns, [current.c[name] for name in names]).label("digest")
    return sa.select(current.c.given_key, current.c.given_at, digest).cte("given")


def _fill(connection: sa.Connection, workflow: str, columns: Sequence[str]) -> None:
    """Take in all earlier records, unless that was done since the check was declared."""
    names = sa.cast(list(columns), sa.ARRAY(sa.Text))
    known = sa.select(_columns.c.workflow).where(_columns.c.workflow == workflow, _columns.c.columns == names)
    if connection.execute(known).first() is not None:
        return
    noted = insert(_columns).values(workflow=workflow, columns=names).on_conflict_do_nothing()
    if not connection.execute(noted).rowcount:  # another gate has done it while this one waited
        return
    connection.execute(sa.text(f"SET LOCAL statement_timeout = {_FILL_SECONDS * 1000}"))
    values = [_records.c.data[column].astext for column in columns]
    rows = sa.select(_records.c.workflow, _digest(columns, values), _records.c.key).where(
        _records.c.workflow == workflow, *(_plain(value) != "" for value in values)
    )
    connection.execute(insert(_values).from_select(["workflow", "digest", "key"], rows).on_conflict_do_nothing())


def _add(connection: sa.Connection, workflow: str, given: sa.CTE) -> None:
    rows = sa.select(sa.literal(workflow), given.c.digest, given.c.given_key)
    rows = rows.order_by(given.c.digest, given.c.given_key)  # two gates at once wait for each other in one order
    connection.execute(insert(_values).from_select(["workflow", "digest", "key"], rows).on_conflict_do_nothing())


def _note(connection: sa.Connection, workflow: str, repeats: Sequence[tuple[uuid.UUID, str, str]]) -> None:
    """Remember what repeats what (digest, key, the first one's key): when the first one is judged again, its own double must
    not count against it.
    """
    if not repeats:
        return
    names = (("digest", sa.Uuid), ("key", sa.Text), ("first", sa.Text))
    pairs = sa.values(*(sa.column(name, kind) for name, kind in names), name="pairs").data(list(repeats))
    connection.execute(
        sa.update(_values)
        .where(_values.c.workflow == workflow, _values.c.digest == pairs.c.digest, _values.c.key == pairs.c.key)
        .where(_values.c.repeats != pairs.c.first)
        .values(repeats=pairs.c.first)
    )


def _statement(workflow: str, columns: Sequence[str], given: sa.CTE) -> sa.Select[Any]:
    """For each output the first earlier record that says the same, now."""
    alike = _digest(columns, [_records.c.data[column].astext for column in columns])
    older = sa.tuple_(_records.c.at, _records.c.key) < sa.tuple_(given.c.given_at, given.c.given_key)
    own_double = sa.and_(_values.c.repeats == given.c.given_key, _decisions.c.released.is_(sa.false()))
    found = (
        sa.select(_records.c.key, _records.c.at)
        .select_from(
            _values.join(_records, sa.and_(_records.c.workflow == workflow, _records.c.key == _values.c.key)).outerjoin(
                _decisions, sa.and_(_decisions.c.workflow == workflow, _decisions.c.key == _values.c.key)
            )
        )
        .where(
            _values.c.workflow == workflow,
            _values.c.digest == given.c.digest,
            _values.c.key != given.c.given_key,
            alike == given.c.digest,  # a record that says something else by now repeats nothing
            sa.or_(older, _decisions.c.key.is_not(None)),
            sa.func.coalesce(~own_double, sa.true()),
        )
        .limit(_ALIKE)
        .correlate(given)
        .lateral("found")
    )
    return (
        sa.select(given.c.given_key, given.c.digest, found.c.key, found.c.at)
        .select_from(given.join(found, sa.true()))
        .distinct(given.c.given_key)
        .order_by(given.c.given_key, found.c.at, found.c.key)
    )


def _digest(columns: Sequence[str], values: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    """A digest of values without blanks and capitals, and of whose values they are; PostgreSQL alone computes it."""
    names = sa.literal(_BETWEEN.join(columns), sa.Text)
    return sa.cast(sa.func.md5(sa.func.concat_ws(_BETWEEN, names, *(_plain(value) for value in values))), sa.Uuid)


def _plain(text: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.lower(sa.func.translate(text, _BLANKS, ""))


def _complete(record: Record, columns: Sequence[str]) -> bool:
    return not any(is_missing(record.data.get(column)) for column in columns)


def _plain_values(record: Record, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple((as_text(record.data.get(column)) or "").translate(_WITHOUT).lower() for column in columns)
