"""Where the demo keeps everything (``.afterpilot/`` in the checkout), its secrets, and what ``.env`` says."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from afterpilot.demo.model_server import MODEL_NAME
from afterpilot.demo.postgres import unfit
from afterpilot.web.api.tokens import new_token

ROOT = Path(__file__).resolve().parents[3]
OWNER_LOGIN = "dana.ruiz"  # whom two of the three workflows name as their owner
LOGINS = {"admin": "admin", OWNER_LOGIN: "user", "auditor": "viewer"}  # with the role in Airflow
DATABASES = ("airflow", "afterpilot", "erp", "mailbox")
LEAST_FREE_MB = 1500


class DemoError(Exception):
    """The demo cannot go on; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model that is asked: the local one, or a real one that ``.env`` names."""

    base_url: str
    key: str = field(repr=False)
    name: str
    local: bool


@dataclass(frozen=True, slots=True)
class State:
    """Folders, ports and secrets of this demo."""

    folder: Path
    port: int
    environ: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        """Where Airflow's UI answers."""
        return f"http://127.0.0.1:{self.port}"

    def model(self, local_port: int) -> Model:
        """The model of ``.env`` (``MODEL_BASE_URL``, ``MODEL_API_KEY``, ``MODEL_NAME``), else the local one."""
        base_url = self.environ.get("MODEL_BASE_URL", "")
        if base_url:
            name = self.environ.get("MODEL_NAME", "")
            if not name:
                raise DemoError(
                    "MODEL_BASE_URL is set in .env, MODEL_NAME is not: say which model to ask, e.g. gpt-5-mini"
                )
            return Model(base_url, self.environ.get("MODEL_API_KEY", ""), name, local=False)
        return Model(f"http://127.0.0.1:{local_port}/v1", self.secrets["model"], MODEL_NAME, local=True)


def open_state() -> State:
    """The state of this checkout, made where it is missing.

    Raises:
        DemoError: the disk is full, or the port is taken.
    """
    environ = {**read_env(ROOT / ".env"), **os.environ}
    folder = Path(environ.get("AFTERPILOT_DEMO_HOME") or ROOT / ".afterpilot")
    if why := unfit(folder):
        raise DemoError(f"{why[0].upper()}{why[1:]}. Choose another: AFTERPILOT_DEMO_HOME=/some/folder make demo")
    folder.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < LEAST_FREE_MB:
        raise DemoError(f"Only {free_mb} MB are free on the disk of {folder}; the demo needs {LEAST_FREE_MB} MB.")
    return State(
        folder=folder,
        port=_port(environ.get("AFTERPILOT_PORT", "8080")),
        environ=environ,
        secrets=_secrets(folder / "secrets.json"),
    )


def _port(text: str) -> int:
    if not text.strip().isdecimal() or not 0 < int(text) < 65536:  # noqa: PLR2004 - the largest port
        raise DemoError(f"AFTERPILOT_PORT is {text!r}; it must be a port, such as 8080")
    return int(text)


def read_env(path: Path) -> dict[str, str]:
    """``NAME=value`` lines of a file; comments, blank lines, ``export`` and quotes are understood."""
    values: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    except UnicodeDecodeError as error:
        raise DemoError(f"{path} is not UTF-8: save it as UTF-8") from error
    for line in lines:
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("'\"")
    return values


def require_free(port: int) -> None:
    """Raise DemoError where something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is in use. Stop what listens there, or choose another: AFTERPILOT_PORT={port + 1} make demo"
            ) from error


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _secrets(path: Path) -> dict[str, str]:
    """Random secrets of this demo, kept so that sessions and encrypted values outlive a restart."""
    made = {name: secrets.token_urlsafe(24) for name in ("jwt", "session", "model", "bill")}
    made |= {name: secrets.token_urlsafe(9) for name in LOGINS}
    made["fernet"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    made["gateway"] = new_token()
    if path.exists() and path.stat().st_size:  # an empty one is left by a kill while it was written
        kept: dict[str, str] = json.loads(path.read_text())
        if made.keys() <= kept.keys():
            return kept
        made |= kept  # those of an earlier version, which had fewer
    path.touch(mode=0o600)
    path.write_text(json.dumps(made))
    return made
