"""How orders are signed, and what replies to them mean."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterpilot.domain.http_replies import LONGEST_PAUSE, asked_to_wait, meaning
from afterpilot.domain.people import Somebody
from afterpilot.domain.signing import signature, signing_key
from afterpilot.domain.spend import Stop
from afterpilot.domain.stop_orders import StopOrder
from afterpilot.spend.stopping.call_back import body

ORDER = StopOrder(
    uuid.UUID(int=7),
    "w",
    "stop",
    Stop("call_back", "desk", path="/stop"),
    "why",
    datetime(2026, 11, 20, 14, tzinfo=UTC),
)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The vector that Standard Webhooks publishes for those who verify."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_is_base64_only_where_it_says_so() -> None:
    """Without the prefix its own characters are the key; with it, what is no base64 is an error."""
    assert signing_key("plain words") == b"plain words"
    with pytest.raises(ValueError, match="no base64"):
        signing_key("whsec_no base64!")


def test_what_a_receiver_is_told() -> None:
    """The whole body; a stop without an end has none, and one for some models names them."""
    assert json.loads(body(ORDER)) == {
        "workflow": "w",
        "action": "stop",
        "models": [],
        "reason": "why",
        "until": None,
        "ordered_at": "2026-11-20T14:00:00+00:00",
    }
    until = datetime(2026, 12, 1, tzinfo=UTC)
    told = json.loads(body(replace(ORDER, until=until, models=("gpt-5",))))
    assert (told["until"], told["models"]) == ("2026-12-01T00:00:00+00:00", ["gpt-5"])


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "done"),
        (204, "done"),
        (301, "failed"),
        (400, "failed"),
        (401, "refused"),
        (403, "refused"),
        (404, "failed"),
        (408, "later"),
        (409, "later"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ],
)
def test_what_a_status_means(status: int, state: str) -> None:
    """Done, later, refused (somebody must mend something), or never like this."""
    assert meaning(status) == state


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("0", 0.0),
        ("120", 120.0),
        ("999999999", LONGEST_PAUSE),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE),
    ],
)
def test_how_long_to_wait(said: str, seconds: float | None) -> None:
    """A number of seconds or a date, at most an hour; nothing usable is none."""
    assert asked_to_wait(said) == seconds


def test_people_are_known_by_login_name_and_address() -> None:
    """One is enough; nobody is nobody."""
    dana = Somebody("dana.ruiz", ("Dana Ruiz", "dana@example.com"))
    assert dana.is_one_of("Lee Okafor", "DANA RUIZ")
    assert Somebody("u1", ("dana_ruiz@example.com",)).is_one_of("Dana Ruiz")
    assert not dana.is_one_of("Lee Okafor", "Ruiz", "")
    assert not Somebody("").is_one_of("", "Dana Ruiz")
