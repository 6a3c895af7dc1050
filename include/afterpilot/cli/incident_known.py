"""All that is known of an incident, as lines for people and as a document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AnswerRefused

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.record.history.timeline import Moment

_BRIEF = (
    "id",
    "workflow",
    "stage",
    "kind",
    "severity",
    "state",
    "title",
    "opened_at",
    "last_seen_at",
    "resolved_at",
    "occurrences",
    "acknowledged_by",
    "waived_until",
    "waived_by",
    "waived_reason",
    "hangs_on",
    "cause_id",
    "flapping",
)


@dataclass(frozen=True, slots=True)
class Known:
    """An incident's row, what explains it, what it explains, and its time line with its messages."""

    row: Mapping[str, Any]
    cause: Mapping[str, Any] | None
    explains: Sequence[Mapping[str, Any]]
    timeline: Sequence[Moment]


def known(connection: sa.Connection, which: str) -> Known:
    """Read it, named by its id or the first digits of it.

    Raises:
        AnswerRefused: none fits, or several do.
    """
    from afterpilot.record.alerts.answers import Answers
    from afterpilot.record.history import incidents
    from afterpilot.record.history.timeline import stream

    found = Answers(connection).find(which.strip().lower()) if which.strip() else ()
    row = incidents.one_incident(connection, found[0].id) if len(found) == 1 else None
    if row is None:
        named = ", ".join(str(one.id)[:8] for one in found)
        raise AnswerRefused(
            f"{plural(len(found), 'incident')} begin with {which!r}: {named}"
            if found
            else f"No incident has an id that begins with {which!r}; `afterpilot incidents list --state all` has them."
        )
    return Known(
        row=row,
        cause=incidents.one_incident(connection, row["cause_id"]) if row["cause_id"] else None,
        explains=incidents.explained_by(connection, row["id"]),
        timeline=stream(incidents.events_of(connection, row["id"]), incidents.messages_of(connection, row["id"])),
    )


def lines(of: Known) -> Iterator[str]:
    """It in words, a line each."""
    row = of.row
    ended = f" to {at(row['resolved_at'])}" if row["resolved_at"] else ""
    yield f"{row['severity']}  {row['workflow']}: {row['title']}"
    yield f"incident {row['id']}: {row['state']}{standing(row)}"
    found_by = plural(row["occurrences"], "run")
    yield f"since {at(row['opened_at'])}{ended}, found by {found_by}; {row['stage']}, {row['kind']}"
    yield from ("", row["detail"]) if row["detail"] else ()
    if of.cause:
        yield f"explained by {_other(of.cause)}"
    yield from (f"explains {_other(one)}" for one in of.explains)
    yield ""
    yield from map(_moment, of.timeline)


def document(of: Known) -> dict[str, Any]:
    """It for programs."""
    return {
        **brief(of.row),
        "detail": of.row["detail"],
        "explained_by": brief(of.cause) if of.cause else None,
        "explains": [brief(one) for one in of.explains],
        "timeline": [
            {
                "at": one.at,
                "what": one.what,
                "by": one.actor,
                "text": one.text,
                "times": one.times,
                "run": one.run["run_id"] if one.run else None,
                "message": one.message["id"] if one.message else None,
            }
            for one in of.timeline
        ],
    }


def brief(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a list says of it, and what became of its newest message where that was asked for."""
    return {name: row[name] for name in _BRIEF} | ({"told": row["told"]} if "told" in row else {})


def standing(row: Mapping[str, Any]) -> str:
    """What people have said of it, and whether anybody heard of it, for the end of a line."""
    parts = []
    if row["state"] == "acknowledged":
        parts.append(f"{row['acknowledged_by']} has it")
    if row["state"] == "waived":
        parts.append(f"waived until {at(row['waived_until'])} by {row['waived_by']}: {row['waived_reason']}")
    if row["state"] == "resolved":
        parts.append(f"over since {at(row['resolved_at'])}")
    if row.get("told") in {"silenced", "suppressed"}:
        parts.append("silenced" if row["told"] == "silenced" else "explained by another")
    return f" ({'; '.join(parts)})" if parts else ""


def at(moment: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "unknown"


def _other(row: Mapping[str, Any]) -> str:
    return f"{str(row['id'])[:8]}  {row['workflow']}: {row['title']} ({row['state']})"


def _moment(one: Moment) -> str:
    if one.message:
        return f"{at(one.at)}  message {one.text}"
    many = f" {one.times} times, last {at(one.until)}" if one.until else ""
    by, note = f" by {one.actor}" if one.actor else "", f": {one.text}" if one.text else ""
    return f"{at(one.at)}  {one.what.replace('_', ' ')}{many}{by}{note}"
