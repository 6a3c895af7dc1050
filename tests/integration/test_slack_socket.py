"""Socket Mode against a real WebSocket server: answers, connections that end, and a process that is told to end."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.notify.socket import SocketMode
from afterpilot.record.ops import Ops
from afterpilot.record.tables import incidents
from doubles.slack import TOKEN
from doubles.slack_app import APP_TOKEN, SlackAppDouble, click

pytestmark = pytest.mark.integration
WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"


class Listener:
    """Listens in a thread, and remembers what it was told."""

    def __init__(self, slack: SlackAppDouble, *, once: bool = False) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.taken: set[str] = set()
        self.reply: Mapping[str, Any] = {}
        self.error: Exception | None = None
        self.socket = SocketMode(
            APP_TOKEN, answer=self._answer, take=self._take, base_url=slack.url, ping=0.2, once=once
        )
        self.thread = threading.Thread(target=self.socket.listen, daemon=True)

    def _answer(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        self.told.append(payload)
        return self.reply

    def _take(self, envelope: str) -> bool:
        new = envelope not in self.taken
        self.taken.add(envelope)
        return new

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self.socket.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def slack() -> Iterator[SlackAppDouble]:
    """Slack's side."""
    with SlackAppDouble() as double:
        yield double


@pytest.fixture
def listener(slack: SlackAppDouble) -> Iterator[Listener]:
    """A listener whose connection stands."""
    made = Listener(slack)
    made.thread.start()
    slack.wait(lambda: slack.connections)
    yield made
    made.stop()


def test_an_answer_is_taken_and_replied_to(slack: SlackAppDouble, listener: Listener) -> None:
    """By its envelope; a reply that says nothing has no payload."""
    first = slack.send(click("acknowledge", "x"))
    assert slack.reply_to(first) == {"envelope_id": first}
    assert listener.told[0]["actions"][0]["action_id"] == "acknowledge"
    listener.reply = {"response_action": "errors", "errors": {"reason": "Say why."}}
    second = slack.send({"type": "view_submission"})
    assert slack.reply_to(second)["payload"] == listener.reply


def test_an_envelope_that_comes_again_is_replied_to_and_not_taken(slack: SlackAppDouble, listener: Listener) -> None:
    """Slack sends it again where our reply was lost."""
    envelope = slack.send(click("acknowledge", "x"))
    slack.reply_to(envelope)
    del slack.replies[envelope]
    slack.send(click("acknowledge", "x"), envelope=envelope)
    slack.reply_to(envelope)
    assert len(listener.told) == 1


def test_an_answer_that_breaks_gets_no_reply_and_the_next_one_does(slack: SlackAppDouble, listener: Listener) -> None:
    """So that the person sees that it did not work."""
    listener.error = RuntimeError("the database is away")
    broken = slack.send(click("acknowledge", "x"))
    slack.wait(lambda: f"envelope:{broken}" in listener.taken)
    listener.error = None
    slack.reply_to(slack.send(click("acknowledge", "y")))
    assert broken not in slack.replies


@pytest.mark.parametrize("how", ["disconnect", "drop"])
def test_a_connection_that_ends_is_opened_anew(slack: SlackAppDouble, listener: Listener, how: str) -> None:
    """Slack asks for a new one every few hours, and networks break."""
    slack.reply_to(slack.send(click("acknowledge", "x")))
    getattr(slack, how)()
    slack.wait(lambda: slack.connections == 2)
    slack.reply_to(slack.send(click("acknowledge", "y")))
    assert len(listener.told) == 2


def test_slack_that_is_away_at_the_start_is_asked_again(slack: SlackAppDouble) -> None:
    """A restart while Slack is away does not end the service."""
    slack.slow_start = 1
    late = Listener(slack)
    late.thread.start()
    slack.wait(lambda: slack.connections)
    slack.reply_to(slack.send(click("acknowledge", "x")))
    late.stop()


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_signal_ends_it_at_any_moment_of_its_waiting(slack: SlackAppDouble, moment: int) -> None:
    """Whatever line of it is interrupted: what the signal does waits for nothing that the interrupted thread holds."""
    listener = Listener(slack)
    lines = itertools.count(1)

    def interrupt(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_name != "wait" or frame.f_back is None or frame.f_back.f_code.co_name != "listen":
            return None
        if event == "line" and next(lines) == moment:
            listener.socket.stop()
        return interrupt

    def listen() -> None:
        sys.settrace(interrupt)
        listener.socket.listen()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_token_that_slack_does_not_take_ends_it(slack: SlackAppDouble) -> None:
    """The operator must mend it: nothing is tried again, and the token is not told."""
    socket = SocketMode("xapp-wrong", answer=lambda _: {}, take=lambda _: True, base_url=slack.url)
    with pytest.raises(ConfigurationError, match=r"apps\.connections\.open: invalid_auth") as caught:
        socket.listen()
    assert "xapp" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "xapp-\u20ac", "xapp-1\nX-Other: 2", "xapp 1"])
def test_what_can_be_no_token_is_refused_before_it_is_sent(slack: SlackAppDouble, token: str) -> None:
    """The error of a header that cannot be sent would repeat it."""
    with pytest.raises(ConfigurationError, match="holds characters that no token has") as caught:
        SocketMode(token, answer=lambda _: {}, take=lambda _: True, base_url=slack.url)
    assert "xapp" not in str(caught.value)


def environment(ops_url: str, slack: SlackAppDouble) -> dict[str, str]:
    """The variables of `afterpilot slack listen`."""
    return {
        "PATH": os.environ["PATH"],
        "AFTERPILOT_DATABASE_URL": ops_url,
        "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_API_URL": slack.url,
    }


def listening(env: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", "from afterpilot.cli import main; main()", "slack", "listen", *options]
    return subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_the_command_takes_an_answer_to_an_incident(ops: sa.Engine, ops_url: str, slack: SlackAppDouble) -> None:
    """From the click to the row, by the declared owner's name."""
    finding = Finding(
        "invoice_matching", "check", "quality.fresh_within", Severity.WARNING, "The newest row is 9 h old"
    )
    with Ops(ops).begin() as unit:
        which = unit.incidents.open(finding, run_id=None, at=datetime.now(UTC))
    process = listening(environment(ops_url, slack), "--once")
    slack.wait(lambda: slack.connections)
    slack.reply_to(slack.send(click("acknowledge", str(which.id), url=slack.response_url)))
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out
    assert "Listening for answers from Slack." in out
    with ops.connect() as connection:
        row = connection.execute(sa.select(incidents)).one()
    assert (row.state, row.acknowledged_by) == ("acknowledged", "Dana Ruiz")
    assert TOKEN not in out
    assert APP_TOKEN not in out


def test_the_command_ends_cleanly_when_it_is_told_to(ops_url: str, slack: SlackAppDouble, tmp_path: Path) -> None:
    """As a container is stopped: the connection is closed, and the exit status is 0. The health check saw that it was connected."""
    connected = tmp_path / "connected"
    process = listening(environment(ops_url, slack), "--alive", str(connected))
    slack.wait(lambda: slack.connections and connected.exists())
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0, out
    slack.wait(lambda: slack.closed)


def test_the_command_says_what_is_missing(ops_url: str, slack: SlackAppDouble) -> None:
    """Without the app's token there is no Socket Mode."""
    process = listening({**environment(ops_url, slack), "SLACK_APP_TOKEN": ""})
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "SLACK_APP_TOKEN" in out
