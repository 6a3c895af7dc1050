"""Every variable that compose sets is known by somebody, and every variable that our code reads is set or offered."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_files import ROOT, env_names

# Set in the image for a library, with the package whose source reads it.
LIBRARY_VARIABLES = {"GX_ANALYTICS_ENABLED": "great_expectations", "MPLCONFIGDIR": "matplotlib"}
# Handed from the demo to its own servers of a model and of a bill; nobody sets them by hand.
BETWEEN_PROCESSES = {"AFTERPILOT_MODEL_KEY", "AFTERPILOT_BILL_KEY", "AFTERPILOT_DEMO_PROCESS_OF"}
# What the application must not know: only the migrations do.
OF_MIGRATIONS = {"AFTERPILOT_OWNER_URL"}
_OURS = re.compile(r"""["']((?:AFTERPILOT|SLACK|MODEL)_[A-Z0-9_]+)["']""")


def _package(name: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


@pytest.fixture(scope="module")
def airflow_options() -> set[tuple[str, str]]:
    """(section, option) of Airflow and its installed providers, read from their own descriptions."""
    airflow = _package("airflow")
    sections: dict[str, Any] = yaml.safe_load((airflow / "config_templates" / "config.yml").read_text())
    known = {(section, option) for section, body in sections.items() for option in body.get("options", {})}
    for path in sorted((airflow / "providers").rglob("get_provider_info.py")):
        spec = importlib.util.spec_from_file_location(f"_info_{path.parent.name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = module.get_provider_info().get("config", {})
        known |= {(section, option) for section, body in config.items() for option in body["options"]}
    return known


@pytest.fixture(scope="module")
def read_by_code() -> dict[str, set[str]]:
    """Variables of ours by the files that name them."""
    found: dict[str, set[str]] = {}
    for folder in ("include", "dags", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in _OURS.findall(path.read_text()):
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_airflow_knows_every_option_that_is_set(
    airflow_services: dict[str, Any], airflow_options: set[tuple[str, str]]
) -> None:
    """No AIRFLOW__SECTION__OPTION is misspelt: Airflow would ignore it without a word."""
    names = {name for service in airflow_services.values() for name in service["environment"]}
    options = [name.split("__")[1:] for name in names if name.startswith("AIRFLOW__")]
    assert len(options) > 15
    unknown = [
        (section, option) for section, option in options if (section.lower(), option.lower()) not in airflow_options
    ]
    assert unknown == []


def test_an_unknown_option_would_be_found(airflow_options: set[tuple[str, str]]) -> None:
    """The descriptions that the check rests on were really read."""
    assert ("celery", "broker_url") in airflow_options
    assert ("fab", "custom_roles") in airflow_options
    assert ("core", "load_example") not in airflow_options


def test_code_reads_every_variable_of_ours_that_compose_sets(
    airflow_services: dict[str, Any], read_by_code: dict[str, set[str]]
) -> None:
    """Compose sets nothing of ours that no code looks at."""
    names = {name for service in airflow_services.values() for name in service["environment"]}
    ours = {name for name in names if not name.startswith("AIRFLOW__")}
    assert ours <= set(read_by_code), f"nobody reads {sorted(ours - set(read_by_code))}"


def test_compose_or_the_image_sets_every_variable_that_the_code_reads(
    airflow_services: dict[str, Any], read_by_code: dict[str, set[str]]
) -> None:
    """A variable that the code reads outside the demo is set in production, and offered in .env.example."""
    image = set(re.findall(r"^(?:ENV|ARG|\s+)\s*([A-Z_]+)=", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    offered = env_names((ROOT / ".env.example").read_text())
    in_production = {name for name, files in read_by_code.items() if not all("/demo/" in file for file in files)}
    assert in_production
    for name, service in airflow_services.items():
        known = set(service["environment"]) | image
        assert in_production - OF_MIGRATIONS <= known, name
        assert (known >= OF_MIGRATIONS) is (name == "migrate"), name
    assert set(read_by_code) - BETWEEN_PROCESSES <= offered


def test_env_example_offers_every_variable_of_compose(compose_text: str) -> None:
    """Each ${VARIABLE} of docker-compose.yaml is explained in .env.example."""
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", compose_text))
    assert used <= env_names((ROOT / ".env.example").read_text())


def test_variables_for_libraries_are_read_by_them() -> None:
    """The image sets nothing for a library that the library does not look at."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name, package in LIBRARY_VARIABLES.items():
        assert f"{name}=" in dockerfile
        suffix = name.removeprefix("GX_").lower()
        files = _package(package).rglob("*.py")
        assert any(name in text or suffix in text for text in (file.read_text(errors="replace") for file in files)), (
            name
        )


def test_every_command_is_an_installed_entry_point(services: dict[str, Any], airflow_services: dict[str, Any]) -> None:
    """What compose calls in our image are console scripts of the locked packages, a shell, or Python."""
    scripts = {script.name for script in importlib.metadata.entry_points(group="console_scripts")}
    calls = [service["command"] for service in airflow_services.values() if service["command"][0] != "sh"]
    calls += [step.split() for step in services["migrate"]["command"][2].split(" && ")]
    for call in calls:
        assert call[0] in scripts, call
    assert "celery inspect ping" in services["worker"]["healthcheck"]["test"][1]
    assert {"airflow", "afterpilot", "celery"} <= scripts


def test_roles_are_json_that_airflow_can_read(airflow_services: dict[str, Any]) -> None:
    """The auditor's role is well formed, and only ever reads, but for their own password."""
    roles = json.loads(airflow_services["api-server"]["environment"]["AIRFLOW__FAB__CUSTOM_ROLES"])
    assert list(roles) == ["Auditor"]
    assert all(set(item) == {"action", "resource"} for item in roles["Auditor"])
    assert {item["action"] for item in roles["Auditor"]} == {"can_read", "can_edit", "menu_access"}
    assert [item["resource"] for item in roles["Auditor"] if item["action"] == "can_edit"] == ["My Password"]


def test_health_addresses_are_those_of_airflow(services: dict[str, Any], airflow_options: set[tuple[str, str]]) -> None:
    """The scheduler's health server is switched on, on the port that its description gives as the default."""
    sections = yaml.safe_load((_package("airflow") / "config_templates" / "config.yml").read_text())
    port = sections["scheduler"]["options"]["scheduler_health_check_server_port"]["default"]
    assert f"http://localhost:{port}/health" in services["scheduler"]["healthcheck"]["test"]
    assert services["scheduler"]["environment"]["AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"] == "true"
    assert ("scheduler", "enable_health_check") in airflow_options


def test_example_connections_are_airflow_connections() -> None:
    """Each example line is one that Airflow and our own reader can read, without a password in it."""
    text = (ROOT / "connections.env.example").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        name, _, value = line.partition("=")
        assert re.fullmatch(r"AIRFLOW_CONN_[A-Z0-9_]+", name)
        assert json.loads(value.strip("'")) | {"password": ""} == json.loads(value.strip("'")), name
