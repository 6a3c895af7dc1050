"""A source that misbehaves is noticed at each pull: what it looks like before it is read, and what it holds afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from afterpilot.decide.columns import known_columns, lost_columns
from afterpilot.decide.sources import SHRANK
from afterpilot.domain.looking import AHEAD, Columns, Look, Looked, Remembering
from afterpilot.domain.ports import RecordSource
from afterpilot.domain.run import Stage
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.vanishing import vanished_days, vanished_of_read
from afterpilot.record.alerts.unmended import failing_windows
from afterpilot.record.production.source_states import CountedDay, SourceState, whole_day

SWEPT = 7  # days that are counted again by the first pull of a day
READ_AGAIN = timedelta(days=1)  # of windows with failing records, in each pull
_NEWER = 1000  # keys behind the source's newest time that are looked up there


@dataclass(frozen=True, slots=True)
class Seen:
    """A source before it is read: its state as it was and as it will be, and the windows that have to be read.

    ``lost`` names the fields that keep what is on record. ``decided`` is an earlier time whose decisions are read again.
    ``again`` holds the parts of windows with failing records that are read again, in the order in which their turn comes.
    """

    state: SourceState
    look: Look
    spans: tuple[Window, ...]
    lost: frozenset[str] = frozenset()
    decided: Window | None = None
    again: tuple[Window, ...] = ()


def before(services: Services, workflow: Workflow, source: RecordSource, reading: Window, *, now: datetime) -> Seen:
    """Look at the columns. Where one is back that was lost, the rows without it are read again; so are days in which rows came
    later than they may.

    Raises:
        SourceError: the source cannot be looked at, or has lost the column of its key or time.
    """
    with services.ops.begin() as unit:
        state = unit.source_states.of(workflow.slug)
        failing = failing_windows(unit.connection, workflow.slug).values()
        last = unit.runs.latest(workflow.slug, Stage.PULL)
    again = read_again(failing, before=reading.start, after=read_again_to(last.evidence) if last else None)
    if not isinstance(source, Looked):
        return Seen(state, Look(), merged([*again, reading]), decided=_decided(state, reading, now), again=again)
    columns = source.columns()
    known, changed = known_columns(state.columns, columns, _declared(workflow, columns))
    lost, back = lost_columns(state.lost, columns, since=reading.start)
    decided = _decided(state, reading, now)
    if back is not None:
        reading = Window(min(reading.start, back), reading.end)
    return Seen(
        replace(state, columns=known, lost={one.name: one.since for one in lost}),
        Look(looked=True, lost=lost, changed=changed),
        merged([*again, *_missed(services, workflow, source, state, reading, now), reading]),
        frozenset(one.name for one in lost) & frozenset(workflow.source.fields),
        decided,
        again,
    )


def after(
    services: Services,
    workflow: Workflow,
    source: RecordSource,
    seen: Seen,
    *,
    watermark: datetime | None,
    now: datetime,
) -> Seen:
    """Count what the source holds now against what is on record, and see whether its time went back, or ours before the
    ``watermark``.

    Raises:
        SourceError: the source cannot be counted.
    """
    behind = watermark - now if watermark else timedelta(0)
    clock = behind if behind > AHEAD else timedelta(0)
    if not isinstance(source, Looked):
        return _after_reading(services, workflow, source, replace(seen, look=Look(clock=clock)), watermark, now)
    state = seen.state
    span = _counted_span(state, seen.spans[-1], now)
    counted = source.counted(span, now=now)
    with services.ops.begin() as unit:
        kept = unit.source_states.kept_by_day(workflow.slug, span)
        newer = unit.source_states.keys_after(workflow.slug, counted.newest, limit=_NEWER)
        told = any(one.kind == SHRANK for one in unit.incidents.unresolved(workflow.slug))
    days = {day: _counted(day, counted.days.get(day, 0), rows, seen) for day, rows in kept.items()}
    if watermark is None:  # what lies before the history is no gap
        days = {day: replace(one, unkept=max(0, one.rows - one.kept)) for day, one in days.items()}
    vanished = list(vanished_days(services, workflow, source, state, days, span))
    gone = {one.day: one.gone for one in vanished}
    days = {day: replace(one, gone=gone.get(day, 0)) for day, one in days.items()}
    known = {day: one for day, one in state.days.items() if day >= span.end.date() - timedelta(days=SWEPT + 1)}
    newest = state.newest_at
    look = replace(
        seen.look,
        # What a person has settled is not told again, unless more is gone.
        vanished=tuple(one for one in vanished if told or one.gone > _gone(state.days, one.day)),
        before=newest,
        newest=counted.newest,
        went_back=bool(newest and (counted.newest is None or counted.newest < newest) and _gone_of(source, newer)),
        ahead=counted.ahead,
        furthest=counted.furthest,
        clock=clock,
    )
    times = [moment for moment in (newest, counted.newest) if moment is not None]
    return replace(
        seen,
        look=look,
        state=replace(state, days={**known, **days}, newest_at=max(times, default=None), seen_at=now),
    )


def _after_reading(
    services: Services, workflow: Workflow, source: RecordSource, seen: Seen, watermark: datetime | None, now: datetime
) -> Seen:
    """What a source tells by its rows alone, where it remembers what it has given: that some are gone of what was read again."""
    state = replace(seen.state, seen_at=now)
    if not isinstance(source, Remembering) or watermark is None:
        return replace(seen, state=state)
    vanished = list(vanished_of_read(services, workflow, source, seen.spans))
    with services.ops.begin() as unit:
        told = any(one.kind == SHRANK for one in unit.incidents.unresolved(workflow.slug))
    days = {day: one for day, one in state.days.items() if day >= now.date() - timedelta(days=SWEPT + 1)}
    for one in vanished:
        gone = max(one.gone, _gone(state.days, one.day))
        days[one.day] = CountedDay(one.on_record - one.gone, one.on_record, gone=gone)
    look = replace(seen.look, vanished=tuple(one for one in vanished if told or one.gone > _gone(state.days, one.day)))
    return replace(seen, look=look, state=replace(state, days=days))


def read_again(
    failing: Iterable[Sequence[Window]], *, before: datetime, after: datetime | None = None
) -> tuple[Window, ...]:
    """What is read again of the windows whose records still fail, cut at ``before``: what was mended there is seen.

    The oldest first, :data:`READ_AGAIN` together at most, so that a pull stays small; the next pull goes on ``after`` the
    last one's end, so that all of them have their turn, however many or long they are, and none twice before that.
    """
    cut = (Window(one.start, max(one.start, min(one.end, before))) for windows in failing for one in windows)
    parts = merged([one for one in cut if one.length])
    turn = after or before
    onward = [Window(max(one.start, turn), one.end) for one in parts if one.end > turn]
    earlier = [Window(one.start, min(one.end, turn)) for one in parts if one.start < turn]
    chosen: list[Window] = []
    left = READ_AGAIN
    for one in [*onward, *earlier]:
        if not left:
            break
        chosen.append(Window(one.start, min(one.end, one.start + left)))
        left -= chosen[-1].length
    return tuple(chosen)


def read_again_to(evidence: Mapping[str, Any]) -> datetime | None:
    """Up to where a pull, by its evidence, has read windows with failing records again; None where it read none."""
    spans = evidence.get("read_again") or []
    return datetime.fromisoformat(spans[-1]["end"]) if spans else None


def merged(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The windows in order, those that overlap or touch as one."""
    together: list[Window] = []
    for window in sorted(windows):
        if together and window.start <= together[-1].end:
            together[-1] = Window(together[-1].start, max(together[-1].end, window.end))
        else:
            together.append(window)
    return tuple(together)


def _declared(workflow: Workflow, columns: Columns) -> Mapping[str, str]:
    """Each column's declared kind; a column that is no field has none."""
    return {name: workflow.source.fields.get(name, "") for name in columns.types}


def _missed(
    services: Services, workflow: Workflow, source: Looked, state: SourceState, reading: Window, now: datetime
) -> Iterator[Window]:
    """Days that are not read any more and hold rows that never were, looked for once a day: these came later than ``late_by``."""
    if not state.days or not _is_first_of_day(state, now):
        return
    first = max(min(state.days), now.date() - timedelta(days=SWEPT))
    span = Window(whole_day(first).start, max(whole_day(first).start, whole_day(reading.start.date()).start))
    if not span.length:
        return
    rows = source.counted(span, now=now).days
    with services.ops.begin() as unit:
        kept = unit.source_states.kept_by_day(workflow.slug, span)
    for day, count in rows.items():
        if count - kept.get(day, 0) > (state.days[day].unkept if day in state.days else 0):
            yield whole_day(day)


def _decided(state: SourceState, reading: Window, now: datetime) -> Window | None:
    """The days before in which people may have decided what was entered later; looked at once a day."""
    start = whole_day(now.date() - timedelta(days=SWEPT)).start
    return Window(start, reading.start) if _is_first_of_day(state, now) and start < reading.start else None


def _counted(day: date, rows: int, kept: int, seen: Seen) -> CountedDay:
    whole, earlier = whole_day(day), seen.state.days.get(day)
    unkept = max(0, rows - kept)
    if not any(span.start <= whole.start and whole.end <= span.end for span in seen.spans):
        unkept = min(unkept, earlier.unkept if earlier else 0)
    return CountedDay(rows, kept, unkept=unkept)


def _is_first_of_day(state: SourceState, now: datetime) -> bool:
    """Whether this is the first pull of its day that gets so far."""
    return state.seen_at is not None and state.seen_at.date() < now.date()


def _counted_span(state: SourceState, reading: Window, now: datetime) -> Window:
    """Whole days: those that are read again, those that are short; once a day those of the week before."""
    first = reading.start.date()
    if _is_first_of_day(state, now):
        first = min(first, now.date() - timedelta(days=SWEPT))
    oldest = now.date() - timedelta(days=SWEPT + 1)
    short = [day for day, one in state.days.items() if one.gone and day >= oldest]
    return Window(whole_day(min([first, *short])).start, max(reading.end, whole_day(min([first, *short])).start))


def _gone_of(source: Looked, keys: Sequence[str]) -> bool:
    """Whether any of the keys is not at the source; one that stands at another time has only moved."""
    return bool(keys) and len(source.elsewhere(keys)) < len(keys)


def _gone(days: Mapping[date, CountedDay], day: date) -> int:
    return days[day].gone if day in days else 0
