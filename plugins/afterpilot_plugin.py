"""Airflow runs every file of this folder; this one puts the run history into its UI."""

from __future__ import annotations

from afterpilot.orchestration.plugin import AfterpilotPlugin

__all__ = ["AfterpilotPlugin"]
