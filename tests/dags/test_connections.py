"""Connections inside a task are those of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterpilot.domain.errors import ConfigurationError

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

ENDPOINTS = json.loads((Path(__file__).parents[1] / "unit/settings/endpoints.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "url"), ENDPOINTS)
def test_airflow_gives_the_same_endpoint(text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Airflow itself parses it, out of the same variable, and as the command line reads it."""
    from afterpilot.orchestration.connections import AirflowConnections
    from afterpilot.settings import EnvConnections

    monkeypatch.setenv("AIRFLOW_CONN_M", text)
    assert AirflowConnections().endpoint("m").url == url
    assert EnvConnections().endpoint("m").url == url


def test_airflow_gives_the_same_key_and_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is the key; a database is what it was."""
    from afterpilot.orchestration.connections import AirflowConnections

    monkeypatch.setenv("AIRFLOW_CONN_M", "http://:long%40key@host:8080/v1")
    assert AirflowConnections().endpoint("m").secret == "long@key"
    monkeypatch.setenv("AIRFLOW_CONN_M", "postgres://u:password@db:5433/erp")
    assert AirflowConnections().database_url("m") == "postgresql+psycopg://u:password@db:5433/erp"


def test_a_connection_that_nobody_made_is_for_the_operator() -> None:
    """The error says where to add it."""
    from afterpilot.orchestration.connections import AirflowConnections

    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_NOBODY"):
        AirflowConnections().endpoint("nobody")


def test_an_object_store_is_airflows_own() -> None:
    """Its filesystem by scheme; one that no provider reads is for the operator."""
    from fsspec.implementations.local import LocalFileSystem

    from afterpilot.orchestration.connections import AirflowConnections

    assert isinstance(AirflowConnections().filesystem("file", ""), LocalFileSystem)
    with pytest.raises(
        ConfigurationError, match=r"nothing that reads s3:// is installed: apache-airflow-providers-amazon\[s3fs\]"
    ):
        AirflowConnections().filesystem("s3", "")
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_NOBODY"):
        AirflowConnections().filesystem("file", "nobody")


def test_a_login_goes_with_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services with basic authentication want both."""
    from afterpilot.orchestration.connections import AirflowConnections
    from afterpilot.settings import EnvConnections

    monkeypatch.setenv("AIRFLOW_CONN_M", "https://pk-lf-1:word@langfuse.example")
    for connections in (AirflowConnections(), EnvConnections()):
        endpoint = connections.endpoint("m")
        assert (endpoint.login, endpoint.secret) == ("pk-lf-1", "word")
        assert "word" not in repr(endpoint)
