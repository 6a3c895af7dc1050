"""``make demo``: the worked example end to end, from a bare checkout to a screen that shows what came out of it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Callable
from types import FrameType

import requests
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.demo.run import Demo
from afterpilot.demo.state import DemoError, open_state


def main() -> int:
    """Run the demo; exit status 0 good, 1 some part of the path did not run, 2 it could not start, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop afterwards; fail if any part of the path did not run")
    options = parser.parse_args()
    width = None if sys.stdout.isatty() else max(120, shutil.get_terminal_size().columns)
    console = Console(width=width)
    _on_signals(_interrupt)
    demo: Demo | None = None
    try:
        demo = Demo(open_state(), console)
        missing = demo.run(everything=options.once)
        for part in missing:
            console.print(f"[red]✗[/red] {part}", highlight=False)
        if options.once:
            return 1 if missing else 0
        console.print("It stays up until you press Ctrl-C; the next start is fast and loses nothing.")
        demo.stay()
    except DemoError as error:
        _say_stopped(console, str(error))
        return 2
    except (OSError, RuntimeError, requests.RequestException, SQLAlchemyError) as error:
        _say_stopped(console, f"{type(error).__name__}: {error}")
        return 2
    except KeyboardInterrupt:
        console.print("\nStopping …")
        return 130 if options.once else 0
    finally:
        _on_signals(_ignore)
        if demo is not None:
            demo.stop()
    return 0


def _say_stopped(console: Console, why: str) -> None:
    console.print(f"\n[bold red]The demo stopped:[/bold red] {escape(why)}", highlight=False)
    console.print("`make demo` goes on where it stopped; `make clean` starts from nothing.")


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _on_signals(_ignore)  # `timeout` and make send a second one, which must not end the stopping
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Not SIG_IGN, which the processes that stop the others would inherit."""


if __name__ == "__main__":
    sys.exit(main())
