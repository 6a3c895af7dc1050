"""One message about all that nobody has taken up in a channel: whoever is called next is called once, however much it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from afterpilot.domain.counting import plural
from afterpilot.domain.message import Fact, Link, Message
from afterpilot.notify.blocks import HERE
from afterpilot.notify.digest import Notice
from afterpilot.notify.standing import badge, tone, whose

MOST_CALLED = 10  # people by name; of more of them nobody feels called
_NAMED = 10


def call_message(notices: Sequence[Notice], *, calls: Collection[str], url: str = "") -> Message:
    """The call about these incidents, each a notice with its incident; there must be one. ``calls`` are the mentions that each of them
    would have had alone, ``url`` is the list of incidents.
    """
    known = [(one, one.incident) for one in notices if one.incident is not None]
    ordered = sorted(known, key=lambda one: (-one[1].severity.gravity, one[1].opened_at, one[0].workflow))
    counted, mention = _counted(notices), _mention(calls)
    title = f"{plural(len(notices), 'incident')} that nobody has taken up"
    named = ordered[:_NAMED]
    rest = len(ordered) - len(named)
    return Message(
        tone=tone(ordered[0][1], ordered[0][1].severity) if ordered else "unknown",
        title=title,
        summary="Each has waited longer than is declared. Their own messages stand, with their buttons; this is one call for all of them.",
        notification=f"{title}: {counted}",
        facts=(
            Fact("By workflow", counted),
            Fact("Who acts", _who(mention)),
            Fact("What to do", "Acknowledge what you have: nobody else is called about that. The gravest come first."),
        ),
        points=(
            *(f"{badge(incident, incident.severity)} · {whose(one.workflow)}: {one.title}" for one, incident in named),
            *((f"and {rest} more",) if rest else ()),
        ),
        point_urls=tuple(one.url for one, _ in named),
        links=(Link("All open incidents", url, primary=True),) if url else (),
        mention=mention,
        footer="Afterpilot · escalation · one call for a channel within a quarter of an hour",
    )


def _mention(calls: Collection[str]) -> str:
    """Everybody who is there, where one of them calls everybody or too many people are called; the people else."""
    people = sorted(set(calls) - {HERE, ""})
    return HERE if HERE in calls or len(people) > MOST_CALLED else " ".join(people)


def _who(mention: str) -> str:
    if mention == HERE:
        return "whoever sees this first"
    return "the deputies who are called here" if mention else "the deputies, none of whom can be called by name here"


def _counted(notices: Sequence[Notice]) -> str:
    slugs = sorted(one.workflow for one in notices)
    counts = sorted(((len(list(group)), slug) for slug, group in groupby(slugs)), key=lambda one: (-one[0], one[1]))
    more = f" and {plural(len(counts) - _NAMED, 'workflow')} more" if len(counts) > _NAMED else ""
    return f"{', '.join(f'{whose(slug)} {count}' for count, slug in counts[:_NAMED])}{more}"
