"""Named connections to everything outside, and what each gives: an address, and the secret that it wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model or service listens, and the secret it wants, with the login that goes with it where there is one.

    ``signing_secret`` is what our messages to it are signed with. Never shown with a secret.
    """

    url: str
    secret: str
    login: str = ""
    signing_secret: str = ""

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"


class Connections(Protocol):
    """Named connections, from Airflow or from the environment."""

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL. Raises ConfigurationError where there is no such connection."""
        ...

    def endpoint(self, name: str) -> Endpoint:
        """An HTTP service. Raises ConfigurationError where there is no such connection."""
        ...


class SourceConnections(Connections, Protocol):
    """Named connections of all that production records are pulled from: object stores too."""

    def filesystem(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - an fsspec filesystem, which the domain does not know
        """The fsspec filesystem of an object store (``s3``, ``gs``, ``abfs``); no name: as the machine itself reaches it.

        Raises ConfigurationError where there is no such connection, or nothing that reads such a store is installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in (SMTP), and ``sender``, the address that it comes from. The password never shows.

    ``tls``: from the first byte (``tls``), after a plain greeting (``starttls``), or not at all (``none``).
    """

    host: str
    port: int
    sender: str
    login: str = ""
    password: str = field(default="", repr=False)
    tls: Literal["starttls", "tls", "none"] = "starttls"


class AlertConnections(Connections, Protocol):
    """Named connections of all that alerts are sent to: mail servers too."""

    def mail_server(self, name: str) -> MailServer:
        """A mail server. Raises ConfigurationError where there is no such connection, or it names none."""
        ...


class InstalledConnections(SourceConnections, AlertConnections, Protocol):
    """Named connections of the whole path."""
