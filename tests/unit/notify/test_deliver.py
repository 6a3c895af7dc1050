"""Delivery: each letter once, and one bad letter never stops the others."""

# ruff: noqa: ARG002 - a fake takes what the protocol gives

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryError,
    DeliveryGone,
    DeliveryRefused,
    DeliveryUnclear,
)
from afterpilot.domain.message import Message
from afterpilot.domain.ports import Letter, Posted
from afterpilot.notify.deliver import Delivered, deliver

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def letter(channel: str = "#ap", *, attempted: bool = False, attempts: int = 1, **more: object) -> Letter:
    """A letter that is due."""
    given = Letter(
        id=uuid.uuid4(),
        lease=uuid.uuid4(),
        kind="incident",
        channel=channel,
        message=Message("critical", "Title", "Summary", "FAIL Title"),
        created_at=NOW,
        attempts=attempts,
        attempted=attempted,
    )
    return replace(given, **more)


@dataclass
class FakeOutbox:
    """Letters in order; remembers what became of each."""

    letters: list[Letter]
    lost: set[uuid.UUID] = field(default_factory=set)
    begun: list[uuid.UUID] = field(default_factory=list)
    kept: dict[uuid.UUID, tuple[str, object]] = field(default_factory=dict)

    def claim(self, limit: int) -> Sequence[Letter]:
        """Give the next ones out."""
        taken, self.letters = self.letters[:limit], self.letters[limit:]
        return taken

    def begin(self, letter: Letter) -> bool:
        """Whether the lease still holds."""
        self.begun.append(letter.id)
        return letter.id not in self.lost

    def sent(self, letter: Letter, posted: Posted, transport: str) -> None:
        """Note it."""
        self.kept[letter.id] = (f"sent by {transport}", posted)

    def later(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = (f"later: {error}", seconds)

    def dead(self, letter: Letter, *, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = ("dead", error)


@dataclass
class ScriptedTransport:
    """Answers as it is told to, by letter; logs every call."""

    name: str = "scripted"
    errors: dict[tuple[str, str], Exception] = field(default_factory=dict)
    standing: dict[tuple[str, str], Posted] = field(default_factory=dict)
    log: list[tuple[str, ...]] = field(default_factory=list)
    appears_at_look: int = 1

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post, or fail."""
        self._call("post", reference, channel, thread)
        return Posted("C1", f"{len(self.log)}.0")

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Edit, or fail."""
        self._call("update", reference, posted.ts)
        return posted

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """What stands, from the given look on."""
        self._call("find", reference, channel, thread)
        looks = sum(call[:2] == ("find", reference) for call in self.log)
        return self.standing.get((thread, reference)) if looks >= self.appears_at_look else None

    def _call(self, what: str, reference: str, *rest: str) -> None:
        self.log.append((what, reference, *rest))
        error = self.errors.get((what, reference)) or self.errors.get((what, "any"))
        if error is not None:
            raise error


def run(outbox: FakeOutbox, transport: ScriptedTransport, slept: list[float] | None = None) -> Delivered:
    """One sweep, without waiting."""
    slept = [] if slept is None else slept
    return deliver(outbox, transport, fallback_channel="#fallback", now=lambda: 100.0, sleep=slept.append)


def test_a_new_letter_is_posted_without_a_look() -> None:
    """Only an attempt that may have got through is looked for."""
    one = letter()
    outbox, transport = FakeOutbox([one]), ScriptedTransport()
    assert run(outbox, transport) == Delivered(sent=1)
    assert transport.log == [("post", str(one.id), "#ap", "")]
    assert outbox.kept[one.id] == ("sent by scripted", Posted("C1", "1.0"))


def test_a_letter_whose_lease_was_lost_is_not_sent() -> None:
    """Somebody else has it."""
    one = letter()
    outbox, transport = FakeOutbox([one], lost={one.id}), ScriptedTransport()
    assert run(outbox, transport) == Delivered()
    assert transport.log == []
    assert outbox.kept == {}


def test_an_attempted_letter_that_stands_already_is_not_posted_again() -> None:
    """What got through is only noted."""
    one = letter(attempted=True)
    outbox = FakeOutbox([one])
    transport = ScriptedTransport(standing={("", str(one.id)): Posted("C1", "7.0")})
    assert run(outbox, transport) == Delivered(sent=1)
    assert [call[0] for call in transport.log] == ["find"]
    assert outbox.kept[one.id][1] == Posted("C1", "7.0")


def test_a_message_that_shows_up_at_the_second_look_is_not_posted_again() -> None:
    """History may lag: it is asked twice, two seconds apart."""
    one = letter(attempted=True)
    transport = ScriptedTransport(standing={("", str(one.id)): Posted("C1", "7.0")}, appears_at_look=2)
    slept: list[float] = []
    assert run(FakeOutbox([one]), transport, slept).sent == 1
    assert [call[0] for call in transport.log] == ["find", "find"]
    assert slept == [2.0]


def test_an_attempted_letter_that_is_nowhere_is_posted() -> None:
    """Not found twice means not sent."""
    one = letter(attempted=True)
    transport = ScriptedTransport()
    run(FakeOutbox([one]), transport)
    assert [call[0] for call in transport.log] == ["find", "find", "post"]


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 30.0), (2, 60.0), (4, 240.0), (9, 900.0), (4000, 900.0)])
def test_an_unclear_answer_waits_longer_each_time(attempts: int, seconds: float) -> None:
    """The letter stays, with growing pauses up to a quarter of an hour."""
    one = letter(attempts=attempts)
    outbox = FakeOutbox([one])
    transport = ScriptedTransport(errors={("post", "any"): DeliveryUnclear("no reply")})
    assert run(outbox, transport) == Delivered(deferred=1)
    assert outbox.kept[one.id] == ("later: no reply", seconds)


def test_a_channel_that_asks_to_wait_is_left_alone_and_others_are_not() -> None:
    """No request is made to it inside its waiting time."""
    slow, behind, other = letter("#slow"), letter("#slow"), letter("#other")
    outbox = FakeOutbox([slow, behind, other])
    transport = ScriptedTransport(errors={("post", str(slow.id)): DeliveryDeferred("wait", retry_after=17)})
    assert run(outbox, transport) == Delivered(sent=1, deferred=2)
    assert [call[1] for call in transport.log] == [str(slow.id), str(other.id)]
    assert outbox.kept[slow.id][1] == 17
    assert outbox.kept[behind.id][1] == 17
    assert behind.id not in outbox.begun


def test_a_refused_letter_is_dead_and_the_next_one_is_sent() -> None:
    """Dead letters go on to the fallback channel: that is the outbox's business."""
    bad, good = letter("#gone"), letter()
    outbox = FakeOutbox([bad, good])
    transport = ScriptedTransport(errors={("post", str(bad.id)): DeliveryRefused("channel_not_found")})
    assert run(outbox, transport) == Delivered(sent=1, dead=1)
    assert outbox.kept[bad.id] == ("dead", "channel_not_found")


def test_a_revoked_token_gives_no_letter_up_and_is_named() -> None:
    """The operator must act; the letters wait."""
    one, two = letter(), letter()
    outbox = FakeOutbox([one, two])
    transport = ScriptedTransport(errors={("post", "any"): ConfigurationError("chat.postMessage: token_revoked")})
    assert run(outbox, transport) == Delivered(deferred=2, blocked="chat.postMessage: token_revoked")
    assert {what for what, _ in outbox.kept.values()} == {"later: chat.postMessage: token_revoked"}


def test_without_a_look_nothing_is_posted_again() -> None:
    """Where the channel's history cannot be read, an attempted letter waits rather than come twice."""
    one = letter(attempted=True)
    transport = ScriptedTransport(errors={("find", "any"): ConfigurationError("missing_scope")})
    assert run(FakeOutbox([one]), transport).deferred == 1
    assert [call[0] for call in transport.log] == ["find"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x"), DeliveryError("some other")])
def test_an_unforeseen_error_stops_no_other_letter(error: Exception) -> None:
    """It is kept as unclear: the message may have been posted."""
    bad, good = letter(), letter()
    outbox = FakeOutbox([bad, good])
    assert run(outbox, ScriptedTransport(errors={("post", str(bad.id)): error})) == Delivered(sent=1, deferred=1)
    assert outbox.kept[bad.id][1] == 30.0
    assert outbox.kept[good.id][0] == "sent by scripted"


def test_a_standing_message_is_edited_and_its_thread_gets_a_line() -> None:
    """One message for each incident; its end is told in the thread too."""
    one = letter(stands=Posted("C1", "5.0"), thread_text="Over")
    outbox, transport = FakeOutbox([one]), ScriptedTransport()
    assert run(outbox, transport).sent == 1
    assert transport.log == [("update", str(one.id), "5.0"), ("post", f"{one.id}/reply", "C1", "5.0")]
    assert outbox.kept[one.id][1] == Posted("C1", "5.0")


def test_a_line_that_stands_in_the_thread_already_is_not_repeated() -> None:
    """An edit may be repeated, a line may not."""
    one = letter(stands=Posted("C1", "5.0"), thread_text="Over", attempted=True)
    transport = ScriptedTransport(standing={("5.0", f"{one.id}/reply"): Posted("C1", "6.0")})
    assert run(FakeOutbox([one]), transport).sent == 1
    assert [call[0] for call in transport.log] == ["update", "find"]


def test_a_locked_thread_costs_a_line_and_no_letter() -> None:
    """The message itself says the same."""
    one = letter(stands=Posted("C1", "5.0"), thread_text="Over")
    transport = ScriptedTransport(errors={("post", "any"): DeliveryRefused("thread_locked")})
    assert run(FakeOutbox([one]), transport) == Delivered(sent=1)


def test_an_unclear_line_is_tried_again_with_its_letter() -> None:
    """The letter is not done before its line is."""
    one = letter(stands=Posted("C1", "5.0"), thread_text="Over")
    transport = ScriptedTransport(errors={("post", "any"): DeliveryUnclear("no reply")})
    assert run(FakeOutbox([one]), transport) == Delivered(deferred=1)


def test_a_deleted_message_is_posted_anew() -> None:
    """Somebody deleted the alert in Slack: the news still has to be told."""
    one = letter(stands=Posted("C1", "5.0"), thread_text="Over")
    outbox, transport = FakeOutbox([one]), ScriptedTransport(errors={("update", "any"): DeliveryGone("gone")})
    assert run(outbox, transport).sent == 1
    assert [call[0] for call in transport.log] == ["update", "post"]
    assert outbox.kept[one.id][1] == Posted("C1", "2.0")


def test_a_deleted_message_is_not_posted_anew_twice() -> None:
    """The repost may have got through at the earlier attempt."""
    one = letter(stands=Posted("C1", "5.0"), attempted=True)
    transport = ScriptedTransport(
        errors={("update", "any"): DeliveryGone("gone")}, standing={("", str(one.id)): Posted("C1", "8.0")}
    )
    assert run(FakeOutbox([one]), transport).sent == 1
    assert [call[0] for call in transport.log] == ["update", "find"]


def test_a_sweep_takes_no_more_than_its_limit() -> None:
    """What is left waits for the next sweep."""
    outbox = FakeOutbox([letter() for _ in range(5)])
    sent = deliver(outbox, ScriptedTransport(), fallback_channel="#f", limit=3, now=lambda: 0.0, sleep=lambda _: None)
    assert sent == Delivered(sent=3)
    assert len(outbox.letters) == 2
