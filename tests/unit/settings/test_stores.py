"""Object stores by named connections."""

from __future__ import annotations

import sys

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from afterpilot.domain.errors import ConfigurationError
from afterpilot.settings import ConnectionParts, EnvConnections


def test_a_store_without_a_connection_is_reached_as_the_machine_does() -> None:
    """The scheme says which one."""
    assert isinstance(EnvConnections({}).filesystem("memory", ""), MemoryFileSystem)


def test_a_store_that_nothing_reads_is_for_the_operator() -> None:
    """The error says what is not installed; a connection that is not there, which variable to set."""
    with pytest.raises(ConfigurationError, match="nothing that reads nowhere:// is installed"):
        EnvConnections({}).filesystem("nowhere", "")
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_LOGS"):
        EnvConnections({}).filesystem("memory", "logs")


def test_s3_without_its_filesystem_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where it says how to install it."""
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as it is where nobody has installed it
    with pytest.raises(ConfigurationError) as error:
        EnvConnections({}).filesystem("s3", "")
    assert "nothing that reads s3:// is installed: apache-airflow-providers-amazon[s3fs] is needed" in str(error.value)


def test_s3_takes_login_password_and_address() -> None:
    """As Airflow's connection to AWS has them; other stores take the extra as it stands."""
    parts = ConnectionParts(
        "logs", "aws", host="https://minio.example", login="key", password="word", extra={"anon": "false"}
    )
    assert parts.storage_options("s3") == {
        "anon": "false",
        "key": "key",
        "secret": "word",
        "endpoint_url": "https://minio.example",
    }
    assert parts.storage_options("gs") == {"anon": "false"}


def test_no_secret_stands_in_the_error_of_a_store() -> None:
    """Whatever the store's own library says."""
    env = {"AIRFLOW_CONN_LOGS": '{"conn_type": "sftp", "extra": {"secret_word": "hunter2"}}'}
    with pytest.raises(ConfigurationError) as error:
        EnvConnections(env).filesystem("zip", "logs")
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None
