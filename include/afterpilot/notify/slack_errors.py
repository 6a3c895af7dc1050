"""What an error of Slack's Web API means for the message.

- Refused for good (``channel_not_found``, ``is_archived``, ``invalid_blocks``): DeliveryRefused.
- The message to be edited is not there (``message_not_found``): DeliveryGone.
- Too fast (429): DeliveryDeferred, with the waiting time that Slack names. Posts are limited for each channel, every other
  method for the whole workspace.
- No connection came about: DeliveryUnreachable, nothing was posted.
- Not certain (5xx, ``internal_error``, a lost or unreadable reply): DeliveryUnclear, to be reconciled before it is sent again.
- The installation is at fault (``token_revoked``, ``missing_scope``): ConfigurationError. The fallback channel would need the
  same token, so no message may be given up for it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError

from slack_sdk.errors import SlackApiError

from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryDeferred,
    DeliveryGone,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.notify.text import one_line

_INSTALLATION = {
    "access_denied",
    "account_inactive",
    "ekm_access_denied",
    "invalid_auth",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
}
_WORKSPACE_LIMIT = "message_limit_exceeded"
_LIMITED = {"ratelimited", "rate_limited", _WORKSPACE_LIMIT}
_UNCLEAR = {"internal_error", "fatal_error", "request_timeout", "service_unavailable"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_CODE = re.compile(r"[a-z][a-z0-9_]{1,80}")
_WAIT = 30.0  # seconds, where Slack names none
_LONGEST_WAIT = 3600.0
_TOO_MANY = 429
_SERVER_ERRORS = 500


def translated(method: str, error: Exception) -> AfterpilotError:
    """The error in our own terms. Its text names the method and Slack's code, never what was sent."""
    if not isinstance(error, SlackApiError):
        return _without_answer(method, error)
    status = int(getattr(error.response, "status_code", 0) or 0)
    data = getattr(error.response, "data", None)
    answer: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    code = str(answer.get("error") or "")
    if status == _TOO_MANY or code in _LIMITED:
        wait = _retry_after(getattr(error.response, "headers", None) or {})
        everywhere = method != "chat.postMessage" or code == _WORKSPACE_LIMIT
        return DeliveryDeferred(f"{method}: Slack asks to wait {wait:.0f} s", retry_after=wait, everywhere=everywhere)
    if status >= _SERVER_ERRORS or code in _UNCLEAR or not _CODE.fullmatch(code):
        # A reply that is no proper one (a proxy's page, half a document) says nothing about the message.
        return DeliveryUnclear(f"{method}: HTTP {status}, {code if _CODE.fullmatch(code) else 'unreadable reply'}")
    if code in _INSTALLATION:
        needed = one_line(str(answer.get("needed") or ""))[:80]
        return ConfigurationError(f"{method}: {code}{f', the token needs {needed}' if needed else ''}")
    if code in _GONE and method == "chat.update":
        return DeliveryGone(f"{method}: {code}")
    return DeliveryRefused(f"{method}: {code}{_reasons(answer)}")


def _without_answer(method: str, error: Exception) -> AfterpilotError:
    reason = error.reason if isinstance(error, URLError) else None
    if isinstance(reason, ConnectionRefusedError | socket.gaierror):
        return DeliveryUnreachable(f"{method}: no connection ({type(reason).__name__})")
    return DeliveryUnclear(f"{method}: no reply ({type(error).__name__})")


def _reasons(answer: Mapping[str, Any]) -> str:
    """Slack's own words about blocks that it does not take."""
    described = answer.get("response_metadata")
    words = described.get("messages") if isinstance(described, Mapping) else None
    if not isinstance(words, list) or not words:
        return ""
    return f" ({one_line('; '.join(str(word) for word in words))[:300]})"


def _retry_after(headers: Mapping[str, Any]) -> float:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            text = str(value[0] if isinstance(value, list | tuple) and value else value)
            if text.isdecimal():
                return min(max(float(text), 1.0), _LONGEST_WAIT)
    return _WAIT
