"""The deployment files as data."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from deploy_files import ROOT, filled_in


@pytest.fixture(scope="session")
def compose_text() -> str:
    """docker-compose.yaml as it stands."""
    return (ROOT / "docker-compose.yaml").read_text()


@pytest.fixture(scope="session")
def raw(compose_text: str) -> dict[str, Any]:
    """docker-compose.yaml with its variables unresolved."""
    return yaml.safe_load(compose_text)


@pytest.fixture(scope="session")
def filled() -> dict[str, str]:
    """What an operator has in .env after filling in what .env.example asks for."""
    required = re.findall(r"^([A-Z][A-Z0-9_]+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    return {name: f"filled{number}" for number, name in enumerate(required)}


@pytest.fixture(scope="session")
def compose(raw: dict[str, Any], filled: dict[str, str]) -> dict[str, Any]:
    """docker-compose.yaml as Compose sees it with that .env."""
    return filled_in(raw, filled)


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    """The services by name."""
    return compose["services"]


@pytest.fixture(scope="session")
def airflow_services(services: dict[str, Any]) -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in services.items() if service["image"].startswith("afterpilot:")}
