"""Keys that sign the heads of the ledger: Ed25519 (RFC 8032). The private one is in a file or a variable, never in the database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from afterpilot.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
VARIABLE, FILE_VARIABLE = "AFTERPILOT_LEDGER_KEY", "AFTERPILOT_LEDGER_KEY_FILE"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; nothing of it is in its text but the id of its public half."""

    private: Ed25519PrivateKey = field(repr=False, compare=False)
    public: bytes = field(repr=False)
    id: str

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self.private.sign(message)


def key_id(public: bytes) -> str:
    """How a public key (raw, 32 bytes) is named: 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def fits(public: bytes, signature: bytes | None, message: bytes) -> bool:
    """Whether this key has signed the message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature or b"", message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_key(text: str, file: str) -> SigningKey | None:
    """The key of the installation, from the variables' values; None where neither is set.

    Raises:
        ConfigurationError: both are set, it is none, or others may read the file. The text of the error has nothing of the key.
    """
    if text and file:
        raise ConfigurationError(f"{VARIABLE} and {FILE_VARIABLE} are both set: keep one")
    if text:
        return parsed(text.encode(errors="replace"), VARIABLE)
    return key_in(Path(file)) if file else None


def key_in(path: Path) -> SigningKey:
    """The key in a file that only its owner can read.

    Raises:
        ConfigurationError: there is none, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise ConfigurationError(f"{path} can be read by others: chmod 600 {path}, and see who had it")
            return parsed(file.read(), str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: the key of the ledger cannot be read ({error.strerror})") from None


def parsed(text: bytes, place: str) -> SigningKey:
    """The key in PEM (PKCS 8), or in base64 of its 32 bytes.

    Raises:
        ConfigurationError: it is neither.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if b"-----BEGIN" in text:
            private = load_pem_private_key(text.strip().replace(b"\\n", b"\n"), password=None)
        else:
            private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.strip(), validate=True))
    except (ValueError, TypeError, binascii.Error):  # their texts may hold some of it
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{place} holds no Ed25519 key in PEM or base64; `afterpilot audit keygen` makes one"
        ) from None
    return _of(private)


def make_key(path: Path) -> SigningKey:
    """A new key in a new file, which only its owner can read.

    Raises:
        ConfigurationError: something is there already, or it cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already, and a key is never overwritten") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror})") from None
    return _of(private)


def _of(private: Ed25519PrivateKey) -> SigningKey:
    public = private.public_key().public_bytes_raw()
    return SigningKey(private, public, key_id(public))
