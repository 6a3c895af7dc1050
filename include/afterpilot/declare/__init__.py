"""YAML to domain: reads the workflows folder, and says with file and line what is wrong with it."""

from afterpilot.declare.fleet import schedules
from afterpilot.declare.loader import load

__all__ = ["load", "schedules"]
