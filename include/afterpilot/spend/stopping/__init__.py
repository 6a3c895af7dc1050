"""Tells gateways and production systems to stop a workflow, or to let it go on."""

from __future__ import annotations

from afterpilot.spend.stopping.stopper import GatewayStopper

__all__ = ["GatewayStopper"]
