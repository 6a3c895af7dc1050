"""No other site can decide in a reviewer's name: where a request comes from, and a token that only our pages hold."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

COOKIE = "afterpilot_review"
_LENGTH = 20
_STRANGE = "This was not sent from a page of this site. Open the review queue and try again."


def from_this_site(request: Request) -> None:
    """Refuse what another site sent. Browsers say where a request comes from; what says nothing is no browser of today.

    Raises:
        HTTPException: 403.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    if site is not None:
        good = site == "same-origin"
    else:
        good = bool(origin) and urlsplit(origin).netloc == request.headers.get("host", "")
    if not good:
        raise HTTPException(403, _STRANGE)


def token(request: Request) -> str:
    """The token of this browser, or a new one."""
    kept = request.cookies.get(COOKIE, "")
    return kept if len(kept) > _LENGTH and kept.isascii() else secrets.token_urlsafe(24)


def keep_token(response: Response, request: Request, value: str, *, path: str) -> None:
    """Leave the token in the browser, for as long as it is open."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, value, path=path or "/", httponly=True, samesite="lax", secure=secure)


def holds(request: Request, given: str) -> bool:
    """Whether a form bears the browser's token."""
    kept = request.cookies.get(COOKIE, "")
    return len(kept) > _LENGTH and hmac.compare_digest(kept.encode(), given.encode())
