"""The command line: ``afterpilot``.

Exit status 0: good. 1: the check found something. 2: the check itself could not run.
"""

from __future__ import annotations

from afterpilot.cli.app import main

__all__ = ["main"]
