"""Seals the ledger, publishes its heads, and leaves what the watchdog has to know about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import AfterpilotError, LedgerBroken
from afterpilot.domain.publishing import Place, Publishing
from afterpilot.domain.watching import LEDGER, Beat, LedgerState
from afterpilot.pipeline.services import Services
from afterpilot.record import heads, publishing, sealing
from afterpilot.record.beats import Beats
from afterpilot.record.heads import Head
from afterpilot.record.signing_keys import SigningKey

log = logging.getLogger(__name__)
_NEW = timedelta(days=7)  # for which a key that nobody has endorsed is told
OpenStore = Callable[[str, str], Any]  # scheme and connection → fsspec filesystem


@dataclass(frozen=True, slots=True)
class SealedNow:
    """What one pass has done: new leaves, the newest head, where it was published, and where it could not be, with why."""

    new: int
    head: Head | None
    busy: bool = False
    published: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


def seal(services: Services, key: Callable[[], SigningKey | None], open_store: OpenStore) -> SealedNow:
    """Seal what can be sealed, then publish the newest head where that is due. One place that fails holds up no other.

    Raises:
        LedgerBroken: what is stored does not fit what was sealed or published; it is on record for the watchdog.
        ConfigurationError: there is a key, and it cannot be used; on record as well.
    """
    now = services.now()
    try:
        with services.ops.engine.connect() as connection:
            head = heads.last_head(connection)
        # First: where what was published does not fit, nothing more is sealed.
        published, failed = _publish(services, head, open_store, now)
        done = sealing.seal(services.ops.engine, key())
        if done.busy:
            return SealedNow(done.new, done.head, True, published, failed)
        if head is None:
            head = done.head
            published, failed = _publish(services, head, open_store, now)
        head = done.head or head
    except AfterpilotError as error:
        what = "broken" if isinstance(error, LedgerBroken) else "key"
        _beat(services, now, **{what: str(error)})
        raise
    _beat(services, now, unpublished=dict(failed))
    return SealedNow(done.new, head, published=published, failed=failed)


def ledger_state(connection: sa.Connection, beat: Beat | None) -> LedgerState:
    """How the ledger stands, by what is stored and by what the last pass has left."""
    detail = beat.detail if beat else {}
    head, lag = heads.last_head(connection), sealing.lag(connection)
    return LedgerState(
        entries=head.entries if head else 0,
        head=head.hash if head else "",
        sealed_at=head.at if head else None,
        oldest=lag.oldest,
        waiting=lag.waiting,
        held_by=lag.held_by,
        broken=str(detail.get("broken") or ""),
        key=str(detail.get("key") or ""),
        unsigned=head is not None and not head.key_id,
        replaced=_replaced(connection, head),
        unpublished={str(place): str(why) for place, why in (detail.get("unpublished") or {}).items()},
    )


def _replaced(connection: sa.Connection, head: Head | None) -> str:
    """The key of the last head, where no earlier key vouches for it and it is new."""
    if head is None or not head.key_id:
        return ""
    known = heads.keys(connection)
    key = known.get(head.key_id)
    if key is None or head.at - key.since > _NEW or heads.is_endorsed(key, known, heads.ledger_id(connection)):
        return ""
    return key.id


def _publish(
    services: Services, head: Head | None, open_store: OpenStore, now: datetime
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Where the head was written to now, and where it could not be."""
    if head is None:
        return (), {}
    with services.ops.begin() as unit:
        publishing.note_weekly(unit.connection, now=now)
    published, failed, declared = [], {}, services.fleet.publishing
    for place in declared.places:
        try:
            if _published(services, place, declared, head, open_store, now):
                published.append(place.declared)
        except LedgerBroken:
            raise
        except AfterpilotError as error:
            log.warning("%s: the head could not be published: %s", place.declared, error)
            failed[place.declared] = str(error)
    return tuple(published), failed


def _published(
    services: Services, place: Place, declared: Publishing, head: Head, open_store: OpenStore, now: datetime
) -> bool:
    with services.ops.begin() as unit:
        if not publishing.is_due(unit.connection, place.declared, head, now=now, every=declared.every):
            return False
        folder = publishing.Folder(_store(place, open_store), place.path, place.declared)
        publishing.publish(unit.connection, folder, head)
    return True


def _store(place: Place, open_store: OpenStore) -> Any:  # noqa: ANN401 - fsspec
    if place.scheme == "file" and not place.connection:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    return open_store(place.scheme, place.connection)


def _beat(services: Services, now: datetime, **detail: object) -> None:
    with services.ops.begin() as unit:
        Beats(unit.connection).beat(LEDGER, at=now, detail=detail)
