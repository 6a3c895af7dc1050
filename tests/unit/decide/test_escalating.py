"""Who is called next about an incident that nobody takes up, and when."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.decide.escalating import Call, due_at, in_words, next_call
from afterpilot.domain.alerting import Alerting, Escalation
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Person
from afterpilot.domain.working_hours import WorkingHours

FRIDAY = datetime(2026, 11, 27, 16, 30, tzinfo=UTC)
FLEET = Alerting(
    working_hours=WorkingHours("Europe/Berlin"),  # to 17:00 UTC
    escalate={
        Severity.CRITICAL: Escalation(timedelta(minutes=15)),
        Severity.UNKNOWN: Escalation(timedelta(hours=4), "working"),
    },
)
DANA, LEE = Person("Dana Ruiz", "U1"), Person("Lee Okafor", "U2")


def _incident(escalation: int = 0, severity: Severity = Severity.CRITICAL) -> Incident:
    return Incident(
        id=uuid.UUID(int=1), fingerprint="f", workflow="refunds", stage="spend", kind="spend.over_cap", severity=severity,
        state=IncidentState.OPEN, title="t", detail="", opened_at=FRIDAY, last_seen_at=FRIDAY, occurrences=1, escalation=escalation,
    )  # fmt: skip


def _call(incident: Incident, *, owner: Person | None = DANA, deputy: Person | None = LEE) -> Call | None:
    return next_call(incident, owner=owner, deputy=deputy, at=FRIDAY, fleet=FLEET, own=None)


def test_it_is_due_by_severity() -> None:
    """At once by the clock, or in working hours: half an hour of Friday, the rest on Monday; never where nothing is said."""
    assert due_at(Severity.CRITICAL, FRIDAY, fleet=FLEET, own=None) == FRIDAY + timedelta(minutes=15)
    assert due_at(Severity.UNKNOWN, FRIDAY, fleet=FLEET, own=None) == datetime(2026, 11, 30, 10, 30, tzinfo=UTC)
    assert due_at(Severity.WARNING, FRIDAY, fleet=FLEET, own=None) is None
    assert due_at(Severity.CRITICAL, FRIDAY, fleet=Alerting(), own=None) is None


def test_what_a_workflow_says_stands_in_place_of_the_fleets() -> None:
    """As a whole: what it does not name is not escalated; without it the fleet's holds."""
    own = Alerting(escalate={Severity.WARNING: Escalation(timedelta(hours=1))})
    assert due_at(Severity.CRITICAL, FRIDAY, fleet=FLEET, own=own) is None
    assert due_at(Severity.WARNING, FRIDAY, fleet=FLEET, own=own) == FRIDAY + timedelta(hours=1)
    assert due_at(Severity.CRITICAL, FRIDAY, fleet=FLEET, own=Alerting()) == FRIDAY + timedelta(minutes=15)


def test_first_the_deputy_then_the_channel_then_nobody() -> None:
    """Each with words for the time line, and when the next one is due."""
    said = "nobody has taken it up within 15 min: Lee Okafor, the deputy, is called"
    assert _call(_incident()) == Call(1, said, FRIDAY + timedelta(minutes=15), "Lee Okafor")
    said = "nobody has taken it up within 15 min: everybody in the channel is called"
    assert _call(_incident(1)) == Call(2, said, None)
    assert _call(_incident(2)) is None


@pytest.mark.parametrize("deputy", [None, Person("D. Ruiz", "U1")])
def test_a_deputy_who_is_nobody_else_is_left_out(deputy: Person | None) -> None:
    """None, or the owner under another name: the channel is called at once."""
    call = _call(_incident(), deputy=deputy)
    assert call is not None
    assert (call.step, call.next_at) == (2, None)


def test_without_terms_by_now_it_is_still_called() -> None:
    """The declaration has changed meanwhile: the step that was due is taken, and none follows."""
    call = _call(_incident(severity=Severity.WARNING))
    assert call == Call(1, "nobody has taken it up: Lee Okafor, the deputy, is called", None, "Lee Okafor")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (Escalation(timedelta(minutes=15)), "15 min"),
        (Escalation(timedelta(minutes=90)), "90 min"),
        (Escalation(timedelta(hours=4), "working"), "4 h of working time"),
        (Escalation(timedelta(days=2)), "2 d"),
    ],
)
def test_terms_in_words(terms: Escalation, said: str) -> None:
    """As people say them."""
    assert in_words(terms) == said
