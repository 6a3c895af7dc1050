"""What ``afterpilot evals run`` shows: a live table while it runs, a summary when it is done."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from afterpilot.domain.counting import plural
from afterpilot.domain.evals import Estimate, Sample
from afterpilot.domain.money import Money

_LATEST = 5
_WIDE = 110  # characters of a line that tells of one sample


class Live:
    """The state of a run, rendered again and again; counts are of samples."""

    def __init__(self, title: str, *, total: int, already: Sequence[Sample], currency: str) -> None:
        self._currency = currency
        self._counts: Counter[str] = Counter()
        self._latest: deque[Text] = deque(maxlen=_LATEST)
        self._cost = Decimal(0)
        self._unpriced = 0
        self._latencies: deque[int] = deque(maxlen=1_000)
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task(title, total=total)
        self._new = 0
        self.add(already)
        self._began, self._new = time.monotonic(), 0

    def add(self, samples: Sequence[Sample]) -> None:
        """Count samples that have come."""
        for sample in samples:
            self._counts[_state(sample)] += 1
            if sample.cost is not None:
                self._cost += sample.cost
            elif sample.attempts:
                self._unpriced += 1
            if sample.latency_ms is not None:
                self._latencies.append(sample.latency_ms)
            if _state(sample) != "passed":
                self._latest.append(told(sample))
        self._new += len(samples)
        self._progress.update(self._task, advance=len(samples))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._progress
        yield self._line()
        yield from self._latest

    def _line(self) -> Text:
        seconds = time.monotonic() - self._began
        parts = [
            (f"{self._counts['passed']} passed", "green"),
            (f"{self._counts['failed']} failed", "red" if self._counts["failed"] else "dim"),
            (f"{self._counts['error']} errors", "magenta" if self._counts["error"] else "dim"),
            (self._money(), ""),
            (f"{self._new / seconds:.1f} a second" if seconds > 1 else "", "dim"),
            (f"median {sorted(self._latencies)[len(self._latencies) // 2]} ms" if self._latencies else "", "dim"),
        ]
        return Text("   ").join(Text(text, style=style) for text, style in parts if text)

    def _money(self) -> str:
        unknown = f" and {plural(self._unpriced, 'call')} without a price" if self._unpriced else ""
        return f"{Money(self._cost, self._currency)}{unknown}"


def told(sample: Sample) -> Text:
    """One line about a sample that did not pass: why, as its scorers say, or what went wrong in the harness."""
    if not sample.scored:
        text = Text.assemble(("? ", "magenta"), (sample.case_id, "bold"), f"  {sample.error or 'nothing may decide'}")
    else:
        wrong = next((score for score in sample.deciding if not score.passed), None)
        why = f"{wrong.scorer}: {wrong.reason or f'{wrong.value:.2f}'}" if wrong else f"score {sample.score:.2f}"
        text = Text.assemble(("✗ ", "red"), (sample.case_id, "bold"), f"  {why}")
    text.truncate(_WIDE, overflow="ellipsis")
    return text


def estimate_text(estimate: Estimate, cap: Money) -> str:
    """What a run will take, in one sentence."""
    if estimate.expected is None or estimate.most is None:
        return f"{plural(estimate.calls, 'call')}; their cost is unknown: {estimate.why_unknown}"
    expected, most = Money(estimate.expected, estimate.currency), Money(estimate.most, estimate.currency)
    return f"{plural(estimate.calls, 'call')}, about {expected}, {most} at most; the run stops at {cap}"


def _state(sample: Sample) -> str:
    return "error" if not sample.scored else "passed" if sample.passed else "failed"
