"""Connections and variables of the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import EnvConnections, Settings

ENDPOINTS = json.loads((Path(__file__).parent / "endpoints.json").read_text(encoding="utf-8"))


def connections(text: str) -> EnvConnections:
    return EnvConnections({"AIRFLOW_CONN_ERP": text})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://u:p%40ss@db.example:5433/erp", "postgresql+psycopg://u:p%40ss@db.example:5433/erp"),
        ("postgresql://u@db/erp?sslmode=require", "postgresql+psycopg://u@db/erp?sslmode=require"),
        (
            json.dumps({"conn_type": "postgres", "login": "u", "password": "p", "host": "db", "schema": "erp"}),
            "postgresql+psycopg://u:p@db/erp",
        ),
        (
            json.dumps({"conn_type": "postgres", "login": "u", "host": "/run/pg", "schema": "erp"}),
            "postgresql+psycopg://u@/erp?host=%2Frun%2Fpg",
        ),
        (json.dumps({"conn_type": "mysql", "host": "db", "schema": "x", "port": 3307}), "mysql+pymysql://db:3307/x"),
        (
            json.dumps({"conn_type": "postgres", "host": "db", "extra": '{"sslmode": "require"}'}),
            "postgresql+psycopg://db?sslmode=require",
        ),
    ],
)
def test_a_database_connection_becomes_a_url(text: str, url: str) -> None:
    """Airflow's URI and JSON forms both give what SQLAlchemy wants, `postgres://` included."""
    assert connections(text).database_url("erp") == url


@pytest.mark.parametrize(
    ("text", "url", "secret"),
    [
        *((text, url, "") for text, url in ENDPOINTS),
        ('{"conn_type": "http", "host": "http://127.0.0.1:9/v1", "password": "k"}', "http://127.0.0.1:9/v1", "k"),
        ("https://:k%40@api.example/v1", "https://api.example/v1", "k@"),
    ],
)
def test_an_http_connection_becomes_an_endpoint(text: str, url: str, secret: str) -> None:
    """The host keeps its scheme and path; the password is the key."""
    endpoint = connections(text).endpoint("erp")
    assert (endpoint.url, endpoint.secret) == (url, secret)


@pytest.mark.parametrize("text", ["http://", '{"conn_type": "http"}', '{"conn_type": "http", "host": "ftp://x"}'])
def test_a_connection_that_is_no_http_service_is_an_error(text: str) -> None:
    """Nobody is asked at an invented address."""
    with pytest.raises(ConfigurationError, match="'erp' names no host"):
        connections(text).endpoint("erp")


def test_a_missing_connection_says_what_to_do() -> None:
    """The variable to set stands in the error."""
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_ERP"):
        EnvConnections({}).database_url("erp")


@pytest.mark.parametrize(
    "text", ["hunter2-without-scheme", '{"conn_type": "postgres", "password": "hunter2"', "[hunter2"]
)
def test_an_unreadable_connection_never_repeats_its_text(text: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigurationError) as error:
        connections(text).database_url("erp")
    assert "hunter2" not in str(error.value)


def test_no_secret_shows_in_a_repr() -> None:
    """Settings and endpoints can be logged."""
    settings = Settings.from_environment(
        {"AFTERPILOT_DATABASE_URL": "postgresql://u:hunter2@h/d", "SLACK_BOT_TOKEN": "hunter2"}
    )
    endpoint = connections("https://:hunter2@api.example").endpoint("erp")
    assert "hunter2" not in repr(settings) + repr(endpoint)


def test_without_an_ops_database_nothing_starts() -> None:
    """The error names the variable."""
    with pytest.raises(ConfigurationError, match="AFTERPILOT_DATABASE_URL"):
        Settings.from_environment({})


def test_a_connection_bears_the_secret_that_messages_are_signed_with() -> None:
    """From its extra, as JSON or in a URI; it never shows."""
    as_json = '{"conn_type": "http", "host": "desk.example", "extra": {"signing_secret": "whsec_abc"}}'
    environ = {"AIRFLOW_CONN_DESK": as_json, "AIRFLOW_CONN_URI": "http://desk.example?signing_secret=whsec_abc"}
    for name in ("desk", "uri"):
        endpoint = EnvConnections(environ).endpoint(name)
        assert endpoint.signing_secret == "whsec_abc"
        assert "whsec_abc" not in repr(endpoint)
    assert EnvConnections({"AIRFLOW_CONN_DESK": "http://desk.example"}).endpoint("desk").signing_secret == ""


@pytest.mark.parametrize(
    ("variables", "live"),
    [
        ({}, False),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, False),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": " s "}, True),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}, True),
        ({"SLACK_SIGNING_SECRET": "s", "SLACK_APP_TOKEN": "xapp-1"}, False),
    ],
)
def test_buttons_act_where_answers_can_come_back(variables: dict[str, str], live: bool) -> None:  # noqa: FBT001 - pytest's way
    """It takes the bot's token, and a way for answers; no secret shows."""
    settings = Settings.from_environment({"AFTERPILOT_DATABASE_URL": "postgresql://db/x", **variables})
    assert settings.interactive is live
    assert not [secret for secret in ("xoxb", "xapp", "' s'", "'s'") if secret in repr(settings)]


MAIL = {"conn_type": "smtp", "host": "smtp.example", "login": "ops@a.example", "password": "hunter2"}


@pytest.mark.parametrize(
    ("changed", "port", "tls", "sender"),
    [
        ({}, 587, "starttls", "ops@a.example"),
        ({"port": 465}, 465, "tls", "ops@a.example"),
        ({"port": 2525, "extra": {"tls": "TLS", "from": "x@b.example"}}, 2525, "tls", "x@b.example"),
        ({"password": "", "extra": {"tls": "none"}}, 25, "none", "ops@a.example"),
    ],
)
def test_a_mail_connection_becomes_a_server(changed: dict[str, object], port: int, tls: str, sender: str) -> None:
    """TLS unless it is said otherwise; the password never shows."""
    server = connections(json.dumps({**MAIL, **changed})).mail_server("erp")
    assert (server.host, server.port, server.tls, server.sender) == ("smtp.example", port, tls, sender)
    assert "hunter2" not in repr(server)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"host": ""}, "names no mail server"),
        ({"host": "https://smtp.example"}, "names no mail server"),
        ({"extra": {"tls": "yes"}}, "starttls, tls or none"),
        ({"login": "ops"}, "needs `from`"),
        ({"extra": {"tls": "none"}}, "sent in the clear"),
    ],
)
def test_a_mail_connection_that_cannot_work_says_why(changed: dict[str, object], why: str) -> None:
    """Without its password."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        connections(json.dumps({**MAIL, **changed})).mail_server("erp")
    assert "hunter2" not in str(caught.value)
