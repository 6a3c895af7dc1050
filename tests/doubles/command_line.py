"""The command line in the test's own process, where what it opens and patches holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import pytest

from afterpilot.cli import main

Cli = Callable[..., tuple[int, str, str]]
"""(arguments, variables of the environment by keyword) → exit status, output, errors."""


def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environ: Mapping[str, str] | None = None
) -> Cli:
    """``afterpilot``; these variables are set from now on, those of a call from that call on, as long as the test lasts."""
    for name, value in (environ or {}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["afterpilot", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
