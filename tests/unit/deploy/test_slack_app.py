"""The manifest of the Slack app holds what the code needs, and nothing that Slack does not know."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from deploy_files import ROOT

# Of https://docs.slack.dev/reference/app-manifest, as far as the app could use it.
FIELDS = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands", "unfurl_domains"},
    "features.bot_user": {"display_name", "always_online"},
    "oauth_config": {"redirect_urls", "scopes"},
    "oauth_config.scopes": {"bot", "user"},
    "settings": {
        *("allowed_ip_address_ranges", "event_subscriptions", "incoming_webhooks", "interactivity"),
        *("org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled"),
    },
    "settings.interactivity": {"is_enabled", "request_url", "message_menu_options_url"},
}
# The methods that the code calls, and the scope that each needs; https://docs.slack.dev/reference/methods
SCOPES = {
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "conversations.list": {"channels:read", "groups:read"},
    "files_upload_v2": {"files:write"},
    "views_open": set(),
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The manifest as it would be pasted."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "slack-app.yaml").read_text())
    return found


def test_slack_knows_every_field(manifest: dict[str, Any]) -> None:
    """A field that Slack does not know keeps the app from being created."""

    def check(part: Any, path: str) -> None:
        for name, value in part.items():
            assert name in FIELDS[path], f"{path}.{name}"
            inner = f"{path}.{name}".strip(".")
            if isinstance(value, dict):
                check(value, inner)

    check(manifest, "")


def test_names_are_within_slacks_limits(manifest: dict[str, Any]) -> None:
    """35 characters for the name, 140 for the description, 80 of a few kinds for the bot."""
    shown, bot = manifest["display_information"], manifest["features"]["bot_user"]
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert re.fullmatch("#[0-9a-f]{6}", shown["background_color"])
    assert re.fullmatch("[a-z0-9._-]{1,80}", bot["display_name"])


def test_the_scopes_are_those_of_the_methods_that_are_called(manifest: dict[str, Any]) -> None:
    """None is missing, and none is asked for that nothing needs."""
    code = "".join(path.read_text() for path in (ROOT / "include" / "afterpilot" / "notify").glob("*.py"))
    called = {method for method in SCOPES if method in code}
    assert called == set(SCOPES)
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set().union(*SCOPES.values())


def test_answers_can_come_either_way(manifest: dict[str, Any]) -> None:
    """Through Socket Mode as it stands; the address for the other way is the one that the web app answers at."""
    settings = manifest["settings"]
    assert (settings["interactivity"]["is_enabled"], settings["socket_mode_enabled"]) == (True, True)
    text = (ROOT / "deploy" / "slack-app.yaml").read_text()
    (place,) = re.findall(r"# request_url: https://[^/]+(/\S+)", text)
    assert place == "/afterpilot/api/v1/slack/interactions"
    assert place in (ROOT / "docs" / "deployment.md").read_text()
