"""``afterpilot alerts preview``: every kind of message without database, Slack or declaration."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.pipeline.gallery import gallery

NAMES = [one.name for group in gallery().values() for one in group]


def asked(*words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, ["alerts", "preview", *words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFTERPILOT_DATABASE_URL", raising=False)


def test_all_kinds_are_shown_with_their_threads() -> None:
    """Each by its name, and each line of its thread."""
    shown = asked()
    assert [name for name in NAMES if name not in shown] == []
    assert "↳ ACK invoice_matching: Dana Ruiz has taken it up" in shown


def test_one_is_shown_by_its_name_or_its_kind() -> None:
    """A kind may have several messages."""
    assert "email_triage 1, invoice_matching 2" in asked("digest")
    assert [one["name"] for one in json.loads(asked("spend.over_cap", "--as", "json"))] == [
        "cap-raise-asked",
        "spend-over-cap",
    ]


@pytest.mark.parametrize(
    ("shape", "holds"), [("slack", '"type": "header"'), ("email", "Subject: "), ("json", '"tone"')]
)
def test_a_message_has_several_shapes(shape: str, holds: str) -> None:
    """As Slack gets it, as a mail, as data."""
    assert holds in asked("opened-critical", "--as", shape)


@pytest.mark.parametrize(("words", "hint"), [(["resoled"], "resolved"), (["digest", "--as", "fax"], "fax")])
def test_a_name_that_is_not_known_is_refused(words: list[str], hint: str) -> None:
    """With the nearest one."""
    result = CliRunner().invoke(app, ["alerts", "preview", *words])
    assert result.exit_code == 2
    assert hint in result.output
