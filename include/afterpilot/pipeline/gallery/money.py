"""Messages about spend and about the providers' bills."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from afterpilot.decide.bills import LOOK_BACK, AccountFacts, Facts, Spender, judge_bills
from afterpilot.decide.bills.findings import UNOWNED, UNREAD, UNREADABLE
from afterpilot.decide.bills.gaps import GAP, UNCLEAR
from afterpilot.decide.spend import Calls, Look, Subject, judge_spend
from afterpilot.decide.spend.kinds import BURNING, CROSSING, LEAKING, NEAR, OVER, STALE, UNKNOWN
from afterpilot.decide.stopping import not_carried_out
from afterpilot.domain.bills import USAGE, BillLine, KeptLine, MeteredDay
from afterpilot.domain.metered import Metered
from afterpilot.domain.money import Money
from afterpilot.domain.outlook import Burn, Forecast
from afterpilot.domain.spend import BillAccount, Billed, CapState, Stop
from afterpilot.domain.stop_orders import StopOrder, StopTrouble
from afterpilot.domain.verdict import Finding
from afterpilot.domain.window import Window
from afterpilot.pipeline.gallery.office import AT, DAY, HOUR, SLUG, TODAY, WORKFLOW
from afterpilot.pipeline.gallery.story import Specimen, only, told

_MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
_BILLED = TODAY - 11 * DAY  # a day whose bill is final
_WILL = Forecast(
    40,
    Money(Decimal(455)),
    Money(Decimal(410)),
    Money(Decimal(512)),
    crosses=TODAY + 4 * DAY,
    earliest=TODAY + 2 * DAY,
    latest=TODAY + 9 * DAY,
)
_FINE = Forecast(40, Money(Decimal(300)), Money(Decimal(280)), Money(Decimal(320)))


def spend() -> Iterator[Specimen]:
    """Caps, pace, and what is not known."""
    yield told("spend-near-cap", "Spend has crossed a level that the declaration names.", _spent("334.10", NEAR))
    yield told("spend-crossing", "The cap will be reached before its period ends.", _spent("288.40", CROSSING, _WILL))
    yield told("spend-over-cap", "A cap is reached. What happens then is declared.", capped())
    hot = Burn(HOUR, 14.4, 23.4, Money(Decimal(13)), Money(Decimal(2)), fast=True)
    yield told(
        "spend-running-away", "Money goes many times faster than the cap allows.", _spent("61", BURNING, burn=hot)
    )
    slow = Burn(3 * DAY, 1.0, 1.7, Money(Decimal(68)), Money(Decimal(30)), fast=False)
    yield told("spend-rising", "Money goes faster than the cap allows, for days.", _spent("190", LEAKING, leak=slow))
    new = Metered(SLUG, "production", "gpt-6-nano", "", "", "no price is known for gpt-6-nano", 37, None, 0, 0, 0)
    yield told(
        "spend-unknown", "Calls have no known price; that is never counted as 0.", _spent("61", UNKNOWN, new=new)
    )
    yield told("spend-stale", "Production's calls were not read for long.", _spent("61", STALE, pulled=AT - 2 * DAY))
    target = Stop("litellm", "litellm_prod", team="finance")
    order = StopOrder(uuid.UUID(int=4), SLUG, "stop", target, "the cap of 400 USD a month is reached", AT - HOUR)
    trouble = StopTrouble(order, "litellm_prod did not answer within 10 s.", refused=False)
    yield told("stop-not-carried-out", "A gateway does not take the order to stop.", not_carried_out(WORKFLOW, trouble))


def bills() -> Iterator[Specimen]:
    """The provider's bill against the meter."""
    usage = _line(None, currency="", item=USAGE, input_tokens=Decimal(9_000_000), output_tokens=Decimal(400_000))
    gap = _reconciled((_line("41.70"), usage), GAP)
    yield told("bill-gap", "The provider bills more, or less, than was metered.", gap)
    unclear = _reconciled((_line(None),), UNCLEAR)
    yield told("bill-incomparable", "Bill and meter cannot be held against each other.", unclear)
    days = [_BILLED - n * DAY for n in range(3)]
    yield told("bill-unread", "Nobody has read the bill of some days.", _reconciled((_line("18.60"),), UNREAD, days))
    refused = _reconciled((_line("18.60"),), UNREADABLE, trouble="openai_admin was refused: 401, the key is not valid.")
    yield told("bill-unreadable", "The provider does not give us its bill.", refused)
    loose = _reconciled((_line("18.60"), _line("73.20", project="proj_hackday")), UNOWNED)
    yield told("bill-unowned", "Money is spent in a project that no workflow names.", loose)


def capped() -> Finding:
    """A cap that is reached, whose owner is asked."""
    return _spent("412.80", OVER)


def _spent(
    cost: str,
    kind: str,
    forecast: Forecast = _FINE,
    *,
    burn: Burn | None = None,
    leak: Burn | None = None,
    new: Metered | None = None,
    pulled: datetime = AT,
) -> Finding:
    known = Metered(SLUG, "production", "gpt-5-mini", "USD", "a list", "", 4120, Decimal(cost), 0, 0, 0)
    rule = WORKFLOW.spend.caps[0]
    calls = Calls("USD", (known, new) if new else (known,))
    reached = AT - HOUR if calls.spent() > rule.cap.limit else None
    state = CapState(rule, _MONTH, rule.cap.limit, calls.spent(), unknown=new is not None)
    look = Look(state, calls, reached_at=reached, burn=burn, leak=leak, forecast=forecast)
    subject = Subject(SLUG, pulled_to=pulled, late_by=timedelta(hours=2))
    return only(judge_spend(subject, [look], now=AT).findings, kind)


def _line(amount: str | None, *, project: str = "proj_invoices", **more: object) -> BillLine:
    given: dict[str, object] = {"item": "gpt-5-mini-2026-08-07, input", "currency": "USD", **more}
    known = None if amount is None else Decimal(amount)
    return BillLine(_BILLED, project, "gpt-5-mini-2026-08-07", amount=known, **given)  # type: ignore[arg-type]


def _reconciled(lines: Sequence[BillLine], kind: str, unread: Sequence[date] = (), *, trouble: str = "") -> Finding:
    first = TODAY - LOOK_BACK * DAY
    days = [first + n * DAY for n in range(LOOK_BACK)]
    account = AccountFacts(
        BillAccount("openai", "openai", "openai_admin"),
        tuple(KeptLine(one, one.amount, AT) for one in lines),
        {day: AT for day in days if day not in unread},
        trouble,
    )
    tokens = (Decimal(4_000_000), Decimal(180_000), Decimal(0))
    called = MeteredDay(_BILLED, SLUG, "gpt-5-mini", 4120, *tokens, Decimal("18.60"), "USD")
    facts = Facts(
        first=first,
        end=TODAY,
        now=AT,
        accounts=(account,),
        workflows=(Spender(SLUG, (Billed("openai", ("proj_invoices",)),), "", "Dana Ruiz"),),
        metered=(called,),
        pulled_to={SLUG: AT},
        metered_since={SLUG: first},
    )
    return only(judge_bills(facts)[0].findings, kind)
