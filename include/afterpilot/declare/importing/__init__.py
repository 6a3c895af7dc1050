"""Suites of other tools, read from their files: nothing is asked of anybody, and nothing is dropped in silence."""

from afterpilot.declare.importing.carried import Imported, LeftOut

__all__ = ["Imported", "LeftOut"]
