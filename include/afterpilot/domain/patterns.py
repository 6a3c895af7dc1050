"""Regular expressions with a real limit of time, in a child process."""

from __future__ import annotations

from afterpilot.domain.processes import Broken, Process, TooSlow

SECONDS = 5.0
_CHILD = """
import json, re, sys
for line in sys.stdin:
    asked = json.loads(line)
    found = re.search(asked["pattern"], asked["text"]) is not None
    print(json.dumps({"mark": asked["mark"], "said": found}), flush=True)
"""


class PatternTooSlow(Exception):
    """A search did not end in time."""


class Patterns:
    """Searches in a child process that is started when it is first needed, one search at a time."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process = Process("-S", "-c", _CHILD)

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern, which compiles, matches anywhere in the text.

        Raises:
            PatternTooSlow: it took longer than it may.
            OSError: the child process could not be started, or died.
        """
        try:
            return bool(self._process.do("search", seconds=self._seconds, pattern=pattern, text=text))
        except TooSlow as error:
            raise PatternTooSlow(f"the pattern took longer than {self._seconds:g} s") from error
        except Broken as error:
            raise OSError(f"the process for patterns: {error}") from error

    def close(self) -> None:
        """End the child process, if there is one."""
        self._process.close()
