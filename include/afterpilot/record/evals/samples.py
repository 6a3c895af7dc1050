"""Eval samples, written a few at a time as they come."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.evals import Call, Sample, Score, ToolCall, Typical
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable
from afterpilot.record import partitions
from afterpilot.record.plain import as_text
from afterpilot.record.tables import samples

# One statement for a whole batch: its columns go as arrays, and each value is serialised once. A scored sample replaces an
# earlier error of the same case and epoch, never the reverse; and what was asked as the suite is now replaces what was asked before.
_TEXTS = ("case_id", "output", "error")
_REPLACED = (
    *("output", "error", "passed", "scores", "usage", "cost", "latency_ms", "attempts", "request", "response"),
    *("fingerprint", "details"),
)
_TYPES = {
    **dict.fromkeys(_TEXTS, "text"),
    "epoch": "integer",
    "passed": "boolean",
    "cost": "numeric",
    "latency_ms": "integer",
    "attempts": "integer",
}
_COLUMNS = ("case_id", "epoch", *_REPLACED)
# Binary (``%b``): as text, each quote in an array would be escaped by itself, which takes longer than all the rest.
_ARRAYS = ", ".join(f"%({name})b::{_TYPES.get(name, 'text')}[]" for name in _COLUMNS)
_NEW = ", ".join(name if name in _TYPES else f"{name}::jsonb" for name in _COLUMNS)
_LATEST = ", ".join(f"{name} = excluded.{name}" for name in _REPLACED if name != "details")
# What each replaced sample has cost stays with the one in its place: a run's limit is for all of its attempts together.
_PAID = (
    "details = excluded.details || CASE WHEN samples.attempts > 0 THEN jsonb_build_object('paid', "
    "coalesce(samples.details->'paid', '[]') || jsonb_build_array(samples.cost::text)) "
    "WHEN samples.details->'paid' IS NOT NULL THEN jsonb_build_object('paid', samples.details->'paid') ELSE '{}' END"
)
_NAMES = ", ".join(_COLUMNS)
_KEEP = (
    f"INSERT INTO samples (run_id, workflow, at, {_NAMES}) "  # noqa: S608 - names of this module alone
    f"SELECT %(run_id)s, %(workflow)s, %(at)s, {_NEW} FROM unnest({_ARRAYS}) AS new ({_NAMES}) "
    f"ON CONFLICT (run_id, case_id, epoch, at) DO UPDATE SET {_LATEST}, {_PAID} "
    "WHERE samples.error <> '' OR samples.details->>'asked' IS DISTINCT FROM excluded.details->>'asked'"
)


class Samples:
    """The samples of eval runs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def prepare(self, began_at: datetime) -> None:
        """Make the partition that the samples of a run need."""
        partitions.ensure(self._connection, "samples", [began_at])

    def add(
        self,
        batch: Sequence[Sample],
        *,
        workflow: str,
        run_id: uuid.UUID,
        began_at: datetime,
        asked: str = "",
        prepared: bool = False,
    ) -> None:
        """Keep samples of one run, in one statement.

        ``asked`` is the hash of the suite as it was asked; ``prepared`` says that their partition is there (:meth:`prepare`).
        """
        if not prepared:
            self.prepare(began_at)
        newest: dict[tuple[str, int], Sample] = {}
        for sample in batch:
            key = (sample.case_id, sample.epoch)
            if key not in newest or newest[key].error:
                newest[key] = sample
        rows = [_values(sample, asked) for sample in newest.values()]
        columns = {name: [row[name] for row in rows] for name in _COLUMNS}
        self._connection.exec_driver_sql(_KEEP, {"run_id": run_id, "workflow": workflow, "at": began_at, **columns})

    def began_at(self, run_id: uuid.UUID) -> datetime | None:
        """When an unfinished run of this id began, None where it has no sample yet."""
        moment: datetime | None = self._connection.scalar(
            sa.select(sa.func.min(samples.c.at)).where(samples.c.run_id == run_id)
        )
        return moment

    def scored(self, run_id: uuid.UUID, asked: str = "") -> dict[tuple[str, int], Sample]:
        """The samples of a run that need not be asked again, by case and epoch; without what was sent and received.

        With ``asked``, only those of the suite of this hash: who mends a suite and starts its run again means the new one.
        """
        statement = sa.select(*_READ).where(samples.c.run_id == run_id, samples.c.error == "")
        if asked:
            statement = statement.where(~_asked_otherwise(asked))
        return {(row.case_id, row.epoch): _sample(row) for row in self._connection.execute(statement)}

    def failed(self, run_id: uuid.UUID, asked: str = "") -> Sequence[Sample]:
        """The samples of a run that cost something and are of no use, those of all earlier attempts too.

        They could not be scored, or, with ``asked``, are of a suite of another hash. Of one in whose place another stands by
        now, only the cost is left.
        """
        useless = samples.c.error != ""
        if asked:
            useless |= _asked_otherwise(asked)
        useless &= samples.c.attempts > 0
        replaced = samples.c.details["paid"].is_not(None)
        columns: list[sa.ColumnElement[Any]] = [*_READ, useless.label("useless")]
        statement = sa.select(*columns).where(samples.c.run_id == run_id, useless | replaced)
        found: list[Sample] = []
        for row in self._connection.execute(statement):
            found += [_sample(row)] if row.useless else []
            found += [_replaced(row, cost) for cost in row.details.get("paid", ())]
        return found

    def answers(self, run_id: uuid.UUID, cases: Collection[str]) -> dict[str, str]:
        """What was answered to some cases of a run: the first epoch that was scored."""
        statement = (
            sa.select(samples.c.case_id, samples.c.output)
            .where(samples.c.run_id == run_id, samples.c.case_id.in_(cases), samples.c.output.is_not(None))
            .order_by(samples.c.case_id, samples.c.epoch.desc())
        )
        return {row.case_id: row.output for row in self._connection.execute(statement)}

    def typical(self, run_id: uuid.UUID, began_at: datetime) -> dict[str, Typical]:
        """What each case of a run took in one epoch, on average: None where any of its answers does not say it."""
        tokens, cost = samples.c.usage["output_tokens"].as_integer(), samples.c.cost

        def mean(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
            return sa.case((sa.func.count(value) == sa.func.count(), sa.func.avg(value)))

        statement = (
            sa.select(samples.c.case_id, mean(tokens).label("tokens"), mean(cost).label("cost"))
            .where(samples.c.run_id == run_id, samples.c.at == began_at, samples.c.error == "")
            .group_by(samples.c.case_id)
        )
        return {
            row.case_id: Typical(None if row.tokens is None else math.ceil(row.tokens), row.cost)
            for row in self._connection.execute(statement)
        }


_READ = [column for column in samples.c if column.name not in {"request", "response"}]


def _asked_otherwise(asked: str) -> sa.ColumnElement[bool]:
    asked_of: sa.ColumnElement[str] = samples.c.details["asked"].as_string()
    return asked_of.is_distinct_from(asked)


def _values(sample: Sample, asked: str) -> dict[str, Any]:
    """A sample as the texts and numbers of its row."""
    return {
        "case_id": sample.case_id,
        "epoch": sample.epoch,
        "output": None if sample.output is None else storable(sample.output),
        "error": storable(sample.error),
        "passed": sample.passed if sample.scored else None,
        "scores": as_text([_score(score) for score in sample.scores if not score.unusable]),
        "usage": as_text(sample.usage.as_json()) if sample.usage else "{}",
        "cost": sample.cost,
        "latency_ms": sample.latency_ms,
        "attempts": sample.attempts,
        "request": as_text(sample.request),
        "response": as_text(sample.response),
        "fingerprint": as_text(sample.fingerprint),
        "details": as_text(_details(sample, asked)),
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "scorer": score.scorer,
        "value": score.value,
        "passed": score.passed,
        "reason": score.reason,
        "weight": score.weight,
        "advisory": score.advisory,
        "details": score.details,
    }


def _details(sample: Sample, asked: str) -> dict[str, Any]:
    """What most samples have nothing of, as far as there is something."""
    said = {
        "asked": asked or None,
        "tool_calls": [asdict(call) for call in sample.tool_calls],
        "sources": list(sample.sources),
        "calls": [_stored(call) for call in sample.calls],
        "pass_score": sample.pass_score,
    }
    return {name: value for name, value in said.items() if value not in ([], None)}


def _sample(row: sa.Row[Any]) -> Sample:
    details = row.details
    return Sample(
        case_id=row.case_id,
        epoch=row.epoch,
        output=row.output,
        scores=tuple(Score(**score) for score in row.scores),
        error=row.error,
        usage=Usage.of(row.usage) if row.usage else None,
        cost=row.cost,
        latency_ms=row.latency_ms,
        attempts=row.attempts,
        tool_calls=tuple(ToolCall(**call) for call in details.get("tool_calls", ())),
        sources=tuple(details.get("sources", ())),
        fingerprint=row.fingerprint,
        calls=tuple(_call(call) for call in details.get("calls", ())),
        pass_score=details.get("pass_score"),
    )


def _replaced(row: sa.Row[Any], cost: str | None) -> Sample:
    error = "an earlier attempt"
    cost_of_it = None if cost is None else Decimal(cost)
    return Sample(row.case_id, row.epoch, None, (), error=error, cost=cost_of_it, attempts=1)


def _stored(call: Call) -> dict[str, Any]:
    return {**asdict(call), "usage": call.usage.as_json() if call.usage else None}


def _call(data: dict[str, Any]) -> Call:
    used, cost = data["usage"], data["cost"]
    return Call(data["purpose"], Usage.of(used) if used else None, None if cost is None else Decimal(cost))
