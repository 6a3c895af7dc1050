"""Whose caps a look at the spend is about: workflows, and the fleet with the workflows under each of its caps."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from afterpilot.decide.spend import Subject
from afterpilot.declare.cron import cron_error, due_after
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.watching import Tick
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.spend_looks import FRESH, Asked
from afterpilot.record.ops import Unit


def asked_of(
    services: Services, unit: Unit, workflows: Sequence[Workflow], repriced: Mapping[str, Sequence[str]], now: datetime
) -> Sequence[Asked]:
    """These workflows, and the fleet where it has caps. ``repriced`` are sentences about prices that have changed."""
    standing: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for slug, kind, about in unit.incidents.standing(Stage.SPEND):
        standing[slug].add((kind, about))
    pulled, synced = unit.records.pulled_to_each(), unit.declarations.first_usable_each()
    asked = [
        Asked(
            Subject(
                workflow.slug,
                zone=workflow.spend.zone,
                pulled_to=pulled.get(workflow.slug),
                late_by=workflow.source.late_by,
                first_pull=None
                if workflow.slug in pulled
                else _first_pull(services, workflow, synced.get(workflow.slug, now)),
                followed=_fresh(pulled.get(workflow.slug), now),
                repriced=tuple(repriced.get(workflow.slug, ())),
            ),
            workflow.spend.caps,
            standing=frozenset(standing[workflow.slug]),
        )
        for workflow in workflows
    ]
    subjects = [one.subject for one in asked]
    return [*asked, *_fleets(services, unit, workflows, subjects, pulled, standing[FLEET], now)]


def _fleets(
    services: Services,
    unit: Unit,
    workflows: Sequence[Workflow],
    subjects: Sequence[Subject],
    pulled: Mapping[str, datetime],
    standing: Iterable[tuple[str, str]],
    now: datetime,
) -> Sequence[Asked]:
    """The fleet's caps. What workflows that are broken, retired or gone have spent counts for the team that they named last; and
    while a broken one is not read, nobody knows what it spends.
    """
    declared = services.fleet.spend
    if not declared.caps:
        return ()
    asked = {workflow.slug for workflow in workflows}
    others = [one for one in unit.declarations.usable_each() if one.workflow not in asked]
    teams: dict[str, list[str]] = defaultdict(list)
    for slug, team in (
        *((workflow.slug, workflow.spend.team) for workflow in workflows),
        *((one.workflow, one.team) for one in others),
    ):
        teams[team].append(slug)
    broken = [Subject(one.workflow, pulled_to=pulled.get(one.workflow)) for one in others if one.used and one.broken]
    silent = tuple(one.slug for one in (*subjects, *broken) if one.stale(now) and not one.waits(now))
    waiting = tuple(one.slug for one in subjects if one.waits(now))
    alive = {workflow.spend.team for workflow in workflows} | {one.team for one in others if one.used}
    nobody = tuple(dict.fromkeys(rule.team for rule in declared.caps if rule.team and rule.team not in alive))
    subject = Subject(FLEET, zone=declared.zone, fleet=True, silent=silent, waiting=waiting, nobody=nobody)
    members = tuple(tuple(teams.get(rule.team, ())) if rule.team else None for rule in declared.caps)
    return [Asked(subject, declared.caps, members, frozenset(standing))]


def _first_pull(services: Services, workflow: Workflow, synced: datetime) -> Tick | None:
    """When its own schedule pulls it first; until its declaration is ``synced``, no pull is planned at all."""
    cron = services.fleet.schedules.get(f"records.{workflow.schedules.get('records')}", "")
    due = [] if cron_error(cron) else list(itertools.islice(due_after(cron, synced), 2))
    return Tick(due[0], due[1] - due[0]) if len(due) == 2 else None  # noqa: PLR2004 - a period has two ends


def _fresh(pulled_to: datetime | None, now: datetime) -> bool:
    return pulled_to is not None and now - FRESH <= pulled_to
