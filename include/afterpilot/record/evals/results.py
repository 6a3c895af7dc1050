"""One small row for each eval run, kept for as long as runs are; and the suites that they ran."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.record.plain import plain
from afterpilot.record.tables import baselines, eval_results, eval_suites

_MOST = 400  # runs of one workflow that are read at once: more than a year of nights


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """What an eval run came to; see the table for each field.

    ``outcomes`` is case → (epochs passed, epochs scored); ``verdicts`` holds the cases of which the suite's reducer says otherwise
    than that all their epochs passed (None: it cannot say).
    """

    run_id: uuid.UUID
    workflow: str
    at: datetime
    origin: str
    valid: bool
    suite: str
    cases: int
    passed: int
    scored: int
    outcomes: Mapping[str, tuple[int, int]]
    verdicts: Mapping[str, bool | None] = field(default_factory=dict)
    rounds: Sequence[Mapping[str, tuple[int, int]]] = ()
    slices: Mapping[str, Any] = field(default_factory=dict)
    scorers: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    cost: Decimal | None = None
    currency: str = ""
    latency_p50: int | None = None
    latency_p95: int | None = None
    evidence: float | None = None
    alarm: str = ""

    @property
    def passes(self) -> dict[str, bool]:
        """Whether each scored case passed, as the run itself counted."""
        plain = {case: passed == scored for case, (passed, scored) in self.outcomes.items() if scored}
        return {case: said for case, said in (plain | dict(self.verdicts)).items() if said is not None}

    @property
    def whole(self) -> dict[str, tuple[int, int]]:
        """The outcomes with those of the same-day re-runs added."""
        counts = dict(self.outcomes)
        for again in self.rounds:
            for case, (passed, scored) in again.items():
                before = counts.get(case, (0, 0))
                counts[case] = (before[0] + passed, before[1] + scored)
        return counts


class EvalResults:
    """The results of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, result: EvalResult) -> None:
        """Write a run's row, in the transaction of the run."""
        values = asdict(result)
        for name in ("outcomes", "verdicts", "rounds", "slices", "scorers", "fingerprint"):
            values[name] = plain(values[name])
        self._connection.execute(insert(eval_results).values(**values).on_conflict_do_nothing())

    def of_runs(self, runs: Collection[uuid.UUID]) -> Sequence[EvalResult]:
        """The results of these runs, oldest first."""
        return self._read(eval_results.c.run_id.in_(runs))

    def since(self, workflow: str, moment: datetime) -> Sequence[EvalResult]:
        """The valid results of runs that began after the moment, oldest first."""
        valid = eval_results.c.valid
        return self._read(eval_results.c.workflow == workflow, eval_results.c.at > moment, valid)

    def before(self, workflow: str, moment: datetime, *, limit: int) -> Sequence[EvalResult]:
        """The latest valid results of runs that began before the moment, oldest first."""
        valid = eval_results.c.valid
        where = (eval_results.c.workflow == workflow, eval_results.c.at < moment, valid)
        return self._read(*where, limit=limit)

    def latest(self, workflow: str) -> EvalResult | None:
        """The result of the run that began last, valid or not."""
        return next(iter(self._read(eval_results.c.workflow == workflow, limit=1)), None)

    def fleet_evidence(self, since: date) -> Mapping[str, Sequence[float]]:
        """The evidence of a regression at the end of each day (UTC) since then, oldest first, by workflow."""
        day = sa.cast(sa.func.timezone("UTC", eval_results.c.at), sa.Date)
        # Evidence is only of workflows with an approval. By their names the index is used; else all runs ever would be read.
        approved = sa.select(baselines.c.workflow).distinct().subquery("approved")
        late = (
            sa.select(day.label("day"), eval_results.c.at, eval_results.c.evidence)
            .where(
                eval_results.c.workflow == approved.c.workflow,
                eval_results.c.at >= datetime.combine(since, time(), UTC),
                eval_results.c.evidence.is_not(None),
            )
            .lateral("late")
        )
        statement = (
            sa.select(approved.c.workflow, late.c.evidence)
            .distinct(approved.c.workflow, late.c.day)
            .select_from(approved.join(late, sa.true()))
            .order_by(approved.c.workflow, late.c.day, late.c.at.desc())
        )
        found: dict[str, list[float]] = {}
        for workflow, evidence in self._connection.execute(statement):
            found.setdefault(workflow, []).append(float(evidence))
        return found

    def quiet(self, *, workflows: int, runs: int) -> Iterator[Sequence[tuple[datetime, Mapping[str, tuple[int, int]]]]]:
        """Time and outcomes of the newest valid runs without an alarm, of some workflows that have an approved baseline.

        Runs of one workflow that differ in nothing that we record (suite, prompt, declaration, model) come together, oldest
        first. The same workflows are chosen each time, by a hash of their names.
        """
        some = sa.select(baselines.c.workflow).group_by(baselines.c.workflow)
        chosen = some.order_by(sa.func.md5(baselines.c.workflow)).limit(workflows).subquery()
        newest = (
            sa.select(eval_results.c.at, eval_results.c.suite, eval_results.c.outcomes, eval_results.c.fingerprint)
            .where(eval_results.c.workflow == chosen.c.workflow, eval_results.c.valid, eval_results.c.alarm != "alarm")
            .order_by(eval_results.c.at.desc())
            .limit(runs)
            .lateral()
        )
        mark = newest.c.fingerprint
        marks = [mark["prompt"], mark["declaration"], mark["model"], mark["answered"]["model"]]
        alike = sa.cast(sa.func.jsonb_build_array(chosen.c.workflow, newest.c.suite, *marks), sa.Text).label("alike")
        statement = sa.select(alike, newest.c.at, newest.c.outcomes).select_from(chosen.join(newest, sa.true()))
        rows = self._connection.execute(statement.order_by(alike, newest.c.at))
        for _, group in itertools.groupby(rows, key=lambda row: row.alike):
            yield [(row.at, _counts(row.outcomes)) for row in group]

    def keep_suite(self, workflow: str, suite: str, *, scorers: str, digests: Mapping[str, str], at: datetime) -> None:
        """Keep what a suite holds: a digest of each case, so that runs of another suite can be compared on the common ones."""
        values = {
            "workflow": workflow,
            "suite": suite,
            "scorers": scorers,
            "digests": dict(digests),
            "first_seen_at": at,
        }
        self._connection.execute(insert(eval_suites).values(**values).on_conflict_do_nothing())

    def suites(self, workflow: str, names: Collection[str]) -> Mapping[str, tuple[str, Mapping[str, str]]]:
        """Suites by name: the hash of their scorers, and the digest of each case."""
        statement = sa.select(eval_suites).where(eval_suites.c.workflow == workflow, eval_suites.c.suite.in_(names))
        return {row.suite: (row.scorers, row.digests) for row in self._connection.execute(statement)}

    def _read(self, *where: sa.ColumnElement[bool], limit: int = _MOST) -> Sequence[EvalResult]:
        statement = sa.select(eval_results).where(*where).order_by(eval_results.c.at.desc()).limit(limit)
        rows = self._connection.execute(statement).mappings().all()
        return [_result(row) for row in reversed(rows)]


def _result(row: Mapping[Any, Any]) -> EvalResult:
    values = {str(name): value for name, value in row.items()}
    values["outcomes"] = _counts(values["outcomes"])
    values["rounds"] = tuple(_counts(again) for again in values["rounds"])
    return EvalResult(**values)


def _counts(data: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    return {case: (counts[0], counts[1]) for case, counts in data.items()}
