"""What judges said of answers that people have decided on, and of frozen ones; a new word is a new row."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.judging import Judgement
from afterpilot.domain.record import Record
from afterpilot.domain.storable import storable
from afterpilot.record.plain import plain
from afterpilot.record.tables import human_decisions, judgements, records, samples

RECORD, FROZEN = "record:", "frozen:"  # what a subject begins with
MOST_LABELS = 1000  # the newest that a standing is counted from
TRIES = 3  # of a record that a judge had no usable word on


@dataclass(frozen=True, slots=True)
class Decided:
    """A record with what people decided on it last: ``label`` is whether the output was right."""

    record: Record
    label: bool


@dataclass(frozen=True, slots=True)
class FrozenAnswer:
    """A kept answer of an approved run, and what a scorer said of it then."""

    case: str
    epoch: int
    output: str
    passed: bool


@dataclass(frozen=True, slots=True)
class FrozenWord:
    """A judge's latest word on a frozen answer; ``passed`` is None where it had no usable one."""

    passed: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class WordsAt:
    """A judge's usable words of one moment on frozen answers: subject → whether it let the answer pass."""

    at: datetime
    passed: Mapping[str, bool]


class Judgements:
    """The words of the judges of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, workflow: str, said: Judgement, *, at: datetime) -> None:
        """Keep a judge's word."""
        self._connection.execute(
            sa.insert(judgements).values(
                workflow=workflow,
                judge=said.judge,
                subject=said.subject,
                at=at,
                passed=said.passed,
                value=said.value,
                reason=storable(said.reason),
                error=storable(said.error),
                label=said.label,
                fingerprint=plain(dict(said.fingerprint)),
            )
        )

    def labelled(
        self, workflow: str, judge: str, *, before: datetime | None = None, since: datetime | None = None
    ) -> Sequence[Judgement]:
        """A judge's latest words on records, oldest first, each with what people say of the record now; the newest thousand.

        ``before`` leaves later ones out, ``since`` earlier ones.
        """
        here = judgements.c
        newest = (
            sa.select(judgements)
            .where(here.workflow == workflow, here.judge == judge, here.subject.startswith(RECORD))
            .where(*([here.at < before] if before else []), *([here.at >= since] if since else []))
            .distinct(here.subject)
            .order_by(here.subject, here.id.desc())
            .subquery("newest")
        )
        people = _people(workflow, before=before)
        label = sa.func.coalesce(people.c.accepted, newest.c.label)
        statement = (
            sa.select(newest, label.label("word"))
            .outerjoin(people, sa.literal(RECORD) + people.c.key == newest.c.subject)
            .order_by(newest.c.id.desc())
            .limit(MOST_LABELS)
        )
        rows = self._connection.execute(statement).all()
        return [
            Judgement(row.judge, row.subject, row.passed, row.value, row.reason, row.error, row.word)
            for row in reversed(rows)
        ]

    def unjudged(self, workflow: str, judge: str, *, limit: int, since: datetime | None = None) -> Sequence[Decided]:
        """Records that people have decided on and the judge has no usable word on (``since``, if given), newest first.

        One that it had no usable word on three times is not asked again.
        """
        here = judgements.c
        words = (
            sa.select(
                here.subject,
                sa.func.bool_or(here.passed.is_not(None)).label("usable"),
                sa.func.count().label("tries"),
            )
            .where(here.workflow == workflow, here.judge == judge, here.subject.startswith(RECORD))
            .where(*([here.at >= since] if since else []))
            .group_by(here.subject)
            .subquery("words")
        )
        people = _people(workflow)
        statement = (
            sa.select(records.c.key, records.c.at, records.c.data, people.c.accepted)
            .join(people, people.c.key == records.c.key)
            .outerjoin(words, words.c.subject == sa.literal(RECORD) + records.c.key)
            .where(
                records.c.workflow == workflow,
                sa.or_(words.c.subject.is_(None), sa.and_(~words.c.usable, words.c.tries < TRIES)),
            )
            .order_by(words.c.subject.is_not(None), records.c.at.desc(), records.c.key)
            .limit(limit)
        )
        return [
            Decided(Record(workflow, row.key, row.at, row.data), row.accepted)
            for row in self._connection.execute(statement)
        ]

    def frozen_answers(self, run_id: uuid.UUID, began: datetime, scorer: str) -> Sequence[FrozenAnswer]:
        """The kept answers of a run that began then, with what the scorer said of them; those it did not judge are left out."""
        statement = (
            sa.select(samples.c.case_id, samples.c.epoch, samples.c.output, samples.c.scores)
            .where(
                samples.c.run_id == run_id, samples.c.at == began, samples.c.error == "", samples.c.output.is_not(None)
            )
            .order_by(samples.c.case_id, samples.c.epoch)
        )
        return [
            FrozenAnswer(row.case_id, row.epoch, row.output, score["passed"])
            for row in self._connection.execute(statement)
            for score in row.scores
            if score["scorer"] == scorer
        ]

    def frozen(
        self, workflow: str, judge: str, run_id: str | uuid.UUID, *, before: datetime | None = None
    ) -> Mapping[str, FrozenWord]:
        """A judge's latest usable words on the frozen answers of a run, by subject; without any, that it was asked."""
        here = judgements.c
        statement = (
            sa.select(here.subject, here.passed, here.at)
            .where(here.workflow == workflow, here.judge == judge, here.subject.startswith(f"{FROZEN}{run_id}/"))
            .where(*([here.at < before] if before else []))
            .distinct(here.subject)
            .order_by(here.subject, here.passed.is_(None), here.id.desc())
        )
        return {row.subject: FrozenWord(row.passed, row.at) for row in self._connection.execute(statement)}

    def frozen_by_moment(
        self, workflow: str, judge: str, run_id: str | uuid.UUID, *, before: datetime | None = None
    ) -> Sequence[WordsAt]:
        """All usable words of a judge on the frozen answers of a run, by the moment at which it was asked, oldest first."""
        here = judgements.c
        statement = (
            sa.select(here.at, sa.func.jsonb_object_agg(here.subject, here.passed).label("passed"))
            .where(here.workflow == workflow, here.judge == judge, here.subject.startswith(f"{FROZEN}{run_id}/"))
            .where(here.passed.is_not(None), *([here.at < before] if before else []))
            .group_by(here.at)
            .order_by(here.at)
        )
        return [WordsAt(row.at, row.passed) for row in self._connection.execute(statement)]

    def asked_since(self, workflow: str, judge: str, run_id: str | uuid.UUID, moment: datetime) -> Collection[str]:
        """The frozen answers of a run on which a judge was asked at that moment or later."""
        here = judgements.c
        statement = sa.select(here.subject).where(
            here.workflow == workflow,
            here.judge == judge,
            here.subject.startswith(f"{FROZEN}{run_id}/"),
            here.at >= moment,
        )
        return set(self._connection.scalars(statement))


def _people(workflow: str, *, before: datetime | None = None) -> sa.Subquery:
    """What people decided last on each record: ``accepted`` or not."""
    here = human_decisions.c
    return (
        sa.select(here.key, (here.decision == "accepted").label("accepted"))
        .where(here.workflow == workflow, *([here.decided_at < before] if before else []))
        .distinct(here.key)
        .order_by(here.key, here.decided_at.desc())
        .subquery("people")
    )
