"""``afterpilot audit head`` and ``seal``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.settings import EnvConnections, Settings

if TYPE_CHECKING:
    from afterpilot.record.ledger.heads import Head


def head(*, json: AsJson = False) -> None:
    """Print the newest head of the ledger: keep the hash where nobody of this installation can change it.

    Exit status: 0 signed, 2 nothing is sealed yet, or the head is not signed.
    """
    from afterpilot.record.ledger import heads
    from afterpilot.record.ops import connect

    with connect(Settings.from_environment().database_url).connect() as connection:
        newest = heads.last_head(connection)
    if json:
        as_json(_as_dict(newest))
    elif newest is None:
        _say("Nothing is sealed yet: `afterpilot audit seal`, or the DAG seal, does it.")
    else:
        _tell(newest)
    raise typer.Exit(0 if newest is not None and newest.key_id else 2)


def seal(*, json: AsJson = False) -> None:
    """Seal what is new in the ledger, sign the head, and publish it where that is due.

    Exit status: 0 done, 1 a place could not be written to, 2 the ledger is not as it was sealed, or its key cannot be used.
    """
    from afterpilot.wiring import wire

    wired = wire(Settings.from_environment(), EnvConnections())
    with console.status("sealing …"):
        done = wired.seal()
    if json:
        as_json(
            {
                "new": done.new,
                "busy": done.busy,
                "head": _as_dict(done.head),
                "published": list(done.published),
                "failed": dict(done.failed),
            }
        )
    else:
        _say("Another process seals just now." if done.busy else f"{plural(done.new, 'entry')} sealed.")
        if done.head is not None:
            _tell(done.head)
        for place in done.published:
            _say(f"Published to {place}")
        for place, why in done.failed.items():
            _say(f"Not published to {place}: {why}")
    raise typer.Exit(1 if done.failed else 0)


def _tell(newest: Head) -> None:
    _say(f"Head {newest.hash}")
    _say(f"{plural(newest.entries, 'entry')} up to {newest.at:%Y-%m-%d %H:%M:%S} UTC")
    if newest.key_id:
        _say(f"Signed with the key {newest.key_id}")
    else:
        _say("NOT SIGNED: there is no key. `afterpilot audit keygen` makes one.")
    for told in newest.publications:
        _say(f"Published {told.at:%Y-%m-%d %H:%M} UTC: {told.place} {told.reference}")


def _as_dict(newest: Head | None) -> dict[str, Any]:
    if newest is None:
        return {}
    return {
        "head": newest.hash,
        "entries": newest.entries,
        "at": newest.at.isoformat(),
        "statement": newest.statement,
        "key": newest.key_id,
        "signature": newest.signature.hex() if newest.signature else "",
        "publications": [
            {"place": told.place, "at": told.at.isoformat(), "reference": told.reference}
            for told in newest.publications
        ],
    }


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)
