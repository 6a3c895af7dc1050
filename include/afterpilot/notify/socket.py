"""Socket Mode: what people answer in Slack, over a connection that this machine opens; nothing of it can be reached from outside.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin.client import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from afterpilot.domain.errors import ConfigurationError
from afterpilot.notify.sdk_log import quiet
from afterpilot.notify.slack import SLACK, printable
from afterpilot.notify.slack_errors import translated

log = logging.getLogger(__name__)

_HTTP = 15  # seconds for a request to Slack
_PING = 5.0  # seconds between two looks at the connection
_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds until Slack is asked for a first connection again


class _Told:
    """An event that a signal may set: the one of threading takes a lock that the thread may hold that the signal interrupts."""

    def __init__(self) -> None:
        self._words: queue.SimpleQueue[None] = queue.SimpleQueue()  # whose put may interrupt its get

    def set(self) -> None:
        self._words.put(None)

    def is_set(self) -> bool:
        return not self._words.empty()

    def wait(self, seconds: float) -> bool:
        try:
            self._words.get(timeout=seconds)
        except queue.Empty:
            return False
        self.set()
        return True


class SocketMode:
    """Listens until it is stopped; a connection that ends is opened anew.

    Args:
        app_token: the app-level token with the scope ``connections:write``.
        answer: gives the body of the reply to an interaction payload, within Slack's three seconds.
        take: whether an envelope is new; Slack sends one again where the reply did not arrive.
        base_url: another address than Slack's, e.g. of a test double.
        ping: seconds between two looks at the connection.
        once: stop after the first answer.

    Raises:
        ConfigurationError: the token cannot be one.
    """

    def __init__(
        self,
        app_token: str,
        *,
        answer: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        take: Callable[[str], bool],
        base_url: str = "",
        ping: float = _PING,
        once: bool = False,
    ) -> None:
        if not printable(app_token):
            raise ConfigurationError("the app-level token of Slack is empty or holds characters that no token has")
        self._app_token = app_token
        self._answer = answer
        self._take = take
        self._base_url = base_url or SLACK
        self._ping = ping
        self._once = once
        self._stop = _Told()

    def stop(self) -> None:
        """End :meth:`listen`; answers under way are finished. It may be called by a signal."""
        self._stop.set()

    def listen(self, *, connected: Callable[[], None] = lambda: None, alive: Callable[[], None] = lambda: None) -> None:
        """Take answers until :meth:`stop`. ``connected`` is called when the first connection stands, ``alive`` every few seconds
        while one does.

        Raises:
            ConfigurationError: Slack does not take the token.
        """
        web = WebClient(
            token=self._app_token, base_url=self._base_url, timeout=_HTTP, retry_handlers=[], logger=quiet()
        )
        client = SocketModeClient(
            self._app_token,
            web_client=web,
            logger=quiet(),
            ping_interval=self._ping,
            on_error_listeners=[lambda error: log.warning("Socket Mode: %s", type(error).__name__)],
        )
        client.socket_mode_request_listeners.append(self._received)
        try:
            if self._open(client):
                log.info("listening for answers from Slack")
                connected()
                alive()
                while not self._stop.wait(self._ping):
                    if client.is_connected():
                        alive()
        finally:
            client.close()

    def _open(self, client: SocketModeClient) -> bool:
        """Open the first connection; False where it was stopped meanwhile. Later ones the client opens itself."""
        tries = 0
        while not self._stop.is_set():
            try:
                client.wss_uri = None
                client.connect()
            except (SlackApiError, URLError, OSError) as error:
                ours = translated("apps.connections.open", error)
                if isinstance(ours, ConfigurationError):
                    raise ours from None
                log.warning("%s; it is tried again", ours)
            if client.is_connected():
                return True
            self._stop.wait(_AGAIN[min(tries, len(_AGAIN) - 1)])
            tries += 1
        return False

    def _received(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        body: Mapping[str, Any] = {}
        interactive = request.type == "interactive"
        try:
            if interactive and self._take(f"envelope:{request.envelope_id}"):
                body = self._answer(request.payload)
        except Exception:
            log.exception("an answer from Slack could not be taken")
            return  # no reply: the person sees that it did not work
        client.send_socket_mode_response(SocketModeResponse(request.envelope_id, dict(body) or None))
        if interactive and self._once:
            self.stop()
