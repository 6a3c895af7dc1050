"""What a reader sees when there is no page: who may not read is told to log in, a lost address is said to be lost."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from afterpilot.web.frame import Frame
from afterpilot.web.headers import HEADERS

log = logging.getLogger(__name__)
_CANCELLED, _NO_TABLE = "57014", "42P01"  # PostgreSQL: query_canceled, undefined_table
_OTHERS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")  # what no page takes
_TITLES = {
    400: "This address cannot be read",
    401: "Please log in",
    403: "Not allowed",
    404: "Nothing here",
    405: "This page can only be read",
    413: "This is too large",
    503: "The history cannot be read now",
}


def router() -> APIRouter:
    """The answer to every address that no page has: behind the gate like the rest, so that it gives nothing away."""
    routes = APIRouter()

    @routes.get("/{path:path}")
    def nothing(path: str) -> Response:  # noqa: ARG001 - the route's
        raise HTTPException(
            404, "No page has this address. It may have been mistyped, or what it showed was never kept."
        )

    @routes.api_route("/{path:path}", methods=[*_OTHERS])
    def unchanging(path: str) -> Response:  # noqa: ARG001 - the route's
        raise HTTPException(405, "This address takes nothing of this kind.")

    return routes


def install(app: FastAPI, frame: Frame, *, login: Callable[[str], str] | None) -> None:
    """Answer errors as pages to browsers, as JSON to others."""

    def answer(request: Request, status: int, detail: str) -> Response:
        if not _wants_html(request):
            return JSONResponse({"detail": detail}, status)
        title = _TITLES.get(status, "This did not work")
        return frame.page(request, "failure.html", title=title, status=status, withholds=False, detail=detail)

    async def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else ""
        if status == 401 and login is not None and request.method == "GET" and _wants_html(request):  # noqa: PLR2004
            return RedirectResponse(login(str(request.url)), 307)
        response = answer(request, status, detail)
        for name, value in (getattr(error, "headers", None) or {}).items():
            response.headers[name] = value
        return response

    async def on_database(request: Request, error: Exception) -> Response:
        status, detail = _explain(error)
        log.warning("history page failed: %s", type(getattr(error, "orig", error)).__name__, extra={"status": status})
        return answer(request, status, detail)

    async def on_bug(request: Request, _error: Exception) -> Response:
        response = answer(request, 500, "The server's log has the details; nothing was changed.")
        response.headers.update({**HEADERS, "Cache-Control": "no-store"})  # this answer is made outside the middleware
        return response

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(sa.exc.DBAPIError, on_database)
    app.add_exception_handler(sa.exc.TimeoutError, on_database)
    app.add_exception_handler(Exception, on_bug)


def _explain(error: Exception) -> tuple[int, str]:
    """What to tell of a database error; never its own words, which may hold an address or data."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state == _CANCELLED:
        return 503, "The question takes too long to answer. Ask for one workflow, one stage, or fewer days."
    if state == _NO_TABLE:
        return 503, "The ops database has not been migrated yet. An operator has to run: afterpilot db upgrade"
    if isinstance(error, sa.exc.DataError):
        return 400, "Something in this address is not what the database can look for."
    return (
        503,
        "The ops database cannot be reached, or refuses. The checks themselves may still run; try again in a minute.",
    )


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
