"""One call about many incidents: what it says, in which order, and whom it calls."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Message
from afterpilot.domain.verdict import Severity
from afterpilot.notify.calling import MOST_CALLED, call_message
from afterpilot.notify.digest import Notice

AT = datetime(2026, 11, 18, 12, tzinfo=UTC)


def notice(number: int, severity: Severity = Severity.CRITICAL) -> Notice:
    """An incident of a workflow of its own, each a minute younger."""
    at = AT + timedelta(minutes=number)
    incident = Incident(
        uuid.UUID(int=number), "", f"w{number:03d}", "check", "k", severity, IncidentState.OPEN, "off", "", at, at, 1
    )
    return Notice(incident.workflow, incident.title, f"https://x/{number}", incident)


def called(*people: str, number: int = 4) -> Message:
    """A call about some."""
    return call_message([notice(one) for one in range(number)], calls=people)


def test_the_gravest_come_first_then_the_oldest() -> None:
    """A warning that waits for long comes after what is critical."""
    message = call_message([notice(1, Severity.WARNING), notice(3), notice(2)], calls=["U02AB3CD4"])
    assert message.points == ("FAIL · w002: off", "FAIL · w003: off", "WARN · w001: off")
    assert message.point_urls == ("https://x/2", "https://x/3", "https://x/1")
    assert message.tone == "critical"


def test_a_thousand_are_counted_and_ten_are_named() -> None:
    """The rest is a number; the list has all of them."""
    message = call_message([notice(one) for one in range(1000)], calls=["@here"], url="https://x/incidents")
    assert message.title == "1,000 incidents that nobody has taken up"
    assert len(message.points) == 11
    assert message.points[-1] == "and 990 more"
    assert message.facts[0].value.endswith("w009 1 and 990 workflows more")
    assert [one.url for one in message.links] == ["https://x/incidents"]


@pytest.mark.parametrize(
    ("people", "mention", "who"),
    [
        (("U05EF6GH7", "U02AB3CD4", "U02AB3CD4", ""), "U02AB3CD4 U05EF6GH7", "the deputies who are called here"),
        (("U05EF6GH7", "@here"), "@here", "whoever sees this first"),
        (tuple(f"U0000000{one:02d}" for one in range(MOST_CALLED + 1)), "@here", "whoever sees this first"),
        (("",), "", "the deputies, none of whom can be called by name here"),
    ],
)
def test_whom_it_calls(people: tuple[str, ...], mention: str, who: str) -> None:
    """Each person once; everybody where one is called for everybody, or where it is too many to feel called. Its words say the same."""
    message = called(*people)
    assert (message.mention, {one.label: one.value for one in message.facts}["Who acts"]) == (mention, who)
