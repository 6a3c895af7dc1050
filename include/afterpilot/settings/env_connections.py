"""Connections out of the environment, as Airflow would read them: ``AIRFLOW_CONN_<NAME>``, as a URI or as JSON.

In tasks and in the API server Airflow resolves them itself (:mod:`afterpilot.orchestration.connections`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings.connection import HTTP, ConnectionParts, not_installed
from afterpilot.settings.named_connections import NamedConnections


class EnvConnections(NamedConnections):
    """Connections from ``AIRFLOW_CONN_<NAME>`` in the environment."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def parts(self, name: str) -> ConnectionParts:
        """What the variable holds."""
        variable = f"AIRFLOW_CONN_{name.upper()}"
        text = self._environ.get(variable, "").strip()
        if not text:
            raise ConfigurationError(
                f"there is no connection {name!r}: set {variable}. One that Airflow keeps itself is seen in its DAGs and pages alone; "
                "`airflow connections export - --file-format env` prints what to set it to"
            )
        try:
            return _from_json(name, text) if text.startswith("{") else _from_uri(name, text)
        except (ValueError, TypeError) as error:
            # The text itself may hold a password: it is not repeated.
            raise ConfigurationError(f"{variable} is neither a URI nor JSON that Airflow would read") from error

    def store(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - an fsspec filesystem
        """The filesystem of fsspec itself, with the connection's keys."""
        import fsspec

        options = self.parts(name).storage_options(scheme) if name else {}
        try:
            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError):
            raise ConfigurationError(not_installed(scheme)) from None
        try:
            return fsspec.filesystem(scheme, **options)
        except Exception as error:  # noqa: BLE001 - each store has exceptions of its own, and their text may hold a key
            raise ConfigurationError(f"{scheme}:// cannot be opened ({type(error).__name__})") from None


def _from_json(name: str, text: str) -> ConnectionParts:
    data = json.loads(text)
    extra = data.get("extra") or {}
    return ConnectionParts(
        name=name,
        conn_type=str(data["conn_type"]) if "conn_type" in data else "",
        host=str(data.get("host") or ""),
        login=str(data.get("login") or ""),
        password=str(data.get("password") or ""),
        port=int(data["port"]) if data.get("port") else None,
        schema=str(data.get("schema") or ""),
        extra=json.loads(extra) if isinstance(extra, str) else extra,
    )


def _from_uri(name: str, text: str) -> ConnectionParts:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("a URI needs a scheme")
    query = dict(parse_qsl(parts.query))
    host = unquote(parts.hostname or "")
    if host in HTTP and parts.path.startswith("//"):  # http://https://host/path: Airflow's way to say a scheme apart
        told = _from_uri(name, f"{host}:{parts.path}")
        return replace(told, conn_type=parts.scheme, host=f"{host}://{told.host}", extra=query)
    return ConnectionParts(
        name=name,
        conn_type=parts.scheme,
        host=host or query.pop("host", ""),
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        port=parts.port,
        schema=unquote(parts.path.lstrip("/")),
        extra=query,
    )
