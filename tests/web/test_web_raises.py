"""The form at a cap: who sees it, what it takes, and that no other site can fill it in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from raise_site import FLEET_PAGE, PAGE, Desk
from review_site import SAME_SITE, Clock, logged_in

from afterpilot.notify.at_once import AtOnce
from afterpilot.settings import EnvConnections, Settings
from afterpilot.web.access import Access
from afterpilot.web.app import create_app
from afterpilot.wiring import Wired, wire
from doubles.slack import TOKEN, SlackDouble

pytestmark = pytest.mark.integration
WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"


@pytest.fixture
def desk(ops: sa.Engine) -> Iterator[Desk]:
    """A workflow whose month is over its cap."""
    made = Desk(ops)
    made.judged("450")
    yield made
    ops.dispose()


def sent(client: TestClient, page: str = PAGE, **fields: str) -> Any:
    """The form, as the page of that browser sends it."""
    data = {"token": client.cookies.get("afterpilot_review", ""), "cap": "month", "action": "raise", **fields}
    return client.post(page, data=data)


def test_the_owner_raises_it(desk: Desk) -> None:
    """The page says how the cap stands; after the answer it says that the cap is raised."""
    owner = desk.person("dana.ruiz")
    page = owner.get(PAGE).text
    assert "450.00 USD spent" in page
    assert "the owner is asked whether it is raised" in page
    answer = sent(owner, to="500 USD", reason="quarter end")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=approved")
    after = owner.get(answer.headers["location"]).text
    assert "The cap is raised, and counts at once." in after
    assert "The spend is within its caps." in after
    assert desk.answers() == [("approved", Decimal(500), "dana.ruiz", "")]


def test_two_people_for_more(desk: Desk) -> None:
    """The request waits on the page, with buttons for the second person; the first one's are of no use."""
    owner, deputy = desk.person("dana.ruiz"), desk.person("lee.okafor")
    assert sent(owner, to="900 USD", reason="quarter end").headers["location"].endswith("done=pending")
    own = sent(owner, action="approve")
    assert (own.status_code, "a second person has to" in own.text) == (422, True)
    assert "dana.ruiz</b> asks to raise the cap (month) to <b>900.00 USD" in deputy.get(PAGE).text
    assert sent(deputy, action="approve").headers["location"].endswith("done=approved")
    assert desk.answers() == [("approved", Decimal(900), "dana.ruiz", "lee.okafor")]


def test_the_owner_says_no(desk: Desk) -> None:
    """The button is there because the cap asks; then the gateway is told to stop."""
    owner = desk.person("dana.ruiz")
    assert "Say no: stop at the cap" in owner.get(PAGE).text
    assert sent(owner, action="refuse", reason="a loop").status_code == 303
    page = owner.get(PAGE).text
    assert "it is not to be raised" in page
    assert "Say no: stop at the cap" not in page


def test_what_is_typed_wrong_stands_again_with_the_reason(desk: Desk) -> None:
    """An amount that is none, one that is too small, no reason: 422, the sentence, and what was typed."""
    owner = desk.person("dana.ruiz")
    for to, reason, why in [
        ("lots", "x", "Say to how much, such as 500 USD."),
        ("420 USD", "x", "450.00 USD is spent already"),
        ("500 USD", "  ", "Say why"),
        ("500 EUR", "<script>alert(1)</script>", "The cap is in USD"),
    ]:
        answer = sent(owner, to=to, reason=reason)
        assert answer.status_code == 422
        assert why in answer.text
        assert f'value="{to}"' in answer.text
        assert "<script>alert" not in answer.text
    assert desk.answers() == []


def test_others_see_no_form_and_their_answers_are_refused(desk: Desk) -> None:
    """Who is neither owner, deputy nor operator, or may not change runs, is told who may."""
    lacks = {"mallory": "are not among those who may answer", "reader": "may not change runs in Airflow"}
    for name, lack in lacks.items():
        client = desk.person(name)
        page = client.get(PAGE).text
        assert "<form" not in page
        assert "Who may answer: Dana Ruiz, Lee Okafor" in page
        assert re.search(rf"You are logged in as \S+ and {lack}", page)
        assert "What you save" not in page
        client.cookies.set("afterpilot_review", "a" * 32)
        assert sent(client, to="500 USD", reason="x").status_code == 403
    assert desk.answers() == []


def test_no_other_site_can_answer_in_somebody_s_name(desk: Desk) -> None:
    """Without our page's token, or from elsewhere, nothing is kept."""
    owner = desk.person("dana.ruiz")
    assert sent(owner, token="", to="500 USD", reason="x").status_code == 403
    assert sent(owner, token="b" * 32, to="500 USD", reason="x").status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    given = {"token": owner.cookies["afterpilot_review"], "action": "raise", "to": "500 USD", "reason": "x"}
    assert owner.post(PAGE, data=given, headers=foreign).status_code == 403
    assert desk.answers() == []


def test_a_workflow_that_nobody_declared(desk: Desk) -> None:
    """404, and nothing is kept."""
    owner = desk.person("dana.ruiz")
    assert owner.get("/afterpilot/spend/nothing_like_it/raise").status_code == 404
    given = {"token": owner.cookies["afterpilot_review"], "action": "raise", "to": "500 USD", "reason": "x"}
    assert owner.post("/afterpilot/spend/nothing_like_it/raise", data=given).status_code == 404


def test_a_cap_of_the_fleet_takes_two_operators(desk: Desk) -> None:
    """The form says above which amount; the request waits for the other operator, and no owner of a workflow may answer."""
    desk.operators("Sam Whitfield", "Ola Berg", second_above="8000 USD")
    sam, ola, dana = (desk.person(name) for name in ("sam.whitfield", "ola.berg", "dana.ruiz"))
    page = sam.get(FLEET_PAGE).text
    assert "to more than 8,000.00 USD a second person has to approve it" in page
    assert sent(sam, FLEET_PAGE, to="9000 USD", reason="launch").headers["location"].endswith("done=pending")
    assert sent(sam, FLEET_PAGE, action="approve").status_code == 422
    dana.get(FLEET_PAGE)
    assert sent(dana, FLEET_PAGE, action="approve").status_code == 403
    assert "sam.whitfield</b> asks to raise the cap (month) to <b>9,000.00 USD" in ola.get(FLEET_PAGE).text
    assert sent(ola, FLEET_PAGE, action="approve").headers["location"].endswith("done=approved")
    assert desk.answers() == [("approved", Decimal(9000), "sam.whitfield", "ola.berg")]


def told_by(engine: sa.Engine, answering: Callable[[str], Wired]) -> TestClient:
    """An operator's browser, on pages that deliver what they keep."""
    app = create_app(
        lambda: engine, gate=[Depends(logged_in)], access=Access(logged_in), clock=Clock(), answering=answering
    )
    outer = FastAPI()
    outer.mount("/afterpilot", app)
    client = TestClient(outer, follow_redirects=False, headers={**SAME_SITE, "x-user": "sam.whitfield"})
    client.get(FLEET_PAGE)
    return client


def test_the_answer_is_in_slack_without_a_sweep_and_once(desk: Desk, ops_url: str) -> None:
    """The process that keeps it delivers it after the commit; the sweep that comes later has nothing left to send."""
    desk.operators("Sam Whitfield", second_above="10000 USD")
    begun: list[AtOnce] = []
    with SlackDouble(channels={"ops": "C0OPS00001"}) as slack:
        env = {
            "AFTERPILOT_DATABASE_URL": ops_url,
            "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_API_URL": slack.url,
        }

        def answering(workflow: str) -> Wired:
            wired = wire(Settings.from_environment(env), EnvConnections(env), only=workflow, engine=desk.engine)
            begun.append(wired.deliver_at_once())
            return wired

        assert sent(told_by(desk.engine, answering), FLEET_PAGE, to="9000 USD", reason="launch").status_code == 303
        for one in begun:
            one.finish(10)
        told = [str(one.body) for one in slack.messages]
        assert len(told) == 1
        assert "sam.whitfield has raised the cap" in told[0]
        assert wire(Settings.from_environment(env), EnvConnections(env), engine=desk.engine).deliver().sent == 0
        assert len(slack.messages) == 1


def test_an_answer_that_cannot_be_told_at_once_is_kept_all_the_same(desk: Desk) -> None:
    """Whoever has answered sees that it counts; the letter waits for the sweep."""
    desk.operators("Sam Whitfield", second_above="10000 USD")

    def answering(_: str) -> Wired:
        raise OSError("the folder cannot be read")

    answer = sent(told_by(desk.engine, answering), FLEET_PAGE, to="9000 USD", reason="launch")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{FLEET_PAGE}?done=approved")
    with desk.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT state FROM outbox")) == "pending"
