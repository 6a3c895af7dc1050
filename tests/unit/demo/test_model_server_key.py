"""The model server's key never stands on a command line."""

from __future__ import annotations

import sys

import pytest

from afterpilot.demo import model_server


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line holds the port alone."""
    served: list[dict[str, object]] = []
    monkeypatch.setattr(sys, "argv", ["model_server", "--port", "18080"])
    monkeypatch.setenv("AFTERPILOT_MODEL_KEY", "hush")
    monkeypatch.setattr(model_server, "serve", lambda **options: served.append(options))
    model_server.main()
    assert served == [{"port": 18080, "api_key": "hush"}]


def test_a_missing_key_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server without a key would be open to everybody on the machine."""
    monkeypatch.setattr(sys, "argv", ["model_server", "--port", "18080"])
    monkeypatch.delenv("AFTERPILOT_MODEL_KEY", raising=False)
    with pytest.raises(SystemExit):
        model_server.main()
    assert "AFTERPILOT_MODEL_KEY" in capsys.readouterr().err
