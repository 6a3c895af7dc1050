"""Out of the real outbox, through slack_sdk, into a double of Slack's Web API: nothing lost, nothing doubled."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from afterpilot.domain.delivery import Posted, Transport
from afterpilot.domain.errors import (
    ConfigurationError,
    DeliveryDeferred,
    DeliveryGone,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.incident import Incident
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.notify.deliver import Delivered, deliver
from afterpilot.notify.preview import PreviewTransport
from afterpilot.notify.slack import SlackTransport
from afterpilot.record.alerts.delivery import PostgresOutbox
from afterpilot.record.alerts.incidents import Incidents
from afterpilot.record.alerts.outbox import OutboxWriter
from afterpilot.record.tables import outbox, reports
from doubles.kept_runs import put_runs
from doubles.slack import TOKEN, Fault, SlackDouble

pytestmark = pytest.mark.integration

CHANNEL, FALLBACK = "#ap-automation", "#afterpilot"
LETTERS = 25
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MESSAGE = Message(
    tone="critical",
    title="invoice_matching: 12 of 203 invoices have no order <!channel>",
    summary="2 % are allowed.",
    notification="FAIL invoice_matching",
    facts=(Fact("Since", "2026-11-20 14:00 UTC"),),
    links=(Link("Open the run", "https://airflow.example.com/afterpilot/runs/1", primary=True),),
    mention="U02AB3CD4",
)


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackDouble]:
    """A workspace with two channels."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with SlackDouble() as double:
        yield double


def transport(slack: SlackDouble, *, token: str = TOKEN, timeout: int = 5) -> SlackTransport:
    """Our transport on the double, without pauses."""
    return SlackTransport(token, slack.url, timeout=timeout, pace=0.0)


def put(ops: sa.Engine, message: Message = MESSAGE, *, key: str = "", channel: str = CHANNEL, **more: object) -> None:
    """Queue a letter."""
    with ops.begin() as connection:
        OutboxWriter(connection).put(
            message,
            dedupe_key=key or str(uuid.uuid4()),
            workflow="invoice_matching",
            kind=str(more.pop("kind", "incident")),
            channel=channel,
            **more,
        )


def sweep(ops: sa.Engine, through: Transport) -> Delivered:
    """One sweep of what is due, without waiting between looks."""
    outbox = PostgresOutbox(ops, fallback_channel=FALLBACK)
    return deliver(outbox, {"slack": through}, threads=2, longest_wait=0.0, sleep=lambda _: None)


def let_time_pass(ops: sa.Engine) -> None:
    """All leases are over and all pauses too."""
    with ops.begin() as connection:
        connection.execute(sa.text("UPDATE lanes SET free_at = now()"))
        connection.execute(sa.text("UPDATE outbox SET not_before = now(), leased_until = now() - interval '1 s'"))


def states(ops: sa.Engine) -> list[str]:
    """What became of the letters, oldest first."""
    with ops.begin() as connection:
        return list(connection.scalars(sa.select(outbox.c.state).order_by(outbox.c.created_at, outbox.c.id)))


def incident(ops: sa.Engine) -> Incident:
    """An incident with the run that found it."""
    finding = Finding("invoice_matching", "check", "quality.not_null", Severity.CRITICAL, "12 rows lack an order")
    at = datetime(2026, 11, 20, tzinfo=UTC)
    times = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), at)
    with ops.begin() as connection:
        (run_id,) = put_runs(connection, {"workflow": "invoice_matching", "stage": "check", "verdict": "FAIL", **times})
        return Incidents(connection).open(finding, run_id=run_id, at=at)


def test_a_letter_reaches_its_channel_with_blocks_and_an_opaque_reference(ops: sa.Engine, slack: SlackDouble) -> None:
    """Slack gets what we render, nothing is unfurled, and the metadata holds our id alone."""
    put(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    (message,) = slack.root_messages()
    with ops.begin() as connection:
        row = connection.execute(sa.select(outbox)).one()
    assert (row.state, row.transport, row.posted_channel, row.posted_ts) == ("sent", "slack", "C0AP00001", message.ts)
    assert message.body["metadata"] == {
        "event_type": "afterpilot_message",
        "event_payload": {"reference": str(row.id)},
    }
    assert (message.body["unfurl_links"], message.body["unfurl_media"]) == (False, False)
    assert "&lt;!channel&gt;" in message.body["blocks"][0]["text"]["text"]


def test_a_lost_reply_is_reconciled_and_not_repeated(ops: sa.Engine, slack: SlackDouble) -> None:
    """Slack had posted it: the second attempt finds it."""
    slack.faults.append(Fault("chat.postMessage", lose_reply=True))
    put(ops)
    assert sweep(ops, transport(slack)) == Delivered(deferred=1)
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert len(slack.root_messages()) == 1
    assert slack.methods().count("chat.postMessage") == 1
    assert states(ops) == ["sent"]


def test_an_answer_of_500_before_anything_was_posted_leads_to_one_message(ops: sa.Engine, slack: SlackDouble) -> None:
    """It is looked for, not found, and posted."""
    slack.faults.append(Fault("chat.postMessage", status=500))
    put(ops)
    assert sweep(ops, transport(slack)) == Delivered(deferred=1)
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert len(slack.root_messages()) == 1
    assert slack.methods().count("conversations.history") == 2


def test_a_429_is_waited_out_as_slack_says(ops: sa.Engine, slack: SlackDouble) -> None:
    """No second request to that channel in the sweep, and the pause is Slack's."""
    slack.faults.append(Fault("chat.postMessage", status=429, retry_after="41"))
    put(ops, key="a")
    put(ops, key="b")
    assert sweep(ops, transport(slack)) == Delivered(deferred=1)
    assert slack.methods() == ["chat.postMessage"]
    with ops.begin() as connection:
        waits = connection.scalars(
            sa.text("SELECT extract(epoch FROM free_at - now()) FROM lanes WHERE free_at > now()")
        ).all()
    assert [30 < float(seconds) <= 41 for seconds in waits] == [True]


def test_what_was_limited_is_not_looked_for(ops: sa.Engine, slack: SlackDouble) -> None:
    """A 429 says that nothing was posted."""
    slack.faults.append(Fault("chat.postMessage", status=429, retry_after="41"))
    put(ops)
    sweep(ops, transport(slack))
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert slack.methods() == ["chat.postMessage", "chat.postMessage"]


def test_a_limit_of_the_workspace_holds_for_all_its_channels(ops: sa.Engine, slack: SlackDouble) -> None:
    """Slack counts every method but posts for the workspace: no other channel is tried meanwhile."""
    slack.faults.append(Fault("chat.postMessage", status=429, error="message_limit_exceeded", retry_after="41"))
    put(ops, key="a")
    put(ops, key="b", channel=FALLBACK)
    outbox_ = PostgresOutbox(ops, fallback_channel=FALLBACK)
    through = {"slack": transport(slack)}
    assert deliver(outbox_, through, threads=1, longest_wait=0.0) == Delivered(deferred=1)
    assert slack.methods() == ["chat.postMessage"]


DETAILED = replace(MESSAGE, details=(Fact("How sure", "certain: every row was looked at"),), points=("row 17",))


def test_details_stand_in_the_thread(ops: sa.Engine, slack: SlackDouble) -> None:
    """The message first, its evidence below it: the letter is sent when both stand."""
    put(ops, DETAILED)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    (message,) = slack.root_messages()
    (below,) = slack.in_thread(message.ts)
    assert "row 17" in str(below.body["blocks"])
    assert "row 17" not in str(message.body["blocks"])


@pytest.mark.parametrize("lost", ["the message", "its details"])
def test_details_are_posted_once_although_a_reply_was_lost(ops: sa.Engine, slack: SlackDouble, lost: str) -> None:
    """The message is found by its reference and its details by theirs."""
    if lost == "its details":
        put(ops, DETAILED)
        through = transport(slack)
        outbox_ = PostgresOutbox(ops, fallback_channel=FALLBACK)
        outbox_.tidy()
        (letter,) = outbox_.claim(1)
        outbox_.part(letter, through.post(CHANNEL, DETAILED, reference=str(letter.id)), "slack", pace=0.0)
    else:
        put(ops, DETAILED)
    slack.faults.append(Fault("chat.postMessage", lose_reply=True))
    assert sweep(ops, transport(slack)) == Delivered(deferred=1)
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    (message,) = slack.root_messages()
    assert len(slack.in_thread(message.ts)) == 1
    assert slack.methods().count("chat.postMessage") == 2


def test_a_channel_that_is_gone_makes_a_dead_letter_and_a_message_in_the_fallback(
    ops: sa.Engine, slack: SlackDouble
) -> None:
    """Somebody is told all the same."""
    put(ops, channel="#renamed")
    put(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=2, dead=1)
    assert sorted(states(ops)) == ["dead", "sent", "sent"]
    assert len(slack.root_messages("afterpilot")) == 1


def test_a_revoked_token_loses_nothing(ops: sa.Engine, slack: SlackDouble) -> None:
    """With the new token everything is delivered."""
    put(ops)
    blocked = sweep(ops, transport(slack, token="xoxb-revoked"))
    assert blocked == Delivered(deferred=1, blocked="chat.postMessage: invalid_auth")
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert states(ops) == ["sent"]


def test_the_news_of_an_incident_edit_its_one_message_and_its_end_is_told_in_the_thread(
    ops: sa.Engine, slack: SlackDouble
) -> None:
    """Three letters, one message, one line in its thread."""
    one = incident(ops)
    for kind, title in (("incident", "opened"), ("incident", "worse"), ("resolved", "over")):
        put(ops, replace(MESSAGE, title=title, notification=title), kind=kind, incident_id=one.id)
        assert sweep(ops, transport(slack)).sent == 1
    (message,) = slack.root_messages()
    assert message.body["text"] == "over"
    assert message.edits == 2
    assert [line.body["text"] for line in slack.in_thread(message.ts)] == ["over"]


def test_the_end_of_an_incident_is_told_once_although_the_reply_was_lost(ops: sa.Engine, slack: SlackDouble) -> None:
    """The line in the thread is looked for as well."""
    one = incident(ops)
    put(ops, incident_id=one.id)
    sweep(ops, transport(slack))
    put(ops, replace(MESSAGE, notification="over"), kind="resolved", incident_id=one.id)
    slack.faults.append(Fault("chat.postMessage", lose_reply=True))
    assert sweep(ops, transport(slack)) == Delivered(deferred=1)
    let_time_pass(ops)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    (message,) = slack.root_messages()
    assert len(slack.in_thread(message.ts)) == 1


def test_a_message_that_somebody_deleted_is_posted_anew(ops: sa.Engine, slack: SlackDouble) -> None:
    """The news is not swallowed with it."""
    one = incident(ops)
    put(ops, incident_id=one.id)
    sweep(ops, transport(slack))
    slack.messages.clear()
    put(ops, replace(MESSAGE, notification="worse"), incident_id=one.id)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert [message.body["text"] for message in slack.root_messages()] == ["worse"]


def test_an_incident_that_began_in_the_preview_is_posted_once_there_is_a_token(
    ops: sa.Engine, slack: SlackDouble
) -> None:
    """Slack never saw the preview's message."""
    one = incident(ops)
    put(ops, incident_id=one.id)
    assert sweep(ops, PreviewTransport()) == Delivered(sent=1)
    put(ops, replace(MESSAGE, notification="worse"), incident_id=one.id)
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert [message.body["text"] for message in slack.root_messages()] == ["worse"]


@pytest.mark.parametrize(
    ("kind", "states_after"), [("escalated", ["sent", "dead", "sent"]), ("acknowledged", ["sent", "sent"])]
)
def test_a_thread_that_takes_no_line_keeps_nobody_from_being_called(
    ops: sa.Engine, slack: SlackDouble, kind: str, states_after: list[str]
) -> None:
    """An edit alone notifies nobody: what calls somebody goes to the fallback channel; what only tells stays an edit."""
    about = incident(ops)
    put(ops, key="first", incident_id=about.id)
    sweep(ops, transport(slack))
    put(ops, replace(MESSAGE, notification="the deputy is called"), key="second", kind=kind, incident_id=about.id)
    slack.faults.append(Fault("chat.postMessage", error="restricted_action_thread_locked"))
    sweep(ops, transport(slack))
    let_time_pass(ops)
    sweep(ops, transport(slack))
    assert states(ops) == states_after
    told = [message.body["text"] for message in slack.root_messages("afterpilot")]
    assert told == ["the deputy is called"] * (len(states_after) - 2)


def test_a_chart_goes_into_the_thread_of_its_message(ops: sa.Engine, slack: SlackDouble) -> None:
    """The picture's bytes arrive, with words for those who cannot see it."""
    put_report(ops, b"\x89PNG picture")
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    (message,) = slack.root_messages()
    assert list(slack.uploads.values()) == [b"\x89PNG picture"]
    assert (slack.shared[0]["channel_id"], slack.shared[0]["thread_ts"]) == ("C0AP00001", message.ts)
    (asked,) = [asked for method, asked in slack.calls if method == "files.getUploadURLExternal"]
    assert asked["alt_txt"] == "Minutes by week"


@pytest.mark.parametrize("step", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
def test_a_chart_that_fails_does_not_cost_the_message(ops: sa.Engine, slack: SlackDouble, step: str) -> None:
    """The figures are in the message; it is neither lost nor sent twice."""
    slack.faults.append(Fault(step, status=500))
    put_report(ops, b"\x89PNG picture")
    assert sweep(ops, transport(slack)) == Delivered(sent=1)
    assert len(slack.root_messages()) == 1
    assert states(ops) == ["sent"]


def put_report(ops: sa.Engine, chart: bytes) -> None:
    """Queue a weekly report with its chart."""
    with ops.begin() as connection:
        values = {"workflow": "invoice_matching", "week": datetime(2026, 11, 16, tzinfo=UTC), "figures": {}}
        report_id = connection.execute(
            sa.insert(reports).values(**values, chart=chart).returning(reports.c.id)
        ).scalar_one()
    put(ops, replace(MESSAGE, picture_alt="Minutes by week"), kind="weekly", report_id=report_id)


@dataclass
class Mortal:
    """A transport in a process that dies at random: before a call, or after it."""

    through: SlackTransport
    chance: random.Random
    name: str = "slack"
    pace: float = 0.0
    threads: bool = True

    def post(self, *args: object, **more: object) -> Posted:
        """Post, unless death comes."""
        return self._survive(self.through.post, *args, **more)

    def update(self, *args: object, **more: object) -> Posted:
        """Edit, unless death comes."""
        return self._survive(self.through.update, *args, **more)

    def find(self, *args: object, **more: object) -> Posted | None:
        """Look, unless death comes."""
        return self._survive(self.through.find, *args, **more)

    def _survive(self, call: object, *args: object, **more: object) -> Posted:
        if self.chance.random() < 0.12:
            raise Killed
        done: Posted = call(*args, **more)
        if self.chance.random() < 0.12:
            raise Killed
        return done


@pytest.mark.parametrize("seed", [1, 2])
def test_no_letter_is_lost_or_doubled_while_senders_die_and_slack_fails(
    ops: sa.Engine, slack: SlackDouble, seed: int
) -> None:
    """Letters, senders that are killed at any step, 429s, 500s and lost replies: each arrives exactly once."""
    chance = random.Random(seed)  # noqa: S311 - a test
    for number in range(LETTERS):
        put(ops, replace(MESSAGE, notification=f"letter {number}"), key=str(number))
    slack.faults.extend(
        chance.choice(
            [Fault("chat.postMessage", lose_reply=True), Fault("chat.postMessage", status=500), Fault(status=429)]
        )
        for _ in range(30)
    )
    for _ in range(400):
        with contextlib.suppress(Killed):
            sweep(ops, Mortal(transport(slack), chance))
        if set(states(ops)) == {"sent"}:
            break
        let_time_pass(ops)
    assert set(states(ops)) == {"sent"}
    arrived = sorted(message.body["text"] for message in slack.root_messages())
    assert arrived == sorted(f"letter {number}" for number in range(LETTERS))


def test_two_senders_at_once_send_each_letter_once(ops: sa.Engine, slack: SlackDouble) -> None:
    """A lease belongs to one of them."""
    import threading

    for number in range(20):
        put(ops, key=str(number))
    found: list[Delivered] = []
    senders = [threading.Thread(target=lambda: found.append(sweep(ops, transport(slack)))) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sum(delivered.sent for delivered in found) == 20
    assert len(slack.root_messages()) == 20


def test_a_name_is_resolved_over_all_pages_once(slack: SlackDouble) -> None:
    """A workspace may have more channels than one page holds."""
    slack.channels = {f"c{n:03}": f"C00000{n:03}" for n in range(25)} | slack.channels
    slack.page = 10
    sender = transport(slack)
    assert sender.find("#c024", "nothing", LONG_AGO) is None
    assert sender.find("c024", "nothing", LONG_AGO) is None
    assert slack.methods().count("conversations.list") == 3


def test_a_reference_is_found_on_a_later_page_and_not_under_another_event(slack: SlackDouble) -> None:
    """All messages since then are looked at, ours alone count."""
    sender = transport(slack)
    posted = sender.post(CHANNEL, MESSAGE, reference="wanted")
    for number in range(12):
        sender.post(CHANNEL, MESSAGE, reference=f"other {number}")
    slack.page = 5
    assert sender.find(CHANNEL, "wanted", LONG_AGO) == posted
    slack.messages[0].body["metadata"]["event_type"] = "somebody_else"
    assert sender.find(CHANNEL, "wanted", LONG_AGO) is None


def test_what_was_posted_before_the_letter_is_not_looked_at(slack: SlackDouble) -> None:
    """The search begins an hour before the letter, for clocks that differ."""
    sender = transport(slack)
    sender.post(CHANNEL, MESSAGE, reference="wanted")
    assert sender.find(CHANNEL, "wanted", datetime.fromtimestamp(slack.clock + 3000, UTC)) is not None
    assert sender.find(CHANNEL, "wanted", datetime.fromtimestamp(slack.clock + 4000, UTC)) is None


def test_an_unknown_channel_is_refused_although_private_ones_cannot_be_listed(slack: SlackDouble) -> None:
    """The token may see public channels only."""
    with pytest.raises(DeliveryRefused, match="Slack shows no channel #nowhere"):
        transport(slack).find("#nowhere", "x", LONG_AGO)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429, retry_after="7"), DeliveryDeferred),
        (Fault(status=503), DeliveryUnclear),
        (Fault(status=502, body="<html>Bad gateway</html>"), DeliveryUnclear),
        (Fault(body="null"), DeliveryUnclear),
        (Fault(body="[]"), DeliveryUnclear),
        (Fault(body='{"ok": true}'), DeliveryUnclear),
        (Fault(body='{"ok": true, "channel": null, "ts": null}'), DeliveryUnclear),
        (Fault(body='{"ok": true, "channel": "C0AP00001", "ts": {"a": 1}}'), DeliveryUnclear),
        (Fault(lose_reply=True), DeliveryUnclear),
        (Fault(error="is_archived"), DeliveryRefused),
        (Fault(error="token_revoked"), ConfigurationError),
    ],
)
def test_every_failure_over_http_has_its_meaning(slack: SlackDouble, fault: Fault, error: type[Exception]) -> None:
    """Whatever arrives over the wire ends in one of our own errors, and the token is in none of them."""
    slack.faults.append(fault)
    with pytest.raises(error) as caught:
        transport(slack).post(CHANNEL, MESSAGE, reference="r")
    assert TOKEN not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_workspace_that_cannot_be_reached_was_sent_nothing() -> None:
    """Nobody listens there."""
    with pytest.raises(DeliveryUnreachable, match="no connection"):
        SlackTransport(TOKEN, "http://127.0.0.1:1/api/").post(CHANNEL, MESSAGE, reference="r")


def test_a_message_that_stood_in_the_preview_is_gone_for_slack(slack: SlackDouble) -> None:
    """Slack is not even asked."""
    with pytest.raises(DeliveryGone):
        transport(slack).update(Posted(CHANNEL, f"preview-{uuid.uuid4()}"), MESSAGE, reference="r")
    assert slack.calls == []


@pytest.mark.parametrize("token", ["", "  ", "xoxb-1\nxoxb-2", "xoxb-ü"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    """A header that cannot be sent would show it in a log."""
    with pytest.raises(ConfigurationError) as caught:
        SlackTransport(token)
    assert "xoxb" not in str(caught.value)
