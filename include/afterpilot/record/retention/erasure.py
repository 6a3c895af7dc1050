"""Takes somebody out of the ops database: the key of their values in the ledger is destroyed, and their name gives way elsewhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from afterpilot.domain.ledger import Subject
from afterpilot.domain.people import folded
from afterpilot.domain.personal_places import PLACES, Found, Place, label_of
from afterpilot.record.ledger.personal import known
from afterpilot.record.tables import holds, ledger, metadata, subjects

_WORD = "[[:alnum:]_]"
_ESCAPED = r"(?<=\\[bfnrt])"  # in the text of JSON a line's end is two signs, of which the second is a letter
_BLANKS = r"[\s\u00a0\u2007\u202f]+"  # of a name in a text; those that do not break a line are none to PostgreSQL
_KEY = Place("outbox", "dedupe_key", "text")  # has the address of a mail: two spellings of it must not become one key
_SIGN = re.compile(r"[^\w\s]", re.ASCII)
_MOST = 2000  # spellings that are looked at


def found(connection: sa.Connection, people: Sequence[Subject]) -> Found:
    """What is on record of somebody by these names; reads every place."""
    counts: Counter[str] = Counter()
    workflows: set[str] = set()
    for place in PLACES:
        where = _matches(place, people)
        table = metadata.tables[place.table]
        if rows := connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)):
            counts[place.name] = rows
            workflows |= _workflows(connection, place.table, where)
    by_digest = {one.digest: one.name for one in people}
    here = connection.execute(sa.select(subjects).where(subjects.c.digest.in_(by_digest))).all()
    pseudonyms = {by_digest[row.digest]: f"{row.kind}:{row.id}" for row in here}
    acted = sa.select(ledger.c.workflow).where(ledger.c.actor.in_(pseudonyms.values())).distinct()
    workflows.update(connection.scalars(acted))
    return Found(pseudonyms, counts, _others(connection, people), held_by(connection, workflows))


def erase(connection: sa.Connection, people: Sequence[Subject]) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """Destroy the keys and replace the names: the pseudonyms by name, and how many values went from where.

    A name that never acted gets a pseudonym too, so that the ledger can say that it was erased.
    """
    pseudonyms = {one.name: of.pseudonym for one, of in known(connection, people).items()}
    label = label_of(pseudonyms[people[0].name])
    counts = replace(connection, people, label)
    shred(connection, people)
    return pseudonyms, counts


def replace(connection: sa.Connection, people: Sequence[Subject], label: str) -> Mapping[str, int]:
    """Put the label where the names stand, in every place."""
    counts: Counter[str] = Counter()
    for place in PLACES:
        table = metadata.tables[place.table]
        column = table.c[place.column]
        where = _matches(place, people)
        statement: sa.Update | sa.Delete = (
            sa.update(table).where(where).values({column: _replaced(place, people, label)})
        )
        if place == _KEY:
            statement = sa.update(table).where(where).values(dedupe_key="erased/" + sa.cast(table.c.id, sa.Text))
        elif column.primary_key:  # two spellings would become one row: how a place of delivery stands is found out anew
            statement = sa.delete(table).where(where)
        if rows := connection.execute(statement).rowcount:
            counts[place.name] = rows
    return counts


def messages_of(connection: sa.Connection, people: Sequence[Subject]) -> Sequence[tuple[object, str]]:
    """The messages whose text or address names them: id and workflow. What is changed in them no longer fits what the ledger vouches for."""
    outbox = metadata.tables["outbox"]
    places = (Place("outbox", "message", "json"), Place("outbox", "channel", "name"), _KEY)
    where = sa.or_(*(_matches(place, people) for place in places))
    return [
        (row.id, row.workflow) for row in connection.execute(sa.select(outbox.c.id, outbox.c.workflow).where(where))
    ]


def shred(connection: sa.Connection, people: Sequence[Subject]) -> int:
    """Destroy keys: what was sealed under them is unreadable for good, and every proof still holds."""
    gone = {"key": None, "name": None, "digest": None, "erased_at": sa.func.clock_timestamp()}
    where = subjects.c.digest.in_([one.digest for one in people])
    return connection.execute(sa.update(subjects).where(where).values(**gone)).rowcount


def keep_holds(connection: sa.Connection) -> None:
    """No hold is set until the transaction ends: one that is being set is waited for, and seen. Nor does anybody else erase: each would
    wait for the other, as names in holds are erased, too.
    """
    connection.exec_driver_sql("LOCK TABLE holds IN SHARE ROW EXCLUSIVE MODE")


def held_by(connection: sa.Connection, workflows: set[str]) -> tuple[str, ...]:
    """The holds that cover any of these workflows, in words."""
    statement = sa.select(holds.c.id, holds.c.workflow).where(holds.c.ended_at.is_(None)).order_by(holds.c.set_at)
    return tuple(
        f"hold {str(row.id)[:8]} of {row.workflow or 'all workflows'}"
        for row in connection.execute(statement)
        if not row.workflow or row.workflow in workflows
    )


def _matches(place: Place, people: Sequence[Subject]) -> sa.ColumnElement[bool]:
    column = metadata.tables[place.table].c[place.column]
    if place.holds == "name":
        plain = sa.func.lower(sa.func.regexp_replace(sa.func.btrim(column), r"\s+", " ", "g"))
        return plain.in_({form for one in people for form in (one.name, one.name.lower())})
    if place == _KEY:
        people = [one for one in people if "@" in one.name]
        if not people:
            return sa.false()
    text = sa.cast(column, sa.Text) if place.holds == "json" else column
    return text.regexp_match(_pattern(people, in_json=place.holds == "json"), flags="i")


def _replaced(place: Place, people: Sequence[Subject], label: str) -> sa.ColumnElement[object]:
    column = metadata.tables[place.table].c[place.column]
    if place.holds == "name":
        return sa.literal(label, sa.Text)
    pattern = _pattern(people, in_json=place.holds == "json")
    changed = sa.func.regexp_replace(sa.cast(column, sa.Text), pattern, label, "gi")
    return sa.cast(changed, column.type) if place.holds == "json" else changed


def _pattern(people: Sequence[Subject], *, in_json: bool) -> str:
    return spelled([one.name for one in people], in_json=in_json)


def spelled(texts: Collection[str], *, in_json: bool, whole: bool = True) -> str:
    """A regular expression of PostgreSQL's: any of the texts as whole words, the longest first, whatever blanks are between them;
    unless ``whole``, more of the last word may follow.
    """
    longest = sorted(texts, key=len, reverse=True)
    written = [json.dumps(text, ensure_ascii=False)[1:-1] if in_json else text for text in longest]
    any_of = "|".join(
        _BLANKS.join(_SIGN.sub(lambda sign: f"\\{sign[0]}", part) for part in one.split()) for one in written
    )
    begins = f"(?:(?<!{_WORD})|{_ESCAPED})" if in_json else f"(?<!{_WORD})"
    return f"{begins}(?:{any_of})" + (f"(?!{_WORD})" if whole else "")


def _workflows(connection: sa.Connection, table: str, where: sa.ColumnElement[bool]) -> set[str]:
    there = metadata.tables[table]
    if table == "incident_events":
        whose: sa.ColumnElement[str] = (
            sa.select(metadata.tables["incidents"].c.workflow)
            .where(metadata.tables["incidents"].c.id == there.c.incident_id)
            .scalar_subquery()
        )
    elif "workflow" in there.c:
        whose = there.c.workflow
    else:
        return set()
    return set(connection.scalars(sa.select(whose).select_from(there).where(where).distinct()))


def _others(connection: sa.Connection, people: Sequence[Subject]) -> Mapping[str, int]:
    """Names on record that may be the same person's, by how often: dana.ruiz@example.com beside Dana Ruiz."""
    wanted, asked = {folded(one.name) for one in people}, {one.name for one in people}
    counts: Counter[str] = Counter()
    for place in (one for one in PLACES if one.holds == "name"):
        column = metadata.tables[place.table].c[place.column]
        statement = sa.select(column, sa.func.count()).where(column != "").group_by(column).limit(_MOST)
        for name, rows in connection.execute(statement):
            if folded(name) in wanted and " ".join(name.casefold().split()) not in asked:
                counts[name] += rows
    return counts
