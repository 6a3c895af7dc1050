"""What every way to find a connection by its name has in common: one look for its parts, and what is made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from afterpilot.domain.connections import Endpoint, MailServer
from afterpilot.settings.connection import ConnectionParts


class NamedConnections(ABC):
    """Connections by name. Each method raises ConfigurationError where the connection is missing or unreadable."""

    @abstractmethod
    def parts(self, name: str) -> ConnectionParts:
        """The connection as Airflow keeps it. Raises ConfigurationError where there is none or it cannot be read."""

    @abstractmethod
    def store(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - an fsspec filesystem
        """An object store's filesystem. Raises ConfigurationError where it cannot be opened."""

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL."""
        return self.parts(name).database_url

    def endpoint(self, name: str) -> Endpoint:
        """An HTTP service."""
        return self.parts(name).endpoint

    def mail_server(self, name: str) -> MailServer:
        """A mail server. Raises ConfigurationError also where the connection names none."""
        return self.parts(name).mail_server

    def filesystem(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - the protocol's
        """An fsspec filesystem: a folder of this machine that the connection names, or an object store's."""
        return self.parts(name).folder() if scheme == "file" and name else self.store(scheme, name)
