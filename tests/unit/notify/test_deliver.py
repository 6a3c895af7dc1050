"""Delivery: each letter once, and one bad letter never stops the others."""

# ruff: noqa: ARG002 - a fake takes what the protocol gives

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from afterpilot.domain.delivery import Letter, Posted
from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryError,
    DeliveryGone,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.message import Fact, Message
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
    due: list[float] = field(default_factory=list)
    mend: str = ""

    def tidy(self) -> None:
        """There is nothing to tidy."""

    def claim(self, limit: int) -> Sequence[Letter]:
        """Give the next ones out."""
        taken, self.letters = self.letters[:limit], self.letters[limit:]
        return taken

    def due_in(self) -> float | None:
        """As it is told to, then nothing."""
        return self.due.pop(0) if self.due else None

    def begin(self, letter: Letter) -> bool:
        """Whether the lease still holds."""
        self.begun.append(letter.id)
        return letter.id not in self.lost

    def put_back(self, letter: Letter) -> None:
        """Note it."""
        self.kept[letter.id] = ("put back", None)

    def part(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note it."""
        self.kept[letter.id] = (f"part by {transport}, pace {pace:g}", posted)

    def sent(self, letter: Letter, posted: Posted, transport: str, *, pace: float) -> None:
        """Note it."""
        self.kept[letter.id] = (f"sent by {transport}", posted)

    def asked_to_wait(self, letter: Letter, *, seconds: float, everywhere: bool, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = (f"{'all wait' if everywhere else 'waits'}: {error}", seconds)

    def blocked(self, letter: Letter, *, seconds: float, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = (f"blocked: {error}", seconds)
        self.mend = error

    def to_mend(self) -> str:
        """As it was noted last."""
        return self.mend

    def failed(self, letter: Letter, *, error: str, unsent: bool) -> None:
        """Note it."""
        self.kept[letter.id] = (f"failed: {error}", unsent)

    def broken(self, letter: Letter, *, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = ("broken", error)

    def needless(self, letter: Letter, *, why: str) -> None:
        """Note it."""
        self.kept[letter.id] = ("needless", why)

    def dead(self, letter: Letter, *, error: str) -> None:
        """Note it."""
        self.kept[letter.id] = ("dead", error)


@dataclass
class ScriptedTransport:
    """Answers as it is told to, by letter; logs every call."""

    name: str = "scripted"
    pace: float = 1.0
    threads: bool = True
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
    """One sweep in one thread, without waiting."""
    slept = [] if slept is None else slept
    return deliver(outbox, {"slack": transport}, threads=1, now=lambda: 100.0, sleep=slept.append)


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
    assert outbox.kept[one.id][0] == "put back"


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


@pytest.mark.parametrize(
    ("error", "unsent"), [(DeliveryUnclear("no reply"), False), (DeliveryUnreachable("no connection"), True)]
)
def test_what_brought_no_answer_is_tried_again(error: Exception, *, unsent: bool) -> None:
    """The letter stays; where no connection came about, it need not be looked for."""
    one = letter()
    outbox = FakeOutbox([one])
    assert run(outbox, ScriptedTransport(errors={("post", "any"): error})) == Delivered(deferred=1)
    assert outbox.kept[one.id] == (f"failed: {error}", unsent)


@pytest.mark.parametrize(("everywhere", "word"), [(False, "waits"), (True, "all wait")])
def test_a_place_that_asks_to_wait_waits_for_as_long_as_it_says(*, everywhere: bool, word: str) -> None:
    """It alone, or all of its target; other letters are sent."""
    slow, other = letter("#slow"), letter("#other")
    outbox = FakeOutbox([slow, other])
    deferred = DeliveryDeferred("wait", retry_after=17, everywhere=everywhere)
    assert run(outbox, ScriptedTransport(errors={("post", str(slow.id)): deferred})) == Delivered(sent=1, deferred=1)
    assert outbox.kept[slow.id] == (f"{word}: wait", 17)


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
    outbox = FakeOutbox([one, two], due=[45.0, 45.0])
    transport = ScriptedTransport(errors={("post", "any"): ConfigurationError("chat.postMessage: token_revoked")})
    slept: list[float] = []
    assert run(outbox, transport, slept) == Delivered(deferred=2, blocked="chat.postMessage: token_revoked")
    assert set(outbox.kept.values()) == {("blocked: chat.postMessage: token_revoked", 45.0)}
    assert slept == []  # nobody mends it meanwhile


def test_without_a_look_nothing_is_posted_again() -> None:
    """Where the channel's history cannot be read, an attempted letter waits rather than come twice."""
    one = letter(attempted=True)
    transport = ScriptedTransport(errors={("find", "any"): ConfigurationError("missing_scope")})
    assert run(FakeOutbox([one]), transport).deferred == 1
    assert [call[0] for call in transport.log] == ["find"]


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (RuntimeError("a bug"), ("broken", "unexpected: RuntimeError")),
        (KeyError("x"), ("broken", "unexpected: KeyError")),
        (DeliveryError("some other"), ("failed: some other", False)),
    ],
)
def test_an_unforeseen_error_stops_no_other_letter(error: Exception, kept: tuple[str, object]) -> None:
    """It is kept as unclear, as the message may have been posted; a fault of our own is not held against the target."""
    bad, good = letter(), letter()
    outbox = FakeOutbox([bad, good])
    assert run(outbox, ScriptedTransport(errors={("post", str(bad.id)): error})) == Delivered(sent=1, deferred=1)
    assert outbox.kept[bad.id] == kept
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


def test_details_follow_in_the_thread_when_the_message_stands() -> None:
    """One attempt posts the message, the next one its details, under a reference of their own."""
    with_details = replace(letter().message, details=(Fact("How sure", "certain"),))
    one = letter(message=with_details)
    outbox, transport = FakeOutbox([one]), ScriptedTransport()
    assert run(outbox, transport) == Delivered()
    assert outbox.kept[one.id] == ("part by scripted, pace 1", Posted("C1", "1.0"))
    again = FakeOutbox([replace(one, posted=Posted("C1", "1.0"))])
    assert run(again, transport) == Delivered(sent=1)
    assert transport.log[1:] == [("post", f"{one.id}/details", "C1", "1.0")]
    assert again.kept[one.id] == ("sent by scripted", Posted("C1", "1.0"))


def test_details_that_may_stand_are_looked_for() -> None:
    """An attempt that was killed after it posted them is not repeated."""
    message = replace(letter().message, details=(Fact("How sure", "certain"),))
    one = letter(message=message, posted=Posted("C1", "1.0"), attempted=True)
    transport = ScriptedTransport(standing={("1.0", f"{one.id}/details"): Posted("C1", "2.0")})
    assert run(FakeOutbox([one]), transport) == Delivered(sent=1)
    assert [call[0] for call in transport.log] == ["find"]


def test_where_there_are_no_threads_the_message_is_all() -> None:
    """Its details stand in it."""
    one = letter(message=replace(letter().message, details=(Fact("How sure", "certain"),)))
    edit = letter(stands=Posted("C1", "5.0"), thread_text="Over")
    transport = ScriptedTransport(threads=False)
    assert run(FakeOutbox([one, edit]), transport) == Delivered(sent=2)
    assert [call[0] for call in transport.log] == ["post", "update"]


def test_a_target_that_nobody_knows_is_no_place_to_wait_for() -> None:
    """The letter is dead there, and its copy goes to the fallback."""
    one = letter(target="pager")
    outbox = FakeOutbox([one])
    assert run(outbox, ScriptedTransport()) == Delivered(dead=1)
    assert outbox.kept[one.id] == ("dead", "no target is called 'pager': see `targets` in _fleet.yaml")


def test_letters_go_to_the_transport_of_their_target() -> None:
    """Each to its own."""
    slack, mail = ScriptedTransport(), ScriptedTransport(name="mail")
    one, two = letter(), letter(target="mail", channel="ap@example.com")
    outbox = FakeOutbox([one, two])
    assert deliver(outbox, {"slack": slack, "mail": mail}, threads=1) == Delivered(sent=2)
    assert outbox.kept[two.id][0] == "sent by mail"
    assert [call[1] for call in slack.log] == [str(one.id)]


def test_a_sweep_waits_for_what_is_due_soon_and_not_for_what_is_late() -> None:
    """It sleeps until the next letter's time, half a second at most, and ends where that is too far off."""
    slept: list[float] = []
    outbox = FakeOutbox([], due=[0.2, 30.0, 1.6])
    deliver(outbox, {}, longest_wait=40.0, now=lambda: 100.0, sleep=slept.append)
    assert slept == [0.2, 0.5, 0.5]
    slept.clear()
    deliver(FakeOutbox([], due=[0.2, 1.6, 0.1]), {}, longest_wait=1.5, now=lambda: 100.0, sleep=slept.append)
    assert slept == [0.2]


def test_a_sweep_ends_when_its_time_is_over_or_it_is_told_to() -> None:
    """What is left waits for the next one."""
    times = iter(range(1000))
    outbox = FakeOutbox([letter() for _ in range(500)])
    deliver(outbox, {"slack": ScriptedTransport()}, threads=1, budget=20, now=lambda: float(next(times)))
    assert 0 < len(outbox.letters) < 500
    stop = threading.Event()
    stop.set()
    assert deliver(FakeOutbox([letter()]), {"slack": ScriptedTransport()}, stop=stop) == Delivered()


def test_without_its_outbox_a_sweep_ends_and_no_letter_is_counted_as_failed() -> None:
    """The database is away: nothing can be noted, so nothing more is sent, and the sweep says why."""

    class Away(FakeOutbox):
        def begin(self, letter: Letter) -> bool:
            raise ConnectionError("the database is away")

    outbox, transport = Away([letter(), letter()]), ScriptedTransport()
    with pytest.raises(ConnectionError, match="the database is away"):
        run(outbox, transport)
    assert (transport.log, outbox.kept, len(outbox.letters)) == ([], {}, 1)


def test_many_letters_are_under_way_at_once() -> None:
    """Four threads: four posts meet before any of them ends."""
    meet = threading.Barrier(4, timeout=20)

    class Meeting(ScriptedTransport):
        def post(self, *args: object, **more: object) -> Posted:
            meet.wait()
            return Posted("C1", "1.0")

    outbox = FakeOutbox([letter(f"#c{number}") for number in range(4)])
    assert deliver(outbox, {"slack": Meeting()}, threads=4) == Delivered(sent=4)


def test_a_message_that_cannot_be_read_is_dead_and_the_others_go_on() -> None:
    """The reason stays with it; nothing of it reaches the transport."""
    broken, sound = letter(unreadable="its message cannot be read"), letter("#other")
    outbox, transport = FakeOutbox([broken, sound]), ScriptedTransport()
    assert run(outbox, transport) == Delivered(sent=1, dead=1)
    assert outbox.kept[broken.id] == ("dead", "its message cannot be read")
    assert [call[1] for call in transport.log] == [str(sound.id)]


def test_a_sweep_stays_for_a_lane_that_rests_and_not_for_one_that_is_closed() -> None:
    """Unless it is told otherwise it waits for a few seconds at most, also where some target is blocked."""
    slept: list[float] = []
    outbox = FakeOutbox([], due=[1.0, 40.0], mend="the token is revoked")
    assert deliver(outbox, {}, now=lambda: 100.0, sleep=slept.append) == Delivered(blocked="the token is revoked")
    assert slept == [0.5]
