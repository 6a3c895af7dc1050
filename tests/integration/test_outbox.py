"""The outbox on a real PostgreSQL: each letter once, whoever crashes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.domain.alerting import Fate
from afterpilot.domain.delivery import Letter, Posted
from afterpilot.domain.message import Message
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record.alerts.delivery import PostgresOutbox
from afterpilot.record.ops import Ops
from afterpilot.record.tables import lanes, outbox
from afterpilot.record.watched import Watched
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 1, tzinfo=UTC)
MESSAGE = Message(tone="critical", title="t", summary="s", notification="n")


def put(ops: sa.Engine, key: str, **more: object) -> bool:
    given = {"workflow": "w", "kind": "incident", "channel": "#c", "dedupe_key": key, **more}
    with Ops(ops).begin() as unit:
        return unit.outbox.put(MESSAGE, **given)  # type: ignore[arg-type]


def incident(ops: sa.Engine, severity: Severity = Severity.CRITICAL) -> uuid.UUID:
    finding = Finding("w", "check", f"k{uuid.uuid4()}", severity, "title")
    result = StageResult("w", "check", "", findings=(finding,), checked=1)
    with Ops(ops).begin() as unit:
        run_id, _ = unit.runs.add(
            result,
            window=Window(AT, AT),
            trigger=Trigger("cli", str(uuid.uuid4())),
            versions={},
            started_at=AT,
            finished_at=AT,
        )
        return unit.incidents.open(finding, run_id=run_id, at=AT).id


class Queue(PostgresOutbox):
    """The outbox as each sweep meets it: tidied first."""

    def claim(self, limit: int) -> Sequence[Letter]:
        """Of what is due."""
        self.tidy()
        return super().claim(limit)


def queue(ops: sa.Engine) -> Queue:
    return Queue(ops, fallback_channel="#fallback")


def values(ops: sa.Engine, column: sa.ColumnElement[Any]) -> list[Any]:
    """Of all letters, the oldest first."""
    with ops.connect() as connection:
        return list(connection.scalars(sa.select(column).order_by(outbox.c.created_at, outbox.c.id)))


def time_passes(ops: sa.Engine, seconds: float) -> None:
    """All that is kept is so much older."""
    earlier = timedelta(seconds=seconds)
    with ops.begin() as connection:
        connection.execute(sa.update(lanes).values(free_at=lanes.c.free_at - earlier))
        both = {"not_before": outbox.c.not_before - earlier, "leased_until": outbox.c.leased_until - earlier}
        connection.execute(sa.update(outbox).values(**both))


def test_the_same_news_is_queued_once(ops: sa.Engine) -> None:
    """A second letter with the same key is refused."""
    assert put(ops, "a")
    assert not put(ops, "a")
    assert len(queue(ops).claim(10)) == 1


def test_two_senders_never_hold_the_same_letter(ops: sa.Engine) -> None:
    """Forty letters in as many channels claimed by eight senders at once: each letter is claimed exactly once."""
    for number in range(40):
        put(ops, f"k{number}", channel=f"#c{number}")
    queue(ops).tidy()
    with ThreadPoolExecutor(8) as pool:
        claimed = [letter.id for letters in pool.map(lambda _: queue(ops).claim(5), range(8)) for letter in letters]
    assert len(claimed) == len(set(claimed)) == 40


def test_a_lease_that_ran_out_cannot_send(ops: sa.Engine) -> None:
    """After another sender took the letter over, the first may neither begin nor note anything."""
    put(ops, "a")
    (first,) = queue(ops).claim(1)
    time_passes(ops, 61)
    (second,) = queue(ops).claim(1)
    assert not queue(ops).begin(first)
    assert queue(ops).begin(second)
    queue(ops).sent(first, Posted("C", "1"), "slack", pace=0.0)
    assert values(ops, outbox.c.state) == ["pending"]


def test_an_attempt_that_may_have_got_through_is_marked(ops: sa.Engine) -> None:
    """A sender that died after it began leaves the letter marked, so that the next one looks before it sends."""
    put(ops, "a")
    (letter,) = queue(ops).claim(1)
    assert not letter.attempted
    queue(ops).begin(letter)
    queue(ops).failed(letter, error="lost", unsent=False)
    time_passes(ops, 10)
    (again,) = queue(ops).claim(1)
    assert again.attempted
    assert again.attempts == 2


def test_an_attempt_that_posted_nothing_for_certain_leaves_no_mark(ops: sa.Engine) -> None:
    """It need not be looked for; one that may have got through before still has to be."""
    put(ops, "a")
    (first,) = queue(ops).claim(1)
    queue(ops).begin(first)
    queue(ops).failed(first, error="no connection", unsent=True)
    time_passes(ops, 10)
    (second,) = queue(ops).claim(1)
    assert not second.attempted
    queue(ops).begin(second)
    queue(ops).failed(second, error="lost", unsent=False)
    time_passes(ops, 20)
    (third,) = queue(ops).claim(1)
    queue(ops).begin(third)
    queue(ops).asked_to_wait(third, seconds=5, everywhere=False, error="429")
    time_passes(ops, 5)
    assert queue(ops).claim(1)[0].attempted


def test_a_letter_waits_longer_after_each_failure_and_a_minute_at_most(ops: sa.Engine) -> None:
    """Ten seconds, twenty, forty, a minute: an outage holds nothing up for long after it."""
    put(ops, "a")
    waits = []
    for _ in range(6):
        (letter,) = queue(ops).claim(1)
        queue(ops).failed(letter, error="500", unsent=True)
        (wait,) = values(ops, sa.extract("epoch", outbox.c.not_before - sa.func.now()))
        waits.append(round(float(wait)))
        time_passes(ops, 61)
    assert waits == [10, 20, 40, 60, 60, 60]


def test_one_letter_at_a_time_is_under_way_to_a_place(ops: sa.Engine) -> None:
    """The next one goes when the lane has rested, whichever process sends it; other places do not wait."""
    for number in range(3):
        put(ops, f"k{number}")
    put(ops, "other", channel="#d")
    first, other = queue(ops).claim(10)
    assert {first.channel, other.channel} == {"#c", "#d"}
    assert queue(ops).claim(10) == []
    queue(ops).sent(first, Posted("C", "1"), "slack", pace=1.0)
    assert queue(ops).claim(10) == []
    assert 0.5 < (queue(ops).due_in() or 0.0) <= 1.0
    time_passes(ops, 1.0)
    assert len(queue(ops).claim(10)) == 1


def test_a_lane_whose_sender_died_opens_when_its_lease_is_over(ops: sa.Engine) -> None:
    """Until then nobody knows whether it still sends."""
    put(ops, "a")
    put(ops, "b")
    queue(ops).claim(1)
    assert queue(ops).claim(1) == []
    time_passes(ops, 61)
    assert len(queue(ops).claim(1)) == 1


def test_a_sender_that_comes_too_late_does_not_open_a_lane_that_another_is_on(ops: sa.Engine) -> None:
    """Its letter is noted, as nobody else has it; the lane stays with who is on it."""
    for number in range(3):
        put(ops, f"k{number}", severity=Severity.CRITICAL if number == 0 else Severity.INFO)
    (late,) = queue(ops).claim(1)
    time_passes(ops, 61)
    with rewritten(ops, "outbox") as connection:
        connection.execute(sa.update(outbox).where(outbox.c.id == late.id).values(gravity=9))
    (next_one,) = queue(ops).claim(1)
    assert next_one.id != late.id
    queue(ops).sent(late, Posted("C", "1"), "slack", pace=0.0)
    assert values(ops, outbox.c.state).count("sent") == 1
    assert queue(ops).claim(1) == []


def test_a_place_that_asks_to_wait_is_closed_for_every_process(ops: sa.Engine) -> None:
    """For as long as it said; other places of the target go on."""
    put(ops, "a")
    put(ops, "b")
    put(ops, "other", channel="#d")
    letters = {letter.channel: letter for letter in queue(ops).claim(10)}
    queue(ops).asked_to_wait(letters["#c"], seconds=30, everywhere=False, error="429")
    queue(ops).sent(letters["#d"], Posted("D", "1"), "slack", pace=0.0)
    put(ops, "more", channel="#d")
    assert [letter.channel for letter in queue(ops).claim(10)] == ["#d"]
    time_passes(ops, 29)
    assert queue(ops).claim(10) == []
    time_passes(ops, 1)
    assert len(queue(ops).claim(10)) == 1


def test_a_target_that_asks_to_wait_is_closed_as_a_whole(ops: sa.Engine) -> None:
    """What is claimed already is not begun either, and is there again afterwards; other targets go on."""
    for channel in ("#c", "#d", "#e"):
        put(ops, channel, channel=channel)
    put(ops, "mail", target="mail", channel="a@example.com")
    letters = [letter for letter in queue(ops).claim(3) if letter.target == "slack"]
    queue(ops).asked_to_wait(letters[0], seconds=30, everywhere=True, error="429")
    assert not queue(ops).begin(letters[1])
    queue(ops).put_back(letters[1])
    assert [letter.target for letter in queue(ops).claim(10)] == ["mail"] if len(letters) == 3 else True
    time_passes(ops, 30)
    assert letters[1].id in {letter.id for letter in queue(ops).claim(10)}


def test_three_places_that_ask_to_wait_at_once_speak_for_the_whole_target(ops: sa.Engine) -> None:
    """Slack does not say in its answer whether a channel or the workspace is meant."""
    for number in range(5):
        put(ops, f"k{number}", channel=f"#c{number}")
    letters = queue(ops).claim(4)
    for letter in letters[:2]:
        queue(ops).asked_to_wait(letter, seconds=30, everywhere=False, error="429")
    assert queue(ops).begin(letters[3])
    queue(ops).asked_to_wait(letters[2], seconds=30, everywhere=False, error="429")
    assert not queue(ops).begin(letters[3])
    assert queue(ops).claim(4) == []


def test_a_target_that_does_not_answer_is_left_alone_and_tried_again(ops: sa.Engine) -> None:
    """After three failures in a row nothing goes there for five seconds, then twice as long each time; one answer ends that."""
    for number in range(9):
        put(ops, f"k{number}", channel=f"#c{number}")
    pauses = []
    for failing in range(6):
        (letter,) = queue(ops).claim(1)
        queue(ops).failed(letter, error="no reply", unsent=False)
        with ops.connect() as connection:
            left = sa.select(sa.extract("epoch", lanes.c.free_at - sa.func.now())).where(lanes.c.channel == "*")
            pauses.append(round(float(connection.scalar(left) or 0)))
        time_passes(ops, pauses[-1] if failing < 5 else 60)
    assert [max(pause, 0) for pause in pauses] == [0, 0, 5, 10, 20, 40]
    (letter, other) = queue(ops).claim(2)
    queue(ops).sent(letter, Posted("C", "1"), "slack", pace=0.0)
    queue(ops).failed(other, error="no reply", unsent=False)
    assert len(queue(ops).claim(1)) == 1


def test_channels_take_turns(ops: sa.Engine) -> None:
    """A channel with a hundred older letters does not hold up another one of the same gravity."""
    for number in range(6):
        put(ops, f"many{number}", channel="#many")
    put(ops, "one", channel="#one")
    order = []
    for _ in range(3):
        (letter,) = queue(ops).claim(1)
        order.append(letter.channel)
        queue(ops).sent(letter, Posted("C", "1"), "slack", pace=0.0)
    assert sorted(order[:2]) == ["#many", "#one"]
    assert order[2] == "#many"


def test_details_are_due_when_the_message_stands(ops: sa.Engine) -> None:
    """The letter comes again with where it stands, and later news of the incident waits for it."""
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    put(ops, "worse", incident_id=about, kind="graver")
    (letter,) = queue(ops).claim(10)
    assert queue(ops).begin(letter)
    queue(ops).part(letter, Posted("C1", "11.22"), "slack", pace=1.0)
    assert queue(ops).claim(10) == []
    time_passes(ops, 1.0)
    (again,) = queue(ops).claim(10)
    assert (again.id, again.posted, again.attempted) == (letter.id, Posted("C1", "11.22"), False)
    queue(ops).sent(again, Posted("C1", "11.22"), "slack", pace=0.0)
    (worse,) = queue(ops).claim(10)
    assert worse.stands == Posted("C1", "11.22")


def test_of_edits_that_wait_the_newest_is_sent(ops: sa.Engine) -> None:
    """The first message is told, what changed in between is on record as superseded, and its end is told."""
    about, other = incident(ops), incident(ops)
    for key in ("opened", "changed 1", "changed 2"):
        put(ops, key, incident_id=about)
    put(ops, "graver", incident_id=about, kind="graver")
    for key in ("changed 3", "changed 4"):
        put(ops, key, incident_id=about)
    put(ops, "resolved", incident_id=about, kind="resolved")
    put(ops, "changed elsewhere", incident_id=about, channel="#d")
    put(ops, "another", incident_id=other)
    queue(ops).tidy()
    found = dict(zip(values(ops, outbox.c.dedupe_key), values(ops, outbox.c.state), strict=True))
    assert {key for key, state in found.items() if state == "superseded"} == {
        "changed 1",
        "changed 2",
        "changed 3",
        "changed 4",
    }
    assert {why for why in values(ops, outbox.c.why) if why} == {
        "newer news of the same incident came before it was sent"
    }


def test_an_edit_that_may_have_got_through_is_not_given_up(ops: sa.Engine) -> None:
    """Its message has to be found again, or the next one posts a second."""
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    (first,) = queue(ops).claim(1)
    queue(ops).sent(first, Posted("C1", "1.0"), "slack", pace=0.0)
    put(ops, "changed 1", incident_id=about)
    (edit,) = queue(ops).claim(1)
    queue(ops).begin(edit)
    queue(ops).failed(edit, error="lost", unsent=False)
    put(ops, "changed 2", incident_id=about)
    queue(ops).tidy()
    assert values(ops, outbox.c.state) == ["sent", "pending", "pending"]


def test_an_incident_that_was_over_before_it_could_be_told_is_told_and_then_edited(ops: sa.Engine) -> None:
    """Opened and resolved while Slack was out: both letters are delivered, in their order."""
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    put(ops, "changed", incident_id=about)
    put(ops, "resolved", incident_id=about, kind="resolved")
    (opened,) = queue(ops).claim(5)
    queue(ops).sent(opened, Posted("C1", "1.0"), "slack", pace=0.0)
    (over,) = queue(ops).claim(5)
    assert (over.kind, over.stands, over.thread_text) == ("resolved", Posted("C1", "1.0"), "n")


def test_when_the_next_letter_is_due_is_known(ops: sa.Engine) -> None:
    """None where nothing waits; a letter that waits for an earlier one of its incident does not count."""
    assert queue(ops).due_in() is None
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    put(ops, "resolved", incident_id=about, kind="resolved")
    assert (queue(ops).due_in() or 0.0) <= 0.0
    (letter,) = queue(ops).claim(1)
    queue(ops).failed(letter, error="lost", unsent=False)
    assert 9.0 < (queue(ops).due_in() or 0.0) <= 10.0


def test_news_is_announced_after_its_commit_and_only_where_it_may_be_sent(ops: sa.Engine) -> None:
    """Not what is kept silent, waits for its digest, was told before, or was rolled back."""
    told: list[int] = []
    database = Ops(ops)
    database.queued = lambda: told.append(len(values(ops, outbox.c.id)))

    def queued(key: str, **more: Any) -> None:
        with database.begin() as unit:
            unit.outbox.put(
                MESSAGE, **{"workflow": "w", "kind": "incident", "channel": "#c", "dedupe_key": key, **more}
            )

    queued("a")
    assert told == [1]
    queued("a")
    queued("silent", fate=Fate.SILENCED)
    queued("digest", fate=Fate.DIGEST, not_before=AT)
    with pytest.raises(sa.exc.DataError):
        queued("b", kind="not\x00text")
    assert told == [1]


def test_later_news_of_an_incident_waits_for_the_first_and_edits_it(ops: sa.Engine) -> None:
    """The second letter is held back until the first is sent, and then knows the message to edit."""
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    put(ops, "resolved", incident_id=about, kind="resolved")
    (first,) = queue(ops).claim(10)
    assert first.stands is None
    assert queue(ops).claim(10) == []
    queue(ops).sent(first, Posted("C1", "11.22"), "slack", pace=0.0)
    (second,) = queue(ops).claim(10)
    assert second.stands == Posted("C1", "11.22")
    assert second.thread_text == "n"


def test_the_gravest_come_first(ops: sa.Engine) -> None:
    """Critical before unknown before warning, whatever the order of their coming."""
    for severity in (Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL):
        put(ops, severity, incident_id=incident(ops, severity), severity=severity)
    order = []
    while letters := queue(ops).claim(1):
        with ops.connect() as connection:
            order.append(connection.scalar(sa.select(outbox.c.dedupe_key).where(outbox.c.id == letters[0].id)))
        queue(ops).sent(letters[0], Posted("C", "1.2"), "slack", pace=0.0)
    assert order == ["critical", "unknown", "warning"]


def test_what_our_own_code_cannot_make_is_tried_ever_more_rarely_and_never_lost(ops: sa.Engine) -> None:
    """A minute, two, four, an hour at most; its target is not to blame, and others go on."""
    put(ops, "poison")
    waits = []
    for _ in range(9):
        (one,) = queue(ops).claim(1)
        assert queue(ops).begin(one)
        queue(ops).broken(one, error="unexpected: KeyError")
        due = queue(ops).due_in()
        assert due is not None
        waits.append(round(due / 60))
        time_passes(ops, due + 1)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    put(ops, "next")
    assert values(ops, outbox.c.state) == ["pending", "pending"]
    with ops.connect() as connection:
        assert Watched(connection).outbox().unmade == 1
        assert list(connection.scalars(sa.select(lanes.c.failures))) == [0]


def test_a_refused_letter_is_kept_and_goes_to_the_fallback(ops: sa.Engine) -> None:
    """The dead one stays on record, its copy goes elsewhere; a copy that is refused too is the end."""
    put(ops, "a")
    (letter,) = queue(ops).claim(1)
    queue(ops).dead(letter, error="channel_not_found")
    (copy,) = queue(ops).claim(1)
    assert copy.channel == "#fallback"
    queue(ops).dead(copy, error="channel_not_found")
    assert queue(ops).claim(1) == []
    with ops.connect() as connection:
        assert set(connection.scalars(sa.select(outbox.c.state))) == {"dead"}


def test_turning_graver_is_told_in_the_thread(ops: sa.Engine) -> None:
    """An edit alone notifies nobody: a graver state brings a line for the thread, a mere change does not."""
    about = incident(ops, Severity.WARNING)
    lines = []
    for key, kind in (("opened", "incident"), ("changed", "incident"), ("graver", "graver")):
        put(ops, key, incident_id=about, kind=kind)
        (letter,) = queue(ops).claim(1)
        lines.append(letter.thread_text)
        queue(ops).sent(letter, Posted("C", "1.2"), "slack", pace=0.0)
    assert lines == ["", "", "n"]


@pytest.mark.parametrize("data", [[], {"tone": "critical"}, {**MESSAGE.as_dict(), "colour": "red"}, "text", {}])
def test_a_message_that_cannot_be_read_holds_up_no_other(ops: sa.Engine, data: object) -> None:
    """It is claimed with the reason; once it is dead the fallback channel is told that there was one."""
    put(ops, "broken")
    put(ops, "sound", channel="#other")
    with ops.begin() as connection:
        connection.execute(sa.update(outbox).where(outbox.c.dedupe_key == "broken").values(message=data))
    broken, sound = sorted(queue(ops).claim(10), key=lambda one: one.channel)
    assert (bool(broken.unreadable), sound.unreadable, sound.message) == (True, "", MESSAGE)
    queue(ops).dead(broken, error=broken.unreadable)
    (copy,) = queue(ops).claim(1)
    assert (copy.channel, copy.unreadable, copy.message) == ("#fallback", "", broken.message)
    assert "w: a message of the kind incident" in copy.message.notification


def test_who_knows_some_targets_alone_leaves_the_others_alone(ops: sa.Engine) -> None:
    """Neither claimed nor waited for."""
    put(ops, "a", target="phones")
    assert Queue(ops, fallback_channel="#fallback", targets=["slack"]).claim(10) == []
    assert Queue(ops, fallback_channel="#fallback", targets=["slack"]).due_in() is None
    (letter,) = Queue(ops, fallback_channel="#fallback", targets=["phones"]).claim(10)
    assert letter.target == "phones"


def test_what_must_be_mended_is_known_until_the_target_answers_again(ops: sa.Engine) -> None:
    """Also by a sweep that does not try it, as long as a letter waits for it."""
    put(ops, "a")
    put(ops, "b", channel="#other")
    first, _ = queue(ops).claim(2)
    queue(ops).blocked(first, seconds=45.0, error="token_revoked")
    assert queue(ops).to_mend() == "token_revoked"
    time_passes(ops, 61)
    assert queue(ops).to_mend() == "token_revoked"
    again, _ = queue(ops).claim(2)
    queue(ops).sent(again, Posted("C", "1.2"), "slack", pace=0.0)
    assert queue(ops).to_mend() == ""


def test_what_must_be_mended_is_nobodys_matter_where_no_letter_waits(ops: sa.Engine) -> None:
    """E.g. of a target that is declared no more."""
    put(ops, "a", target="phones")
    (letter,) = queue(ops).claim(1)
    queue(ops).blocked(letter, seconds=45.0, error="no connection")
    with ops.begin() as connection:
        connection.execute(sa.update(outbox).values(state="dead"))
    assert queue(ops).to_mend() == ""
