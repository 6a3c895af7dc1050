"""Shows what the demo is doing: one line for each step, with a spinner while it runs and its time when it is done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """Progress on a terminal; plain lines where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """A step without a known length; call what it gives to say where it stands."""
        began = time.monotonic()
        with self.waiting(title) as tell:
            yield tell
        self.done(title, time.monotonic() - began)

    @contextlib.contextmanager
    def waiting(self, title: str) -> Iterator[Callable[[str], None]]:
        """A spinner alone, for what was begun elsewhere."""
        with self._console.status(f"{title} …") as status:
            yield lambda where: status.update(f"{title} [dim]{where}[/dim]")

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """A step of known length; call what it gives after each part."""
        began = time.monotonic()
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.advance(task)
        self.done(title, time.monotonic() - began)

    def done(self, title: str, seconds: float) -> None:
        """A line that stays."""
        self._console.print(f"[green]✓[/green] {title} [dim]{seconds:.1f} s[/dim]", highlight=False)

    def note(self, text: str) -> None:
        """Something worth knowing that is not an error."""
        self._console.print(f"[yellow]•[/yellow] {text}", highlight=False)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began
