"""Connections as Airflow resolves them: environment, secrets backend, or its own database."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import ConnectionParts, NamedConnections, not_installed


class AirflowConnections(NamedConnections):
    """Named connections inside a task, and in the API server: Airflow itself finds out where it is, and whom it may ask."""

    def parts(self, name: str) -> ConnectionParts:
        """What Airflow knows of it."""
        try:
            found = BaseHook.get_connection(name)
        except AirflowNotFoundException as error:
            raise ConfigurationError(
                f"Airflow has no connection {name!r}: add it under Admin → Connections, or set AIRFLOW_CONN_{name.upper()}"
            ) from error
        return ConnectionParts(
            name=name,
            conn_type=found.conn_type or "",
            host=found.host or "",
            login=found.login or "",
            password=found.password or "",
            port=found.port,
            schema=found.schema or "",
            extra=found.extra_dejson,
        )

    def store(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - an fsspec filesystem
        """Airflow's own object storage. Raises ConfigurationError where no provider reads such a store."""
        from airflow.sdk.io import get_fs

        if name:
            self.parts(name)
        try:
            return get_fs(scheme, name or None)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(not_installed(scheme)) from error
