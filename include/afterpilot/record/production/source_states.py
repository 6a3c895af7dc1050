"""What sources looked like when they were read last, and what pulls under way have written."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from psycopg import Connection as PsycopgConnection
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.looking import KnownColumn
from afterpilot.domain.window import Window
from afterpilot.record.plain import plain
from afterpilot.record.tables import pull_counts, records, source_states

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CountedDay:
    """A day as it was counted last: rows at the source, records of it, and how many were told to be gone.

    ``unkept`` counts the rows that were read and are no records, such as those without a key and repeated ones.
    """

    rows: int
    kept: int
    gone: int = 0
    unkept: int = 0


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as it was seen last. ``lost`` says from which moment on rows lack a column."""

    columns: Mapping[str, KnownColumn] = field(default_factory=dict)
    lost: Mapping[str, datetime] = field(default_factory=dict)
    days: Mapping[date, CountedDay] = field(default_factory=dict)
    newest_at: datetime | None = None
    seen_at: datetime | None = None


class SourceStates:
    """The states of all sources."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of(self, workflow: str) -> SourceState:
        """The state, empty before the first pull."""
        row = self._connection.execute(sa.select(source_states).where(source_states.c.workflow == workflow)).first()
        if row is None:
            return SourceState()
        return SourceState(
            columns={name: KnownColumn(**known) for name, known in row.columns.items()},
            lost={name: datetime.fromisoformat(since) for name, since in row.lost.items()},
            days={date.fromisoformat(day): CountedDay(**counted) for day, counted in row.days.items()},
            newest_at=row.newest_at,
            seen_at=row.seen_at,
        )

    def keep(self, workflow: str, state: SourceState) -> None:
        """Replace the state. The newest time never goes back: that it did is what must be noticed."""
        days = {day.isoformat(): asdict(counted) for day, counted in state.days.items()}
        statement = insert(source_states).values(
            workflow=workflow,
            columns={name: {"type": one.type, "declared": one.declared} for name, one in state.columns.items()},
            lost=plain(dict(state.lost)),
            days=days,
            newest_at=state.newest_at,
            seen_at=state.seen_at,
        )
        changed = {name: statement.excluded[name] for name in ("columns", "lost", "days", "newest_at", "seen_at")}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["workflow"], set_=changed))

    def add(self, run_id: uuid.UUID, **counts: int) -> None:
        """Add to what the attempts of a pull have written, in the transaction that writes it."""
        given = insert(pull_counts).values(run_id=run_id, counts=counts)
        old, new = pull_counts.c.counts, given.excluded.counts
        sums = {name: sa.func.coalesce(old[name].as_integer(), 0) + new[name].as_integer() for name in counts}
        together = sa.func.jsonb_build_object(
            *(part for name, value in sums.items() for part in (sa.literal(name), value))
        )
        self._connection.execute(
            given.on_conflict_do_update(
                index_elements=["run_id"], set_={"counts": old.op("||")(together), "changed_at": sa.func.now()}
            )
        )

    def added(self, run_id: uuid.UUID) -> Counter[str]:
        """What all attempts of the pull have written so far."""
        counts = self._connection.scalar(sa.select(pull_counts.c.counts).where(pull_counts.c.run_id == run_id))
        return Counter(counts or {})

    def forget_counts(self, run_id: uuid.UUID) -> None:
        """The pull is on record: its run holds the counts. Those of pulls that nobody went on with go too, after a month."""
        old = pull_counts.c.changed_at < sa.func.now() - timedelta(days=30)
        self._connection.execute(sa.delete(pull_counts).where(sa.or_(pull_counts.c.run_id == run_id, old)))

    def kept_by_day(self, workflow: str, window: Window) -> Mapping[date, int]:
        """How many records there are of each UTC day of the window."""
        day = sa.cast(sa.func.timezone("UTC", records.c.at), sa.Date)
        statement = sa.select(day, sa.func.count()).where(*_inside(workflow, window)).group_by(day)
        return {row[0]: row[1] for row in self._connection.execute(statement)}

    def keys_after(self, workflow: str, moment: datetime | None, *, limit: int) -> Sequence[str]:
        """The keys of the newest records after the moment, or of the newest of all."""
        statement = sa.select(records.c.key).where(records.c.workflow == workflow)
        if moment is not None:
            statement = statement.where(records.c.at > moment)
        return list(self._connection.scalars(statement.order_by(records.c.at.desc()).limit(limit)))

    def absent(
        self, workflow: str, window: Window, keys: Iterable[str], *, at_once: int = 10_000
    ) -> Iterator[Sequence[str]]:
        """The keys of the window's records that are not among ``keys``, newest first, ``at_once`` at a time.

        The keys go into a table of the transaction: memory grows neither with them nor with what is absent.
        """
        self._connection.execute(sa.text("CREATE TEMPORARY TABLE keys_at_source (key text) ON COMMIT DROP"))
        raw = self._connection.connection.driver_connection
        if not isinstance(raw, PsycopgConnection):  # pragma: no cover - the ops database is always read by psycopg
            raise TypeError(f"keys cannot be copied through {type(raw).__name__}")
        with raw.cursor().copy("COPY keys_at_source FROM STDIN") as copy:
            for key in keys:
                copy.write_row((key.replace("\x00", ""),))
        self._connection.execute(sa.text("ANALYZE keys_at_source"))
        there = sa.table("keys_at_source", sa.column("key", sa.Text))
        statement = (
            sa.select(records.c.key)
            .where(*_inside(workflow, window), ~sa.exists().where(there.c.key == records.c.key))
            .order_by(records.c.at.desc(), records.c.key)
        )
        with self._connection.scalars(statement.execution_options(stream_results=True, yield_per=at_once)) as found:
            yield from found.partitions()
        self._connection.execute(sa.text("DROP TABLE keys_at_source"))


def whole_day(day: date) -> Window:
    """The UTC day as a window."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Window(start, start + _DAY)


def _inside(workflow: str, window: Window) -> tuple[sa.ColumnElement[bool], ...]:
    return (records.c.workflow == workflow, records.c.at >= window.start, records.c.at < window.end)
