"""Personal values in the ledger: sealed under a key of whom they are about, and gone for good with that key.

A sealed value is encrypted with AES-256-GCM, and committed to with HMAC-SHA256, so that a value which is shown can be proven to
be the one that was sealed without giving away the subject's key.
"""

from __future__ import annotations

import base64
import hmac
import os
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.ledger import Subject
from afterpilot.record.ledger.canonical import canonical
from afterpilot.record.tables import subjects

SEALED = "$sealed"
_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Known:
    """A subject on record: its random id, and its key."""

    kind: str
    id: uuid.UUID
    key: bytes

    @property
    def pseudonym(self) -> str:
        """How the ledger names it."""
        return f"{self.kind}:{self.id}"


def known(connection: sa.Connection, wanted: Collection[Subject]) -> Mapping[Subject, Known]:
    """The subjects on record, each made where it was not there yet."""
    by_digest = {one.digest: one for one in wanted}
    found = _read(connection, by_digest)
    if missing := sorted(by_digest.keys() - found.keys()):  # sorted: two writers never wait for each other
        rows = [
            {"kind": one.kind, "name": one.name, "digest": digest, "key": os.urandom(_KEY_BYTES)}
            for digest in missing
            if (one := by_digest[digest])
        ]
        connection.execute(insert(subjects).on_conflict_do_nothing(), rows)
        found |= _read(connection, missing)
    return {by_digest[digest]: one for digest, one in found.items()}


def _read(connection: sa.Connection, digests: Collection[bytes]) -> dict[bytes, Known]:
    statement = sa.select(subjects).where(subjects.c.digest.in_(list(digests)))
    return {row.digest: Known(row.kind, row.id, row.key) for row in connection.execute(statement)}


def sealed(value: Any, about: Known) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """The value as a payload holds it; only whoever has the subject's key can read it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # many commands do without

    nonce, plain = os.urandom(_NONCE_BYTES), canonical(value)
    box = AESGCM(_derived(about.key, b"encrypt", nonce)).encrypt(nonce, plain, about.pseudonym.encode())
    commitment = hmac.digest(commitment_key(about.key, nonce), plain, "sha256").hex()
    inner = {"about": about.pseudonym, "commitment": commitment, "nonce": _text(nonce), "sealed": _text(box)}
    return {SEALED: inner}


def opened(box: Mapping[str, str], key: bytes) -> bytes:
    """The canonical JSON of a sealed value. ``box`` is what stands under ``$sealed``.

    Raises:
        ValueError: it was not sealed under this key, or was changed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        nonce, text = base64.b64decode(box["nonce"], validate=True), base64.b64decode(box["sealed"], validate=True)
        return AESGCM(_derived(key, b"encrypt", nonce)).decrypt(nonce, text, box["about"].encode())
    except (InvalidTag, KeyError) as error:
        raise ValueError("this value was not sealed under this key, or was changed") from error


def commitment_key(key: bytes, nonce: bytes) -> bytes:
    """With which one value's commitment is checked; nothing else can be read with it."""
    return _derived(key, b"commit", nonce)


def _derived(key: bytes, purpose: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, purpose + nonce, "sha256")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
