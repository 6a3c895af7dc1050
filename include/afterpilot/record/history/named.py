"""Which people the declarations name, by workflow: what somebody may see and decide rests on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.run import FLEET, Stage
from afterpilot.record.history.paging import Row, all_rows, one_row
from afterpilot.record.tables import current_declarations, declarations, runs

_MOST = 10_000  # workflows
_PERSON = ("name", "email")
_IN_SLACK = (
    "SELECT d.workflow, d.first_loaded_at AS since, person.said ->> 'slack' AS slack, btrim(person.said ->> 'name') AS name FROM {of} "
    "CROSS JOIN LATERAL (VALUES (d.document -> 'owner'), (d.document #> '{{owner,deputy}}')) AS person(said) "
    "WHERE d.usable AND person.said ->> 'slack' = ANY(:ids) AND jsonb_typeof(person.said -> 'name') = 'string' "
    "AND btrim(person.said ->> 'name') <> '' {where} ORDER BY d.first_loaded_at"
)
_OF_SOME = sa.text(_IN_SLACK.format(of="declarations d", where="AND d.workflow = ANY(:workflows)"))
_OF_ALL = sa.text(
    _IN_SLACK.format(
        of="current_declarations c JOIN declarations d ON d.workflow = c.workflow AND d.sha256 = c.usable_sha256",
        where="AND c.present",
    )
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


class SlackNames:
    """The names of owners and deputies by their Slack user ids, as a workflow's own declarations have said them."""

    def __init__(self, connection: sa.Connection, workflows: Collection[str], ids: Collection[str]) -> None:
        """Reads those of the workflows; for what is of the whole fleet, of all that are declared now. Without ids nothing is read."""
        self._said: defaultdict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
        if not ids:
            return
        own = [one for one in workflows if one and one != FLEET]
        given = {"ids": list(ids), "workflows": own}
        for row in connection.execute(_OF_SOME, given) if own else ():
            self._said[row.workflow, row.slack].append((row.since, row.name))
        for row in connection.execute(_OF_ALL, {"ids": list(ids)}) if len(own) < len(workflows) else ():
            self._said["", row.slack].append((row.since, row.name))

    def at(self, workflow: str, slack: str, moment: datetime) -> str:
        """The name as it was declared at that moment, else as it was first; empty where no declaration says it."""
        said = self._said.get((workflow if workflow != FLEET else "", slack), [])
        before = [name for since, name in said if since <= moment]
        return before[-1] if before else next((name for _, name in said), "")


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
