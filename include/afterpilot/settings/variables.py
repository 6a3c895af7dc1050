"""The variables of the environment that Afterpilot reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from afterpilot.domain.errors import ConfigurationError

WORKFLOWS = Path(__file__).parents[2] / "workflows"


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables that Afterpilot reads. ``slack_token`` empty means: messages go to ``slack_webhook_url``, and without that
    to the preview.

    ``slack_signing_secret`` proves that a click comes from Slack, ``slack_app_token`` opens Socket Mode: with either of them
    buttons in messages act at once. ``heartbeat_url`` is called after each good pass of the watchdog.
    """

    database_url: str = field(repr=False)
    workflows: Path
    base_url: str
    slack_token: str = field(repr=False)
    slack_api_url: str
    code_version: str
    slack_signing_secret: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    heartbeat_url: str = field(default="", repr=False)  # whoever knows it can keep it quiet
    slack_webhook_url: str = field(default="", repr=False)
    ledger_key: str = field(default="", repr=False)  # signs the heads of the ledger
    ledger_key_file: str = ""
    owner_url: str = field(default="", repr=False)  # of the ops database's tables; empty: the application owns them

    @property
    def interactive(self) -> bool:
        """Whether people can answer in Slack."""
        return bool(self.slack_token and (self.slack_signing_secret or self.slack_app_token))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read them.

        Raises:
            ConfigurationError: ``AFTERPILOT_DATABASE_URL`` is not set.
        """
        env = os.environ if environ is None else environ
        url = env.get("AFTERPILOT_DATABASE_URL", "")
        if not url:
            raise ConfigurationError(
                "AFTERPILOT_DATABASE_URL is not set: name the ops database, e.g. "
                "postgresql+psycopg://afterpilot@host/afterpilot"
            )
        return cls(
            database_url=url,
            workflows=workflows_folder(env),
            base_url=env.get("AFTERPILOT_BASE_URL", "").rstrip("/"),
            slack_token=env.get("SLACK_BOT_TOKEN", ""),
            slack_api_url=env.get("SLACK_API_URL", ""),
            code_version=code_version(env),
            slack_signing_secret=slack_signing_secret(env),
            slack_app_token=env.get("SLACK_APP_TOKEN", "").strip(),
            heartbeat_url=env.get("AFTERPILOT_HEARTBEAT_URL", "").strip(),
            slack_webhook_url=env.get("SLACK_WEBHOOK_URL", "").strip(),
            ledger_key=env.get("AFTERPILOT_LEDGER_KEY", "").strip(),
            ledger_key_file=env.get("AFTERPILOT_LEDGER_KEY_FILE", "").strip(),
            owner_url=env.get("AFTERPILOT_OWNER_URL", "").strip(),
        )


def workflows_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the declarations: ``AFTERPILOT_WORKFLOWS``, or the one beside the package."""
    env = os.environ if environ is None else environ
    return Path(env.get("AFTERPILOT_WORKFLOWS") or WORKFLOWS)


def gateway_tokens(environ: Mapping[str, str] | None = None) -> str:
    """``AFTERPILOT_GATEWAY_TOKENS``: hashes of the tokens with which gateways ask for allowances, with commas between them."""
    env = os.environ if environ is None else environ
    return env.get("AFTERPILOT_GATEWAY_TOKENS", "")


def slack_signing_secret(environ: Mapping[str, str] | None = None) -> str:
    """``SLACK_SIGNING_SECRET``: what Slack signs its requests with; empty: none are taken."""
    env = os.environ if environ is None else environ
    return env.get("SLACK_SIGNING_SECRET", "").strip()


def code_version(environ: Mapping[str, str] | None = None) -> str:
    """The package's version, with the commit where the image or checkout names it in ``AFTERPILOT_COMMIT``."""
    env = os.environ if environ is None else environ
    commit = env.get("AFTERPILOT_COMMIT", "")
    version = metadata.version("afterpilot")
    return f"{version}+{commit[:12]}" if commit else version
