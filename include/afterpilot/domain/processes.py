"""Work that may never end, in a process of its own that is ended when it takes too long.

Python's ``re`` cannot be interrupted and holds every other thread while it runs, and a pattern such as ``(a+)+$`` takes for
ever on thirty letters. A thread cannot be ended, a process can.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ")  # no address, no key


class TooSlow(Exception):
    """The work did not end in time."""


class Broken(Exception):
    """The work failed, and says why in one line; or the process died."""


class Process:
    """A child that is started when it is first needed, and does one thing at a time.

    It reads JSON objects, a line each (``do``, ``seconds``, ``mark`` and what the work needs), and answers each with a line: an
    object with the same ``mark`` and what it has ``said``, or an ``error``. Other lines end it: one too many would be taken for
    the next one's answer.

    Args:
        program: arguments of Python, which runs isolated (``-I``).
    """

    def __init__(self, *program: str) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._owner = 0

    def do(self, work: str, *, seconds: float, **arguments: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        """What the child says.

        Raises:
            TooSlow: it took longer than ``seconds``, the start of the process included.
            Broken: it failed or died.
        """
        mark = os.urandom(8).hex()
        line = json.dumps({"do": work, "seconds": seconds, "mark": mark, **arguments}, default=str) + "\n"
        with self._lock:
            try:
                answer = self._asked(line, seconds)
            except OSError as error:
                self.close()
                raise Broken(f"the process failed: {error}") from error
            if answer.get("mark") != mark:  # then whatever comes next could be about something else, too
                self.close()
                raise Broken("the process said more than it was asked")
        if "error" in answer:
            raise Broken(answer["error"])
        return answer["said"]

    def close(self) -> None:
        """End the child, and whatever it started."""
        child, self._child = self._child, None
        if child is not None and self._owner == os.getpid():
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()

    def _asked(self, line: str, seconds: float) -> dict[str, Any]:
        child = self._running()
        if child.stdin is None or child.stdout is None:  # pragma: no cover - both are pipes
            raise OSError("it has no pipes")
        child.stdin.write(line)
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], seconds)
        if not ready:
            self.close()
            raise TooSlow(f"it took longer than {seconds:g} s")
        answer = child.stdout.readline()
        if not answer.endswith("\n"):
            self.close()
            raise Broken("the process died, which too much memory can do")
        try:
            said = json.loads(answer)
        except ValueError:
            said = None
        return said if isinstance(said, dict) else {}

    def _running(self) -> subprocess.Popen[str]:
        """The child; a new one where there is none, or where this process was forked and the child is its parent's."""
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            self._owner = os.getpid()
            self._child = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-I", *self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="ascii",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
        return self._child
