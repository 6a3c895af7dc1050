"""Records whose rows are gone from the source, told from those that moved in time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

from afterpilot.domain.looking import Looked, Remembering, Vanished
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.production.source_states import CountedDay, SourceState, whole_day

_NAMED = 20


def vanished_days(
    services: Services,
    workflow: Workflow,
    source: Looked,
    state: SourceState,
    days: Mapping[date, CountedDay],
    span: Window,
) -> Iterator[Vanished]:
    """Of the days that were counted within the span, those of which records are gone. Raises SourceError."""
    for day, counted in sorted(days.items()):
        earlier = state.days.get(day)
        # Rows without a key and repeated ones are at the source alone: fewer of these may hide that others are gone.
        fewer = earlier is not None and counted.rows - counted.kept < earlier.rows - earlier.kept
        if counted.rows >= counted.kept and not fewer:
            continue
        whole = whole_day(day)
        part = Window(whole.start, min(whole.end, span.end))
        gone, named = _gone(services, workflow, part, source.keys(part), source.elsewhere)
        if gone:
            yield Vanished(day, counted.kept, gone, named)


def vanished_of_read(
    services: Services, workflow: Workflow, source: Remembering, spans: Iterable[Window]
) -> Iterator[Vanished]:
    """Of the days within the spans that were read, those of which records are gone. What is fewer than on record is read a
    second time for its keys. Raises SourceError.
    """
    for span in spans:
        given = source.given(span)
        if given is None:
            continue
        with services.ops.begin() as unit:
            kept = unit.source_states.kept_by_day(workflow.slug, span)
        for day, on_record in sorted(kept.items()):
            if given.get(day, 0) >= on_record:
                continue
            whole = whole_day(day)
            part = Window(max(whole.start, span.start), min(whole.end, span.end))
            gone, named = _gone(services, workflow, part, source.keys(part), _nowhere)
            if gone:
                yield Vanished(day, on_record, gone, named)


def _gone(
    services: Services,
    workflow: Workflow,
    window: Window,
    there: Iterable[str],
    elsewhere: Callable[[Sequence[str]], Collection[str]],
) -> tuple[int, tuple[str, ...]]:
    """How many records of the window are neither there nor elsewhere, and the keys of the newest of them."""
    gone, named = 0, list[str]()
    with services.ops.begin() as unit:  # some at a time: neither memory nor one question grows with them
        for keys in unit.source_states.absent(workflow.slug, window, there):
            moved = elsewhere(keys)
            left = [key for key in keys if key not in moved]
            gone += len(left)
            named += left[: _NAMED - len(named)]
    return gone, tuple(named)


def _nowhere(_: Sequence[str]) -> Collection[str]:
    """A source that cannot be asked where a row is."""
    return ()
