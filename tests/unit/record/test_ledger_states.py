"""Rows that are as their entries make of them are no problem, where retention has removed some of the entries and in any time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from afterpilot.domain.ledger import ITSELF
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.ledger.states import THINGS, Told
from afterpilot.record.ledger.words import Words

MARCH, APRIL = datetime(2026, 3, 31, 23, 50, tzinfo=UTC), datetime(2026, 4, 1, 0, 10, tzinfo=UTC)
YEAR = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
SAID = {"cap": "year", "limit": "9.50", "currency": "EUR", "period": [stamp(one) for one in YEAR]}
ASKED = Told("asked", MARCH, ITSELF, {**SAID, "note": "more calls"})
APPROVED = Told("approved", APRIL, ITSELF, SAID)


def words(since: datetime) -> Words:
    """Of a ledger whose entries from then on are there; nobody in it is a person."""
    made = Words(cast("sa.Connection", None))
    made.__dict__["since"] = since
    return made


def raised(**changed: Any) -> SimpleNamespace:
    """A raise that was asked for in March and approved in April."""
    row: dict[str, Any] = {
        "state": "approved",
        "cap": "year",
        "amount": "9.50",
        "currency": "EUR",
        "reason": "more calls",
    }
    row |= {"asked_by": ITSELF, "asked_at": MARCH, "second_by": ITSELF, "decided_at": APRIL}
    return SimpleNamespace(**{**row, "period_start": YEAR[0], "period_end": YEAR[1], **changed})


@pytest.mark.parametrize(
    ("told", "since", "changed", "wrong"),
    [
        pytest.param([ASKED, APPROVED], MARCH, {}, "", id="all is there"),
        pytest.param([APPROVED], APRIL, {}, "", id="the question is gone by retention"),
        pytest.param([APPROVED], MARCH, {}, "asked_by", id="the question is gone unsaid"),
        pytest.param([APPROVED], APRIL, {"amount": "99"}, "limit", id="the limit is known of the answer"),
        pytest.param([APPROVED], APRIL, {"second_by": "eve"}, "second_by", id="so is who gave it"),
        pytest.param([APPROVED], APRIL, {"decided_at": MARCH}, "decided_at", id="and when"),
        pytest.param([ASKED, APPROVED], APRIL, {"reason": "none"}, "reason", id="what is there is looked at"),
    ],
)
def test_a_raise_outlives_its_question(
    told: list[Told], since: datetime, changed: dict[str, object], wrong: str
) -> None:
    """A row stays until its period is over, its entries go by the month in which they were recorded."""
    assert THINGS["cap_raises"].judge(raised(**changed), told, words(since)) == wrong


@pytest.mark.parametrize(("reason", "wrong"), [("ERP upgrade", ""), ("none", "waived_reason")])
def test_the_reason_of_a_waiver_is_read_in_any_time_zone(reason: str, wrong: str) -> None:
    """The words of the entry name its end in UTC, the database gives it in the zone of its session."""
    opened = Told("opened", MARCH, ITSELF, {"kind": "k", "severity": "critical", "state": "open", "title": "t"})
    until = APRIL + timedelta(days=1)
    said = {"state": "waived", "until": stamp(until), "note": "until 2026-04-02 00:10 UTC: ERP upgrade"}
    waived = opened._replace(word="waived", at=APRIL, payload={**opened.payload, **said})
    row = SimpleNamespace(
        kind="k",
        severity="critical",
        state="waived",
        title="t",
        acknowledged_by="",
        acknowledged_at=None,
        waived_until=until.astimezone(ZoneInfo("Asia/Tokyo")),
        waived_by=ITSELF,
        waived_reason=reason,
        resolved_at=None,
    )
    assert THINGS["incidents"].judge(row, [opened, waived], words(MARCH)) == wrong
