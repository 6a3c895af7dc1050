"""docker-compose.yaml against the Compose Specification and against what every service of it must keep to."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from deploy_files import MissingVariable, interpolate

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SCHEMA_SHA256 = "d549057ebc2925f39f62799eab0db7b9e2c18b35b6c00595199116da3ed10e64"
SECRETS = {
    "POSTGRES_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "AFTERPILOT_DB_PASSWORD",
    "AFTERPILOT_OWNER_PASSWORD",
    "REDIS_PASSWORD",
    "API_SECRET_KEY",
    "JWT_SECRET",
    "FERNET_KEY",
}


def _validator() -> jsonschema.protocols.Validator:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def test_the_schema_is_the_published_one() -> None:
    """The vendored schema is byte for byte what its note says."""
    assert hashlib.sha256((HERE / "compose-spec.json").read_bytes()).hexdigest() == SCHEMA_SHA256
    assert SCHEMA_SHA256 in (HERE / "COMPOSE-SPEC.md").read_text()


def test_file_follows_the_compose_specification(raw: dict[str, Any], compose: dict[str, Any]) -> None:
    """The file is valid before and after its variables are filled in."""
    assert [error.message for error in _validator().iter_errors(raw)] == []
    assert [error.message for error in _validator().iter_errors(compose)] == []


def test_the_specification_check_can_fail(raw: dict[str, Any]) -> None:
    """A misspelt key of a service is found."""
    broken = {**raw, "services": {"worker": {"image": "x", "dependson": []}}}
    assert list(_validator().iter_errors(broken))


def test_the_services_of_airflow_3_are_all_there(services: dict[str, Any]) -> None:
    """Exactly the topology that the documentation describes."""
    assert set(services) == {
        "postgres",
        "redis",
        "migrate",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "worker",
        "slack-answers",
    }


def test_only_who_asks_for_it_listens_to_slack(services: dict[str, Any]) -> None:
    """Without an app-level token the service could only fail: it stands in a profile of its own."""
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "slack-answers": ["slack-answers"]
    }


def test_everything_waits_for_the_migrations(airflow_services: dict[str, Any]) -> None:
    """No service of Airflow starts before both databases are migrated; the migrations wait for PostgreSQL."""
    waits = {name: service["depends_on"] for name, service in airflow_services.items()}
    assert waits.pop("migrate") == {"postgres": {"condition": "service_healthy"}}
    for name, conditions in waits.items():
        assert conditions["migrate"] == {"condition": "service_completed_successfully"}, name
        assert conditions["redis"] == conditions["postgres"] == {"condition": "service_healthy"}, name


def test_migrations_run_once_and_for_both_databases(services: dict[str, Any]) -> None:
    """The one-shot service migrates Airflow's database and ours, and is not restarted."""
    shell, option, script = services["migrate"]["command"]
    assert (shell, option) == ("sh", "-ec")
    assert script.split(" && ") == ["airflow db migrate", "afterpilot db upgrade"]
    assert services["migrate"]["restart"] == "no"


def test_services_that_stay_up_restart_and_tell_their_health(services: dict[str, Any]) -> None:
    """Every lasting service has a health check and comes back after a crash or a reboot."""
    for name in set(services) - {"migrate"}:
        assert services[name]["restart"] == "unless-stopped", name
        check = services[name]["healthcheck"]
        assert check["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert {"interval", "timeout", "retries", "start_period"} <= set(check), name


def test_health_checks_do_not_start_airflow(airflow_services: dict[str, Any]) -> None:
    """No health check costs a start of Airflow's command line (five CPU-seconds, every half minute, per service)."""
    for name, service in airflow_services.items():
        assert "airflow jobs" not in " ".join(service.get("healthcheck", {}).get("test", [])), name


def test_every_service_is_bounded(services: dict[str, Any]) -> None:
    """No service can take the whole machine, in memory, CPU or log files."""
    for name, service in services.items():
        assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"]), name
        assert service["logging"]["options"]["max-size"], name


def test_images_are_pinned_to_a_patch_release(services: dict[str, Any]) -> None:
    """No tag can change what it means from one minor version to the next."""
    for name, service in services.items():
        tag = service["image"].partition(":")[2]
        assert re.match(r"\d+\.\d+(\.\d+)?(-|$)", tag), f"{name}: {service['image']}"
        assert re.match(r"\d+\.\d+\.\d+", tag) or service["image"].startswith("postgres:"), name


def test_only_the_api_server_can_be_reached_and_only_from_this_machine(services: dict[str, Any]) -> None:
    """Databases, broker and workers publish no port; the one that is published is on the loopback address."""
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"api-server": ["127.0.0.1:8080:8080"]}


def test_databases_and_broker_are_on_a_network_without_a_way_out(compose: dict[str, Any]) -> None:
    """PostgreSQL and Redis sit on the internal network alone."""
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["postgres"]["networks"] == compose["services"]["redis"]["networks"] == ["inside"]


def test_our_image_runs_with_the_least_privileges(airflow_services: dict[str, Any]) -> None:
    """No capability, no way to gain one, and a first process that reaps and forwards signals."""
    for name, service in airflow_services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        assert "user" not in service, name


def test_volumes_are_declared_and_bind_mounts_are_read_only_and_exist(compose: dict[str, Any]) -> None:
    """Every mounted path exists in the repository, and every named volume is declared and used."""
    named: set[str] = set()
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert rest.endswith(":ro"), f"{name}: {source}"
            else:
                named.add(source)
    assert named == set(compose["volumes"])


def test_postgres_keeps_its_data_where_version_18_puts_it(services: dict[str, Any]) -> None:
    """From 18 on the image wants its volume one folder higher, or it refuses to start."""
    assert services["postgres"]["image"].startswith("postgres:18.")
    assert "postgres:/var/lib/postgresql" in services["postgres"]["volumes"]


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_no_secret_has_a_default(secret: str, compose_text: str, filled: dict[str, str]) -> None:
    """Compose stops and names the variable when a secret is not set, or is set to nothing."""
    uses = set(re.findall(rf"\$\{{{secret}[^}}]*\}}", compose_text))
    assert uses == {f"${{{secret}:?set it in .env}}"}
    with pytest.raises(MissingVariable, match=secret):
        interpolate(compose_text, {**filled, secret: ""})


def test_env_example_asks_for_exactly_the_secrets(filled: dict[str, str]) -> None:
    """What must be filled in is what Compose demands, and it is left empty."""
    assert set(filled) == SECRETS


def test_secrets_reach_only_who_needs_them(services: dict[str, Any], filled: dict[str, str]) -> None:
    """The superuser's password stays with PostgreSQL, and each side knows only the passwords it uses."""
    holders = {
        secret: {name for name, service in services.items() if value in json.dumps(service.get("environment", {}))}
        for secret, value in filled.items()
    }
    ours = set(services) - {"postgres", "redis"}
    assert holders.pop("AFTERPILOT_OWNER_PASSWORD") == {"postgres", "migrate"}
    assert holders.pop("POSTGRES_PASSWORD") == {"postgres"}
    assert holders.pop("REDIS_PASSWORD") == {"redis", *ours}
    assert holders.pop("AIRFLOW_DB_PASSWORD") == holders.pop("AFTERPILOT_DB_PASSWORD") == {"postgres", *ours}
    assert all(names == ours for names in holders.values())


def test_no_secret_stands_in_a_command_line(services: dict[str, Any], filled: dict[str, str]) -> None:
    """Every process of a container can read the others' command lines."""
    for name, service in services.items():
        shown = json.dumps([service.get("command", []), service.get("healthcheck", {})])
        assert not [secret for secret, value in filled.items() if value in shown], name
