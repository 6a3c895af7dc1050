"""Connections as Airflow resolves them: environment, secrets backend, or its own database."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from afterpilot.domain.connections import Endpoint, MailServer
from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import ConnectionParts, not_installed


class AirflowConnections:
    """Named connections inside a task."""

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL. Raises ConfigurationError where Airflow knows no such connection."""
        return self._parts(name).database_url

    def endpoint(self, name: str) -> Endpoint:
        """An HTTP service. Raises ConfigurationError where Airflow knows no such connection."""
        return self._parts(name).endpoint

    def mail_server(self, name: str) -> MailServer:
        """A mail server. Raises ConfigurationError where Airflow knows no such connection, or it names none."""
        return self._parts(name).mail_server

    def filesystem(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - the protocol's
        """Airflow's own object storage. Raises ConfigurationError where no provider reads such a store."""
        from airflow.sdk.io import get_fs

        if scheme == "file" and name:
            return self._parts(name).folder()
        if name:
            self._parts(name)
        try:
            return get_fs(scheme, name or None)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(not_installed(scheme)) from error

    def _parts(self, name: str) -> ConnectionParts:
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
