"""What becomes of a workflow's incidents once something was found out about it, by a run or by a sweep; and who is told of it.

All of it in the caller's transaction, under the lock of the workflow and then of what its incidents hang on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from afterpilot.decide import incidents as life_cycle
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.explaining import Sighting, Ties, tie
from afterpilot.pipeline.rolling_up import roll_up
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.answers import Answers
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.alerts.unmended import failing_windows, unmended
from afterpilot.record.ops import Unit

_FLAPS = f"it comes and goes; from now on it is over only after {life_cycle.CALM_AFTER} good runs in a row"
_ALONE = "what explained it is over, and it is still there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How it was found out.

    Args:
        at: when.
        run_id: the run; None: a sweep, which comes often and tells only what is new.
        corrects: the run in whose place this one stands.
        closes: why nobody looks for anything of this workflow any more; empty where somebody does.
        channel: where an incident is told, empty for the usual place.
    """

    at: datetime
    run_id: uuid.UUID | None = None
    corrects: uuid.UUID | None = None
    closes: str = ""
    channel: Callable[[Incident], str] | None = None


def follow_up(services: Services, unit: Unit, result: StageResult, workflow: Workflow | None, found: Found) -> None:
    """Open, re-open, renew and end incidents, tie those that belong together, and queue the message of each change."""
    unresolved, keys = _locked(unit, result)
    seen = Sighting(found.at, found.run_id)
    anew = life_cycle.found_anew(result, unresolved)
    ended = unit.incidents.ended(list(anew), found.at - life_cycle.RETURNS_WITHIN) if anew else ()
    changes = life_cycle.changes(
        result,
        unresolved,
        at=found.at,
        failing=_failing(unit, result, unresolved, found),
        ended=[life_cycle.Ended(incident, times) for incident, times in ended],
    )
    book = _Book(unit, seen, {one.id: one for one in unresolved})
    book.write(changes)
    if found.closes:
        book.end([one for one in book.standing.values() if one.stage != result.stage], found.closes)
    ties = tie(unit, list(book.standing.values()), set(book.found), seen)
    fleet = roll_up(unit, keys, seen)
    where = found.channel or (lambda _: "")
    told = [replace(one, run_id=found.run_id, channel=where(one.incident)) for one in book.told(ties)]
    announce(services, unit, workflow, told)
    announce(services, unit, None, fleet)


def _locked(unit: Unit, result: StageResult) -> tuple[Sequence[Incident], set[str]]:
    """The workflow's incidents that are not over, with nobody else at them, and what they and the findings hang on."""
    unit.incidents.lock(result.workflow)
    unresolved = unit.incidents.unresolved(result.workflow)
    keys = ({one.hangs_on for one in unresolved} | {one.hangs_on for one in result.findings}) - {""}
    if not keys:
        return unresolved, keys
    LinkedIncidents(unit.connection).lock(keys)
    return unit.incidents.unresolved(result.workflow), keys  # the fleet may have tied some meanwhile


def _failing(unit: Unit, result: StageResult, unresolved: Sequence[Incident], found: Found) -> set[uuid.UUID]:
    """Incidents that this run cannot end: their records in other windows still fail."""
    if not unresolved:
        return set()
    failing = set(failing_windows(unit.connection, result.workflow)) if result.stage == Stage.CHECK else set()
    if found.corrects is not None:  # an older window says nothing about what was found in others since
        failing |= set(unmended(unit.connection, result.workflow))
    return failing


class _Book:
    """The incidents of one workflow as they are changed, and the news of it."""

    def __init__(self, unit: Unit, seen: Sighting, standing: dict[uuid.UUID, Incident]) -> None:
        self._unit, self._seen = unit, seen
        self.standing = standing
        self.found: dict[uuid.UUID, Finding] = {}
        self._news: list[News] = []

    def write(self, changes: life_cycle.Changes) -> None:
        """Put all changes on record."""
        incidents, run_id, at = self._unit.incidents, self._seen.run_id, self._seen.at
        for finding in changes.opened:
            self._now("opened", incidents.open(finding, run_id=run_id, at=at), finding)
        for back in changes.reopened:
            again = incidents.reopen(
                back.incident,
                back.finding,
                state=back.state,
                flaps=back.flaps,
                run_id=run_id or back.incident.run_id,
                at=at,
            )
            self._now("flapping" if back.flaps else "reopened", again, back.finding, said=_FLAPS if back.flaps else "")
        for incident, finding in changes.again:
            self._again(incident, finding)
        for incident in changes.calmer:
            if incident.good_runs < life_cycle.CALM_AFTER:
                incidents.calm(incident, run_id=run_id, at=at)
        self.end(changes.resolved)

    def told(self, ties: Ties) -> Sequence[News]:
        """The news with the incidents as they are tied by now; one that was freed is told anew, whatever else became of it."""
        freed = set(ties.freed)
        news = [one for one in self._news if one.incident.id not in freed]
        own = {one.incident.id for one in news} | freed
        news += [self._untold("unexplained", one, said=_ALONE) for one in ties.freed]
        news += [self._untold("explains", one) for one in ties.explaining if one not in own]
        now = LinkedIncidents(self._unit.connection).causes_of([one.incident.id for one in news]) if news else {}
        return [replace(one, incident=replace(one.incident, cause_id=now.get(one.incident.id))) for one in news]

    @property
    def _mark(self) -> str:
        """What makes a news of this moment one of its kind."""
        return str(self._seen.run_id or self._seen.at.isoformat())

    def _untold(self, what: str, which: uuid.UUID, *, said: str = "") -> News:
        """News of an incident that this moment has perhaps not found: with what was found last."""
        incident = self.standing[which]
        finding = self.found.get(which) or Answers(self._unit.connection).last_finding(incident)
        return News(what, incident, finding, mark=self._mark, said=said)

    def _again(self, incident: Incident, finding: Finding) -> None:
        """Seen by a run, that is counted; seen by a sweep, only what has changed is."""
        self.found[incident.id] = finding
        if self._seen.run_id is None and _said(incident) == _said(finding) and not incident.good_runs:
            return
        run_id = self._seen.run_id or incident.run_id
        renewed = self._unit.incidents.see_again(incident, finding, run_id=run_id, at=self._seen.at)
        graver = renewed.severity.graver_than(incident.severity)
        if graver and renewed.state is IncidentState.WAIVED:  # this is not what was waived
            renewed = Answers(self._unit.connection).end_waiver(renewed, at=self._seen.at)
        self.standing[incident.id] = renewed
        if graver:
            self._news.append(News("graver", renewed, finding, mark=self._mark))
        elif not incident.flapping and _reworded(incident, renewed, by_sweep=self._seen.run_id is None):
            self._news.append(News("changed", renewed, finding, mark=self._mark))

    def _now(self, what: str, incident: Incident, finding: Finding, *, said: str = "") -> None:
        self.standing[incident.id] = incident
        self.found[incident.id] = finding
        self._news.append(News(what, incident, finding, said=said))

    def end(self, incidents: Sequence[Incident], why: str = "") -> None:
        """They are over; ``why`` where nobody looks for them any more, which the message says then."""
        for incident in incidents:
            over = self._unit.incidents.resolve(incident, run_id=self._seen.run_id, at=self._seen.at, text=why)
            self.standing.pop(incident.id, None)
            self._news.append(News("resolved", over, _closed(over, why) if why else None))


def _said(one: Incident | Finding) -> tuple[object, ...]:
    return one.title, one.detail, one.severity, one.hangs_on


def _reworded(before: Incident, now: Incident, *, by_sweep: bool) -> bool:
    """Whether its message has to be edited. The detail changes with each run (its window), with a sweep only for a reason."""
    if by_sweep and before.detail != now.detail:
        return True
    return (now.title, now.severity) != (before.title, before.severity)


def _closed(incident: Incident, why: str) -> Finding:
    """Why the message says that it is over: nobody looks for it any more."""
    evidence: Mapping[str, str] = {"certainty": f"nobody looks for it any more: {why}"}
    return Finding(
        incident.workflow, incident.stage, incident.kind, incident.severity, incident.title, evidence=evidence
    )
