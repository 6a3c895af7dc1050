"""Images that belong to cases: what they are is told by their first bytes, never by their names."""

from __future__ import annotations

MAX_IMAGE_BYTES = 5_000_000
MAX_IMAGES_BYTES = 100_000_000  # of a suite

_WEBP_AT = 8


def media_type(data: bytes) -> str:
    """``image/png``, ``image/jpeg``, ``image/gif`` or ``image/webp``; empty for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data.startswith(b"RIFF") and data[_WEBP_AT:].startswith(b"WEBP") else ""
