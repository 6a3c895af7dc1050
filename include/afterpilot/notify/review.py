"""The message to the deputy about outputs that nobody has decided on in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from afterpilot.domain.counting import plural
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.domain.workflow import Workflow

_EXAMPLES = 5
_HOUR, _DAY = timedelta(hours=1), timedelta(days=2)


def overdue_message(workflow: Workflow, items: Sequence[tuple[str, datetime]], *, at: datetime, url: str) -> Message:
    """What is overdue (key, due time; the longest overdue first), that it is the deputy's now, and where to decide.

    ``url`` is the address of the review queue; empty: none is linked.
    """
    many = len(items)
    what = "1 output waits" if many == 1 else f"{many} outputs wait"
    title = f"{workflow.slug}: {what} beyond {'its' if many == 1 else 'their'} time for a person"
    first = items[0][1]
    return Message(
        tone="warning",
        title=title,
        summary=f"Nobody has decided on {'it' if many == 1 else 'them'} in time, so {'it is' if many == 1 else 'they are'} "
        f"{workflow.deputy.name}'s now.",
        notification=title,
        facts=(
            Fact("Due", f"{first.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {_span(at - first)} ago"),
            Fact("Who acts", f"{workflow.deputy.name} (deputy of {workflow.owner.name})"),
            Fact("What to do", "Open the queue and decide: accept, correct or reject."),
        ),
        points=tuple(f"{key}: due {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC" for key, due in items[:_EXAMPLES])
        + ((f"and {many - _EXAMPLES} more",) if many > _EXAMPLES else ()),
        links=(Link("Open the queue", f"{url}?workflow={workflow.slug}&who=all", primary=True),) if url else (),
        mention=workflow.deputy.slack,
    )


def _span(length: timedelta) -> str:
    if length < _HOUR:
        return f"{int(length.total_seconds() // 60)} min"
    return f"{int(length.total_seconds() // 3600)} h" if length < _DAY else plural(length.days, "day")
