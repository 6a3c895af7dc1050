"""What a gateway is told by how the caps stand, and which orders follow from a change."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from afterpilot.decide.allowing import allowance, ended, orders, raise_period, said
from afterpilot.domain.allowance import STALE_AFTER, CapRaise, answered, caps_as_data, caps_of
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import AtCap, CapRule, CapState, OnUnknown, Stop
from afterpilot.domain.window import Window

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
DAY = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
DESK = Stop("call_back", "desk", path="/ai/stop")
PROXY = Stop("litellm", "proxy", keys=("a1",))


def dollars(amount: str) -> Money:
    return Money(Decimal(amount))


def state(
    cap: str, spent: str | None, at_cap: AtCap = "stop", *, period: Window = MONTH, model: str = "", **more: bool
) -> CapState:
    declared = Cap.parse(cap)
    rule = CapRule(declared, (), at_cap, model=model)
    return CapState(rule, period, declared.limit, None if spent is None else dollars(spent), **more)


def raised(to: str, cap: str = "month", **more: object) -> CapRaise:
    one = CapRaise(
        id=uuid.uuid4(),
        workflow="w",
        cap=cap,
        period=MONTH,
        limit=dollars(to),
        reason="a busy month",
        state="approved",
        asked_by="Dana Ruiz",
        asked_at=NOW,
        decided_at=NOW,
    )
    return replace(one, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at_cap", "refused", "allowed"),
    [("tell", False, True), ("ask_owner", False, True), ("ask_owner", True, False), ("stop", False, False)],
)
def test_what_is_declared_happens_at_the_cap(at_cap: AtCap, refused: bool, allowed: bool) -> None:  # noqa: FBT001 - a table
    """Tell goes on, ask goes on until the answer is no, stop stops; the last cent of the cap is what reaches it."""
    below = allowance("w", [state("400 USD/month", "399.99", at_cap, refused=refused)], now=NOW)
    at = allowance("w", [state("400 USD/month", "400", at_cap, refused=refused)], now=NOW)
    assert (below.allowed, at.allowed) == (True, allowed)
    assert at.until == (None if allowed else MONTH.end)


def test_it_says_why_and_until_when() -> None:
    """The sentence names the cap, what was spent, and when it ends by itself."""
    told = allowance("w", [state("400 USD/month", "412.35")], now=NOW)
    assert told.reason == (
        "The cap of 400.00 USD a month is reached: 412.35 USD spent; "
        "stopped until 2026-12-01 00:00 UTC, or the cap is raised."
    )
    asked = allowance("w", [state("400 USD/month", "412.35", "ask_owner")], now=NOW)
    assert asked.reason.endswith("412.35 USD spent; the owner is asked whether it is raised.")


def test_the_longest_of_several_stops_holds() -> None:
    """A day's cap ends at midnight, but the month's does not; a rolling one has no end in the calendar."""
    day, month = state("20 USD/day", "20", period=DAY), state("400 USD/month", "400")
    rolling = state("60 USD/7 days", "60", period=Window(NOW - timedelta(days=7), NOW))
    assert allowance("w", [day], now=NOW).until == DAY.end
    assert allowance("w", [day, month], now=NOW).until == MONTH.end
    assert allowance("w", [day, rolling], now=NOW).until is None
    assert "less was spent in the last 7 days" in allowance("w", [rolling], now=NOW).reason


def test_a_cap_on_one_model_stops_that_model_alone() -> None:
    """The workflow goes on with others; with its own cap reached too it stops as a whole."""
    model, whole = state("20 USD/day", "21", period=DAY, model="gpt-5"), state("400 USD/month", "400")
    one = allowance("w", [model, state("400 USD/month", "30")], now=NOW)
    assert (one.allowed, one.stopped_models, one.until) == (True, ("gpt-5",), DAY.end)
    both = allowance("w", [model, whole], now=NOW)
    assert (both.allowed, both.stopped_models, both.until) == (False, ("gpt-5",), MONTH.end)


def test_the_end_of_a_day_s_stop_frees_no_model_whose_month_is_over_its_cap() -> None:
    """The workflow goes on at midnight, without that model until its own period ends."""
    day, model = state("20 USD/day", "20", period=DAY), state("40 USD/month", "41", model="gpt-5")
    both = allowance("w", [day, model], now=NOW)
    assert (both.allowed, both.until) == (False, DAY.end)
    after = ended(both, DAY.end)
    assert (after.allowed, after.stopped_models, after.until) == (True, ("gpt-5",), MONTH.end)
    assert "for gpt-5 is reached" in after.reason
    assert said(both, DAY.end).allowance.stopped_models == ("gpt-5",)
    rolling = state("60 USD/7 days", "61", period=Window(NOW - timedelta(days=7), NOW), model="gpt-5")
    after = ended(allowance("w", [day, rolling], now=NOW), DAY.end)
    assert (after.allowed, after.stopped_models, after.until) == (True, ("gpt-5",), None)
    assert ended(ended(both, DAY.end), MONTH.end).stopped_models == ()


@pytest.mark.parametrize(("on_unknown", "after"), [("allow", True), ("refuse", False)])
def test_a_rolling_cap_s_stop_holds_while_nobody_looks(on_unknown: OnUnknown, after: bool) -> None:  # noqa: FBT001 - a table
    """What was spent lies in its stretch for as long as that is; only then the declaration's word for unknown spend counts."""
    rolling = state("60 USD/7 days", "60", period=Window(NOW - timedelta(days=7), NOW))
    kept = allowance("w", [rolling], now=NOW, on_unknown=on_unknown)
    for since in (STALE_AFTER + timedelta(minutes=1), timedelta(days=6, hours=23)):
        told = said(kept, NOW + since)
        assert (told.allowance.allowed, told.stale) == (False, True)
        assert ended(kept, NOW + since) is kept
    over = NOW + timedelta(days=7)
    assert ended(kept, over).allowed
    assert (said(kept, over).allowance.allowed, said(kept, over).stale) == (after, True)


@pytest.mark.parametrize(("on_unknown", "allowed"), [("allow", True), ("refuse", False)])
def test_unknown_spend_is_as_declared(on_unknown: OnUnknown, allowed: bool) -> None:  # noqa: FBT001 - a table
    """Where a part is not known, or nothing was ever looked at, the declaration says what holds; a cap that the known part
    alone has reached stops in any case.
    """
    partly = state("400 USD/month", "100", unknown=True)
    assert allowance("w", [partly], now=NOW, on_unknown=on_unknown).allowed is allowed
    assert (
        allowance("w", [state("400 USD/month", None, unknown=True)], now=NOW, on_unknown=on_unknown).allowed is allowed
    )
    assert allowance("w", [], now=NOW, on_unknown=on_unknown).allowed is allowed
    over = state("400 USD/month", "500", unknown=True)
    assert not allowance("w", [over], now=NOW, on_unknown=on_unknown).allowed


def test_what_others_do_not_know_stops_nobody_else() -> None:
    """Unknown spend under a cap over several workflows is left to the workflow that it is about; reached, it stops all."""
    unknown = state("5000 USD/month", "10", unknown=True, fleet=True)
    assert allowance("w", [unknown], now=NOW, on_unknown="refuse").allowed
    reached = allowance("w", [state("5000 USD/month", "5000.01", fleet=True)], now=NOW)
    assert not reached.allowed
    assert "5,000.01" not in reached.reason  # what others have spent is not told


def test_people_s_answers_count_for_their_period() -> None:
    """The raised limit holds, also beside a later no; a pending, an old, a foreign or another cap's answer changes nothing."""
    month = state("400 USD/month", "450", "ask_owner")
    (more,) = answered([month], [raised("500")], now=NOW)
    assert (more.limit, more.reached, more.refused) == (dollars("500"), False, False)
    (no,) = answered([month], [raised("400", state="refused")], now=NOW)
    assert (no.limit, no.refused) == (dollars("400"), True)
    both = [raised("500"), raised("500", state="refused", decided_at=NOW + timedelta(minutes=1))]
    (later,) = answered([month], both, now=NOW)
    assert (later.limit, later.refused) == (dollars("500"), True)
    old = Window(MONTH.start - timedelta(days=31), MONTH.start)
    useless = [
        raised("500", state="pending", decided_at=None),
        raised("500", period=old),
        raised("500", limit=Money(Decimal(500), "EUR")),
        raised("500", cap="day"),
        raised("500", workflow=FLEET),
        raised("300"),
    ]
    assert answered([month], useless, now=NOW) == (month,)


def test_a_raise_holds_until_the_period_ends_and_a_rolling_one_for_its_length() -> None:
    """A rolling cap has no end in the calendar: its raise holds for as long as the cap reaches."""
    assert raise_period(state("400 USD/month", "450"), NOW) == MONTH
    rolling = state("60 USD/7 days", "60", period=Window(NOW - timedelta(days=7), NOW))
    assert raise_period(rolling, NOW) == Window(NOW, NOW + timedelta(days=7))


def test_a_stop_ends_with_its_period() -> None:
    """The moment the month is over the answer is yes again, before anybody has looked at the new month."""
    stopped = allowance("w", [state("400 USD/month", "400")], now=NOW)
    assert ended(stopped, MONTH.end - timedelta(seconds=1)) is stopped
    over = ended(stopped, MONTH.end)
    assert (over.allowed, over.until, over.since) == (True, None, MONTH.end)


@pytest.mark.parametrize(("on_unknown", "allowed"), [("allow", True), ("refuse", False)])
def test_an_old_word_is_as_declared(on_unknown: OnUnknown, allowed: bool) -> None:  # noqa: FBT001 - a table
    """Too old, a yes and a stop for what is not known are as on_unknown says; one at a cap holds until its end."""
    within, late = NOW + STALE_AFTER, NOW + STALE_AFTER + timedelta(seconds=1)
    yes = allowance("w", [state("400 USD/month", "1")], now=NOW, on_unknown=on_unknown)
    assert (said(yes, within).stale, said(yes, within).allowance.allowed) == (False, True)
    assert (said(yes, late).stale, said(yes, late).allowance.allowed) == (True, allowed)
    unknown = state("60 USD/7 days", "1", period=Window(NOW - timedelta(days=7), NOW), unknown=True)
    assert said(allowance("w", [unknown], now=NOW, on_unknown=on_unknown), late).allowance.allowed is allowed
    stopped = said(allowance("w", [state("400 USD/month", "400")], now=NOW, on_unknown=on_unknown), late)
    assert (stopped.stale, stopped.allowance.allowed) == (True, False)


def test_a_change_gives_one_order_and_no_change_none() -> None:
    """Stop once; again only where the end or the models change; go on once; where nobody is declared, none."""
    stopped = allowance("w", [state("400 USD/month", "400")], now=NOW, stop=DESK)
    fine = allowance("w", [state("400 USD/month", "1")], now=NOW, stop=DESK)
    (stop,) = orders(stopped, None, now=NOW)
    assert (stop.action, stop.target, stop.until, stop.models) == ("stop", DESK, MONTH.end, ())
    assert orders(stopped, stop, now=NOW) == ()
    (longer,) = orders(replace(stopped, until=None), stop, now=NOW)
    assert (longer.action, longer.until) == ("stop", None)
    (resume,) = orders(fine, stop, now=NOW)
    assert (resume.action, resume.target) == ("resume", DESK)
    assert orders(fine, resume, now=NOW) == ()
    assert orders(fine, None, now=NOW) == ()
    assert orders(replace(stopped, stop=None), None, now=NOW) == ()


def test_who_was_stopped_hears_that_it_may_go_on_also_when_another_is_declared_now() -> None:
    """A receiver that is replaced, or declared no more, is let go; the new one is stopped."""
    stopped = allowance("w", [state("400 USD/month", "400")], now=NOW, stop=DESK)
    (stop,) = orders(stopped, None, now=NOW)
    moved = orders(replace(stopped, stop=PROXY), stop, now=NOW)
    assert [(one.action, one.target) for one in moved] == [("resume", DESK), ("stop", PROXY)]
    gone = orders(replace(stopped, stop=None), stop, now=NOW)
    assert [(one.action, one.target) for one in gone] == [("resume", DESK)]


def test_one_model_is_stopped_by_call_back_and_not_by_blocking_keys() -> None:
    """A blocked key would stop all models."""
    model = [state("20 USD/day", "21", period=DAY, model="gpt-5")]
    (told,) = orders(allowance("w", model, now=NOW, stop=DESK), None, now=NOW)
    assert told.models == ("gpt-5",)
    assert orders(allowance("w", model, now=NOW, stop=PROXY), None, now=NOW) == ()


def test_caps_are_kept_and_read_again() -> None:
    """What the ops database holds gives the same caps, but for the levels at which people are warned."""
    caps = (
        state("400 USD/month", "412.3456789", refused=True),
        state("60 USD/7 days", None, "ask_owner", unknown=True, fleet=True, model="gpt-5"),
    )
    assert caps_of(caps_as_data(caps)) == caps
