"""Builds the collaborators. The only package that knows everything; it imports each when it is built.

A suite from a terminal needs no database, and a stage no Slack: what is not built is not loaded.
"""

from afterpilot.wiring.answers import interactions
from afterpilot.wiring.building import Wired, suite_runner, wire

__all__ = ["Wired", "interactions", "suite_runner", "wire"]
