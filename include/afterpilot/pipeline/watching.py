"""Who watches the watcher: one look at everything that must keep happening, and what is told of it.

It goes by what is on record alone, so that it can be done from anywhere: by the DAG ``watchdog``, by ``afterpilot watch``, by a page.
"""

from __future__ import annotations

import functools
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from afterpilot.decide.overdue import (
    AFTER_OUTAGE,
    Awake,
    dead_since,
    last_late,
    overdue_verdicts,
    pass_overdue,
    passed,
    verdict_overdue,
)
from afterpilot.decide.sealed import ledger_findings
from afterpilot.decide.watching import FRESH, dag_broken, outbox_stuck, scheduler_dead, tasks_failed
from afterpilot.declare.cron import cron_error, due_before
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, StageResult
from afterpilot.domain.watching import (
    DAG_BROKEN,
    DAGS,
    DELIVERY,
    LEDGER,
    OF_LEDGER,
    OUTBOX,
    OVERDUE,
    SCHEDULER,
    TASK_FAILED,
    WATCH,
    WATCHDOG,
    Beat,
    Looked,
    Pass,
    PassState,
    Seen,
    Tick,
    beat_of,
    dag_of,
    import_beat,
)
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.following_up import Found, follow_up
from afterpilot.pipeline.sealing import ledger_state
from afterpilot.pipeline.services import Services
from afterpilot.record.beats import Beats
from afterpilot.record.task_failures import TaskFailures
from afterpilot.record.watched import Watched

log = logging.getLogger(__name__)
_IMPORTS = import_beat("")


def look(connection: sa.Connection, *, now: datetime, paused: Callable[[str], bool] | None = None) -> Looked:
    """All that is overdue, stuck or broken now. ``paused`` says whether a DAG is switched off in Airflow, and is asked of those alone
    that did not pass in time; without it what the watchdog has seen last counts.
    """
    watched, beats = Watched(connection), Beats(connection).all()
    own = beats.get(beat_of(WATCHDOG))
    awake = Awake.of(own)
    asked = functools.cache(paused or (lambda dag: dag in (own.detail.get("paused") or () if own else ())))
    crons = {name: cron for name, cron in watched.crons().items() if not cron_error(cron)}
    passes = _passes(crons, beats, awake, watched.first_loaded(), now, asked)
    since = dead_since(passes)
    seen = _seen(watched, crons, now)
    late = overdue_verdicts(seen, now=now, awake=awake)
    off = {dag for dag in {dag_of(one.expected.schedule) for one in late} if asked(dag)}
    blocked = beats[DELIVERY].detail.get("blocked", "") if DELIVERY in beats else ""
    return Looked(
        at=now,
        passes=passes,
        overdue=overdue_verdicts(seen, now=now, awake=awake, paused=off),
        judged=len(seen),
        outbox=watched.outbox(blocked=blocked),
        failures=tuple(TaskFailures(connection).open()),
        broken_dags=_broken(beats, now),
        dead_since=since,
        catching_up=awake.since is not None and now - awake.since < AFTER_OUTAGE,
        paused=frozenset(off | {one.dag_id for one in passes if one.paused}),
        crons=crons,
        beats=beats,
        ledger=ledger_state(connection, beats.get(LEDGER)),
    )


def watch(
    services: Services, known: Mapping[str, Workflow], *, paused: Callable[[str], bool] | None = None, own: bool = False
) -> Looked:
    """Look, open, renew and end the incidents of it, and queue their messages. ``own``: it is the watchdog's own pass, and is put on
    record as such. Each workflow is a transaction of its own; one that breaks holds up no other.
    """
    now = services.now()
    with services.ops.begin() as unit:
        if own:
            _pass(Beats(unit.connection), now)
        looked = look(unit.connection, now=now, paused=paused)
        findings = _findings(unit.connection, looked)
        if own:
            _pass(Beats(unit.connection), now, looked.paused)
        standing = Watched(unit.connection).standing()
    covered = _covered(looked)
    for slug in sorted({FLEET, *findings, *standing}, key=lambda one: (one != FLEET, one)):
        result = StageResult(slug, WATCH, "", findings=tuple(findings.get(slug, ())), covered=covered)
        if standing.get(slug, frozenset()) == {(one.fingerprint, one.title, one.detail) for one in result.findings}:
            continue  # nothing has changed, of a thousand of them
        try:
            with services.ops.begin() as unit:
                follow_up(services, unit, result, known.get(slug), Found(at=now))
        except Exception:
            log.exception("%s: what the watchdog found could not be told", slug)
    return looked


def _pass(beats: Beats, now: datetime, paused: Collection[str] = ()) -> None:
    """Put the watchdog's pass on record, with since when it has watched without a gap."""
    before = beats.all().get(beat_of(WATCHDOG))
    awake = Awake.of(before).after(before.at if before else None, now)
    detail = {"first": awake.first, "since": awake.since, "paused": sorted(paused)}
    beats.beat(beat_of(WATCHDOG), at=now, detail=detail)


def _tick(cron: str, now: datetime) -> Tick | None:
    return last_late(due_before(cron, now), now)


def _passes(
    crons: Mapping[str, str],
    beats: Mapping[str, Beat],
    awake: Awake,
    loaded: datetime | None,
    now: datetime,
    paused: Callable[[str], bool],
) -> tuple[Pass, ...]:
    """Every DAG. The watchdog itself, where it never passed, should have since declarations were loaded first."""
    all_of_them = {**DAGS, **{dag_of(name): cron for name, cron in sorted(crons.items())}}
    found = []
    for dag_id, cron in all_of_them.items():
        given = Awake(loaded) if dag_id == WATCHDOG else awake
        judge = functools.partial(
            passed, dag_id, cron, _tick(cron, now), beats.get(beat_of(dag_id)), awake=given, now=now
        )
        one = judge(paused=False)
        found.append(judge(paused=True) if one.state is not PassState.GOOD and paused(dag_id) else one)
    return tuple(found)


def _seen(watched: Watched, crons: Mapping[str, str], now: datetime) -> Sequence[Seen]:
    """What is on record of all verdicts that the schedules promise; where a schedule's rhythm was another when one was due, that one
    was not promised.
    """
    ticks = {name: tick for name, cron in crons.items() if (tick := _tick(cron, now)) is not None}
    same = {name for name, tick in ticks.items() if watched.crons(at=tick.due).get(name) == crons[name]}
    seen = watched.seen(watched.expected(ticks))
    return [one if one.expected.schedule in same else replace(one, promised=False) for one in seen]


def _broken(beats: Mapping[str, Beat], now: datetime) -> Mapping[str, str]:
    return {
        name.removeprefix(_IMPORTS): str(beat.detail.get("error", ""))
        for name, beat in beats.items()
        if name.startswith(_IMPORTS) and now - beat.at < FRESH
    }


def _findings(connection: sa.Connection, looked: Looked) -> Mapping[str, Sequence[Finding]]:
    """What is found, by the workflow that it is told to. A dead scheduler explains whatever else did not happen."""
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    if (stuck := outbox_stuck(looked.outbox)) is not None:
        found[FLEET].append(stuck)
    if looked.dead_since is not None:
        found[FLEET].append(scheduler_dead(looked.dead_since))
        return found
    found[FLEET] += ledger_findings(looked.ledger, now=looked.at)
    found[FLEET] += [dag_broken(file, error) for file, error in looked.broken_dags.items()]
    # A DAG that brings verdicts is told by the workflows that wait for them.
    found[FLEET] += [pass_overdue(one, FLEET) for one in looked.late_passes if one.dag_id in DAGS]
    for one in looked.overdue:
        schedule = one.expected.schedule
        finding = verdict_overdue(one, looked.crons[schedule], paused=dag_of(schedule) in looked.paused)
        found[one.expected.workflow].append(finding)
    stages = {one.stage for one in looked.failures if one.stage is not None}
    told = Watched(connection).did_not_run(stages)
    for slug, those in tasks_failed(looked.failures, told).items():
        found[slug] += those
    return found


def _covered(looked: Looked) -> tuple[str, ...]:
    if looked.dead_since is not None:
        return (OUTBOX, SCHEDULER)
    always = (OUTBOX, SCHEDULER, TASK_FAILED, DAG_BROKEN, *OF_LEDGER)
    return always if looked.catching_up else (*always, OVERDUE)
