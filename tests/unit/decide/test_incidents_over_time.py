"""Incidents that come and go: damped, never lost, never told without end."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.incidents import CALM_AFTER, CALM_FOR, RETURNS_WITHIN, Ended, changes
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity, StageResult

AT = datetime(2026, 11, 1, tzinfo=UTC)
BAD = Finding("w", "check", "quality.not_null", Severity.CRITICAL, "total is missing", about="total")
HOUR = timedelta(hours=1)


class Life:
    """A workflow with one trouble, as the ops database would keep it: incidents, times of re-openings, what was told."""

    def __init__(self) -> None:
        self.incidents: dict[uuid.UUID, Incident] = {}
        self.reopenings: list[tuple[uuid.UUID, datetime]] = []
        self.told: list[tuple[str, datetime]] = []

    def run(self, *, bad: bool, at: datetime) -> None:
        """One run that covers the kind."""
        result = StageResult("w", "check", "", findings=(BAD,) if bad else (), checked=1, covered=("quality.*",))
        standing = [one for one in self.incidents.values() if one.state is not IncidentState.RESOLVED]
        ended = [
            Ended(one, sum(who == one.id and when >= at - RETURNS_WITHIN for who, when in self.reopenings))
            for one in self.incidents.values()
            if one.state is IncidentState.RESOLVED
        ]
        found = changes(result, standing, at=at, ended=ended[-1:])
        for _ in found.opened:
            self._keep("opened", new_incident(at), at)
        for back in found.reopened:
            self.reopenings.append((back.incident.id, at))
            again = replace(back.incident, state=back.state, flapping=back.flaps, last_seen_at=at, good_runs=0)
            self._keep("flapping" if back.flaps else "reopened", again, at)
        for incident, _ in found.again:
            self.incidents[incident.id] = replace(incident, last_seen_at=at, good_runs=0)
        for incident in found.calmer:
            self.incidents[incident.id] = replace(incident, good_runs=incident.good_runs + 1)
        for incident in found.resolved:
            over = replace(incident, state=IncidentState.RESOLVED, resolved_at=at, flapping=False, good_runs=0)
            self._keep("resolved", over, at)

    def _keep(self, what: str, incident: Incident, at: datetime) -> None:
        self.incidents[incident.id] = incident
        self.told.append((what, at))

    @property
    def open(self) -> list[Incident]:
        """Those that are not over."""
        return [one for one in self.incidents.values() if one.state is not IncidentState.RESOLVED]


def new_incident(at: datetime) -> Incident:
    return Incident(
        id=uuid.uuid4(),
        fingerprint=BAD.fingerprint,
        workflow="w",
        stage="check",
        kind=BAD.kind,
        severity=BAD.severity,
        state=IncidentState.OPEN,
        title=BAD.title,
        detail="",
        opened_at=at,
        last_seen_at=at,
        occurrences=1,
    )


def lived(runs: str, *, every: timedelta = HOUR) -> Life:
    """The life of a trouble: ``x`` is a run that found it, ``.`` one that did not."""
    life = Life()
    for number, run in enumerate(runs):
        life.run(bad=run == "x", at=AT + number * every)
    return life


def words(life: Life) -> list[str]:
    return [what for what, _ in life.told]


def test_what_returns_within_a_day_is_the_same_incident() -> None:
    """It is open again; a day later it is a new one."""
    assert words(lived("x.x")) == ["opened", "resolved", "reopened"]
    assert len(lived("x.x").incidents) == 1
    late = lived("x" + 26 * "." + "x")
    assert (words(late), len(late.incidents)) == (["opened", "resolved", "opened"], 2)


def test_the_third_return_within_a_day_is_flapping() -> None:
    """From then on its comings and goings are not told, and three good runs in a row end it."""
    life = lived("x.x.x.x" + ".x..x" + "...")
    assert words(life) == ["opened", *["resolved", "reopened"] * 2, "resolved", "flapping", "resolved"]
    assert life.open == []
    assert lived("x.x.x.x..").open[0].good_runs == CALM_AFTER - 1


def test_three_good_runs_of_a_minute_are_no_calm() -> None:
    """It takes an hour since it was found last, however often somebody looks."""
    (still,) = lived("x.x.x.x" + 30 * ".", every=timedelta(minutes=1)).open
    assert still.flapping
    assert lived("x.x.x.x" + 61 * ".", every=timedelta(minutes=1)).open == []


def test_somebody_who_had_it_has_not_taken_up_its_return() -> None:
    """It is open again; a waiver that still holds goes on, one that is over does not."""
    ended = replace(new_incident(AT), state=IncidentState.RESOLVED, resolved_at=AT, acknowledged_by="Dana")
    result = StageResult("w", "check", "", findings=(BAD,), checked=1)

    def state(incident: Incident) -> IncidentState:
        return changes(result, [], at=AT + HOUR, ended=[Ended(incident, 0)]).reopened[0].state

    assert state(ended) is IncidentState.OPEN
    assert state(replace(ended, waived_until=AT + 2 * HOUR)) is IncidentState.WAIVED
    assert state(replace(ended, waived_until=AT + HOUR / 2)) is IncidentState.OPEN


@given(st.text("x.", max_size=80), st.sampled_from([timedelta(minutes=1), timedelta(minutes=17), HOUR, 9 * HOUR]))
def test_it_is_never_lost_and_stands_as_it_is(runs: str, every: timedelta) -> None:
    """After a run that found it there is exactly one open incident; after enough good runs there is none; told are both ends."""
    life = lived(runs, every=every)
    assert len(life.open) <= 1
    if runs.endswith("x"):
        assert len(life.open) == 1
    calm = len(runs) - len(runs.rstrip("."))
    if calm >= CALM_AFTER and calm * every >= CALM_FOR:
        assert life.open == []
    begun = [what for what in words(life) if what != "resolved"]
    assert len(begun) - words(life).count("resolved") == len(life.open)
    assert ("x" in runs) == bool(life.incidents)


@given(st.text("x.", max_size=200), st.sampled_from([timedelta(minutes=1), timedelta(minutes=7), HOUR]))
def test_what_is_told_in_a_day_is_bounded(runs: str, every: timedelta) -> None:
    """Six messages until it flaps, then at most two for each hour of calm, whatever the sequence and the pace of the runs."""
    life = lived(runs, every=every)
    for _, begin in life.told:
        day = [what for what, at in life.told if begin <= at < begin + RETURNS_WITHIN]
        hours = min(RETURNS_WITHIN, len(runs) * every) / CALM_FOR
        runs_of_day = min(len(runs), RETURNS_WITHIN // every)
        assert len(day) <= 7 + 2 * min(hours + 1, runs_of_day / (CALM_AFTER + 1) + 1)


def test_of_two_findings_of_one_thing_the_gravest_counts() -> None:
    """In whichever order they come."""
    mild = replace(BAD, severity=Severity.WARNING)
    for findings in ((mild, BAD), (BAD, mild)):
        result = StageResult("w", "check", "", findings=findings, checked=1)
        assert changes(result, [], at=AT).opened == (BAD,)
