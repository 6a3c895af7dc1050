"""Seals the ledger, publishes its heads, and leaves what the watchdog has to know about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import AfterpilotError, LedgerBroken
from afterpilot.domain.publishing import Place
from afterpilot.domain.watching import LEDGER, Beat, LedgerState
from afterpilot.pipeline.services import Services
from afterpilot.record.beats import Beats
from afterpilot.record.ledger import heads, publishing, sealing
from afterpilot.record.ledger.heads import Head
from afterpilot.record.ledger.signing_keys import SigningKey

log = logging.getLogger(__name__)
_NEW = timedelta(days=7)  # for which a key that nobody has endorsed is told
_COMPARED = timedelta(hours=1)  # a bucket's heads, with two requests; those in a folder at each pass
OpenStore = Callable[[str, str], Any]  # scheme and connection → fsspec filesystem


@dataclass(slots=True)
class _Told:
    """What became of the places of one pass: where a head was written to, what went wrong where, and when each was compared last."""

    published: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    compared: dict[str, str] = field(default_factory=dict)


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
            head, before = heads.last_head(connection), Beats(connection).all().get(LEDGER)
        # First: where what was published does not fit, nothing more is sealed.
        told = _publish(services, head, open_store, now, before)
        done = sealing.seal(services.ops.engine, key())
        if done.busy:
            return SealedNow(done.new, done.head, True, tuple(told.published), told.failed)
        if head is None:
            head = done.head
            told = _publish(services, head, open_store, now, before)
        head = done.head or head
    except AfterpilotError as error:
        what = "broken" if isinstance(error, LedgerBroken) else "key"
        _beat(services, now, **{what: str(error)})
        raise
    _beat(services, now, unpublished=told.failed, compared=told.compared)
    return SealedNow(done.new, head, published=tuple(told.published), failed=told.failed)


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


def _publish(services: Services, head: Head | None, open_store: OpenStore, now: datetime, before: Beat | None) -> _Told:
    """Write the head where that is due, and hold what stands elsewhere against the ledger."""
    told = _Told()
    if head is None:
        return told
    with services.ops.begin() as unit:
        publishing.note_weekly(unit.connection, now=now)
    last = (before.detail if before else {}).get("compared") or {}
    for place in services.fleet.publishing.places:
        try:
            _place(services, place, head, open_store, now, last.get(place.declared, ""), told)
        except LedgerBroken:
            raise
        except AfterpilotError as error:
            log.warning("%s: the published heads: %s", place.declared, error)
            told.failed[place.declared] = str(error)
    return told


def _place(
    services: Services, place: Place, head: Head, open_store: OpenStore, now: datetime, last: str, told: _Told
) -> None:
    """Publish to one place, or compare what stands there where that is due: ``last`` says when it was done."""
    with services.ops.begin() as unit:
        if publishing.is_due(unit.connection, place.declared, head, now=now, every=services.fleet.publishing.every):
            publishing.publish(unit.connection, _folder(place, open_store), head)
            told.published.append(place.declared)
        elif _is_folder(place) or not last or now - datetime.fromisoformat(last) >= _COMPARED:
            publishing.compare(unit.connection, _folder(place, open_store), head)
        else:
            told.compared[place.declared] = last
            return
    told.compared[place.declared] = now.isoformat()


def _is_folder(place: Place) -> bool:
    return place.scheme == "file" and not place.connection


def _folder(place: Place, open_store: OpenStore) -> publishing.Folder:
    return publishing.Folder(_store(place, open_store), place.path, place.declared)


def _store(place: Place, open_store: OpenStore) -> Any:  # noqa: ANN401 - fsspec
    if _is_folder(place):
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    return open_store(place.scheme, place.connection)


def _beat(services: Services, now: datetime, **detail: object) -> None:
    with services.ops.begin() as unit:
        Beats(unit.connection).beat(LEDGER, at=now, detail=detail)
