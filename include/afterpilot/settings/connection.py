"""A connection as Airflow keeps it, and what is made of it: a database's URL, an HTTP service, a mail server, a store of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from afterpilot.domain.connections import Endpoint, MailServer
from afterpilot.domain.errors import ConfigurationError

_DIALECTS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pymssql",
}
HTTP = {"http", "https"}
_SMTP, _SMTPS, _SUBMISSION = 25, 465, 587
_AMAZON, _GOOGLE, _AZURE = (
    "apache-airflow-providers-amazon[s3fs]",
    "apache-airflow-providers-google",
    "apache-airflow-providers-microsoft-azure",
)
_STORES = {"s3": _AMAZON, "s3a": _AMAZON, "gs": _GOOGLE, "gcs": _GOOGLE, "abfs": _AZURE, "abfss": _AZURE, "adl": _AZURE}


@dataclass(frozen=True, slots=True)
class ConnectionParts:
    """A connection as Airflow keeps it; the password never shows."""

    name: str
    conn_type: str
    host: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    port: int | None = None
    schema: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def database_url(self) -> str:
        """A SQLAlchemy URL; a host that is a path is a Unix socket."""
        import sqlalchemy as sa  # a quarter of a second, which no endpoint needs

        query = {key: str(value) for key, value in self.extra.items() if isinstance(value, str | int)}
        host: str | None = self.host or None
        if host and host.startswith("/") and not self.conn_type.startswith("sqlite"):
            query["host"], host = host, None
        dialect = _DIALECTS.get(self.conn_type, self.conn_type)
        url = sa.URL.create(
            dialect, self.login or None, self.password or None, host, self.port, self.schema or None, query
        )
        return url.render_as_string(hide_password=False)

    @property
    def endpoint(self) -> Endpoint:
        """Where an HTTP service listens; the password is its key, ``signing_secret`` of the extra what messages are signed with.

        The scheme is the one that the host bears (``http://127.0.0.1/v1``), else the schema where it is http or https, else
        the connection's type where it is, else https. Any other schema is the path: Airflow reads it so out of a URI.

        Raises:
            ConfigurationError: there is no host, or it cannot be read.
        """
        scheme, bears, rest = self.host.rpartition("://")
        if not bears:
            kinds = (self.schema.lower(), self.conn_type.lower())
            scheme = next((kind for kind in kinds if kind in HTTP), "https")
        name, _, path = rest.partition("/")
        if not name or scheme.lower() not in HTTP:
            raise ConfigurationError(f"the connection {self.name!r} names no host of an HTTP service")
        if name.count(":") > 1 and "[" not in name:
            name = f"[{name}]"  # an IPv6 address
        if self.port:
            name = f"{name}:{self.port}"
        parts = [name, path.strip("/"), "" if self.schema.lower() in HTTP else self.schema.strip("/")]
        url = f"{scheme.lower()}://{'/'.join(part for part in parts if part)}"
        return Endpoint(url, self.password, self.login, str(self.extra.get("signing_secret") or ""))

    @property
    def mail_server(self) -> MailServer:
        """Where mail is handed in: ``tls`` of the extra is ``starttls`` (the default), ``tls`` (on port 465) or ``none``, ``from`` the
        address that mail comes from, the login's unless said.

        Raises:
            ConfigurationError: there is no host, no such ``tls``, no sender, or a password that would be sent in the clear.
        """
        place = f"the connection {self.name!r}"
        tls = str(self.extra.get("tls") or ("tls" if self.port == _SMTPS else "starttls")).lower()
        sender = str(self.extra.get("from") or (self.login if "@" in self.login else ""))
        if not self.host or "/" in self.host:
            raise ConfigurationError(f"{place} names no mail server: its host is a name without an address around it")
        if tls not in ("starttls", "tls", "none"):
            raise ConfigurationError(f"{place}: `tls` of its extra is starttls, tls or none")
        if not sender:
            raise ConfigurationError(f"{place} needs `from` in its extra: the address that mail comes from")
        if tls == "none" and self.password:
            raise ConfigurationError(f"{place}: its password would be sent in the clear; `tls` is starttls or tls")
        port = self.port or (_SMTPS if tls == "tls" else _SUBMISSION if tls == "starttls" else _SMTP)
        return MailServer(
            self.host, port, sender, self.login, self.password, cast('Literal["starttls", "tls", "none"]', tls)
        )

    def storage_options(self, scheme: str) -> dict[str, object]:
        """What fsspec's filesystem of that scheme is built with: the extra as it stands, and for S3 the login and password as
        key and secret.
        """
        options: dict[str, object] = dict(self.extra)
        if scheme in {"s3", "s3a"}:
            options |= {"key": self.login or None, "secret": self.password or None}
            if self.host:
                options.setdefault("endpoint_url", self.endpoint.url)
        return options

    def folder(self) -> Any:  # noqa: ANN401 - an fsspec filesystem
        """The folder of this machine that a connection of type ``fs`` names (its extra ``path``), as a filesystem.

        Raises:
            ConfigurationError: it names none.
        """
        from fsspec.implementations.dirfs import DirFileSystem
        from fsspec.implementations.local import LocalFileSystem

        path = str(self.extra.get("path") or "")
        if not path.startswith("/"):
            raise ConfigurationError(
                f"the connection {self.name!r} names no folder: its extra needs a path that begins with /"
            )
        return DirFileSystem(path, LocalFileSystem())


def not_installed(scheme: str) -> str:
    """What to install where nothing that is installed reads addresses of this scheme."""
    package = _STORES.get(scheme, "Airflow's provider for it, with its extra for fsspec")
    return f"nothing that reads {scheme}:// is installed: {package} is needed (docs/sources.md, under Files)"
