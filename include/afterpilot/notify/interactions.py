"""What people answer in Slack, however it comes: by the endpoint of the web app or through Socket Mode.

Slack waits three seconds for a reply. What takes longer goes on, and its outcome reaches the person as a note that only they see.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.webhook import WebhookClient

from afterpilot.domain.errors import AnswerRefused
from afterpilot.notify.sdk_log import quiet
from afterpilot.notify.slack import SLACK
from afterpilot.notify.slack_forms import FORM, LENGTH, LENGTHS, note, refusal, sent_form, waiver_form
from afterpilot.notify.text import one_line

log = logging.getLogger(__name__)

WITHIN = 2.0  # seconds until Slack gets a reply, whatever becomes of the answer
_HTTP = 3  # seconds for a request to Slack: its trigger to open a form is good for three
_AT_ONCE = 4
_BROKEN = "Your answer could not be kept just now. Try again in a minute."
_NO_FORM = "Slack did not open the form. Click once more."


class Answering(Protocol):
    """Takes people's answers. Each returns one sentence for whoever gave it, and raises AnswerRefused with another."""

    def acknowledge(self, incident: str, *, by: str) -> str:
        """Take an incident up."""
        ...

    def waive(self, incident: str, *, by: str, until: datetime, reason: str) -> str:
        """Let an incident wait until a time."""
        ...

    def name_of(self, slack_user: str) -> str:
        """The name of a declared person; empty where nobody of this Slack user id is declared."""
        ...


class _At(Clock):
    def __init__(self, moment: datetime) -> None:
        self._seconds = moment.timestamp()

    def now(self) -> float:
        return self._seconds


def genuine(secret: str, *, body: bytes, timestamp: str, signature: str, at: datetime) -> bool:
    """Whether Slack has signed this request (v0) within five minutes of ``at``.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    try:
        return SignatureVerifier(secret, _At(at)).is_valid(body, timestamp, signature)
    except (
        ValueError,
        TypeError,
        OverflowError,
    ):  # a time stamp that is no number, a body or signature that is no text
        return False


class _Turn:
    """The time in which Slack waits for a reply: whoever is first, the work with its reply or the clock, decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given = threading.Event()
        self._over = False
        self._body: Mapping[str, Any] = {}

    def give(self, body: Mapping[str, Any]) -> bool:
        """Reply; False where Slack has its reply already, or another was given before."""
        with self._lock:
            if self._over or self._given.is_set():
                return False
            self._body = body
            self._given.set()
            return True

    def wait(self, seconds: float) -> Mapping[str, Any]:
        """The reply; empty where it is not there in time."""
        self._given.wait(seconds)
        with self._lock:
            self._over = True
            return self._body


class Interactions:
    """Answers clicks and forms.

    Args:
        answering: takes what people say.
        token: the bot token, by which forms are opened.
        clock: says what time it is, aware UTC.
        base_url: another address than Slack's, e.g. of a test double.
        within: seconds until Slack gets a reply.
    """

    def __init__(
        self,
        answering: Answering,
        *,
        token: str,
        clock: Callable[[], datetime],
        base_url: str = "",
        within: float = WITHIN,
    ) -> None:
        self._answering = answering
        self._clock = clock
        self._within = within
        self._base_url = base_url or SLACK
        self._client = WebClient(
            token=token.strip(), base_url=self._base_url, timeout=_HTTP, retry_handlers=[], logger=quiet()
        )
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="slack-answers")

    def answer(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of the reply to an interaction payload, in time; empty: nothing but that it has come."""
        turn = _Turn()
        self._workers.submit(self._work, payload, turn)
        return turn.wait(self._within)

    def close(self) -> None:
        """Finish what was begun."""
        self._workers.shutdown()

    def _work(self, payload: Mapping[str, Any], turn: _Turn) -> None:
        try:
            kind = payload.get("type")
            if kind == "block_actions":
                self._clicked(payload, turn)
            elif kind == "view_submission" and _mapping(payload, "view").get("callback_id") == FORM:
                self._sent(payload, turn)
        except Exception:
            log.exception("an answer from Slack could not be read")
        finally:
            turn.give({})

    def _clicked(self, payload: Mapping[str, Any], turn: _Turn) -> None:
        """Buttons; those that only open an address are told here too, and want nothing."""
        actions = payload.get("actions")
        for action in actions if isinstance(actions, list) else ():
            where = str(payload.get("response_url") or "")
            incident = str(action.get("value") or "")
            if action.get("action_id") == "acknowledge":
                said = self._acknowledged(incident, payload)
                turn.give({})
                self._tell(where, said)
            elif action.get("action_id") == "waive":
                self._open_form(str(payload.get("trigger_id") or ""), incident, where)

    def _sent(self, payload: Mapping[str, Any], turn: _Turn) -> None:
        asked = sent_form(_mapping(payload, "view"))
        if asked.length not in LENGTHS:
            turn.give(refusal("Choose for how long.", at=LENGTH))
            return
        until = self._clock() + LENGTHS[asked.length][1]
        try:
            said = self._answering.waive(asked.incident, by=self._who(payload), until=until, reason=asked.reason)
        except Exception as error:  # noqa: BLE001 - the form says so, or a note does
            said = _why(error)
            if not turn.give(refusal(said)):
                self._tell(asked.response_url, said)
        else:
            turn.give({})
            self._tell(asked.response_url, said)

    def _acknowledged(self, incident: str, payload: Mapping[str, Any]) -> str:
        try:
            return self._answering.acknowledge(incident, by=self._who(payload))
        except Exception as error:  # noqa: BLE001 - the person is told
            return _why(error)

    def _open_form(self, trigger: str, incident: str, where: str) -> None:
        try:
            self._client.views_open(trigger_id=trigger, view=waiver_form(incident, where))
        except Exception as error:  # noqa: BLE001 - the person is told; the error's own text may repeat what was sent
            code = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("the form of a waiver could not be opened: %s", one_line(str(code))[:80])
            self._tell(where, _NO_FORM)

    def _who(self, payload: Mapping[str, Any]) -> str:
        """The declared person's name, or how Slack knows whoever clicked."""
        user = _mapping(payload, "user")
        slack_id = one_line(str(user.get("id") or ""))[:30]
        if not slack_id:
            return ""
        shown = one_line(str(user.get("username") or user.get("name") or ""))[:80]
        return self._answering.name_of(slack_id) or f"@{shown or 'somebody'} ({slack_id})"

    def _tell(self, where: str, text: str) -> None:
        """A note that only the person sees; without an address nobody can be told."""
        if not self._is_slacks(where):
            return
        try:
            told = WebhookClient(where, timeout=_HTTP, retry_handlers=[], logger=quiet()).send_dict(note(text))
        except Exception as error:  # noqa: BLE001 - the answer itself is kept
            log.warning("a note to a person could not be sent: %s", type(error).__name__)
        else:
            if told.status_code >= 400:  # noqa: PLR2004 - HTTP's errors
                log.warning("a note to a person was refused: HTTP %s", told.status_code)

    def _is_slacks(self, url: str) -> bool:
        try:
            parts, own = urlsplit(url), urlsplit(self._base_url)
            if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
                return True
            return parts.scheme == "https" and (parts.hostname or "").endswith(".slack.com")
        except ValueError:
            return False


def _why(error: Exception) -> str:
    """What a person is told of an error: its own words only where they are meant for them."""
    if isinstance(error, AnswerRefused):
        return str(error)
    log.error("an answer from Slack could not be kept", exc_info=error)
    return _BROKEN


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}
