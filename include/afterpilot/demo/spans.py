"""What the example's AI app says of each call that it makes: OpenTelemetry's GenAI spans, one OTLP JSON export a line, as the
collector's file exporter writes them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE = "invoice-reader"
_CLIENT, _ERROR = 3, 2  # OTLP's numbers for the span's kind and status
_NANOSECONDS = 1_000_000_000


class SpanFile:
    """A file that gets a line for each call."""

    def __init__(self, path: Path) -> None:
        """Make the file where it is missing: no call yet is no missing file."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def write(
        self, model: str, *, began: float, ended: float, answer: Mapping[str, Any] | None = None, error: str = ""
    ) -> None:
        """Add a call: ``began`` and ``ended`` are seconds since 1970, ``answer`` the body of the model's answer."""
        body = answer or {}
        usage = body.get("usage") or {}
        said = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": body.get("model"),
            "gen_ai.response.id": body.get("id"),
            "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
            "gen_ai.usage.cache_read.input_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
            "error.type": error or None,
        }
        span = {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": f"chat {model}",
            "kind": _CLIENT,
            "startTimeUnixNano": str(round(began * _NANOSECONDS)),
            "endTimeUnixNano": str(round(ended * _NANOSECONDS)),
            "attributes": _attributes(said),
            "status": {"code": _ERROR, "message": error} if error else {},
        }
        scope = {"scope": {"name": SERVICE}, "spans": [span]}
        export = {
            "resourceSpans": [
                {"resource": {"attributes": _attributes({"service.name": SERVICE})}, "scopeSpans": [scope]}
            ]
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(export) + "\n")


def _attributes(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """OTLP's form; whole numbers are texts there."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for key, value in said.items()
        if value is not None
    ]
