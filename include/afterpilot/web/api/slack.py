"""``POST /api/v1/slack/interactions``: what people answer in Slack, for the buttons of its messages.

No login holds here but Slack's signature over the whole request, each of which is taken once. A plain ASGI application, like
the one for gateways.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from afterpilot.notify.interactions import Interactions

LARGEST = 1_000_000  # bytes of a request
PATIENCE = 2.8  # seconds until Slack gets a reply in any case: it waits for three
_READERS = 8
_FIELDS = 10  # of the form that a payload comes in
_PATH = "/interactions"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FromSlack:
    """How answers are taken: ``secret`` gives what Slack signs with (empty: nothing is taken), ``interactions`` what answers."""

    secret: Callable[[], str]
    interactions: Callable[[], Interactions]


class SlackApi:
    """The application, to be mounted at ``/api/v1/slack``.

    Args:
        slack: what Slack signs with, and what answers.
        take: notes that a request with this signature is answered at this time; False where it was before.
        clock: says what time it is, aware UTC.
        patience: seconds until a reply is given in any case.
    """

    def __init__(
        self,
        slack: FromSlack,
        *,
        take: Callable[[str, datetime], bool],
        clock: Callable[[], datetime],
        patience: float = PATIENCE,
    ) -> None:
        self._slack = slack
        self._take = take
        self._clock = clock
        self._patience = patience
        # Threads of its own: a database that hangs takes none of those that all else in the process shares.
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="slack-requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP request is turned away."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return
        await (await self._reply(Request(scope, receive)))(scope, receive, send)

    async def _reply(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        try:
            body = await _body(request)
        except ClientDisconnect:
            return _problem(400, "The request broke off.")
        if body is None:
            return _problem(413, f"A request may have at most {LARGEST:,} bytes.")
        if not self._genuine(request, body):
            return _problem(401, "The request is not signed by Slack, or too old.")
        return await self._in_time(request.headers["x-slack-signature"], body)

    def _refused(self, request: Request) -> Response | None:
        """Why a request is not even read."""
        if request.scope["path"].removeprefix(request.scope.get("root_path", "")) != _PATH:
            return _problem(404, "There is no such resource: Slack posts to /slack/interactions.")
        if request.method != "POST":
            return _problem(405, "This can only be posted to.", Allow="POST")
        if not self._slack.secret():
            return _problem(503, "Nothing is taken from Slack here: SLACK_SIGNING_SECRET is not set.")
        return None

    def _genuine(self, request: Request, body: bytes) -> bool:
        from afterpilot.notify.interactions import genuine  # slack_sdk takes a while: not at the start of every process

        return genuine(
            self._slack.secret(),
            body=body,
            timestamp=request.headers.get("x-slack-request-timestamp", ""),
            signature=request.headers.get("x-slack-signature", ""),
            at=self._clock(),
        )

    async def _in_time(self, signature: str, body: bytes) -> Response:
        work = asyncio.get_running_loop().run_in_executor(self._readers, self._answered, signature, body)
        done, _ = await asyncio.wait({work}, timeout=self._patience)
        if not done:
            work.cancel()
            return _problem(503, "The answer could not be taken in time. Try again.")
        try:
            return work.result()
        except Exception as error:  # noqa: BLE001 - whatever broke, Slack says to the person that it did
            log.error("an answer from Slack could not be taken: %s", type(error).__name__)  # noqa: TRY400 - its text may hold data
            return _problem(503, "The answer could not be taken just now. Try again.")

    def _answered(self, signature: str, body: bytes) -> Response:
        payload = _payload(body)
        if payload is None:
            return _problem(400, "The request holds no payload that can be read.")
        if not self._take(signature, self._clock()):
            return _problem(401, "This request was taken before.")
        said = self._slack.interactions().answer(payload)
        return JSONResponse(dict(said)) if said else Response(status_code=200)


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is too large, as soon as that is known."""
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length[:20]) > LARGEST:
        return None
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            return None
    return b"".join(parts)


def _payload(body: bytes) -> Mapping[str, Any] | None:
    """The interaction payload: JSON in the field ``payload`` of a form."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=_FIELDS)
        payload = json.loads(fields["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _problem(status: int, detail: str, **headers: str) -> Response:
    return JSONResponse({"detail": detail}, status, headers={"Cache-Control": "no-store", **headers})
