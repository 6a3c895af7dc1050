"""Erases people and outputs: the keys of what the ledger holds of them are destroyed, and what else is known of them goes."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.ledger import Entry, Personal, Subject, output, output_subject, person
from afterpilot.domain.personal_places import Found, label_of
from afterpilot.record.ops import Ops, Unit
from afterpilot.record.retention import erased_outputs, erasure, quoted_outputs
from afterpilot.record.retention.removals import Removals
from afterpilot.record.tables import removals, subjects

log = logging.getLogger(__name__)
_SHORTEST, _LONGEST = 2, 320  # letters of a name; no e-mail address is longer


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: by which pseudonyms, and how many values from where; of outputs also what quotes them and stays, and how many
    of their values no text was searched for, as :class:`~afterpilot.domain.personal_places.Found` has it.
    """

    pseudonyms: tuple[str, ...]
    counts: Mapping[str, int]
    staying: Mapping[str, int] = field(default_factory=dict)
    not_sought: Mapping[str, int] = field(default_factory=dict)


def people_of(names: Sequence[str]) -> tuple[Subject, ...]:
    """One person by all the names that were given.

    Raises:
        AnswerRefused: a name is too short to be told from other words, or longer than any.
    """
    people = tuple(dict.fromkeys(person(name) for name in names))
    short = [one.name for one in people if len(one.name) < _SHORTEST]
    if short or not people:
        raise AnswerRefused(f"{short[0]!r} is too short for a name" if short else "name somebody")
    if long := [one.name for one in people if len(one.name) > _LONGEST]:
        raise AnswerRefused(f"{long[0][:20]!r}… is too long for a name: it may have {_LONGEST} letters")
    return people


def preview_person(ops: Ops, names: Sequence[str]) -> Found:
    """What is on record of somebody, and what forbids to erase it."""
    with ops.begin() as unit:
        return erasure.found(unit.connection, people_of(names))


def erase_person(ops: Ops, names: Sequence[str], *, by: str, reason: str, at: datetime) -> Erased:
    """Erase somebody by all of these names, in one transaction with the entries that say so.

    Raises:
        AnswerRefused: a hold covers something of them, or they would erase themselves.
    """
    people = people_of(names)
    if person(by) in people:
        raise AnswerRefused("who is erased cannot be the one who erases: their name would come back with the entry")
    with ops.begin() as unit:
        erasure.keep_holds(unit.connection)
        _refuse_held(erasure.found(unit.connection, people).held)
        return _person(unit, people, actor=person(by), at=at, payload={"reason": Personal(reason)})


def preview_outputs(ops: Ops, workflow: str, keys: Sequence[str]) -> Found:
    """The same of outputs."""
    with ops.begin() as unit:
        said = quoted_outputs.quotable(unit.connection, workflow, keys)
        counts = {
            **erased_outputs.counted(unit.connection, workflow, keys),
            **quoted_outputs.counted(unit.connection, workflow, said.all),
        }
        staying = quoted_outputs.staying(unit.connection, workflow, said.all)
        held = erasure.held_by(unit.connection, {workflow})
    pseudonyms = {key: output_subject(workflow, key) for key in keys}
    return Found(pseudonyms, counts, {}, held, staying, said.left_out)


def erase_outputs(ops: Ops, workflow: str, keys: Sequence[str], *, by: str, reason: str, at: datetime) -> Erased:
    """Erase what is known of outputs; their keys stay, with what was decided on them.

    Raises:
        AnswerRefused: a hold covers the workflow, or one of them still waits for a person or to be told to production.
    """
    with ops.begin() as unit:
        erasure.keep_holds(unit.connection)
        _refuse_held(erasure.held_by(unit.connection, {workflow}))
        if waits := erased_outputs.waiting(unit.connection, workflow, keys):
            raise AnswerRefused(f"still waits for a decision, or to be told to production: {', '.join(waits[:20])}")
        return _outputs(unit, workflow, keys, actor=person(by), at=at, payload={"reason": Personal(reason)})


def erasures(ops: Ops) -> Sequence[Mapping[str, str]]:
    """All that was ever erased, by pseudonym: what has to be kept beside backups, so that it can be erased again."""
    with ops.begin() as unit:
        statement = sa.select(removals.c.subject, removals.c.workflow, removals.c.at).where(removals.c.how == "erased")
        rows = unit.connection.execute(statement.order_by(removals.c.id)).all()
    return [{"subject": row.subject, "workflow": row.workflow, "at": row.at.isoformat()} for row in rows]


def read_list(lines: Iterable[str]) -> Sequence[Mapping[str, str]]:
    """The same, as ``afterpilot erase list`` has written it. Raises AnswerRefused for a line that is none."""
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            found.append({"subject": str(given["subject"]), "workflow": str(given["workflow"])})
        except (ValueError, KeyError, TypeError) as error:
            raise AnswerRefused(f"line {number} is no line of `afterpilot erase list`") from error
    return found


def reapply(ops: Ops, *, actor: str, at: datetime, also: Sequence[Mapping[str, str]] = ()) -> Sequence[Erased]:
    """Erase again whoever and whatever came back: with a restored dump, or from a source that still holds it.

    What a hold covers by now stays until it is released. What was erased is known from this database, and from a list that was kept beside the backups (``also``).
    """
    wanted = {(one["subject"], one["workflow"]) for one in (*erasures(ops), *also)}
    done = [_person_again(ops, subject, actor=actor, at=at) for subject, _ in sorted(wanted) if _is_person(subject)]
    for workflow in sorted({workflow for subject, workflow in wanted if not _is_person(subject)}):
        digests = [
            subject.partition(":")[2] for subject, whose in wanted if whose == workflow and not _is_person(subject)
        ]
        with ops.begin() as unit:
            erasure.keep_holds(unit.connection)
            keys = erased_outputs.back(unit.connection, workflow, digests)
            if keys and (held := erasure.held_by(unit.connection, {workflow})):
                log.warning("%d erased outputs of %s are back and stay: %s", len(keys), workflow, ", ".join(held))
            elif keys:
                done.append(_outputs(unit, workflow, keys, actor=actor, at=at, payload={"again": True}))
    return [one for one in done if one is not None]


def _person_again(ops: Ops, pseudonym: str, *, actor: str, at: datetime) -> Erased | None:
    with ops.begin() as unit:
        identity = uuid.UUID(pseudonym.partition(":")[2])
        name = unit.connection.scalar(sa.select(subjects.c.name).where(subjects.c.id == identity))
        if name is None:
            return None
        erasure.keep_holds(unit.connection)
        people = (Subject("person", name),)
        if held := erasure.found(unit.connection, people).held:
            log.warning("%s is back and stays: %s", pseudonym, ", ".join(held))
            return None
        return _person(unit, people, actor=actor, at=at, payload={"again": True})


def _person(
    unit: Unit, people: Sequence[Subject], *, actor: str | Subject, at: datetime, payload: Mapping[str, Any]
) -> Erased:
    letters = erasure.messages_of(unit.connection, people)
    pseudonyms, counts = erasure.erase(unit.connection, people)
    told = tuple(dict.fromkeys(pseudonyms[one.name] for one in people))
    for index, pseudonym in enumerate(told):
        # All spellings are one person: what went is counted once.
        went = counts if not index else {}
        Removals(unit.connection).erased(
            "person", pseudonym, went, workflow="", actor=actor, at=at, payload={**payload, "label": label_of(told[0])}
        )
    _changed(unit, letters, told[0], actor=actor, at=at)
    return Erased(told, counts)


def _outputs(
    unit: Unit, workflow: str, keys: Sequence[str], *, actor: str | Subject, at: datetime, payload: Mapping[str, Any]
) -> Erased:
    total: Counter[str] = Counter()
    told = []
    said = quoted_outputs.quotable(unit.connection, workflow, keys)
    staying = quoted_outputs.staying(unit.connection, workflow, said.all)
    for key in keys:
        subject, values = output_subject(workflow, key), said.values[key]
        letters = quoted_outputs.letters(unit.connection, workflow, values)
        counts = {
            **erased_outputs.erase(unit.connection, workflow, [key]),
            **quoted_outputs.replace(unit.connection, workflow, values, label_of(subject)),
        }
        erasure.shred(unit.connection, [output(workflow, key)])
        told.append(subject)
        Removals(unit.connection).erased(
            "output",
            subject,
            counts,
            workflow=workflow,
            actor=actor,
            at=at,
            payload={**payload, "label": label_of(subject)},
        )
        _changed(unit, letters, subject, actor=actor, at=at)
        total.update(counts)
    return Erased(tuple(told), dict(total), staying, said.left_out)


def _changed(
    unit: Unit, letters: Sequence[tuple[object, str]], pseudonym: str, *, actor: str | Subject, at: datetime
) -> None:
    """Say of each message that it is no longer what the ledger vouches for."""
    unit.ledger.append_many(
        [
            Entry("retention:message:erased", f"message:{letter}", at, workflow, actor, {"erased": pseudonym})
            for letter, workflow in letters
        ]
    )


def _refuse_held(held: Sequence[str]) -> None:
    if held:
        raise AnswerRefused(f"nothing is erased while it is held: {', '.join(held)} (`afterpilot hold list`)")


def _is_person(subject: str) -> bool:
    return subject.startswith("person:")
