"""Regular expressions with a real limit of time.

Python's ``re`` cannot be interrupted and holds every other thread while it runs, and a pattern such as ``(a+)+$`` takes for
ever on thirty letters. So patterns run in a child process, which is ended when it takes too long.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading

SECONDS = 5.0
_CHILD = """
import json, re, sys
for line in sys.stdin:
    pattern, text = json.loads(line)
    print(int(re.search(pattern, text) is not None), flush=True)
"""


class PatternTooSlow(Exception):
    """A search did not end in time."""


class Patterns:
    """Searches in a child process that is started when it is first needed, one search at a time."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._owner = 0

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern, which compiles, matches anywhere in the text.

        Raises:
            PatternTooSlow: it took longer than it may.
            OSError: the child process could not be started, or died.
        """
        with self._lock:
            child = self._running()
            if child.stdin is None or child.stdout is None:  # pragma: no cover - both are pipes
                raise OSError("the process for patterns has no pipes")
            child.stdin.write(json.dumps([pattern, text]) + "\n")
            child.stdin.flush()
            ready, _, _ = select.select([child.stdout], [], [], self._seconds)
            answer = child.stdout.readline() if ready else ""
            if not answer:
                self.close()
                if ready:
                    raise OSError("the process for patterns died")
                raise PatternTooSlow(f"the pattern took longer than {self._seconds:g} s")
            return answer.strip() == "1"

    def close(self) -> None:
        """End the child process, if there is one."""
        child, self._child = self._child, None
        if child is not None and self._owner == os.getpid():
            child.kill()
            child.communicate()

    def _running(self) -> subprocess.Popen[str]:
        """The child; a new one where there is none, or where this process was forked and the child is its parent's."""
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            self._owner = os.getpid()
            self._child = subprocess.Popen(  # noqa: S603 - our own words, no shell
                [sys.executable, "-I", "-S", "-c", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="ascii",
            )
        return self._child
