"""An incoming webhook, a signed webhook and PagerDuty over real HTTP: what is sent, and what each answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.delivery import Posted, Transport
from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryDeferred,
    DeliveryGone,
    DeliveryNeedless,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.message import About, Fact, Link, Message
from afterpilot.notify import http_post
from afterpilot.notify.incoming_webhook import IncomingWebhook
from afterpilot.notify.pagerduty import PagerDuty
from afterpilot.notify.webhook import WebhookTransport
from afterpilot.record.alerts.delivery import LEASE
from doubles.hook import Answer, HookDouble

pytestmark = pytest.mark.integration

HOOK, KEY, BEARER, SIGNING = "T0AB/B0CD/hookword", "routingword0123456789abcdef01234", "bearerword", "signingword"
SECRETS = (HOOK, "hookword", KEY, BEARER, SIGNING)
INCIDENT = str(uuid.UUID(int=7))
REFERENCE = str(uuid.UUID(int=1))
EVENT = About(INCIDENT, "invoices", "quality.fresh", "critical", "open", "opened", "2026-11-20T15:00:00+01:00")
MESSAGE = Message(
    tone="critical",
    title="FAIL <!channel> \u202einvoices",
    summary="Nothing since 9 h & more",
    notification="FAIL invoices: nothing\nsince 9 h",
    facts=(Fact("Since", "14:00"),),
    details=(Fact("How sure", "certain"),),
    points=("row 7",),
    links=(Link("Open", "https://airflow.example/afterpilot"), Link("Bad", "javascript:alert(1)")),
    about=EVENT,
)


def slack(url: str) -> Transport:
    """The incoming webhook."""
    return IncomingWebhook.at(Endpoint(f"{url}/services", HOOK), place="hook")


def signed(url: str) -> Transport:
    """The signed webhook."""
    return WebhookTransport(Endpoint(f"{url}/alerts", BEARER, signing_secret=SIGNING))


def pager(url: str) -> Transport:
    """PagerDuty."""
    return PagerDuty(Endpoint(url, KEY))


ALL = pytest.mark.parametrize("made", [slack, signed, pager])


@pytest.fixture(autouse=True)
def no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Not even in the debug lines of the libraries."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not [secret for secret in SECRETS if secret in caplog.text]


def now(message: Message, **changed: object) -> Message:
    """The same incident later."""
    return replace(message, about=replace(EVENT, **changed))  # type: ignore[arg-type] # its fields by name


def error_of(what: Callable[[], object]) -> AfterpilotError:
    """The error that it ends with, whose text holds no secret."""
    with pytest.raises(AfterpilotError) as caught:
        what()
    assert not [secret for secret in SECRETS if secret in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"]
    return caught.value


def test_an_incoming_webhook_gets_the_message_with_its_details() -> None:
    """Escaped, with its links, and nothing that would be a mention; there is no thread for the rest."""
    with HookDouble() as hook:
        posted = slack(hook.url).post("#ap", MESSAGE, reference=REFERENCE)
    assert (hook.taken[0].path, posted.answer) == (f"/services/{HOOK}", "HTTP 200, ok")
    text = json.dumps(hook.taken[0].data, ensure_ascii=False)
    assert "How sure" in text
    assert "row 7" in text
    assert "<!channel>" not in text
    assert "\u202e" not in text
    assert "javascript" not in text


def test_an_incoming_webhook_tells_the_end_as_a_message_and_spares_mere_changes() -> None:
    """It cannot edit: what only changed is not sent, what was only previewed is told anew."""
    with HookDouble() as hook:
        transport = slack(hook.url)
        posted = transport.post("#ap", MESSAGE, reference=REFERENCE)
        with pytest.raises(DeliveryNeedless):
            transport.update(posted, now(MESSAGE, event="changed", quiet=True), reference="2")
        transport.update(posted, now(MESSAGE, event="resolved", state="resolved"), reference="3")
        with pytest.raises(DeliveryGone):
            transport.update(Posted("#ap", "preview-1"), MESSAGE, reference="4")
        assert transport.find("#ap", REFERENCE, datetime(2026, 11, 20, tzinfo=UTC)) is None
    assert len(hook.taken) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, "invalid_payload"), DeliveryRefused),
        (Answer(403, "action_prohibited"), ConfigurationError),
        (Answer(403, "invalid_token"), ConfigurationError),
        (Answer(404, "no_service"), ConfigurationError),
        (Answer(400, "no_team"), ConfigurationError),
        (Answer(410, "channel_is_archived"), ConfigurationError),
        (Answer(500, "rollup_error"), DeliveryUnclear),
    ],
)
def test_what_slack_says_to_a_webhook(answer: Answer, kind: type[AfterpilotError]) -> None:
    """A webhook that is gone must be mended; a message that is no good is given up."""
    with HookDouble(usual=answer) as hook:
        error = error_of(lambda: slack(hook.url).post("#ap", MESSAGE, reference=REFERENCE))
    assert type(error) is kind
    assert answer.body in str(error)


@ALL
def test_a_limit_is_kept_for_all_of_the_target(made: Callable[[str], Transport]) -> None:
    """As long as Retry-After says, and for half a minute where it says nothing."""
    with HookDouble() as hook:
        hook.answers.extend([Answer(429, "slow", {"Retry-After": "7"}), Answer(429, "slow")])
        first, second = (error_of(lambda: made(hook.url).post("x", MESSAGE, reference=REFERENCE)) for _ in range(2))
    assert isinstance(first, DeliveryDeferred)
    assert isinstance(second, DeliveryDeferred)
    assert (first.retry_after, first.everywhere, second.retry_after) == (7.0, True, 30.0)


@ALL
def test_a_lost_reply_is_not_clear_and_no_listener_is_nothing_sent(made: Callable[[str], Transport]) -> None:
    """Only the first may have got through."""
    with HookDouble(usual=Answer(lost=True)) as hook:
        assert type(error_of(lambda: made(hook.url).post("x", MESSAGE, reference=REFERENCE))) is DeliveryUnclear
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = made(f"http://127.0.0.1:{port}")
    assert type(error_of(lambda: gone.post("x", MESSAGE, reference=REFERENCE))) is DeliveryUnreachable


@ALL
def test_what_repeats_a_secret_is_not_repeated(made: Callable[[str], Transport]) -> None:
    """A receiver may quote all that it was sent."""
    with HookDouble(usual=Answer(400, echo=True)) as hook:
        assert "***" in str(error_of(lambda: made(hook.url).post("x", MESSAGE, reference=REFERENCE)))


@ALL
def test_a_redirect_is_not_followed(made: Callable[[str], Transport]) -> None:
    """It would carry the secret elsewhere."""
    with HookDouble() as other, HookDouble(usual=Answer(307, "", {"Location": other.url})) as hook:
        assert isinstance(error_of(lambda: made(hook.url).post("x", MESSAGE, reference=REFERENCE)), ConfigurationError)
        assert not other.taken


@ALL
def test_a_reply_that_trickles_ends(made: Callable[[str], Transport], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows then whether it was taken."""
    monkeypatch.setattr(http_post, "EXCHANGE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert type(error_of(lambda: made(url).post("x", MESSAGE, reference=REFERENCE))) is DeliveryUnclear


def test_a_webhook_is_signed_and_repeats_itself_exactly() -> None:
    """The same key and the same bytes for each attempt, by which the receiver takes it once."""
    with HookDouble() as hook:
        hook.answers.append(Answer(lost=True))
        transport = signed(hook.url)
        error_of(lambda: transport.post("x", MESSAGE, reference=REFERENCE))
        transport.post("x", MESSAGE, reference=REFERENCE)
    lost, again = hook.taken
    assert lost.content == again.content
    assert (
        lost.headers["Idempotency-Key"] == again.headers["Idempotency-Key"] == again.headers["webhook-id"] == REFERENCE
    )
    assert again.headers["Authorization"] == f"Bearer {BEARER}"
    said = f"{REFERENCE}.{again.headers['webhook-timestamp']}.".encode() + again.content
    good = b64encode(hmac.new(SIGNING.encode(), said, hashlib.sha256).digest()).decode()
    assert again.headers["webhook-signature"] == f"v1,{good}"


def test_a_webhook_gets_every_news_as_data() -> None:
    """What only changed, too: programs decide for themselves."""
    with HookDouble() as hook:
        transport = signed(hook.url)
        posted = transport.post("x", MESSAGE, reference=REFERENCE)
        transport.update(posted, now(MESSAGE, event="changed", quiet=True), reference="2")
    told = hook.taken[0].data
    assert [taken.data["event"] for taken in hook.taken] == ["opened", "changed"]
    known = {"incident": INCIDENT, "workflow": "invoices", "severity": "critical", "state": "open"}
    assert {name: told[name] for name in known} == known
    assert told["at"] == "2026-11-20T14:00:00+00:00"
    assert told["links"] == [{"text": "Open", "url": "https://airflow.example/afterpilot"}]
    assert "\u202e" not in told["title"]


def test_pagerduty_follows_the_incident() -> None:
    """One alert by the incident's id: triggered, acknowledged, resolved; waived is resolved, and a mere change is nothing."""
    with HookDouble(usual=Answer(202, '{"status": "success"}')) as hook:
        transport = pager(hook.url)
        posted = transport.post("x", MESSAGE, reference=REFERENCE)
        for state in ("acknowledged", "waived", "resolved"):
            transport.update(posted, now(MESSAGE, event=state, state=state), reference=state)
        with pytest.raises(DeliveryNeedless):
            transport.update(posted, now(MESSAGE, event="changed", quiet=True), reference="2")
    assert {taken.path for taken in hook.taken} == {"/v2/enqueue"}
    assert [taken.data["event_action"] for taken in hook.taken] == ["trigger", "acknowledge", "resolve", "resolve"]
    assert {(taken.data["dedup_key"], taken.data["routing_key"]) for taken in hook.taken} == {(INCIDENT, KEY)}
    payload = hook.taken[0].data["payload"]
    assert (payload["severity"], payload["source"], payload["class"]) == ("critical", "invoices", "quality.fresh")
    assert payload["summary"] == "FAIL invoices: nothing since 9 h"
    assert hook.taken[0].data["links"] == [{"href": "https://airflow.example/afterpilot", "text": "Open"}]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Length of 'routing_key' is incorrect (should be 32 characters)", ConfigurationError),
        ("'payload.severity' is invalid", DeliveryRefused),
    ],
)
def test_what_pagerduty_refuses(words: str, kind: type[AfterpilotError]) -> None:
    """A key that is none must be mended; an event that is no good is given up."""
    with HookDouble(usual=Answer(400, json.dumps({"status": "invalid event", "errors": [words]}))) as hook:
        assert type(error_of(lambda: pager(hook.url).post("x", MESSAGE, reference=REFERENCE))) is kind


@pytest.mark.parametrize(
    "made",
    [
        lambda: IncomingWebhook("ftp://hooks.example/services/T0AB/B0CD/hookword"),
        lambda: IncomingWebhook.at(Endpoint("https://hooks.example", ""), place="hook"),
        lambda: WebhookTransport(Endpoint("https://hooks.example", BEARER)),
        lambda: WebhookTransport(Endpoint("https://hooks.example", BEARER, signing_secret="whsec_signingword!")),
        lambda: PagerDuty(Endpoint("https://hooks.example", "")),
    ],
    ids=["no http", "no hook", "nothing to sign with", "no base64", "no key"],
)
def test_what_cannot_work_says_so_beforehand(made: Callable[[], Transport]) -> None:
    """With what to mend, and without the secret."""
    assert isinstance(error_of(made), ConfigurationError)


@pytest.mark.parametrize("bearer", [f"{BEARER}\nX-Other: 2", f"{BEARER}\u20ac"], ids=["a line break", "no Latin-1"])
def test_a_password_that_no_header_can_hold_is_for_somebody_to_mend(bearer: str) -> None:
    """Nothing was sent, and it would be the same the next time."""
    with HookDouble() as hook:
        made = WebhookTransport(Endpoint(f"{hook.url}/alerts", bearer, signing_secret=SIGNING))
        error = error_of(lambda: made.post("x", MESSAGE, reference=REFERENCE))
        assert isinstance(error, ConfigurationError)
        assert hook.taken == []


def test_an_exchange_ends_well_before_its_lease() -> None:
    """Else another process might send the same meanwhile."""
    from afterpilot.notify import smtp

    assert max(http_post.EXCHANGE_SECONDS, smtp.EXCHANGE_SECONDS) * 1.5 <= LEASE.total_seconds()
