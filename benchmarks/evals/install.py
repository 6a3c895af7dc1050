"""Puts a peer's environment under ``.bench/`` on first use, with the ordinary clients of PyPI and npm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.evals.tool import Environment

_DONE = ".installed"
_LIMIT_S = 900
_TAIL = 300


class NotInstalled(Exception):
    """A peer cannot be had; the text says why."""


def install(environment: Environment, log: Path) -> None:
    """Install what is not there yet.

    Raises:
        NotInstalled: the packages could not be fetched, or there is no client for them.
    """
    done = environment.folder / _DONE
    wanted = "\n".join(environment.packages)
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return
    environment.folder.mkdir(parents=True, exist_ok=True)
    for command in _npm(environment) if environment.node else _uv(environment):
        _run(command, environment.folder, log)
    done.write_text(wanted, encoding="utf-8")


def _uv(environment: Environment) -> list[list[str]]:
    uv = str(Path(sys.executable).with_name("uv"))
    make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment.folder)]
    return [make, [uv, "pip", "install", "--quiet", "--python", environment.python, *environment.packages]]


def _npm(environment: Environment) -> list[list[str]]:
    (environment.folder / "package.json").write_text(json.dumps({"private": True}), encoding="utf-8")
    return [["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *environment.packages]]


def _run(command: list[str], folder: Path, log: Path) -> None:
    environ = {"UV_HTTP_TIMEOUT": "180", **os.environ}
    environ.pop("VIRTUAL_ENV", None)
    try:
        with log.open("ab") as output:
            done = subprocess.run(
                command, cwd=folder, env=environ, check=False, stdout=output, stderr=output, timeout=_LIMIT_S
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{Path(command[0]).name}: {error}"[:_TAIL]) from error
    if done.returncode:
        last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise NotInstalled(f"{Path(command[0]).name} ended with status {done.returncode}: {last}"[:_TAIL])
