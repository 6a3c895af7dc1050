"""What a shell needs for the command line to work on the demo: one file to source."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from afterpilot.demo.state import ROOT

TOKEN = "GATEWAY_TOKEN"  # noqa: S105 - the name of it: what the workflows' gateway would ask with
_NAMES = (
    *("AFTERPILOT_BASE_URL", "AFTERPILOT_DATABASE_URL", "AFTERPILOT_LEDGER_KEY_FILE", "AFTERPILOT_WORKFLOWS"),
    TOKEN,
)
_CONNECTIONS = "AIRFLOW_CONN_"


def write_shell_file(path: Path, environ: Mapping[str, str]) -> None:
    """Write the database, the declarations, Airflow's address and the connections as exports, for the owner's eyes alone: keys are among them."""
    exports = {name: value for name, value in environ.items() if name in _NAMES or name.startswith(_CONNECTIONS)}
    lines = [
        "# Written by `make demo` at each start; it makes `afterpilot` work on the demo while that is up.",
        f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"',
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(exports.items())),
    ]
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def relative(path: Path) -> str:
    """The path as somebody in the checkout would type it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
