"""Where an alert goes: silence, maintenance, the workflow's routes, the fleet's, its channel; and nothing goes nowhere unsaid."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.routing import followed, next_digest, routed
from afterpilot.domain.alerting import (
    SLACK,
    Alert,
    Alerting,
    Destination,
    Maintenance,
    Route,
    Routed,
    Silence,
    Target,
)
from afterpilot.domain.verdict import Severity
from afterpilot.domain.working_hours import WorkingHours

NIGHT = datetime(2026, 11, 28, 3, tzinfo=UTC)  # a Saturday
DAY = datetime(2026, 11, 25, 11, tzinfo=UTC)  # a Wednesday
PAGER, MAIL = Target("pager", "pagerduty", "pd"), Target("mail", "email", "smtp", "ops@example.com")
CHANNEL = Destination(SLACK, "#ap")
WARNING, CRITICAL, UNKNOWN = Severity.WARNING, Severity.CRITICAL, Severity.UNKNOWN


def _alert(severity: Severity = CRITICAL, kind: str = "spend.over_cap", owner: str = "") -> Alert:
    return Alert("refunds", kind, severity, "#ap", owner)


def _routed(
    alert: Alert,
    *routes: Route,
    own: Alerting | None = None,
    at: datetime = DAY,
    silences: tuple[Silence, ...] = (),
    maintenance: tuple[Maintenance, ...] = (),
) -> Routed:
    fleet = Alerting(targets=(PAGER, MAIL), routes=routes, maintenance=maintenance)
    return routed(alert, fleet=fleet, own=own, silences=silences, at=at)


def _silence(workflow: str = "", kind: str = "", *, start: datetime = DAY, hours: float = 1) -> Silence:
    end = start + timedelta(hours=hours)
    return Silence(uuid.UUID(int=1), workflow, kind, "Dana Ruiz", "we know", start, end)


def test_without_routes_the_channel_is_told() -> None:
    """Whatever it is and whenever it comes up; each step says what it found."""
    plan = _routed(_alert())
    assert plan.to == (CHANNEL,)
    assert plan.silenced == ""
    assert plan.steps == (
        "silences: none holds",
        "maintenance: none holds",
        "unless a route decides: the workflow's channel #ap",
    )


def test_the_workflows_own_route_comes_before_the_fleets() -> None:
    """The first that fits decides, and those that do not fit say why."""
    own = Alerting(routes=(Route(("channel",), (WARNING,)), Route(("#night",), kinds=("spend.*",))))
    plan = _routed(_alert(), Route(("pager",)), own=own)
    assert plan.to == (Destination(SLACK, "#night"),)
    assert plan.steps[2:] == ("route 1 of refunds: no, it is for warning", "route 2 of refunds: yes, to #night")


def test_a_route_may_let_the_next_ones_be_looked_at() -> None:
    """Then all that fit are told, each place once."""
    plan = _routed(_alert(), Route(("pager", "channel"), go_on=True), Route(("channel", "mail")))
    assert plan.to == (Destination("pager", "pager"), CHANNEL, Destination("mail", "ops@example.com"))


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        (Route(("pager",), hours="off"), True),
        (Route(("pager",), hours="working"), False),
        (Route(("pager",), kinds=("gate.*", "spend.*")), True),
        (Route(("pager",), kinds=("spend",)), False),
        (Route(("pager",), workflows=("ref*",)), True),
        (Route(("pager",), workflows=("invoices",)), False),
        (Route(("pager",), severities=(WARNING, UNKNOWN)), False),
    ],
)
def test_all_conditions_of_a_route_must_hold(route: Route, *, fits: bool) -> None:
    """On a Saturday night, for a critical alert of a kind of spend."""
    assert (_routed(_alert(), route, at=NIGHT).to == (Destination("pager", "pager"),)) is fits


def test_a_silence_comes_first_and_says_who_and_why() -> None:
    """The places stay those of the routes, for the record."""
    plan = _routed(_alert(), Route(("pager",)), silences=(_silence("ref*", "spend.*"),))
    assert plan.silenced == "silenced until 2026-11-25 12:00 UTC by Dana Ruiz: we know"
    assert plan.to == (Destination("pager", "pager"),)


@pytest.mark.parametrize(
    "silence",
    [_silence("other"), _silence(kind="gate.*"), _silence(start=DAY + timedelta(seconds=1)), _silence(start=NIGHT)],
)
def test_a_silence_of_something_else_keeps_nothing(silence: Silence) -> None:
    """Another workflow, another kind, another time."""
    assert _routed(_alert(), silences=(silence,)).silenced == ""


def test_maintenance_keeps_what_it_names_until_it_ends() -> None:
    """The workflow's own and the fleet's; at the very end it holds no more."""
    window = Maintenance(DAY, DAY + timedelta(hours=3), "ERP upgrade", "Sam Whitfield", ("refunds",))
    why = "maintenance until 2026-11-25 14:00 UTC by Sam Whitfield: ERP upgrade"
    assert _routed(_alert(), maintenance=(window,)).silenced == why
    assert _routed(_alert(), own=Alerting(maintenance=(window,))).silenced == why
    assert _routed(_alert(), maintenance=(window,), at=window.end).silenced == ""


def test_a_route_to_nowhere_keeps_a_warning_with_its_reason() -> None:
    """It is on record for the channel, with why it was not sent."""
    plan = _routed(_alert(WARNING), Route((), reason="nobody acts on it"))
    assert (plan.to, plan.silenced) == ((CHANNEL,), "route 1 of the fleet leads nowhere: nobody acts on it")


@pytest.mark.parametrize("severity", [CRITICAL, UNKNOWN])
@pytest.mark.parametrize("to", [(), ("digest",), ("gone",), ("owner",)])
def test_what_is_grave_is_never_kept_by_a_route(to: tuple[str, ...], severity: Severity) -> None:
    """Nowhere, the digest, a target that is gone, an owner without an address: the channel is told at once."""
    plan = _routed(_alert(severity), Route(to, reason="no"))
    assert (plan.to, plan.silenced) == ((CHANNEL,), "")


def test_a_warning_waits_for_the_digest() -> None:
    """Until the time that is declared, in the zone where people work; where the channel is told at once it does not wait."""
    hours = WorkingHours("Europe/Berlin")
    fleet = Alerting(routes=(Route(("digest",)),), working_hours=hours, digest_at=time(8, 30))
    plan = routed(_alert(WARNING), fleet=fleet, own=None, silences=(), at=DAY)
    assert plan.to == (Destination(SLACK, "#ap", datetime(2026, 11, 26, 7, 30, tzinfo=UTC)),)
    assert plan.steps[-1] == "route 1 of the fleet: yes, to the digest of 2026-11-26 07:30 UTC in #ap"
    assert _routed(_alert(WARNING), Route(("digest", "channel"))).to == (CHANNEL,)


def test_the_owner_is_reached_by_the_first_target_that_sends_mail() -> None:
    """At the address that the declaration names."""
    plan = _routed(_alert(owner="dana@example.com"), Route(("owner",)))
    assert plan.to == (Destination("mail", "dana@example.com"),)


def test_a_workflows_hours_stand_in_place_of_the_fleets() -> None:
    """A route of the fleet for the night looks at the workflow's own night."""
    route = Route(("pager",), hours="off")
    assert _routed(_alert(), route, at=DAY).to == (CHANNEL,)
    own = Alerting(working_hours=WorkingHours("America/New_York"))  # six in the morning there
    assert _routed(_alert(), route, own=own, at=DAY).to == (Destination("pager", "pager"),)


def test_later_news_goes_where_the_incident_was_told() -> None:
    """What was told at night is over there too; what is back goes by the routes besides; what is over is said in a silence."""
    told = (Destination("pager", "pager"), CHANNEL)
    plan = _routed(_alert(), Route(("#day",)), silences=(_silence(),))
    assert followed(plan, told).to == told
    assert followed(plan, told).silenced == plan.silenced
    assert followed(plan, told, over=True).silenced == ""
    assert followed(plan, told, anew=True).to == (*told, Destination(SLACK, "#day"))
    assert followed(plan, ()) == plan
    waits = Destination(SLACK, "#ap", DAY)
    assert followed(replace_to(plan, CHANNEL), (waits,), anew=True).to == (CHANNEL,)


def replace_to(plan: Routed, *to: Destination) -> Routed:
    """The same plan to other places."""
    return Routed(to, plan.silenced, plan.steps)


_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds
_ROUTES = st.builds(
    Route,
    to=st.lists(st.sampled_from(["channel", "digest", "owner", "pager", "mail", "gone", "#x"]), max_size=3).map(tuple),
    severities=st.sets(st.sampled_from([WARNING, CRITICAL, UNKNOWN]), max_size=2).map(tuple),
    kinds=st.sampled_from([(), ("spend.*",), ("gate.*",)]),
    workflows=st.sampled_from([(), ("refunds",), ("x*",)]),
    hours=st.sampled_from(["any", "working", "off"]),
    go_on=st.booleans(),
    reason=st.just("why"),
)
_SETTINGS = st.builds(Alerting, targets=st.just((PAGER, MAIL)), routes=st.lists(_ROUTES, max_size=4).map(tuple))


@given(
    severity=st.sampled_from([WARNING, CRITICAL, UNKNOWN]),
    fleet=_SETTINGS,
    own=st.none() | _SETTINGS,
    at=_MOMENTS,
    owner=st.sampled_from(["", "dana@example.com"]),
)
def test_nothing_goes_nowhere_unsaid(
    severity: Severity, fleet: Alerting, own: Alerting | None, at: datetime, owner: str
) -> None:
    """There is always a place, each once, and what is grave is neither kept nor waits; the last step says how it came about."""
    plan = routed(_alert(severity, owner=owner), fleet=fleet, own=own, silences=(), at=at)
    assert plan.to
    assert len({(one.target, one.channel) for one in plan.to}) == len(plan.to)
    assert len(plan.steps) >= 3
    assert all(one.digest_at is None or one.digest_at > at for one in plan.to)
    if severity is not WARNING:
        assert plan.silenced == ""
        assert all(one.digest_at is None for one in plan.to)
    elif plan.silenced:
        assert plan.silenced.endswith("leads nowhere: why")


@given(at=_MOMENTS, moment=st.times().map(lambda one: one.replace(second=0, microsecond=0)))
def test_a_digest_is_due_within_a_day_and_an_hour(at: datetime, moment: time) -> None:
    """Once a day, also when clocks change."""
    due = next_digest(Alerting(working_hours=WorkingHours("Europe/Berlin"), digest_at=moment), None, at)
    assert at < due <= at + timedelta(hours=25)
