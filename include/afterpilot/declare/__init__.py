"""YAML to domain: reads the workflows folder, and says with file and line what is wrong with it."""

from afterpilot.declare.fleet import schedules
from afterpilot.declare.loader import load
from afterpilot.declare.suite import Suite, load_suite

__all__ = ["Suite", "load", "load_suite", "schedules"]
