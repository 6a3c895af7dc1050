"""Answers that Slack posts to the web app: signed, fresh, taken once, small, and answered in time, with no login."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from afterpilot.domain.verdict import Finding, Severity
from afterpilot.notify.interactions import Interactions
from afterpilot.record.alerts.taken import KEPT
from afterpilot.record.ops import Ops
from afterpilot.settings import EnvConnections, Settings
from afterpilot.web.api.slack import LARGEST, FromSlack, SlackApi
from afterpilot.web.app import create_app
from afterpilot.wiring import interactions
from doubles.slack import TOKEN
from doubles.slack_app import SECRET, SlackAppDouble, click, signed, submission

pytestmark = pytest.mark.integration
PLACE = "/afterpilot/api/v1/slack/interactions"
WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
SLUG = "invoice_matching"


class Installation:
    """The web app behind a login that lets nobody in, with a clock that the test moves, and Slack beside it."""

    def __init__(self, ops_url: str, slack: SlackAppDouble) -> None:
        self.engine = sa.create_engine(ops_url)
        self.slack = slack
        self.now = datetime.now(UTC)
        self.secret = SECRET
        env = {
            "AFTERPILOT_DATABASE_URL": ops_url,
            "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_API_URL": slack.url,
            "SLACK_SIGNING_SECRET": SECRET,
        }
        self.interactions = interactions(Settings.from_environment(env), EnvConnections({}))
        self.asked = 0
        outer = FastAPI()
        outer.mount("/afterpilot", self._app())
        self.client = TestClient(outer)

    def _app(self) -> FastAPI:
        def nobody() -> None:
            raise HTTPException(401, "Not authenticated")

        def answers() -> Interactions:
            self.asked += 1
            return self.interactions

        slack = FromSlack(lambda: self.secret, answers)
        return create_app(lambda: self.engine, gate=[Depends(nobody)], clock=lambda: self.now, slack=slack)

    def incident(self) -> str:
        """The id of a new incident of a declared workflow."""
        finding = Finding(SLUG, "check", "quality.fresh_within", Severity.CRITICAL, "The newest row is 9 h old")
        with Ops(self.engine).begin() as unit:
            return str(unit.incidents.open(finding, run_id=None, at=self.now).id)

    def post(self, payload: Any, *, at: datetime | None = None, secret: str = SECRET) -> Any:
        """One signed request."""
        body, headers = signed(payload, secret=secret, at=(at or self.now).timestamp())
        return self.client.post(PLACE, content=body, headers=headers)

    def row(self, incident: str) -> Mapping[str, Any]:
        """The incident as it stands."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.text("SELECT * FROM incidents WHERE id = :id"), {"id": incident})
            return found.mappings().one()

    def scalar(self, statement: str) -> Any:
        """One value of the ops database."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(statement)).scalar_one()


@pytest.fixture
def site(ops_url: str) -> Iterator[Installation]:
    """An installation with an empty history."""
    with SlackAppDouble() as slack:
        made = Installation(ops_url, slack)
        with made.client:
            yield made
        made.interactions.close()
        made.engine.dispose()


def test_a_click_acknowledges_the_incident(site: Installation) -> None:
    """By the declared owner's name, with an edit of the message on its way, and a note to whoever clicked."""
    which = site.incident()
    answer = site.post(click("acknowledge", which, url=site.slack.response_url))
    assert (answer.status_code, answer.content) == (200, b"")
    site.slack.wait(lambda: site.slack.notes)
    row = site.row(which)
    assert (row["state"], row["acknowledged_by"]) == ("acknowledged", "Dana Ruiz")
    assert site.slack.notes[0]["text"] == "Dana Ruiz has it now. Nobody else is called about it."
    message = site.scalar("SELECT message->>'notification' FROM outbox WHERE kind = 'acknowledged'")
    assert message == f"ACK {SLUG}: Dana Ruiz has taken it up · The newest row is 9 h old"


def test_the_same_person_twice_is_told_so(site: Installation) -> None:
    """Two clicks are one answer."""
    which = site.incident()
    for _ in range(2):
        assert site.post(click("acknowledge", which, url=site.slack.response_url)).status_code == 200
        site.now += timedelta(seconds=1)
    site.slack.wait(lambda: len(site.slack.notes) == 2)
    assert "already; nothing was changed" in site.slack.notes[1]["text"]
    assert site.scalar("SELECT count(*) FROM outbox WHERE kind = 'acknowledged'") == 1


def test_a_waiver_goes_from_the_button_through_the_form(site: Installation) -> None:
    """For as long as was chosen, with the reason that was typed."""
    which = site.incident()
    assert site.post(click("waive", which, url=site.slack.response_url)).status_code == 200
    site.slack.wait(lambda: site.slack.views or site.slack.refused)
    sent = submission(site.slack.views[0], length="3d", reason="the supplier <!channel> knows")
    answer = site.post(sent)
    assert (answer.status_code, answer.content) == (200, b"")
    row = site.row(which)
    assert (row["state"], row["waived_by"], row["waived_reason"]) == (
        *("waived", "Dana Ruiz"),
        "the supplier <!channel> knows",
    )
    assert timedelta(days=2.9) < row["waived_until"] - site.now < timedelta(days=3.1)


def test_a_waiver_without_a_reason_says_so_in_the_form(site: Installation) -> None:
    """The form stays open."""
    which = site.incident()
    site.post(click("waive", which))
    site.slack.wait(lambda: site.slack.views)
    answer = site.post(submission(site.slack.views[0], length="3d", reason=" "))
    assert answer.json() == {
        "response_action": "errors",
        "errors": {"reason": "Say why it may wait: whoever sees it next wants to know."},
    }
    assert site.row(which)["state"] == "open"


def test_an_incident_that_is_over_or_unknown_is_said_to_be(site: Installation) -> None:
    """A message may stand in the channel for longer than its incident."""
    which = site.incident()
    with site.engine.begin() as connection:
        connection.execute(sa.text("UPDATE incidents SET state = 'resolved', resolved_at = now()"))
    site.post(click("acknowledge", which, url=site.slack.response_url))
    site.slack.wait(lambda: len(site.slack.notes) == 1)
    site.post(click("acknowledge", str(uuid.uuid4()), url=site.slack.response_url))
    site.slack.wait(lambda: len(site.slack.notes) == 2)
    assert "is over since" in site.slack.notes[0]["text"]
    assert "No incident has an id" in site.slack.notes[1]["text"]
    site.post(click("waive", which))
    site.slack.wait(lambda: site.slack.views)
    refused = site.post(submission(site.slack.views[0], length="1d", reason="x")).json()
    assert "is over since" in refused["errors"]["reason"]


def test_a_request_is_taken_once(site: Installation) -> None:
    """Whoever has read it on its way cannot send it again, not even at the same moment."""
    which = site.incident()
    payload = click("acknowledge", which, user="U05EF6GH7")
    statuses: list[int] = []
    at = site.now
    senders = [
        threading.Thread(target=lambda: statuses.append(site.post(payload, at=at).status_code)) for _ in range(4)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(statuses) == [200, 401, 401, 401]
    site.now += timedelta(minutes=4)
    replay = site.post(payload, at=at)
    assert (replay.status_code, replay.json()["detail"]) == (401, "This request was taken before.")
    assert site.scalar("SELECT count(*) FROM incident_events WHERE what = 'acknowledged'") == 1


def test_what_was_taken_is_forgotten_when_it_cannot_come_again(site: Installation) -> None:
    """The table does not grow without end."""
    site.post({"type": "view_closed"})
    site.now += KEPT + timedelta(seconds=1)
    site.post({"type": "view_closed"})
    assert site.scalar("SELECT count(*) FROM taken_requests") == 1


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_request_of_another_time_is_refused(site: Installation, minutes: int) -> None:
    """Five minutes on either side."""
    which = site.incident()
    stale = site.post(click("acknowledge", which), at=site.now + timedelta(minutes=minutes))
    assert stale.status_code == 401
    assert site.row(which)["state"] == "open"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Request-Timestamp": "9" * 400},
        {"X-Slack-Signature": b"v0=\xff"},
    ],
)
def test_a_forged_request_is_refused_before_the_database_is_asked(site: Installation, headers: dict[str, Any]) -> None:
    """Whatever its headers hold."""
    body, good = signed(click("acknowledge", site.incident()), at=site.now.timestamp())
    forged = {**good, **headers} if headers else {"Content-Type": good["Content-Type"]}
    assert site.client.post(PLACE, content=body, headers=forged).status_code == 401
    assert site.client.post(PLACE, content=body + b" ", headers=good).status_code == 401
    assert site.post(click("acknowledge", "x"), secret="another").status_code == 401
    assert (site.asked, site.scalar("SELECT count(*) FROM taken_requests")) == (0, 0)


@pytest.mark.parametrize("known", [True, False])
def test_a_huge_request_is_not_read_to_its_end(site: Installation, known: bool) -> None:  # noqa: FBT001 - pytest's way
    """One megabyte at most, whether its length is said or not."""
    content = b"x" * (LARGEST + 1) if known else (b"x" * 100_000 for _ in range(50))
    assert site.client.post(PLACE, content=content).status_code == 413
    body, headers = signed(None, at=site.now.timestamp(), raw=b"payload=" + b"x" * (LARGEST - 8))
    assert (
        site.client.post(PLACE, content=body, headers=headers).status_code == 400
    )  # as large as it may be, and no JSON


@pytest.mark.parametrize(
    "raw", [b"", b"payload=", b"payload=[1]", b"payload=%7B", b"a=1&" * 20, b"payload=" + b"[" * 100_000]
)
def test_a_signed_request_that_cannot_be_read_is_refused(site: Installation, raw: bytes) -> None:
    """And is not noted as taken."""
    body, headers = signed(None, at=site.now.timestamp(), raw=raw)
    assert site.client.post(PLACE, content=body, headers=headers).status_code == 400
    assert site.scalar("SELECT count(*) FROM taken_requests") == 0


def test_only_posts_to_one_place_are_taken(site: Installation) -> None:
    """Everything else is as it was: gateways below the same path, pages behind the login."""
    assert site.client.get(PLACE).status_code == 405
    assert site.client.post("/afterpilot/api/v1/slack/other").status_code == 404
    assert site.client.get("/afterpilot/").status_code == 401
    assert site.client.get("/afterpilot/api/v1/workflows/x/allowance").status_code == 503


def test_without_a_secret_nothing_is_taken(site: Installation) -> None:
    """And it is said what is missing."""
    site.secret = ""
    answer = site.post(click("acknowledge", site.incident()), secret="")
    assert answer.status_code == 503
    assert "SLACK_SIGNING_SECRET is not set" in answer.json()["detail"]


def test_without_the_option_there_is_no_such_place(ops_url: str) -> None:
    """An app that takes no answers has no endpoint for them."""
    engine = sa.create_engine(ops_url)
    body, headers = signed({}, at=0)
    alone = TestClient(create_app(lambda: engine, gate=[], prefix=""))
    assert alone.post("/api/v1/slack/interactions", content=body, headers=headers).status_code == 503  # as for gateways
    engine.dispose()


def test_a_database_that_hangs_costs_no_more_than_slack_waits(site: Installation) -> None:
    """Slack says to the person that it did not work; the process stays free."""
    hold = threading.Event()

    def hanging(_: str, __: datetime) -> bool:
        hold.wait(20)
        return True

    slack = FromSlack(lambda: SECRET, lambda: site.interactions)
    alone = TestClient(SlackApi(slack, take=hanging, clock=lambda: site.now, patience=0.05))
    body, headers = signed(click("acknowledge", "x"), at=site.now.timestamp())
    answer = alone.post("/interactions", content=body, headers=headers)
    hold.set()
    assert (answer.status_code, answer.json()["detail"]) == (503, "The answer could not be taken in time. Try again.")
