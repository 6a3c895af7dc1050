"""What the installation tells Afterpilot: variables of the environment, and named connections."""

from afterpilot.settings.connection import ConnectionParts, not_installed
from afterpilot.settings.env_connections import EnvConnections
from afterpilot.settings.named_connections import NamedConnections
from afterpilot.settings.variables import (
    WORKFLOWS,
    Settings,
    code_version,
    gateway_tokens,
    slack_signing_secret,
    workflows_folder,
)

__all__ = [
    "WORKFLOWS",
    "ConnectionParts",
    "EnvConnections",
    "NamedConnections",
    "Settings",
    "code_version",
    "gateway_tokens",
    "not_installed",
    "slack_signing_secret",
    "workflows_folder",
]
