"""A database server that takes the connection and never says a word holds nobody up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from afterpilot.check.any_table import connect as table_engine
from afterpilot.domain import connect_limit
from afterpilot.pull.database import engine_of as source_engine
from afterpilot.record import migrate
from afterpilot.record.ops import connect

pytestmark = pytest.mark.integration


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a listener that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"postgresql+psycopg://clerk@127.0.0.1:{listener.getsockname()[1]}/erp"


def _asked(make: Callable[[str], sa.Engine]) -> Callable[[str], object]:
    def ask(url: str) -> object:
        with make(url).connect() as connection:
            return connection.execute(sa.text("SELECT 1")).scalar()

    return ask


@pytest.mark.parametrize(
    "ask",
    [_asked(connect), _asked(source_engine), _asked(table_engine), migrate.current],
    ids=["ops", "production", "check table", "migrate"],
)
def test_a_server_that_never_answers_is_given_up(
    silent: str, monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], object]
) -> None:
    """Whoever connects gets an error by itself, after the time that stands in one place (two seconds here)."""
    monkeypatch.setattr(connect_limit, "CONNECT_SECONDS", 2)
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            ask(silent)
        except sa.exc.OperationalError as error:
            failed.append(error)

    worker = threading.Thread(target=attempt, daemon=True)
    worker.start()
    worker.join(60)  # without a limit it never ends
    assert [type(error) for error in failed] == [sa.exc.OperationalError]
    assert "timeout" in str(failed[0])


def test_the_urls_own_limit_holds() -> None:
    """Ten seconds unless the URL says; a driver that is not known is told nothing."""
    assert connect_limit.connect_limit("psycopg", {}) == {"connect_timeout": 10}
    assert connect_limit.connect_limit("mysqlconnector", {}) == {"connection_timeout": 10}
    assert connect_limit.connect_limit("psycopg", {"connect_timeout": "3"}) == {}
    assert connect_limit.connect_limit("pysqlite", {}) == {}
