"""Signatures on what is sent to a receiver that has to know who says it, after Standard Webhooks 1.0.0 (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

PREFIX = "whsec_"  # of a key in base64, as Standard Webhooks writes it


def signed_headers(secret: str, message_id: str, at: int, content: bytes) -> Mapping[str, str]:
    """The three headers of a signed message. ``message_id`` is the same for each attempt, ``at`` the seconds since 1970 of this one.

    Raises:
        ValueError: the secret should be base64 after its prefix and is not.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(signing_key(secret), message_id, at, content),
    }


def signature(key: bytes, message_id: str, at: int, content: bytes) -> str:
    """``v1,`` and HMAC-SHA256 in base64 over id, seconds since 1970 and content, with points between them."""
    signed = b".".join([message_id.encode(), str(at).encode(), content])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: base64 after ``whsec_``, else its own characters.

    Raises:
        ValueError: it should be base64 and is not.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
