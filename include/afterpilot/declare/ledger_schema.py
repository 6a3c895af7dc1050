"""The key ``ledger`` of ``_fleet.yaml``: where its heads are published."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import describe
from afterpilot.declare.values import SomeTime, Wrong, text_of, typed
from afterpilot.domain.publishing import EVERY_DAY, Place, Publishing

_MOST_PLACES = 5
_LEAST, _MOST = timedelta(minutes=10), timedelta(days=31)


def _place(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    text = text_of(value, most=500)
    try:
        Place.of(text)
    except ValueError:
        hint = "such as file:///srv/ledger or s3://connection@bucket/prefix"
        raise Wrong(f"{describe(text)} is no folder and no object store", hint) from None
    return text


PublishPlace = Annotated[str, *typed(_place, "`file:///folder`, or `s3://connection@bucket/prefix`")]


class FleetLedger(Keys):
    """Where the ledger's heads are told outside of its database."""

    publish: list[PublishPlace] = Field(
        [], max_length=_MOST_PLACES, description="where each head is written to as a small file of its own"
    )
    every: SomeTime = Field(EVERY_DAY, ge=_LEAST, le=_MOST, description="how often")


def publishing_of(ledger: FleetLedger | None) -> Publishing:
    """Where heads are published."""
    if ledger is None:
        return Publishing()
    return Publishing(tuple(Place.of(text) for text in ledger.publish), ledger.every)
