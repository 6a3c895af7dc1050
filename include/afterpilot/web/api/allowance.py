"""``GET /api/v1/workflows/<slug>/allowance``: whether a workflow may go on calling models, for its gateway.

One indexed row, which is kept in memory for :data:`KEPT` seconds; the gateway may keep the answer for :data:`MAX_AGE`. A plain
ASGI application: gateways ask often.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from afterpilot.decide.allowing import Said, allowance, said
from afterpilot.domain.allowance import STALE_AFTER, Allowance
from afterpilot.domain.spend import CapState
from afterpilot.record.history.allowances import declared_on_unknown
from afterpilot.record.spend.allowances import find_allowance
from afterpilot.web.api.tokens import GatewayTokens

MAX_AGE = 30  # seconds for which a gateway may keep an answer
KEPT = 1.0
PATIENCE = 2.0  # seconds for which a database is waited for that answers nobody
RESPITE = 1.0  # seconds for which a database that is away is not asked again
_READERS = 8  # threads of its own: a database that hangs takes none of those that all else in the process shares
_MOST_KEPT = 10_000  # workflows
_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, TimeoutError)
_PATH = re.compile(r"/workflows/([^/\x00]+)/allowance")
log = logging.getLogger(__name__)


class AllowanceApi:
    """The application, to be mounted at ``/api/v1``.

    Args:
        reading: opens a connection to the ops database that can only read.
        tokens: who may ask.
        clock: says what time it is, aware UTC.
        kept: for how many seconds a row is kept in memory, so that a gateway that asks before each call costs no database.
        patience: for how many seconds a database is waited for that answers nobody.
    """

    def __init__(
        self,
        reading: Callable[[], Any],
        *,
        tokens: Callable[[], GatewayTokens],
        clock: Callable[[], datetime],
        kept: float = KEPT,
        patience: float = PATIENCE,
    ) -> None:
        self._reading = reading
        self._patience = patience
        self._away_until = 0.0
        self._answered = 0.0  # when the database has answered last
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="allowances")
        self._tokens = tokens
        self._clock = clock
        self._seconds = kept
        self._rows: dict[str, tuple[float, Allowance]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP request is turned away."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        match = _PATH.fullmatch(path)
        workflow = match.group(1) if match else ""
        if (refused := self._refused(request, workflow)) is not None:
            return refused
        if match is None:
            return _problem(404, "There is no such resource: ask for /workflows/<workflow>/allowance.")
        if request.method not in {"GET", "HEAD"}:
            return _problem(405, "This can only be read.", Allow="GET, HEAD")
        try:
            found = self._recent(workflow)
            if found is None and (found := await self._read(workflow)) is not None:
                self._keep(found)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError, TimeoutError):
            return _problem(503, "The allowance cannot be read now. Go by the last answer's on_unknown.", **_LATER)
        if found is None:
            return _problem(404, f"No workflow {workflow!r} is declared.")
        now = self._clock()
        return _answer(found, said(found, now), now, request)

    def _refused(self, request: Request, workflow: str) -> Response | None:
        try:
            tokens = self._tokens()
        except Exception as error:  # noqa: BLE001 - a setting that cannot be read lets nobody in
            log.error("the tokens of gateways cannot be read: %s", error)  # noqa: TRY400 - the text says all
            tokens = GatewayTokens()
        if not tokens.hashes:
            return _problem(
                503, "No gateway has a token yet: an operator has to set AFTERPILOT_GATEWAY_TOKENS.", **_LATER
            )
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        allowed = tokens.allow(token.strip(), workflow) if kind.lower() == "bearer" else None
        if allowed is None:
            return _problem(401, "A bearer token of a gateway is needed.", **{"WWW-Authenticate": "Bearer"})
        if not allowed:  # as for one that does not exist: who may not ask learns nothing
            return _problem(404, f"No workflow {workflow!r} is declared.")
        return None

    def _recent(self, workflow: str) -> Allowance | None:
        until, kept = self._rows.get(workflow, (0.0, None))
        return kept if time.monotonic() < until else None

    def _keep(self, found: Allowance) -> None:
        if len(self._rows) >= _MOST_KEPT:
            self._rows.clear()
        self._rows[found.workflow] = (time.monotonic() + self._seconds, found)

    async def _read(self, workflow: str) -> Allowance | None:
        """The allowance from the database. One that is away, or hangs, is left alone for :data:`RESPITE`: all who ask then are
        told at once.

        Raises:
            DBAPIError, TimeoutError: it cannot be read, or not in time.
        """
        if time.monotonic() < self._away_until:
            raise TimeoutError
        read = asyncio.get_running_loop().run_in_executor(self._readers, self._found, workflow)
        try:
            while not (await asyncio.wait({read}, timeout=self._patience))[0]:
                if time.monotonic() - self._answered > self._patience:  # of many who wait, each waits for its turn
                    read.cancel()
                    raise TimeoutError
            return read.result()
        except (sa.exc.DBAPIError, *_AWAY) as error:
            if isinstance(error, _AWAY):
                self._away_until = time.monotonic() + RESPITE
            log.warning("the allowance of %s cannot be read: %s", workflow, type(error).__name__)
            raise

    def _found(self, workflow: str) -> Allowance | None:
        """What was judged last; of a workflow that is declared and was never judged, that it was not."""
        with self._reading() as connection:
            kept = find_allowance(connection, workflow)
            self._answered = time.monotonic()
            if kept is not None:
                return kept
            on_unknown = declared_on_unknown(connection, workflow)
        if on_unknown is None:
            return None
        return allowance(workflow, (), now=self._clock(), on_unknown=on_unknown)


_LATER = {"Retry-After": "5"}


def _problem(status: int, detail: str, **headers: str) -> Response:
    return JSONResponse({"detail": detail}, status, headers={"Cache-Control": "no-store", **headers})


def _answer(kept: Allowance, told: Said, now: datetime, request: Request) -> Response:
    body = json.dumps(as_data(kept, told, now), separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": f"private, max-age={_max_age(told, now)}", "Vary": "Authorization"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def as_data(kept: Allowance, told: Said, now: datetime) -> dict[str, Any]:
    """The answer. Of a cap over several workflows no sums are told: they hold what others have spent."""
    current = told.allowance
    never = not kept.caps  # nobody has looked at the spend yet
    return {
        "workflow": kept.workflow,
        "allowed": current.allowed,
        "stopped_models": list(current.stopped_models),
        "reason": current.reason,
        "caps": [_cap(state) for state in kept.caps],
        "as_of": None if never else _moment(kept.as_of),
        "since": None if never or current.since is None else _moment(current.since),
        "until": _moment(current.until) if current.until else None,
        "stale": told.stale or never,
        "max_age_seconds": _max_age(told, now),
        "on_unknown": kept.on_unknown,
    }


def _cap(state: CapState) -> dict[str, Any]:
    rule = state.rule
    said = {
        "cap": rule.key,
        "model": rule.model or None,
        "period": {"start": _moment(state.period.start), "end": _moment(state.period.end)},
        "at_cap": rule.at_cap,
        "reached": state.reached,
    }
    if state.fleet:
        return {**said, "over_several_workflows": True}
    share = None if state.spent is None else float(round(state.spent.share_of(state.limit), 4))
    return {
        **said,
        "spent": None if state.spent is None else str(state.spent.amount),
        "limit": str(state.limit.amount),
        "currency": state.limit.currency,
        "share": share,
        "unknown_part": state.unknown,
    }


def _max_age(told: Said, now: datetime) -> int:
    """Up to when the answer cannot change by itself, at most :data:`MAX_AGE`: a stop may end, and a word grow old, sooner."""
    changes = [told.allowance.until, None if told.stale else told.allowance.as_of + STALE_AFTER]
    left = [int((change - now).total_seconds()) for change in changes if change is not None]
    return max(1, min([MAX_AGE, *(seconds for seconds in left if seconds >= 0)]))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
