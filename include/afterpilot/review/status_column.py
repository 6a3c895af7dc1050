"""Releases by a word in the output's own row: ``UPDATE … SET status = 'ready' WHERE key = … AND status = 'waiting'``.

The condition makes a repetition harmless: a row goes from one word to the other once, whoever tries again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchTableError, SQLAlchemyError

from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.releasing import Effect, Performed, State
from afterpilot.domain.review import StatusColumn
from afterpilot.domain.secrecy import in_brief

TIMEOUT_SECONDS = 20  # of each statement; three of them stay within a lease
BATCH = 500
# A missing right, a read-only transaction, no such column or table, a value the column does not take (SQLSTATE classes).
_MENDED_BY_PEOPLE = ("42", "25006", "22", "23", "28", "3D", "3F", "P0001")
_OF_ONE_ROW = ("22", "23", "P0001")  # a value, a constraint or a trigger may refuse one row and take another
_MANY = 16  # rows of which each was refused


def perform(url: str, said: StatusColumn, connection: str, effects: Sequence[Effect]) -> list[Performed]:
    """Write the words of up to :data:`BATCH` effects, in one transaction for all that lead to the same word."""
    try:
        engine = _engine(url)
    except ConfigurationError as error:
        return [Performed(one, "refused", f"{connection}: {error}") for one in effects]
    try:
        return [outcome for group in _alike(effects) for outcome in _write(engine, said, connection, group)]
    finally:
        engine.dispose()


def _alike(effects: Sequence[Effect]) -> Iterable[list[Effect]]:
    """Effects that write the same word over the same words."""

    def kind(one: Effect) -> tuple[bool, bool]:
        return one.released, one.number == 1

    return [list(group) for _, group in groupby(sorted(effects, key=kind), key=kind)]


def _write(engine: sa.Engine, said: StatusColumn, connection: str, effects: Sequence[Effect]) -> list[Performed]:
    written: list[Performed] = []
    try:
        with engine.begin() as opened:
            if engine.dialect.name == "postgresql":
                opened.execute(sa.text(f"SET LOCAL statement_timeout = {TIMEOUT_SECONDS * 1000}"))
                opened.execute(sa.text(f"SET LOCAL lock_timeout = {TIMEOUT_SECONDS * 1000}"))
            written = _written(opened, said, effects)
    except ConfigurationError as error:
        return [Performed(one, "refused", f"{connection}: {error}") for one in effects]
    except SQLAlchemyError as error:
        if len(effects) > 1 and _state(error).startswith(_OF_ONE_ROW):
            return _write_halves(engine, said, connection, effects)
        text = f"{connection}: {said.table}.{said.column} could not be written: {_reason(error, engine.url)}"
        state: State = "refused" if _needs_people(error) else "later"
        return [Performed(one, state, text, unsure=bool(written) and state == "later") for one in effects]
    else:
        return written


def _write_halves(engine: sa.Engine, said: StatusColumn, connection: str, effects: Sequence[Effect]) -> list[Performed]:
    """One row that the database refuses does not keep the others from being written. Where nothing of many could be, the
    fault is none of single rows, and the rest is not tried.
    """
    middle = len(effects) // 2
    first = _write(engine, said, connection, effects[:middle])
    if middle >= _MANY and all(one.state == "refused" for one in first):
        return [*first, *(Performed(one, "refused", first[-1].error) for one in effects[middle:])]
    return [*first, *_write(engine, said, connection, effects[middle:])]


def _written(opened: sa.Connection, said: StatusColumn, effects: Sequence[Effect]) -> list[Performed]:
    """What the rows say after the words were written; nothing is written over a word that nobody expected there."""
    place = _table(opened, said)
    key, column = place.c[said.key], place.c[said.column]
    word, expected = _word(said, effects[0]), _expected(said, effects[0])
    typed = {one.key: _typed(one.key, key.type) for one in effects}
    wanted = [value for value in typed.values() if value is not None]
    standing = _words(opened, place, said, wanted, lock=True)
    ready = [value for value in wanted if standing.get(_as_key(value)) in [[one] for one in expected]]
    if ready:
        opened.execute(
            sa.update(place)
            .where(key.in_(ready), _plain(column).in_(expected))
            .values({said.column: sa.literal(word, column.type)})
        )
        standing = {**standing, **_words(opened, place, said, ready, lock=False)}
    return [_outcome(one, said, word, standing.get(_as_key(typed[one.key]), [])) for one in effects]


def _outcome(effect: Effect, said: StatusColumn, word: str, found: Sequence[str]) -> Performed:
    where = f"{said.table}.{said.column} of {effect.key}"
    if found == [word]:
        return Performed(effect, "done")
    if not found:
        return Performed(effect, "failed", f"there is no row of {said.table} with {said.key} {effect.key}")
    if len(found) > 1:
        return Performed(effect, "failed", f"{len(found)} rows of {said.table} have the {said.key} {effect.key}")
    stands = f"{where} is {found[0]!r}" if found[0] else f"{where} is empty"
    if effect.unsure and found[0] != said.waiting:
        # An attempt that was cut off may have written the word before production went on with it.
        return Performed(effect, "done", f"{stands}: production has gone on")
    return Performed(effect, "overtaken", f"{stands}, not {_expected(said, effect)[0]!r}: left as it is")


def _word(said: StatusColumn, effect: Effect) -> str:
    return said.released if effect.released else said.held


def _expected(said: StatusColumn, effect: Effect) -> list[str]:
    """The words that may be written over: that of a waiting row, and after a first decision also what that one wrote."""
    own = [said.held if effect.released else said.released] if effect.number > 1 else []
    return [said.waiting, *(word for word in own if word)]


def _words(
    opened: sa.Connection, place: sa.TableClause, said: StatusColumn, keys: Sequence[Any], *, lock: bool
) -> Mapping[str, list[str]]:
    """The words of the rows by key; several where a key is there several times."""
    key, column = place.c[said.key], place.c[said.column]
    statement = sa.select(key, _plain(column).label("word")).where(key.in_(keys)).order_by(key)
    found: dict[str, list[str]] = {}
    for row in opened.execute(statement.with_for_update() if lock else statement):
        found.setdefault(_as_key(row[0]), []).append(row.word)
    return found


def _plain(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.trim(sa.func.coalesce(sa.cast(column, sa.Text), ""))


def _table(opened: sa.Connection, said: StatusColumn) -> sa.TableClause:
    schema, _, name = said.table.rpartition(".")
    try:
        types = {one["name"]: one["type"] for one in sa.inspect(opened).get_columns(name, schema=schema or None)}
    except NoSuchTableError:
        raise ConfigurationError(f"there is no table {said.table}") from None
    for column in (said.key, said.column):
        if column not in types:
            raise ConfigurationError(f"table {said.table} has no column {column} (columns: {', '.join(sorted(types))})")
    kind = types[said.column]
    if isinstance(kind, sa.Enum):
        for word in (said.released, said.held):
            if word and word not in kind.enums:
                raise ConfigurationError(f"{said.table}.{said.column} knows no {word!r}, only {', '.join(kind.enums)}")
    columns = (sa.column(name, types[name]) for name in (said.key, said.column))
    return sa.table(name, *columns, schema=schema or None)


def _typed(key: str, kind: sa.types.TypeEngine[Any]) -> Any:  # noqa: ANN401 - any key
    """The key as one of the column's type, None where it cannot be one: then there is no such row."""
    try:
        if isinstance(kind, sa.Integer):
            return int(key)
        if isinstance(kind, sa.Float):
            return float(key)
        if isinstance(kind, sa.Numeric):
            return Decimal(key)
        if isinstance(kind, sa.Uuid):
            return uuid.UUID(key)
    except (ValueError, InvalidOperation):
        return None
    return key


def _as_key(value: object) -> str:
    return value.rstrip() if isinstance(value, str) else str(value)


def _engine(url: str) -> sa.Engine:
    try:
        parts = sa.make_url(url)
        limit = connect_limit(parts.get_driver_name(), parts.query)
        return sa.create_engine(parts, poolclass=sa.NullPool, hide_parameters=True, connect_args=limit)
    except (ArgumentError, ValueError, ImportError, SQLAlchemyError) as error:
        # The text of these errors may quote parts of the URL, and the chain would show it.
        raise ConfigurationError(f"its URL cannot be used ({type(error).__name__})") from None


def _needs_people(error: SQLAlchemyError) -> bool:
    """Whether somebody has to mend something before another attempt can help."""
    if not isinstance(error, DBAPIError):
        return True
    return _state(error).startswith(_MENDED_BY_PEOPLE) or "readonly" in str(error.orig)


def _state(error: SQLAlchemyError) -> str:
    """The SQLSTATE, empty where the database gives none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")


def _reason(error: SQLAlchemyError, url: sa.URL) -> str:
    """What the database said, on one line, without statement, parameters and password."""
    text = str(getattr(error, "orig", None) or error)
    return in_brief(text, str(url.password or ""), most=300) or type(error).__name__
