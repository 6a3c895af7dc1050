"""Workflows with any source, and connections for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.source import Source
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Kpi, Person, Workflow
from doubles.workflows import plain_source, plain_workflow

START = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))


class Places:
    """Connections by name: URLs of databases, endpoints of services, filesystems."""

    def __init__(self, **named: str | Endpoint | Any) -> None:
        self._named = named

    def database_url(self, name: str) -> str:
        """As given."""
        return str(self._found(name))

    def endpoint(self, name: str) -> Endpoint:
        """As given."""
        found = self._found(name)
        assert isinstance(found, Endpoint)
        return found

    def filesystem(self, scheme: str, name: str) -> Any:
        """The filesystem of that name; without one, the scheme's own."""
        import fsspec

        return self._found(name) if name else fsspec.filesystem(scheme)

    def _found(self, name: str) -> Any:
        if name not in self._named:
            raise ConfigurationError(f"there is no connection {name!r}")
        return self._named[name]


def source(**keys: Any) -> Source:
    """A source with plain values for what is not given."""
    plain = {"connection": "place", "table": "", "key": "id", "history": timedelta(days=28)}
    return plain_source(**(plain | keys))


def workflow_of(of: Source, *, kpi_connection: str = "") -> Workflow:
    """A workflow with that source."""
    weekly = "SELECT week, value FROM weekly"
    return plain_workflow(
        of,
        slug="refunds",
        owner=Person("Ana Silva", "U01AAAAAA"),
        deputy=Person("Ben Mori", "U02BBBBBB"),
        channel="#refunds",
        kpi=Kpi("hours", "speed", Decimal(6), Decimal(1), "lower", "h", weekly, kpi_connection),
    )
