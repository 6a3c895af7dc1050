"""People answer at a cap: who may, when it takes two, what counts at once, and what stands on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import NOW, SLUG, Site, trigger

from afterpilot import pipeline
from afterpilot.domain.alerting import Fate
from afterpilot.domain.allowance import CapRaise
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.message import Message
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.people import Somebody
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import AtCap, CapRule, CapState, Stop
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import settle_allowances
from afterpilot.pipeline.raise_terms import RaiseTerms, declared_terms, stored_terms
from afterpilot.pipeline.raising import approve_raise, ask_raise, refuse_raise
from afterpilot.pipeline.stopping import sweep_stops
from afterpilot.record.ops import Ops, unit_of
from doubles.gateways import Switch

pytestmark = pytest.mark.integration
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
OWNER, DEPUTY, OPERATOR = Somebody("dana.ruiz"), Somebody("Lee Okafor"), Somebody("u7", ("ola@example.com",))
TERMS = RaiseTerms(SLUG, ("Dana Ruiz", "Lee Okafor", "Ola"), "#ap-automation", Money(Decimal(800)))


class Month:
    """A workflow whose month is judged, and people who answer."""

    def __init__(self, ops: sa.Engine) -> None:
        self.ops = Ops(ops)

    def judged(self, spent: str, at_cap: AtCap = "stop", *, cap: str = "400 USD/month", fleet: bool = False) -> None:
        """The spend was looked at."""
        rule = CapRule(Cap.parse(cap), (), at_cap)
        state = CapState(rule, MONTH, rule.cap.limit, Money(Decimal(spent)), fleet=fleet)
        with self.ops.begin() as unit:
            settle_allowances(unit, _workflow(), [state], NOW)

    def asks(self, to: str, by: Somebody = OWNER, *, at: datetime = NOW, terms: RaiseTerms = TERMS) -> CapRaise:
        """Somebody raises it."""
        with self.ops.begin() as unit:
            return ask_raise(unit, terms, limit=Money.parse(to), cap="", by=by, reason="quarter end", now=at)

    def approves(self, by: Somebody) -> CapRaise:
        """Somebody approves."""
        with self.ops.begin() as unit:
            return approve_raise(unit, TERMS, cap="", by=by, now=NOW)

    def refuses(self, by: Somebody) -> CapRaise:
        """Somebody says no."""
        with self.ops.begin() as unit:
            return refuse_raise(unit, TERMS, cap="", by=by, reason="a loop, not work", now=NOW)

    def allowed(self) -> bool:
        """What the gateway is told."""
        with self.ops.begin() as unit:
            kept = unit.allowances.find(SLUG)
        assert kept is not None
        return kept.allowed

    def letters(self) -> list[str]:
        """What was said in channels and threads about answers, the oldest first."""
        with self.ops.begin() as unit:
            rows = unit.connection.execute(
                sa.text("SELECT message->>'notification' FROM outbox WHERE kind = 'answered' ORDER BY created_at, id")
            )
            return list(rows.scalars())


def _workflow() -> Workflow:
    from afterpilot.declare import load

    loaded = load(Path(__file__).parents[2] / "include" / "workflows")
    workflow = next(one for one in loaded.workflows if one.slug == SLUG)
    return replace(workflow, spend=replace(workflow.spend, stop=Stop("call_back", "switch", path="/ai/stop")))


@pytest.fixture
def month(ops: sa.Engine) -> Month:
    """A month that nobody has looked at yet."""
    return Month(ops)


@pytest.mark.parametrize("who", [OWNER, DEPUTY, OPERATOR], ids=["owner", "deputy", "operator"])
def test_a_raise_counts_at_once_until_the_period_ends(month: Month, who: Somebody) -> None:
    """Owner, deputy and operators may, by login, name or e-mail address; the gateway is told in the same transaction."""
    month.judged("450")
    assert not month.allowed()
    done = month.asks("500 USD", who)
    kept = "u7 (Ola)" if who is OPERATOR else who.login
    assert (done.state, done.period, done.asked_by) == ("approved", MONTH, kept)
    assert month.allowed()
    month.judged("499")
    assert month.allowed()
    month.judged("500")
    assert not month.allowed()


def test_above_the_declared_limit_it_takes_a_second_person(month: Month) -> None:
    """Nothing counts before another one approves; the one who asked cannot, under none of their names."""
    month.judged("450")
    assert month.asks("801 USD").state == "pending"
    assert not month.allowed()
    for same in (OWNER, Somebody("Dana Ruiz"), Somebody("x1", ("dana.ruiz@example.com",))):
        with pytest.raises(AnswerRefused, match="a second person has to"):
            month.approves(same)
    with pytest.raises(AnswerRefused, match=r"dana\.ruiz has asked to raise it to 801"):
        month.asks("500 USD", DEPUTY)
    done = month.approves(DEPUTY)
    assert (done.state, done.asked_by, done.second_by) == ("approved", "dana.ruiz", "Lee Okafor")
    assert month.allowed()
    with pytest.raises(AnswerRefused, match="Nothing waits"):
        month.approves(OPERATOR)


def test_a_login_that_tells_no_name_is_still_the_same_person(month: Month) -> None:
    """Whoever asks on the page under a login cannot approve on the command line under their name; their own no is no second one."""
    month.judged("450")
    assert month.asks("900 USD", OPERATOR).asked_by == "u7 (Ola)"
    for same in (OPERATOR, Somebody("Ola"), Somebody("u7"), Somebody("x2", ("ola@example.com",))):
        with pytest.raises(AnswerRefused, match=r"a second person has to|may not answer here"):
            month.approves(same)
    done = month.refuses(Somebody("Ola"))
    assert (done.state, done.second_by) == ("refused", "")


def test_a_second_person_may_refuse(month: Month) -> None:
    """The cap stays, the workflow stopped, and both names are kept."""
    month.judged("450")
    month.asks("900 USD")
    done = month.refuses(DEPUTY)
    assert (done.state, done.second_by) == ("refused", "Lee Okafor")
    assert not month.allowed()
    assert month.asks("500 USD").state == "approved"
    assert month.allowed()


def test_the_owner_s_no_stops_what_would_have_gone_on(month: Month) -> None:
    """A cap that asks lets the workflow go on until the answer; a later yes lets it go on again."""
    month.judged("450", "ask_owner")
    assert month.allowed()
    month.refuses(OWNER)
    assert not month.allowed()
    month.asks("500 USD")
    assert month.allowed()


def test_a_cap_that_asks_nobody_takes_no_no(month: Month) -> None:
    """There is no question to answer."""
    month.judged("450", "tell")
    with pytest.raises(AnswerRefused, match="asks nobody: at_cap is tell"):
        month.refuses(OWNER)


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("400 USD", "400.00 USD already"),
        ("399 USD", "400.00 USD already"),
        ("450 USD", "450.00 USD is spent already"),
        ("500 EUR", "in USD, not in EUR"),
        ("9999999999999999999999 USD", "more money than there is"),
    ],
)
def test_what_is_no_raise_is_refused(month: Month, to: str, why: str) -> None:
    """It must be more than the cap, and than what is spent, in its own currency."""
    month.judged("450")
    with pytest.raises(AnswerRefused, match=why):
        month.asks(to)
    assert not month.allowed()


@pytest.mark.parametrize("who", [Somebody("Mallory"), Somebody(""), Somebody("dana"), Somebody("x", ("",))])
def test_others_may_not_answer(month: Month, who: Somebody) -> None:
    """Nobody else raises, approves or refuses, and they are told who may."""
    month.judged("450", "ask_owner")
    month.asks("900 USD")
    answers: list[Callable[[], CapRaise]] = [
        lambda: month.asks("500 USD", who),
        lambda: month.approves(who),
        lambda: month.refuses(who),
    ]
    for answer in answers:
        with pytest.raises(AnswerRefused, match="may not answer here: that is for Dana Ruiz, Lee Okafor, Ola"):
            answer()


def test_nothing_is_raised_before_the_spend_was_looked_at(month: Month) -> None:
    """Neither a workflow that was never judged, nor the month after the one that was."""
    with pytest.raises(AnswerRefused, match="not looked at yet"):
        month.asks("500 USD")
    month.judged("450")
    with pytest.raises(AnswerRefused, match="A new month has begun"):
        month.asks("500 USD", at=MONTH.end)


def test_sums_of_an_answer_are_told_with_all_their_digits(month: Month) -> None:
    """What is spent already is never told as less than what was asked for."""
    month.judged("450.0012")
    with pytest.raises(AnswerRefused, match=r"450\.0012 USD is spent already"):
        month.asks("450.0011 USD")
    assert month.asks("450.00135 USD").state == "approved"
    with pytest.raises(AnswerRefused, match=r"The cap is 450\.00135 USD already"):
        month.asks("450.0013 USD")


def test_two_raises_at_once_are_one(month: Month) -> None:
    """Of two people who raise it to the same at the same moment one is told that it is so already."""
    month.judged("450")

    def one(who: Somebody) -> str:
        try:
            return month.asks("500 USD", who).state
        except AnswerRefused as error:
            return str(error)

    with ThreadPoolExecutor(2) as both:
        told = sorted(both.map(one, [OWNER, DEPUTY]))
    assert told == ["The cap is 500.00 USD already: raise it to more.", "approved"]


def test_a_raise_before_the_order_was_sent_takes_it_back(month: Month) -> None:
    """The receiver hears of nothing."""
    month.judged("450")
    month.asks("500 USD")
    with month.ops.begin() as unit:
        assert unit.stop_orders.claim(8) == []
        states = unit.connection.execute(sa.text("SELECT action, state FROM stop_orders")).all()
    assert [tuple(row) for row in states] == [("stop", "overtaken")]


def test_the_fleet_s_cap_is_the_operators_to_raise(month: Month) -> None:
    """All workflows under it go on at once; a workflow's own raise does not touch it."""
    month.judged("5100", cap="5000 USD/month", fleet=True)
    fleet = RaiseTerms(FLEET, ("Ola",), "#afterpilot")
    with pytest.raises(AnswerRefused, match="that is for Ola"):
        month.asks("6000 USD", OWNER, terms=fleet)
    with pytest.raises(AnswerRefused, match="no cap is known"):
        month.asks("6000 USD", OWNER)
    assert month.asks("6000 USD", OPERATOR, terms=fleet).workflow == FLEET
    assert month.allowed()


def test_the_fleet_s_cap_takes_two_operators_above_the_declared_limit(month: Month) -> None:
    """As a workflow's own: nothing counts before another operator approves, whom the first one cannot be."""
    month.judged("5100", cap="5000 USD/month", fleet=True)
    fleet = RaiseTerms(FLEET, ("Ola", "Sam Whitfield"), "#afterpilot", Money(Decimal(6000)))
    assert month.asks("7000 USD", OPERATOR, terms=fleet).state == "pending"
    assert not month.allowed()
    with month.ops.begin() as unit, pytest.raises(AnswerRefused, match="a second person has to"):
        approve_raise(unit, fleet, cap="", by=OPERATOR, now=NOW)
    with month.ops.begin() as unit, pytest.raises(AnswerRefused, match="that is for Ola, Sam Whitfield"):
        approve_raise(unit, fleet, cap="", by=OWNER, now=NOW)
    with month.ops.begin() as unit:
        done = approve_raise(unit, fleet, cap="", by=Somebody("sam.whitfield"), now=NOW)
    assert (done.state, done.asked_by, done.second_by) == ("approved", "u7 (Ola)", "sam.whitfield")
    assert month.allowed()


def test_a_retired_workflow_s_old_word_is_not_how_the_fleet_stands(month: Month) -> None:
    """What it was told last is of another month; the cap is raised as it stands now."""
    rule = CapRule(Cap.parse("5000 USD/month"), (), "stop")
    october = Window(datetime(2026, 10, 1, tzinfo=UTC), MONTH.start)
    old = CapState(rule, october, rule.cap.limit, Money(Decimal(1)), fleet=True)
    with month.ops.begin() as unit:
        settle_allowances(unit, replace(_workflow(), slug="a_retired_one"), [old], MONTH.start - timedelta(days=1))
    month.judged("5100", cap="5000 USD/month", fleet=True)
    assert month.asks("6000 USD", OPERATOR, terms=RaiseTerms(FLEET, ("Ola",), "#afterpilot")).period == MONTH


def test_every_answer_is_in_the_thread_and_on_the_time_line(month: Month) -> None:
    """The incident's message is edited, the answer gets a line in its thread; without an incident it is told in the channel."""
    month.judged("450", "ask_owner")
    name = "2026-11-01 month"
    over = Finding(SLUG, "spend", "spend.over_cap", Severity.CRITICAL, "Spend is over the cap", about=name)
    others = [
        replace(over, about=about) for about in ("2026-11-18 day", "2026-11-01 month model=gpt-5", "2026-10-01 month")
    ]
    with month.ops.begin() as unit:
        for one in others:
            unit.incidents.open(one, run_id=None, at=NOW)
        incident = unit.incidents.open(over, run_id=None, at=NOW)
    month.asks("900 USD")
    month.approves(DEPUTY)
    month.judged("950", "ask_owner")
    month.refuses(OWNER)
    assert month.letters() == [
        (
            "dana.ruiz asks to raise the cap of 400.00 USD a month to 900.00 USD until 2026-12-01 00:00 UTC: quarter end. "
            "A second person has to approve it."
        ),
        "Lee Okafor has approved what dana.ruiz asked for: the cap (month) is 900.00 USD until 2026-12-01 00:00 UTC.",
        "dana.ruiz says no: the cap of 900.00 USD a month is not raised, and the workflow stops at it: a loop, not work.",
    ]
    with month.ops.begin() as unit:
        rows = unit.connection.execute(
            sa.text("SELECT what, note FROM incident_events WHERE incident_id = :id ORDER BY id"), {"id": incident.id}
        ).all()
        channels = set(unit.connection.scalars(sa.text("SELECT channel FROM outbox")))
    assert [row.what for row in rows] == ["opened", "answered", "answered", "answered"]
    assert channels == {"#ap-automation"}


def test_an_answer_goes_to_every_place_where_its_incident_was_told(month: Month) -> None:
    """To a declared target too, each by its own way; what was only kept gets a message of its own in the channel."""
    month.judged("450", "ask_owner")
    over = Finding(SLUG, "spend", "spend.over_cap", Severity.CRITICAL, "Spend is over", about="2026-11-01 month")
    with month.ops.begin() as unit:
        incident = unit.incidents.open(over, run_id=None, at=NOW)
        places = [
            ("slack", "#finance", Fate.PENDING),
            ("pager", "pager", Fate.PENDING),
            ("post", "a@b.c", Fate.SILENCED),
        ]
        for target, channel, fate in places:
            message = Message(tone="critical", title=f"told in {channel}", summary="", notification="")
            key = f"first/{channel}"
            unit.outbox.put(
                message,
                dedupe_key=key,
                workflow=SLUG,
                kind="incident",
                channel=channel,
                target=target,
                incident_id=incident.id,
                fate=fate,
            )
    month.refuses(OWNER)
    with month.ops.begin() as unit:
        statement = "SELECT target, channel, message->>'title' AS title FROM outbox WHERE kind = 'answered' ORDER BY 1"
        rows = unit.connection.execute(sa.text(statement)).all()
    assert [tuple(row) for row in rows] == [
        ("pager", "pager", "told in pager"),
        ("slack", "#finance", "told in #finance"),
    ]


def test_personal_data_in_a_reason_is_not_kept(month: Month) -> None:
    """As in any note that people type."""
    month.judged("450")
    with month.ops.begin() as unit:
        done = ask_raise(
            unit,
            TERMS,
            limit=Money(Decimal(500)),
            cap="month",
            by=OWNER,
            reason="asked by ann.miller@harbour.example",
            now=NOW,
        )
    assert "ann.miller" not in done.reason


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose declarations are known to the ops database."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    wired = made.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    return made


def test_pages_know_the_same_people_as_declarations(site: Site) -> None:
    """What is read from the ops database is what was declared: owner, deputy, operators, channel, the limit for one person."""
    site.edit(f"{SLUG}/workflow.yaml", "at_cap:", "second_person_above: 8 USD, at_cap:")
    path = site.folder / "_fleet.yaml"
    fleet = "spend: {caps: [{cap: 5000 USD/month}], second_person_above: 12500.50 USD}\n"
    site.edit("_fleet.yaml", "operators:\n", "operators:\n  - {name: Ola Berg, slack: U07OB0002}\n")
    path.write_text(path.read_text() + fleet)
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    with wired.services.ops.begin() as unit:
        for workflow in (wired.workflow(SLUG), None):
            declared = declared_terms(workflow, wired.services.fleet)
            assert stored_terms(unit.connection, declared.workflow) == declared
        assert stored_terms(unit.connection, "nothing_like_it") is None
    assert declared_terms(wired.workflow(SLUG), wired.services.fleet).second_above == Money(Decimal(8))
    assert declared_terms(None, wired.services.fleet).second_above == Money(Decimal("12500.50"))


def test_a_gateway_that_was_stopped_hears_of_the_raise(site: Site) -> None:
    """From the cap to the switch and back."""
    with Switch() as switch:
        site.env["AIRFLOW_CONN_SWITCH"] = switch.connection
        month = Month(site.ops)
        month.judged("450")
        services = site.wired().services
        workflows = {SLUG: site.wired().workflow(SLUG)}
        assert sweep_stops(services, workflows).done == 1
        month.asks("500 USD")
        assert sweep_stops(services, workflows).done == 1
        assert switch.actions == ["stop", "resume"]


def test_a_raise_is_kept_for_good(month: Month) -> None:
    """Asked, decided, by whom, why and until when: all of it can be read later."""
    month.judged("450")
    done = month.asks("500 USD", at=NOW + timedelta(minutes=1))
    with month.ops.begin() as unit:
        found = unit_of(unit.connection).cap_raises.find(done.id)
        assert unit.cap_raises.find(uuid.uuid4()) is None
    assert found == done
