"""Dockerfile and .dockerignore: they cannot be built in a test, so each of their promises is checked on the text."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deploy_files import ROOT


def _instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, arguments) pairs with continuation lines joined and comments dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(head, rest.strip()) for head, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The instructions of our Dockerfile."""
    return _instructions((ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def copied(instructions: list[tuple[str, str]]) -> list[str]:
    """Every path of the repository that the image copies."""
    copies = [rest.split()[:-1] for name, rest in instructions if name == "COPY" and "--from=" not in rest]
    return [path for paths in copies for path in paths]


def test_base_image_is_pinned_and_the_same_in_both_stages(instructions: list[tuple[str, str]]) -> None:
    """Both stages use one image of a full Python version, so that compiled files fit."""
    bases = [rest for name, rest in instructions if name == "FROM"]
    assert bases == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE} AS run"]
    (pinned,) = [rest for name, rest in instructions if name == "ARG" and rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+", pinned)


def test_compose_builds_the_last_stage(airflow_services: dict[str, Any], instructions: list[tuple[str, str]]) -> None:
    """The target and the build arguments that compose names exist."""
    stages = [rest.split()[-1] for name, rest in instructions if name == "FROM"]
    arguments = {rest.partition("=")[0] for name, rest in instructions if name == "ARG"}
    for name, service in airflow_services.items():
        assert service["build"]["target"] == stages[-1], name
        assert set(service["build"]["args"]) <= arguments, name


def test_every_copied_path_exists_and_is_in_git(copied: list[str]) -> None:
    """What is copied is there, and a bare clone has it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for path in copied:
        folder = path.removeprefix("./")
        assert (ROOT / folder).exists(), path
        assert any(name == folder or name.startswith(f"{folder}/") for name in tracked), path


def test_builder_sees_exactly_what_is_copied(copied: list[str]) -> None:
    """.dockerignore shuts everything out and lets back in what the Dockerfile copies, no more and no less."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied)


@pytest.mark.parametrize("secret", [".env", "connections.env", ".git", ".afterpilot", "tests"])
def test_secrets_never_reach_the_builder(secret: str) -> None:
    """No exception in .dockerignore lets a secret or a local state back in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert not [line for line in lines if line.startswith("!") and fnmatch.fnmatch(secret, line[1:])]


def test_everything_from_a_registry_is_hashed(instructions: list[tuple[str, str]]) -> None:
    """Each command that installs either demands hashes or installs our own wheel without dependencies."""
    steps = [step for name, rest in instructions if name == "RUN" for step in rest.split(" && ")]
    installs = [step for step in steps if re.search(r"pip (install|sync|wheel)\b", step)]
    assert len(installs) == 5
    for step in installs:
        assert "--require-hashes" in step or "--no-deps" in step, step
    assert not [step for step in steps if re.search(r"\b(curl|wget|apt-get)\b", step)]


def test_the_environment_moves_to_the_same_path(instructions: list[tuple[str, str]]) -> None:
    """A virtual environment names its own path in its scripts: it is built where it will run."""
    assert ("COPY", "--from=build /opt/venv /opt/venv") in instructions
    assert any("PATH=/opt/venv/bin:$PATH" in rest for name, rest in instructions if name == "ENV")


def test_image_runs_as_nobody_in_particular(instructions: list[tuple[str, str]]) -> None:
    """The last user is a number that is not root, and what the image carries is not writable for it."""
    assert [rest for name, rest in instructions if name == "USER"] == ["50000:50000"]
    assert not [rest for name, rest in instructions if name == "COPY" and "--chown" in rest]


def test_image_holds_no_secret(instructions: list[tuple[str, str]]) -> None:
    """No ARG or ENV is named like a secret: both can be read from the image afterwards."""
    names = {word.partition("=")[0] for name, rest in instructions if name in {"ARG", "ENV"} for word in rest.split()}
    assert names
    assert not [name for name in names if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name)]


def test_own_paths_of_compose_lie_where_the_image_puts_them(
    airflow_services: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    """Folders that compose names in variables, commands and health checks are made by the image."""
    made = {rest.split()[-1] for name, rest in instructions if name == "COPY"} | {"/opt/airflow/logs"}
    for name, service in airflow_services.items():
        words = [*service["environment"].values(), *service.get("healthcheck", {}).get("test", [])]
        paths = [word for word in words if re.fullmatch(r"/opt/\S+", word)]
        assert paths, name
        assert set(paths) <= made, name


def test_wheel_build_tool_is_locked() -> None:
    """The lock that the Dockerfile cuts the build tool out of holds the version that pyproject.toml demands."""
    wanted = re.search(r'requires = \["(setuptools==[\d.]+)"\]', (ROOT / "pyproject.toml").read_text())
    assert wanted
    script = "awk '/^[a-z]/ {wanted = /^setuptools==/} wanted' requirements-dev.txt"
    assert script in (ROOT / "Dockerfile").read_text()
    cut = subprocess.run(["sh", "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert cut.startswith(wanted.group(1))
    assert cut.count("==") == 1
    assert cut.count("--hash=sha256:") == 2


def test_instructions_are_read_as_docker_reads_them(tmp_path: Path) -> None:
    """The reader of these tests joins lines and skips comments inside an instruction."""
    file = tmp_path / "Dockerfile"
    file.write_text("# x\nRUN one \\\n# inner\n  && two\nUSER 1\n")
    assert _instructions(file.read_text()) == [("RUN", "one && two"), ("USER", "1")]
