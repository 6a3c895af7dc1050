"""Two ways in which alerts are often sent, on the same outbox: send a batch and mark it at its end, and fire once and forget."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

import sqlalchemy as sa
from benchmarks.alerts.senders import Pace

from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.message import Message
from afterpilot.notify.slack import SlackTransport
from afterpilot.record.ops import connect
from doubles.slack import TOKEN

_BATCH, _TIMEOUT = 50, 3
_PENDING = "SELECT id, channel, message FROM outbox WHERE state = 'pending' ORDER BY created_at, id LIMIT :limit"
_SENT = "UPDATE outbox SET state = 'sent' WHERE id = ANY(:ids)"


def mark_at_end(database: str, slack: str, pace: Pace) -> None:
    """Read what is pending, post each, mark those that were answered when the batch is done."""
    engine, transport = _ready(database, slack, pace)
    while True:
        rows = _pending(engine)
        answered = [row.id for row in rows if _posted(transport, row, pace)]
        with engine.begin() as connection:
            connection.execute(sa.text(_SENT), {"ids": answered})
        time.sleep(0.1)


def fire_once(database: str, slack: str, pace: Pace) -> None:
    """Mark what is pending, then post each once, whatever comes of it."""
    engine, transport = _ready(database, slack, pace)
    while True:
        rows = _pending(engine)
        with engine.begin() as connection:
            connection.execute(sa.text(_SENT), {"ids": [row.id for row in rows]})
        for row in rows:
            _posted(transport, row, pace)
        time.sleep(0.1)


def _ready(database: str, slack: str, pace: Pace) -> tuple[sa.Engine, SlackTransport]:
    logging.disable()
    return connect(database), SlackTransport(TOKEN, slack, timeout=_TIMEOUT, pace=pace.pace)


def _pending(engine: sa.Engine) -> list[sa.Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(_PENDING), {"limit": _BATCH}).all())


def _posted(transport: SlackTransport, row: sa.Row[Any], pace: Pace) -> bool:
    with contextlib.suppress(AfterpilotError):
        transport.post(row.channel, Message.from_dict(row.message), reference=str(row.id))
        time.sleep(pace.pace / 10)
        return True
    return False
