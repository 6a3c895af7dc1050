"""Which people the declarations name, by workflow: what somebody may see and decide rests on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.domain.run import FLEET, Stage
from afterpilot.record.history.paging import Row, all_rows, one_row
from afterpilot.record.tables import current_declarations, declarations, runs

_MOST = 10_000  # workflows
_PERSON = ("name", "email")
# Of some Slack user ids, the name by which the newest declaration that has it calls its owner or deputy.
_IN_SLACK = sa.text(
    "SELECT DISTINCT ON (person.said ->> 'slack') person.said ->> 'slack' AS slack, person.said ->> 'name' AS name "
    "FROM current_declarations c JOIN declarations d ON d.workflow = c.workflow AND d.sha256 = COALESCE(c.usable_sha256, c.sha256) "
    "CROSS JOIN LATERAL (VALUES (d.document -> 'owner'), (d.document #> '{owner,deputy}')) AS person(said) "
    "WHERE person.said ->> 'slack' = ANY(:ids) AND person.said ->> 'name' <> '' "
    "ORDER BY person.said ->> 'slack', d.first_loaded_at DESC"
)


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a declaration names. ``deciding`` answer for its outputs: owner, deputy and reviewers; ``seeing`` are these, and who is
    accountable for it.
    """

    workflow: str
    seeing: tuple[str, ...]
    deciding: tuple[str, ...]


def people(connection: sa.Connection) -> Sequence[Named]:
    """The people of every workflow that was ever declared, as its last usable declaration names them.

    Where none could ever be used, it is the one that is there: its owner has to see what is wrong with it.
    """
    here, version = current_declarations.c, declarations.c
    document = version.document
    sha256 = sa.func.coalesce(here.usable_sha256, here.sha256)
    statement = (
        sa.select(
            here.workflow,
            document["owner"].label("owner"),
            document["review"]["reviewers"].label("reviewers"),
            document["governance"]["accountable"].label("accountable"),
        )
        .join_from(
            current_declarations, declarations, sa.and_(version.workflow == here.workflow, version.sha256 == sha256)
        )
        .order_by(here.workflow)
    )
    return [_named(row) for row in all_rows(connection, statement.limit(_MOST))]


def operators(connection: sa.Connection) -> Sequence[str]:
    """The operators that ``_fleet.yaml`` names, as it was loaded last."""
    statement = sa.select(runs.c.evidence["operators"].label("operators")).where(
        runs.c.workflow == FLEET, runs.c.stage == str(Stage.DECLARE)
    )
    row = one_row(connection, statement.order_by(runs.c.finished_at.desc()))
    return tuple(_texts(row["operators"])) if row else ()


def slack_names(connection: sa.Connection, ids: Collection[str]) -> Mapping[str, str]:
    """The names of owners and deputies by Slack user id, as far as a declaration says them."""
    return {row.slack: row.name for row in connection.execute(_IN_SLACK, {"ids": list(ids)})}


def _named(row: Row) -> Named:
    owner = row["owner"] if isinstance(row["owner"], dict) else {}
    deciding = (*_person(owner), *_person(owner.get("deputy")), *_texts(row["reviewers"]))
    return Named(row["workflow"], (*deciding, *_person(row["accountable"]), *_texts(row["accountable"])), deciding)


def _person(given: object) -> Iterator[str]:
    """Name and address; a declaration that is broken may hold anything."""
    if isinstance(given, dict):
        yield from (value for key in _PERSON if isinstance(value := given.get(key), str) and value.strip())


def _texts(given: object) -> Iterator[str]:
    if isinstance(given, str) and given.strip():
        yield given
    elif isinstance(given, list):
        yield from (one for one in given if isinstance(one, str) and one.strip())
