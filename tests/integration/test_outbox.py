"""The outbox on a real PostgreSQL: each letter once, whoever crashes."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from afterpilot.domain.message import Message
from afterpilot.domain.ports import Posted
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record.ops import Ops
from afterpilot.record.outbox import PostgresOutbox
from afterpilot.record.tables import outbox

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 1, tzinfo=UTC)
MESSAGE = Message(tone="critical", title="t", summary="s", notification="n")


def put(ops: sa.Engine, key: str, **more: object) -> bool:
    values = {"workflow": "w", "kind": "incident", "channel": "#c", "dedupe_key": key, **more}
    with Ops(ops).begin() as unit:
        return unit.outbox.put(MESSAGE, **values)  # type: ignore[arg-type]


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


def queue(ops: sa.Engine) -> PostgresOutbox:
    return PostgresOutbox(ops, fallback_channel="#fallback")


def test_the_same_news_is_queued_once(ops: sa.Engine) -> None:
    """A second letter with the same key is refused."""
    assert put(ops, "a")
    assert not put(ops, "a")
    assert len(queue(ops).claim(10)) == 1


def test_two_senders_never_hold_the_same_letter(ops: sa.Engine) -> None:
    """Forty letters claimed by eight senders at once: each letter is claimed exactly once."""
    for number in range(40):
        put(ops, f"k{number}")
    with ThreadPoolExecutor(8) as pool:
        claimed = [letter.id for letters in pool.map(lambda _: queue(ops).claim(5), range(8)) for letter in letters]
    assert len(claimed) == len(set(claimed)) == 40


def test_a_lease_that_ran_out_cannot_send(ops: sa.Engine) -> None:
    """After another sender took the letter over, the first may neither begin nor note anything."""
    put(ops, "a")
    (first,) = queue(ops).claim(1)
    with ops.begin() as connection:
        connection.execute(sa.update(outbox).values(leased_until=sa.func.now() - timedelta(seconds=1)))
    (second,) = queue(ops).claim(1)
    assert not queue(ops).begin(first)
    assert queue(ops).begin(second)
    queue(ops).sent(first, Posted("C", "1"), "slack")
    with ops.connect() as connection:
        assert connection.scalar(sa.select(outbox.c.state)) == "pending"


def test_an_attempt_that_may_have_got_through_is_marked(ops: sa.Engine) -> None:
    """A sender that died after it began leaves the letter marked, so that the next one looks before it sends."""
    put(ops, "a")
    (letter,) = queue(ops).claim(1)
    assert not letter.attempted
    queue(ops).begin(letter)
    queue(ops).later(letter, seconds=0, error="lost")
    (again,) = queue(ops).claim(1)
    assert again.attempted
    assert again.attempts == 2


def test_a_letter_waits_until_its_time(ops: sa.Engine) -> None:
    """What was put off is not claimed before."""
    put(ops, "a")
    (letter,) = queue(ops).claim(1)
    queue(ops).later(letter, seconds=60, error="429")
    assert queue(ops).claim(1) == []


def test_later_news_of_an_incident_waits_for_the_first_and_edits_it(ops: sa.Engine) -> None:
    """The second letter is held back until the first is sent, and then knows the message to edit."""
    about = incident(ops)
    put(ops, "opened", incident_id=about)
    put(ops, "resolved", incident_id=about, kind="resolved")
    (first,) = queue(ops).claim(10)
    assert first.stands is None
    assert queue(ops).claim(10) == []
    queue(ops).sent(first, Posted("C1", "11.22"), "slack")
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
    assert order == ["critical", "unknown", "warning"]


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
    put(ops, "opened", incident_id=about)
    put(ops, "changed", incident_id=about)
    put(ops, "graver", incident_id=about, kind="graver")
    lines = []
    while letters := queue(ops).claim(1):
        lines.append(letters[0].thread_text)
        queue(ops).sent(letters[0], Posted("C", "1.2"), "slack")
    assert lines == ["", "", "n"]
