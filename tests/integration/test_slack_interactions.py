"""Clicks and forms from Slack: who it was, what they are told, and what they are told when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afterpilot.domain.errors import AnswerRefused
from afterpilot.notify.interactions import Interactions
from afterpilot.notify.slack_forms import waiver_form
from doubles.slack import TOKEN, block_problems
from doubles.slack_app import SlackAppDouble, click, submission

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
INCIDENT = "5d1f2c3a-1111-4222-8333-944455556666"


@dataclass
class Desk:
    """Takes answers and remembers them; ``error`` is raised instead."""

    answers: list[tuple[Any, ...]] = field(default_factory=list)
    error: Exception | None = None
    hold: threading.Event | None = None

    def acknowledge(self, incident: str, *, by: str) -> str:
        """Keep it."""
        return self._taken("acknowledge", incident, by)

    def waive(self, incident: str, *, by: str, until: datetime, reason: str) -> str:
        """Keep it."""
        return self._taken("waive", incident, by, until, reason)

    def name_of(self, slack_user: str) -> str:
        """Dana alone is declared."""
        return {"U02AB3CD4": "Dana Ruiz"}.get(slack_user, "")

    def _taken(self, *answer: Any) -> str:
        if self.hold is not None:
            self.hold.wait(10)
        if self.error is not None:
            raise self.error
        self.answers.append(answer)
        return "Kept."


@pytest.fixture
def slack() -> Iterator[SlackAppDouble]:
    """Slack's side."""
    with SlackAppDouble() as double:
        yield double


@pytest.fixture
def desk() -> Desk:
    """Where answers arrive."""
    return Desk()


@pytest.fixture
def interactions(slack: SlackAppDouble, desk: Desk) -> Iterator[Interactions]:
    """What stands between the two."""
    made = Interactions(desk, token=TOKEN, clock=lambda: NOW, base_url=slack.url)
    yield made
    made.close()


def told(slack: SlackAppDouble) -> list[str]:
    """What single people were told; each is for them alone and lets the message stand."""
    assert all(one["response_type"] == "ephemeral" and one["replace_original"] is False for one in slack.notes)
    return [one["text"] for one in slack.notes]


def test_a_click_takes_an_incident_up(interactions: Interactions, desk: Desk, slack: SlackAppDouble) -> None:
    """By the declared name of whoever clicked, who is told so."""
    assert interactions.answer(click("acknowledge", INCIDENT, url=slack.response_url)) == {}
    slack.wait(lambda: slack.notes)
    assert desk.answers == [("acknowledge", INCIDENT, "Dana Ruiz")]
    assert told(slack) == ["Kept."]


def test_somebody_who_is_not_declared_is_named_as_slack_knows_them(
    interactions: Interactions, desk: Desk, slack: SlackAppDouble
) -> None:
    """The time line names a person, whoever it was; their name is data."""
    interactions.answer(click("acknowledge", INCIDENT, user="U09XY9999", name="eve\u202e\n<!channel>"))
    assert desk.answers == [("acknowledge", INCIDENT, "@eve <!channel> (U09XY9999)")]
    assert slack.notes == []  # without an address nobody can be told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AnswerRefused("Incident 5d1f2c3a is over since 2026-11-20; nothing was changed."), "is over since"),
        (AnswerRefused("No incident has an id that begins with 'x <!channel>'."), "x &lt;!channel&gt;"),
        (RuntimeError("password=hunter2"), "could not be kept just now"),
    ],
)
def test_what_cannot_be_taken_is_said_to_whoever_clicked(
    interactions: Interactions, desk: Desk, slack: SlackAppDouble, error: Exception, said: str
) -> None:
    """Only to them, in words that were meant for them."""
    desk.error = error
    assert interactions.answer(click("acknowledge", "x", url=slack.response_url)) == {}
    slack.wait(lambda: slack.notes)
    assert said in told(slack)[0]
    assert "hunter2" not in str(slack.notes)
    assert list(block_problems(slack.notes[0]["blocks"])) == []


def test_a_waiver_is_a_form_and_then_an_answer(interactions: Interactions, desk: Desk, slack: SlackAppDouble) -> None:
    """For how long, and why; the form says what it is about without showing it."""
    interactions.answer(click("waive", INCIDENT, url=slack.response_url))
    slack.wait(lambda: slack.views or slack.refused)
    assert (slack.refused, desk.answers) == ([], [])
    sent = submission(slack.views[0], length="4h", reason="the supplier knows")
    assert interactions.answer(sent) == {}
    slack.wait(lambda: slack.notes)
    assert desk.answers == [("waive", INCIDENT, "Dana Ruiz", NOW + timedelta(hours=4), "the supplier knows")]
    assert told(slack) == ["Kept."]


@pytest.mark.parametrize(
    ("length", "reason", "error", "field", "said"),
    [
        ("", "because", None, "length", "Choose for how long"),
        ("99y", "because", None, "length", "Choose for how long"),
        ("4h", "", AnswerRefused("Say why it may wait."), "reason", "Say why it may wait"),
        ("4h", "x", RuntimeError("password=hunter2"), "reason", "could not be kept just now"),
    ],
)
def test_what_is_wrong_stands_in_the_form(
    interactions: Interactions, desk: Desk, length: str, reason: str, error: Exception | None, field: str, said: str
) -> None:
    """The form stays open, and nothing is told in the channel."""
    desk.error = error
    body = interactions.answer(submission(waiver_form(INCIDENT, ""), length=length, reason=reason))
    assert body["response_action"] == "errors"
    assert list(body["errors"]) == [field]
    assert said in body["errors"][field]
    assert "hunter2" not in str(body)


def test_what_takes_longer_than_slack_waits_is_told_later(slack: SlackAppDouble, desk: Desk) -> None:
    """The form closes in time; what came of it reaches the person all the same."""
    desk.hold, desk.error = threading.Event(), AnswerRefused("It is over.")
    patient = Interactions(desk, token=TOKEN, clock=lambda: NOW, base_url=slack.url, within=0.01)
    sent = submission(waiver_form(INCIDENT, slack.response_url), length="1h", reason="x")
    assert patient.answer(sent) == {}
    assert slack.notes == []
    desk.hold.set()
    patient.close()
    assert told(slack) == ["It is over."]


def test_a_form_that_slack_does_not_open_is_said(interactions: Interactions, slack: SlackAppDouble) -> None:
    """Its trigger is good for three seconds."""
    late = {**click("waive", INCIDENT, url=slack.response_url), "trigger_id": "expired"}
    interactions.answer(late)
    slack.wait(lambda: slack.notes)
    assert told(slack) == ["Slack did not open the form. Click once more."]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "block_actions"},
        {"type": "block_actions", "actions": {"a": 1}},
        {"type": "block_actions", "actions": ["x"]},
        {"type": "block_actions", "actions": [{"action_id": "open_2", "value": "x"}]},
        {"type": "view_submission"},
        {"type": "view_submission", "view": {"callback_id": "of another app"}},
        {"type": "view_closed", "view": []},
    ],
)
def test_what_is_none_of_ours_changes_nothing(interactions: Interactions, desk: Desk, payload: dict[str, Any]) -> None:
    """Buttons that only open an address are told to us as well."""
    assert interactions.answer(payload) == {}
    assert desk.answers == []


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "https://slack.com.evil.example/x", "file:///etc/passwd", ":"]
)
def test_notes_go_to_slack_alone(interactions: Interactions, desk: Desk, slack: SlackAppDouble, url: str) -> None:
    """An address elsewhere is not called, and the answer counts."""
    interactions.answer(click("acknowledge", INCIDENT, url=url))
    assert len(desk.answers) == 1
    assert slack.notes == []
