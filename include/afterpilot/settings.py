"""What the installation tells Afterpilot: variables of the environment, and named connections.

Connections are Airflow's: inside a task Airflow resolves them (:mod:`afterpilot.orchestration.connections`); elsewhere the
same ``AIRFLOW_CONN_<NAME>`` variables are read here, as a URI or as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ports import Endpoint, MailServer

_DIALECTS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pymssql",
}
_HTTP = {"http", "https"}
_SMTP, _SMTPS, _SUBMISSION = 25, 465, 587
_AMAZON, _GOOGLE, _AZURE = (
    "apache-airflow-providers-amazon[s3fs]",
    "apache-airflow-providers-google",
    "apache-airflow-providers-microsoft-azure",
)
_STORES = {"s3": _AMAZON, "s3a": _AMAZON, "gs": _GOOGLE, "gcs": _GOOGLE, "abfs": _AZURE, "abfss": _AZURE, "adl": _AZURE}
WORKFLOWS = Path(__file__).parent.parent / "workflows"


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
            scheme = next((kind for kind in kinds if kind in _HTTP), "https")
        name, _, path = rest.partition("/")
        if not name or scheme.lower() not in _HTTP:
            raise ConfigurationError(f"the connection {self.name!r} names no host of an HTTP service")
        if name.count(":") > 1 and "[" not in name:
            name = f"[{name}]"  # an IPv6 address
        if self.port:
            name = f"{name}:{self.port}"
        parts = [name, path.strip("/"), "" if self.schema.lower() in _HTTP else self.schema.strip("/")]
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


class EnvConnections:
    """Connections from ``AIRFLOW_CONN_<NAME>`` in the environment."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL. Raises ConfigurationError where the variable is missing or unreadable."""
        return self._parts(name).database_url

    def endpoint(self, name: str) -> Endpoint:
        """An HTTP service. Raises ConfigurationError where the variable is missing or unreadable."""
        return self._parts(name).endpoint

    def mail_server(self, name: str) -> MailServer:
        """A mail server. Raises ConfigurationError where the variable is missing or unreadable, or names none."""
        return self._parts(name).mail_server

    def filesystem(self, scheme: str, name: str) -> Any:  # noqa: ANN401 - the protocol's
        """An fsspec filesystem. Raises ConfigurationError where it cannot be built."""
        import fsspec

        if scheme == "file" and name:
            return self._parts(name).folder()
        options = self._parts(name).storage_options(scheme) if name else {}
        try:
            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError):
            raise ConfigurationError(not_installed(scheme)) from None
        try:
            return fsspec.filesystem(scheme, **options)
        except Exception as error:  # noqa: BLE001 - each store has exceptions of its own, and their text may hold a key
            raise ConfigurationError(f"{scheme}:// cannot be opened ({type(error).__name__})") from None

    def _parts(self, name: str) -> ConnectionParts:
        variable = f"AIRFLOW_CONN_{name.upper()}"
        text = self._environ.get(variable, "").strip()
        if not text:
            raise ConfigurationError(f"there is no connection {name!r}: set {variable}, or add it in Airflow")
        try:
            return _from_json(name, text) if text.startswith("{") else _from_uri(name, text)
        except (ValueError, TypeError) as error:
            # The text itself may hold a password: it is not repeated.
            raise ConfigurationError(f"{variable} is neither a URI nor JSON that Airflow would read") from error


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
    if host in _HTTP and parts.path.startswith("//"):  # http://https://host/path: Airflow's way to say a scheme apart
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


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables that Afterpilot reads. ``slack_token`` empty means: messages go to ``slack_webhook_url``, and without that
    to the preview.

    ``slack_signing_secret`` proves that a click comes from Slack, ``slack_app_token`` opens Socket Mode: with either of them
    buttons in messages act at once. ``heartbeat_url`` is called after each good pass of the watchdog.
    """

    database_url: str = field(repr=False)
    workflows: Path
    base_url: str
    slack_token: str = field(repr=False)
    slack_api_url: str
    code_version: str
    slack_signing_secret: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    heartbeat_url: str = field(default="", repr=False)  # whoever knows it can keep it quiet
    slack_webhook_url: str = field(default="", repr=False)

    @property
    def interactive(self) -> bool:
        """Whether people can answer in Slack."""
        return bool(self.slack_token and (self.slack_signing_secret or self.slack_app_token))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read them.

        Raises:
            ConfigurationError: ``AFTERPILOT_DATABASE_URL`` is not set.
        """
        env = os.environ if environ is None else environ
        url = env.get("AFTERPILOT_DATABASE_URL", "")
        if not url:
            raise ConfigurationError(
                "AFTERPILOT_DATABASE_URL is not set: name the ops database, e.g. "
                "postgresql+psycopg://afterpilot@host/afterpilot"
            )
        return cls(
            database_url=url,
            workflows=workflows_folder(env),
            base_url=env.get("AFTERPILOT_BASE_URL", "").rstrip("/"),
            slack_token=env.get("SLACK_BOT_TOKEN", ""),
            slack_api_url=env.get("SLACK_API_URL", ""),
            code_version=code_version(env),
            slack_signing_secret=slack_signing_secret(env),
            slack_app_token=env.get("SLACK_APP_TOKEN", "").strip(),
            heartbeat_url=env.get("AFTERPILOT_HEARTBEAT_URL", "").strip(),
            slack_webhook_url=env.get("SLACK_WEBHOOK_URL", "").strip(),
        )


def workflows_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the declarations: ``AFTERPILOT_WORKFLOWS``, or the one beside the package."""
    env = os.environ if environ is None else environ
    return Path(env.get("AFTERPILOT_WORKFLOWS") or WORKFLOWS)


def gateway_tokens(environ: Mapping[str, str] | None = None) -> str:
    """``AFTERPILOT_GATEWAY_TOKENS``: hashes of the tokens with which gateways ask for allowances, with commas between them."""
    env = os.environ if environ is None else environ
    return env.get("AFTERPILOT_GATEWAY_TOKENS", "")


def slack_signing_secret(environ: Mapping[str, str] | None = None) -> str:
    """``SLACK_SIGNING_SECRET``: what Slack signs its requests with; empty: none are taken."""
    env = os.environ if environ is None else environ
    return env.get("SLACK_SIGNING_SECRET", "").strip()


def code_version(environ: Mapping[str, str] | None = None) -> str:
    """The package's version, with the commit where the image or checkout names it in ``AFTERPILOT_COMMIT``."""
    env = os.environ if environ is None else environ
    commit = env.get("AFTERPILOT_COMMIT", "")
    version = metadata.version("afterpilot")
    return f"{version}+{commit[:12]}" if commit else version
