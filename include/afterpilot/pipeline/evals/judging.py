"""Measures judges on what people have decided, and asks them again about answers that did not change."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from afterpilot.decide.judging import Drift
from afterpilot.domain.corrections import answer_of, question_of, terms_of, variables_of
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Case, Estimate, ScorerSpec
from afterpilot.domain.judging import Judgement, Standing, judge_sha256
from afterpilot.domain.money import Money
from afterpilot.domain.ports import EvalRunner
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.evals import judges
from afterpilot.pipeline.evals.budgets import budget_of
from afterpilot.pipeline.evals.locking import alone
from afterpilot.pipeline.services import Services
from afterpilot.pull.redact import REDACTED, redact
from afterpilot.record.evals.judgements import RECORD, Decided
from afterpilot.record.evals.usage import EvalCall
from afterpilot.record.ops import Unit

MOST_LABELS = 100  # that one calibration asks a judge about
MOST_FROZEN = 20  # answers that one run asks a judge about again
_LOOKED_AT = 10  # times as many records are looked at, where some make no question
_NOTHING = Decimal(0)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a calibration did with one judge: ``judged`` answers, of them ``unusable`` without a word that can be used.

    ``left_out`` counts decided records that make no question for it, by reason; ``why`` says why no more were asked.
    """

    scorer: str
    judge: str
    judged: int = 0
    unusable: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run knows of its judges: where they stand as it begins, which of them drifted and were not measured anew with
    success since, and what asking them again cost.

    ``looked`` is whether a drift would have been seen.
    """

    standings: Sequence[Standing] = ()
    drifts: Sequence[Drift] = ()
    spent: Decimal = _NOTHING
    looked: bool = True


def judge_standings(services: Services, workflow: Workflow) -> Sequence[Standing]:
    """Where each judge of the suite stands now."""
    with services.ops.begin() as unit:
        return judges.standings(unit, workflow)


def judge_drifts(services: Services, workflow: Workflow) -> Sequence[Drift]:
    """The judges that say otherwise than at the approval on answers that did not change, as far as is known."""
    with services.ops.begin() as unit:
        return judges.drifts(unit, workflow)


def calibrate(services: Services, workflow: Workflow, *, most: int = MOST_LABELS) -> Sequence[Calibration]:
    """Ask each judge about outputs that people have decided on and it has not judged yet, newest first, at most ``most`` each.

    Each word is kept as it comes, with what it used. It spends at most what one run may, and of the eval budget nothing that
    the next run is expected to need. A judge that drifted is asked anew about what it judged before.

    Raises:
        CheckError: the workflow declares no evals, or an eval run of it is still under way after an hour.
        ConfigurationError: a connection is missing, or budget and limit are in different currencies.
    """
    evals = workflow.evals
    if evals is None:
        raise CheckError(f"{workflow.slug} declares no evals")
    specs = judges.judges_of(evals)
    if not specs:
        return ()
    with alone(services.ops, workflow.slug):
        return _measured(services, workflow, evals, specs, most)


def watch(
    services: Services, workflow: Workflow, evals: Evals, runner: EvalRunner, estimate: Estimate, *, began: datetime
) -> Watched:
    """Ask each judge again about at most 20 answers of the approved run, those first that it was not asked about for longest.

    The standings are those of the moment at which the run began: they hold for the whole of it, however often it is taken up.
    It spends at most half of what the run's limit leaves beside what the suite is expected to cost.
    """
    specs = judges.judges_of(evals)
    if not specs:
        return Watched()
    with services.ops.begin() as unit:
        standings = judges.standings(unit, workflow, before=began)
    at, spent, looked = services.now(), _NOTHING, True
    drifts: list[Drift] = []
    spare = _NOTHING if estimate.expected is None else max(_NOTHING, (evals.max_cost.amount - estimate.expected) / 2)
    for spec in specs:
        with services.ops.begin() as unit:
            due = _due(unit, workflow, spec, began)
        if due is None:  # nothing was approved, or another judge was: no drift can be
            continue
        keep = _Keeper(services, workflow, at=at)
        if due:
            runner.rejudge(_within(evals, spare - spent), spec, due, keep=keep)
            spent += keep.spent
            looked = looked and keep.usable > 0
        with services.ops.begin() as unit:
            drift = judges.drift_of(unit, workflow, spec)
        drifts += [drift] if drift else []
    with services.ops.begin() as unit:
        trusted = {(one.scorer, one.judge) for one in judges.standings(unit, workflow) if one.trusted}
    return Watched(standings, [one for one in drifts if (one.scorer, one.judge) not in trusted], spent, looked)


def _measured(
    services: Services, workflow: Workflow, evals: Evals, specs: Sequence[ScorerSpec], most: int
) -> Sequence[Calibration]:
    runner, at = services.runner(workflow), services.now()
    left = _spare(services, workflow, evals, runner, at)
    done = []
    for spec in specs:
        with services.ops.begin() as unit:
            drift = judges.drift_of(unit, workflow, spec)
            decided = unit.judgements.unjudged(
                workflow.slug, judge_sha256(spec), limit=most * _LOOKED_AT, since=drift.since if drift else None
            )
        found, spent = _calibrated(services, workflow, _within(evals, left), runner, spec, decided, most, at)
        left -= spent
        done.append(found)
    return done


class _Keeper:
    """Keeps a judge's words one by one, each with what it used, and counts them."""

    def __init__(
        self, services: Services, workflow: Workflow, *, at: datetime, labels: Mapping[str, bool] | None = None
    ) -> None:
        self._services = services
        self._slug = workflow.slug
        self._at = at
        self._labels = labels or {}
        self.spent = _NOTHING
        self.words = self.usable = 0
        self.unreached = ""  # why the judge gave no reply at all, the first time
        with services.ops.begin() as unit:
            unit.eval_usage.prepare(at)

    def __call__(self, said: Judgement) -> None:
        """One word in one transaction; a judge that was not reached has said nothing, and is asked again another time."""
        if said.passed is None and said.call is None:
            self.unreached = self.unreached or said.error
            return
        ref = f"judgement/{said.judge[:12]}/{said.subject}/{self._at:%Y%m%dT%H%M%S.%f}"
        with self._services.ops.begin() as unit:
            unit.judgements.add(self._slug, replace(said, label=self._labels.get(said.subject)), at=self._at)
            if said.call is not None:
                call = EvalCall(ref, said.call.usage, kind="judge")
                unit.eval_usage.add(self._slug, [call], at=self._at, book=self._services.prices)
        self.words += 1
        self.usable += said.passed is not None
        self.spent += (said.call.cost or _NOTHING) if said.call else _NOTHING


def _within(evals: Evals, left: Decimal) -> Evals:
    return replace(evals, max_cost=Money(max(_NOTHING, left), evals.max_cost.currency))


def _spare(services: Services, workflow: Workflow, evals: Evals, runner: EvalRunner, at: datetime) -> Decimal:
    """What a calibration may spend: a run's limit, and of the eval budget what the next run leaves."""
    budget = budget_of(services, workflow, at=at)
    if budget is None:
        return evals.max_cost.amount
    expected = runner.estimate(evals).expected or _NOTHING
    return max(_NOTHING, min(evals.max_cost.amount, budget.left.amount - expected))


def _calibrated(
    services: Services,
    workflow: Workflow,
    evals: Evals,
    runner: EvalRunner,
    spec: ScorerSpec,
    decided: Sequence[Decided],
    most: int,
    at: datetime,
) -> tuple[Calibration, Decimal]:
    """What came of asking one judge, and what that cost."""
    questions, left_out = _questions(workflow, evals, decided, most)
    labels = {RECORD + one.record.key: one.label for one in decided}
    keep = _Keeper(services, workflow, at=at, labels=labels)
    if questions:
        runner.rejudge(evals, spec, questions, keep=keep)
    unasked = len(questions) - keep.words
    reason = keep.unreached or f"{evals.max_cost} is what may be spent now"
    why = f"{unasked} more were not judged: {reason}" if unasked else ""
    found = Calibration(spec.label, judge_sha256(spec), keep.words, keep.words - keep.usable, dict(left_out), why)
    log.info("%s: %s", workflow.slug, found)
    return found, keep.spent


def _questions(
    workflow: Workflow, evals: Evals, decided: Sequence[Decided], most: int
) -> tuple[list[tuple[str, Case, str]], Counter[str]]:
    """The records as (subject, case, answer), at most so many; and those of which none can be made, by reason."""
    terms, variables = terms_of(evals, workflow.source.fields), variables_of(evals)
    questions: list[tuple[str, Case, str]] = []
    left_out: Counter[str] = Counter()
    for one in decided:
        if len(questions) == most:
            break
        data = {name: value for name, value in redact(one.record, workflow.source).data.items() if value != REDACTED}
        values, lacking = question_of(terms, variables, data)
        answer = answer_of(terms, data)
        if lacking:
            left_out[f"no value for {', '.join(lacking)}"] += 1
        elif answer is None:
            left_out["no answer"] += 1
        else:
            questions.append((RECORD + one.record.key, Case(one.record.key, values, {}), answer))
    return questions, left_out


def _due(unit: Unit, workflow: Workflow, spec: ScorerSpec, began: datetime) -> Sequence[tuple[str, Case, str]] | None:
    """The frozen answers that a judge is to be asked about in the run that began then; None where there can be none."""
    frozen = judges.frozen_of(unit, workflow, spec)
    if frozen is None:
        return None
    sha256 = judge_sha256(spec)
    words = unit.judgements.frozen(workflow.slug, sha256, frozen.run)
    asked = unit.judgements.asked_since(workflow.slug, sha256, frozen.run, began)
    waiting = sorted(
        (subject for subject in frozen.answers if subject not in asked),
        key=lambda subject: (words[subject].at.timestamp() if subject in words else 0.0, subject),
    )
    chosen = waiting[: max(0, MOST_FROZEN - len(asked))]
    return [(subject, *frozen.answers[subject][:2]) for subject in chosen]
