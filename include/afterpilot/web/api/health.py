"""``GET /api/v1/health``: 200 or 503 for monitors outside, without a login and without details."""

from __future__ import annotations

from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from afterpilot.web.health import Health


class HealthApi:
    """The endpoint. What is wrong stands on the page of health, behind the login."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def answer(self, _request: Request) -> Response:
        """Answer one request."""
        alive = await run_in_threadpool(self._health.alive)
        body = {"status": "good" if alive else "bad"}
        return JSONResponse(body, 200 if alive else 503, {"Cache-Control": "no-store"})
