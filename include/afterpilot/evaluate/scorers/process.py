"""The process in which patterns, schemas and a team's functions run, none of which may stop a run.

A schema can take as long over a hostile answer as a pattern over a text; a team's function may do anything.
"""

from __future__ import annotations

from pathlib import Path

from afterpilot.domain import processes
from afterpilot.domain.processes import Broken, TooSlow

__all__ = ["Broken", "Process", "TooSlow"]
_PROGRAM = Path(__file__).with_name("child.py")


class Process(processes.Process):
    """Runs :mod:`afterpilot.evaluate.scorers.child`."""

    def __init__(self) -> None:
        super().__init__(str(_PROGRAM))
