"""The stage of spend: all workflows and the fleet's own caps in one go, or one workflow by itself."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.decide.spend import Look, judge_spend, of_team
from afterpilot.domain.counting import plural
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import FLEET, Run, Stage, Trigger
from afterpilot.domain.spend import CapState
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import settle_allowances, settle_many
from afterpilot.pipeline.conclude import concluded, concluded_many, finished
from afterpilot.pipeline.metering import reprice
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.spend_looks import LONGEST_PERIOD, looks_of
from afterpilot.pipeline.spend_subjects import asked_of
from afterpilot.record.ops import Unit

log = logging.getLogger(__name__)
_WRITTEN_EVERY = timedelta(minutes=55)  # where nothing has changed
_AT_ONCE = 100  # runs in one transaction


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that is not written yet: whose, on which caps, and how the fleet's caps stand that concern it."""

    workflow: Workflow | None  # None: the fleet
    result: StageResult
    looks: tuple[Look, ...]
    over_it: tuple[CapState, ...] = ()
    standing: bool = False  # whether incidents of earlier runs are not over

    @property
    def states(self) -> list[CapState]:
        """All caps that concern the workflow."""
        return [*(look.state for look in self.looks), *self.over_it]

    @property
    def nothing_to_tell(self) -> bool:
        """Whether it is a workflow's of which nothing is found, nothing is over, and nothing is waited for."""
        result = self.result
        return self.workflow is not None and not (result.findings or result.not_yet or self.standing)

    def window(self, started: datetime) -> Window:
        """The main cap's period up to now."""
        return Window(min(self.looks[0].state.period.start, started), started)


def spend(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Sum what is new, at the prices that the book says now, and hold the sums of one workflow against its caps."""
    if (done := finished(services, workflow, Stage.SPEND, trigger)) is not None:
        return done
    started = services.now()
    judged = judge(services, [workflow], trigger=trigger)
    return _written(services, judged[workflow.slug], trigger, started)


def spend_all(
    services: Services, workflows: Sequence[Workflow], *, trigger: Trigger
) -> Mapping[str, Run | Exception | None]:
    """The same for all workflows together and for the fleet's caps (:data:`FLEET`): one sum, one read.

    A run is written for those whose verdict has changed, and once an hour for each: None stands for the others. What breaks for
    one holds up no other.
    """
    started = services.now()
    outcomes: dict[str, Run | Exception | None] = {}
    broken: dict[str, Exception] = {}
    judged = judge(services, workflows, trigger=trigger, fleet=True, broken=broken)
    with services.ops.begin() as unit:
        before = unit.runs.latest_each(list(judged), Stage.SPEND)
    news = {slug: one for slug, one in judged.items() if _is_news(one, before.get(slug), started)}
    outcomes |= {**dict.fromkeys(judged), **broken}
    quiet = [one for one in news.values() if one.nothing_to_tell]
    for at in range(0, len(quiet), _AT_ONCE):
        try:
            outcomes |= _written_quietly(services, quiet[at : at + _AT_ONCE], trigger, started)
        except Exception:
            log.exception("the runs of many workflows could not be written together, and are written one by one")
    for slug, one in news.items():
        if outcomes[slug] is not None:
            continue
        try:
            outcomes[slug] = _written(services, one, trigger, started)
        except Exception as error:
            log.exception("%s: the verdict on its spend could not be written", slug)
            outcomes[slug] = error
    _tell_gateways(services, [one for slug, one in judged.items() if outcomes[slug] is None])
    return outcomes


def judge(
    services: Services,
    workflows: Sequence[Workflow],
    *,
    trigger: Trigger,
    fleet: bool = False,
    broken: dict[str, Exception] | None = None,
) -> Mapping[str, Judged]:
    """Re-price, sum, and judge; nothing is written but prices and sums. The fleet's caps are looked at in any case, for what
    they mean to each workflow; with ``fleet`` they are judged too. What cannot be judged goes into ``broken``, if given.
    """
    now = services.now()
    identity = Run.identity(workflows[0].slug, Stage.SPEND, trigger) if len(workflows) == 1 else None
    repriced: dict[str, list[str]] = defaultdict(list)
    for row in reprice(services, workflows, run_id=identity):
        repriced[row.workflow].append(_repriced(row.model, row.calls, row.old_cost, row.new_cost))
    with services.ops.begin() as unit:
        asked = asked_of(services, unit, workflows, repriced, now)
        raises = unit.cap_raises.holding(None, now, back=LONGEST_PERIOD)
        looks = looks_of(unit, asked, raises, now)
    by_slug = {workflow.slug: workflow for workflow in workflows}
    over = [look.state for look in looks.get(FLEET, ())]
    judged: dict[str, Judged] = {}
    for one in asked:
        slug, workflow = one.subject.slug, by_slug.get(one.subject.slug)
        if one.subject.fleet and not fleet:
            continue
        try:
            result = judge_spend(one.subject, looks[slug], now=now, standing=one.standing)
        except Exception as error:
            if broken is None:
                raise
            log.exception("%s: its spend could not be judged", slug)
            broken[slug] = error
            continue
        judged[slug] = Judged(workflow, result, looks[slug], _over(over, workflow), bool(one.standing))
    return judged


def _over(states: Sequence[CapState], workflow: Workflow | None) -> tuple[CapState, ...]:
    """The fleet's caps that concern a workflow: those over all, over its team, and of models, whichever it calls."""
    if workflow is None:
        return ()
    return tuple(state for state in states if state.rule.team in {"", workflow.spend.team})


def _is_news(one: Judged, before: Run | None, now: datetime) -> bool:
    """Whether a run is written: the verdict, what was found, a cap or a price has changed, or the last one is an hour old."""
    if before is None or before.finished_at <= now - _WRITTEN_EVERY or before.evidence.get("ran") is False:
        return True
    if one.workflow is not None and before.versions.get("declaration") != one.workflow.sha256:
        return True
    result = one.result
    said = (str(result.verdict), list(result.reasons), _limits(result.evidence.get("caps")))
    return said != (str(before.verdict), list(before.reasons), _limits(before.evidence.get("caps"))) or bool(
        result.evidence["repriced"]
    )


def _limits(caps: object) -> list[tuple[object, object, object]]:
    given = caps if isinstance(caps, list) else []
    return [(cap.get("cap"), cap.get("limit"), cap.get("unknown")) for cap in given]


def _tell_gateways(services: Services, given: Sequence[Judged]) -> None:
    """What gateways of workflows without news are told: a cap over several workflows may be crossed by others alone."""
    named = [(one.workflow, one.states) for one in given if one.workflow is not None]
    for at in range(0, len(named), _AT_ONCE):
        try:
            with services.ops.begin() as unit:
                now = services.now()
                settle_many(unit, named[at : at + _AT_ONCE], unit.cap_raises.holding(None, now), now)
        except Exception:
            log.exception("what gateways are told could not be written for many workflows")


def _written(services: Services, one: Judged, trigger: Trigger, started: datetime) -> Run:
    """The run with its incidents, and what gateways are told, in one transaction."""

    def allow(unit: Unit, _: object) -> None:
        if one.workflow is not None:
            settle_allowances(unit, one.workflow, one.states, services.now())

    channel = None if one.workflow is not None else _of_team(services.fleet.spend.teams)
    return concluded(
        services, one.result, one.workflow, one.window(started), trigger, started, also=allow, channel=channel
    )


def _written_quietly(
    services: Services, given: Sequence[Judged], trigger: Trigger, started: datetime
) -> Mapping[str, Run]:
    """The runs of workflows of which there is nothing to tell, together."""
    named = [(one, one.workflow) for one in given if one.workflow is not None]

    def allow(unit: Unit) -> None:
        now = services.now()
        states = [(workflow, one.states) for one, workflow in named]
        settle_many(unit, states, unit.cap_raises.holding(None, now), now)

    results = [(one.result, workflow, one.window(started)) for one, workflow in named]
    return {run.workflow: run for run in concluded_many(services, results, trigger, started, also=allow)}


def _of_team(teams: Mapping[str, str]) -> Callable[[Incident], str]:
    """Where what concerns one team's cap is told: titles name the team, as caps are worded."""

    def channel(incident: Incident) -> str:
        return next((place for team, place in teams.items() if of_team(team) in incident.title), "")

    return channel


def _repriced(model: str, calls: int, old: object, new: object) -> str:
    return f"{model}: {plural(calls, 'call')} priced anew, {_cost(old)} before, {_cost(new)} now"


def _cost(amount: object) -> str:
    return (
        "not known" if amount is None else f"{amount:f}".rstrip("0").rstrip(".") if "." in str(amount) else str(amount)
    )
