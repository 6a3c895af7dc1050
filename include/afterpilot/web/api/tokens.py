"""The bearer tokens of gateways: only their hashes are kept here."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from afterpilot.domain.errors import ConfigurationError

PREFIX = "apg_"  # so that scanners for leaked secrets can know one
_ENTRY = re.compile(r"^(?:([A-Za-z0-9_-]+):)?([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class GatewayTokens:
    """Hashes (SHA-256 in hex), each with the workflow that it may ask about; empty: about all."""

    hashes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> GatewayTokens:
        """Read ``AFTERPILOT_GATEWAY_TOKENS``: hashes with commas between them, each alone or as ``workflow:hash``.

        Raises:
            ConfigurationError: one is no such hash; it is not repeated, as it may be a token that was set by mistake.
        """
        entries = [part.strip() for part in text.split(",") if part.strip()]
        found = [_ENTRY.match(entry) for entry in entries]
        if not all(found):
            number = found.index(None) + 1
            raise ConfigurationError(
                f"AFTERPILOT_GATEWAY_TOKENS: entry {number} is not the SHA-256 of a token in hex, alone or as workflow:hash; "
                "`afterpilot spend token` makes one"
            )
        return cls(tuple((match.group(2), match.group(1) or "") for match in found if match))

    def allow(self, token: str, workflow: str) -> bool | None:
        """Whether the token may ask about a workflow; None for a token that is not known at all. Takes as long for any token."""
        given = hash_of(token)
        scopes = [scope for known, scope in self.hashes if hmac.compare_digest(known, given)]
        return any(scope in {"", workflow} for scope in scopes) if scopes else None


def new_token() -> str:
    """A token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
