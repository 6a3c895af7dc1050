"""What a gateway is told over HTTP: by its own token, in one small answer, and nothing about anybody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from afterpilot.decide.allowing import allowance
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import AtCap, CapRule, CapState, OnUnknown
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Loaded
from afterpilot.record.ops import Ops
from afterpilot.web.api.allowance import MAX_AGE, RESPITE, AllowanceApi
from afterpilot.web.api.tokens import GatewayTokens, hash_of
from afterpilot.web.app import create_app
from doubles.rewriting import rewritten

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MONTH = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
TOKEN, OWN = "apg_every-workflow", "apg_mails-alone"


class Gateway:
    """A gateway's side: it asks with a token, at a time that the test moves."""

    def __init__(self, engine: sa.Engine, *, kept: float = 0.0) -> None:
        self.engine = engine
        self.kept = kept
        self.now = NOW
        self.tokens = GatewayTokens.parse(f"{hash_of(TOKEN)}, email_triage:{hash_of(OWN)}")
        outer = FastAPI()
        outer.mount("/afterpilot", self._app())
        self.client = TestClient(outer, follow_redirects=False)

    def _app(self) -> FastAPI:
        def nobody() -> None:
            raise HTTPException(401, "Not authenticated")

        return create_app(
            lambda: self.engine,
            gate=[Depends(nobody)],
            clock=lambda: self.now,
            gateway_tokens=lambda: self.tokens,
            allowances_kept=self.kept,
        )

    def ask(self, workflow: str = "email_triage", *, token: str = TOKEN, **headers: str) -> Any:
        """One question."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        place = f"/afterpilot/api/v1/workflows/{workflow}/allowance"
        return self.client.get(place, headers={**given, **headers})

    def judged(
        self,
        spent: str | None,
        at_cap: AtCap = "stop",
        *,
        on_unknown: OnUnknown = "allow",
        workflow: str = "email_triage",
        fleet: bool = False,
    ) -> None:
        """The spend of the month was looked at, at :data:`NOW`."""
        rule = CapRule(Cap.parse("400 USD/month"), (), at_cap)
        amount = None if spent is None else Money(Decimal(spent))
        state = CapState(rule, MONTH, rule.cap.limit, amount, unknown=spent is None, fleet=fleet)
        with Ops(self.engine).begin() as unit:
            unit.allowances.put(replace(allowance(workflow, [state], now=NOW, on_unknown=on_unknown), since=NOW))

    def declared(self, workflow: str, *, on_unknown: str = "") -> None:
        """The declaration is known, and its spend was never looked at."""
        spend = {"cap": "400 USD/month", "at_cap": "stop", **({"on_unknown": on_unknown} if on_unknown else {})}
        broken = Loaded(workflow, "", None, (), "e" * 64, {"workflow": workflow, "spend": spend})
        with Ops(self.engine).begin() as unit:
            unit.declarations.keep(broken, at=NOW)
            unit.connection.exec_driver_sql("UPDATE current_declarations SET usable_sha256 = sha256")
        with rewritten(self.engine, "declarations") as connection:
            connection.exec_driver_sql("UPDATE declarations SET usable = true")


@pytest.fixture
def gateway(ops: sa.Engine) -> Iterator[Gateway]:
    """A gateway, and an ops database in which nothing is known yet."""
    made = Gateway(ops)
    with made.client:
        yield made


def test_a_workflow_within_its_cap(gateway: Gateway) -> None:
    """The whole answer, as it is documented."""
    gateway.judged("100.5")
    answer = gateway.ask()
    assert answer.status_code == 200
    assert answer.json() == {
        "workflow": "email_triage",
        "allowed": True,
        "stopped_models": [],
        "reason": "The spend is within its caps.",
        "caps": [
            {
                "cap": "month",
                "model": None,
                "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
                "at_cap": "stop",
                "reached": False,
                "spent": "100.5",
                "limit": "400",
                "currency": "USD",
                "share": 0.2512,
                "unknown_part": False,
            }
        ],
        "as_of": "2026-11-20T14:00:00Z",
        "since": "2026-11-20T14:00:00Z",
        "until": None,
        "stale": False,
        "max_age_seconds": MAX_AGE,
        "on_unknown": "allow",
    }


def test_a_stop_says_why_and_until_when(gateway: Gateway) -> None:
    """Stopped until the month ends; then it may go on, although nobody has looked yet."""
    gateway.judged("400")
    told = gateway.ask().json()
    assert (told["allowed"], told["until"]) == (False, "2026-12-01T00:00:00Z")
    assert "400.00 USD spent" in told["reason"]
    gateway.now = MONTH.end - timedelta(seconds=5)
    held = gateway.ask()
    assert (held.json()["allowed"], held.json()["stale"]) == (False, True)
    assert held.headers["cache-control"] == "private, max-age=5"  # not to be kept beyond its end
    gateway.now = MONTH.end + timedelta(seconds=1)
    assert gateway.ask().json()["allowed"] is True


@pytest.mark.parametrize(("on_unknown", "allowed"), [("allow", True), ("refuse", False)])
def test_what_is_old_or_was_never_judged_is_as_declared(gateway: Gateway, on_unknown: OnUnknown, allowed: bool) -> None:  # noqa: FBT001 - a table
    """The answer says that it is stale, and goes by the declaration; so does that of a workflow nobody has judged."""
    gateway.judged("1", on_unknown=on_unknown)
    gateway.now = NOW + timedelta(hours=3)
    told = gateway.ask().json()
    assert (told["stale"], told["allowed"], told["on_unknown"]) == (True, allowed, on_unknown)
    assert "last looked at on 2026-11-20 14:00 UTC" in told["reason"]
    gateway.declared("new_one", on_unknown=on_unknown)
    told = gateway.ask("new_one").json()
    assert (told["stale"], told["allowed"], told["as_of"], told["caps"]) == (True, allowed, None, [])
    assert told["reason"].startswith("The spend was never looked at")


def test_an_answer_that_has_not_changed_is_not_sent_again(gateway: Gateway) -> None:
    """304 by the entity tag, also a weak one; another answer has another tag."""
    gateway.judged("100")
    first = gateway.ask()
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == f"private, max-age={MAX_AGE}"
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = gateway.ask(**{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    gateway.judged("400")
    changed = gateway.ask(**{"If-None-Match": tag})
    assert (changed.status_code, changed.json()["allowed"]) == (200, False)


@pytest.mark.parametrize("token", ["", "apg_another", hash_of(TOKEN), "ü"])
def test_without_a_token_nothing_is_told(gateway: Gateway, token: str) -> None:
    """401 for none, a wrong one, and the hash itself; the same for workflows that are there and that are not."""
    gateway.judged("1")
    for workflow in ("email_triage", "nothing_like_it"):
        place = f"/afterpilot/api/v1/workflows/{workflow}/allowance"
        given = {"Authorization": f"Bearer {token}".encode()} if token else {}
        answer = gateway.client.get(place, headers=given)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "email_triage" not in answer.text


def test_a_token_for_one_workflow_tells_nothing_of_others(gateway: Gateway) -> None:
    """For any other workflow it gets what it gets for one that does not exist."""
    gateway.judged("1")
    gateway.judged("1", workflow="invoice_matching")
    assert gateway.ask(token=OWN).status_code == 200
    there, not_there = (gateway.ask(name, token=OWN) for name in ("invoice_matching", "nothing_like_it"))
    assert (there.status_code, not_there.status_code) == (404, 404)
    assert there.json()["detail"].replace("invoice_matching", "nothing_like_it") == not_there.json()["detail"]


def test_a_cap_over_several_workflows_tells_no_sum(gateway: Gateway) -> None:
    """What others have spent is not this gateway's to know."""
    gateway.judged("412.77", fleet=True)
    answer = gateway.ask()
    assert answer.json()["allowed"] is False
    assert "412.77" not in answer.text
    assert answer.json()["caps"][0]["reached"] is True


def test_what_is_not_there_and_what_cannot_be_done(gateway: Gateway) -> None:
    """404, 405: JSON with a sentence, never a page and never Airflow's login."""
    gateway.judged("1")
    assert gateway.ask("nothing_like_it").json() == {"detail": "No workflow 'nothing_like_it' is declared."}
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
    lost = gateway.client.get("/afterpilot/api/v1/workflows", headers=headers)
    assert (lost.status_code, lost.headers["content-type"]) == (404, "application/json")
    place = "/afterpilot/api/v1/workflows/email_triage/allowance"
    assert gateway.client.post(place, headers=headers).status_code == 405
    assert gateway.client.head(place, headers=headers).status_code == 200
    assert gateway.client.get("/afterpilot/").status_code == 401  # the pages have the gate


def test_without_a_database_the_gateway_is_told_so(gateway: Gateway) -> None:
    """503 with when to ask again, and no word of the database's."""
    gateway.engine = sa.create_engine("postgresql+psycopg://secret-user@127.0.0.1:9/none")
    answer = Gateway(gateway.engine).ask()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret-user" not in answer.text


def test_without_any_token_set_it_says_what_to_set(gateway: Gateway) -> None:
    """503: an operator has to act. A setting that cannot be read lets nobody in."""
    gateway.tokens = GatewayTokens()
    assert "AFTERPILOT_GATEWAY_TOKENS" in gateway.ask().json()["detail"]


def test_a_database_that_hangs_holds_up_no_gateway(gateway: Gateway) -> None:
    """503 while somebody holds the table, however many ask, and the answer again when it is free."""
    gateway.judged("1")
    api = AllowanceApi(gateway.engine.connect, tokens=lambda: gateway.tokens, clock=lambda: NOW, kept=0.0, patience=0.3)
    client = TestClient(api, headers={"Authorization": f"Bearer {TOKEN}"})
    place = "/workflows/email_triage/allowance"
    with gateway.engine.begin() as holding:
        holding.execute(sa.text("LOCK TABLE allowances IN ACCESS EXCLUSIVE MODE"))
        assert [client.get(place).status_code for _ in range(30)] == [503] * 30
    time.sleep(RESPITE)
    assert client.get(place).status_code == 200


def test_a_name_that_no_database_takes_is_no_workflow(gateway: Gateway) -> None:
    """404, and not as if the database were away: then a gateway would go by its last answer."""
    assert gateway.ask("email%00triage").status_code == 404


def test_every_answer_carries_the_headers(gateway: Gateway) -> None:
    """As all of the application's do."""
    gateway.judged("1")
    for answer in (gateway.ask(), gateway.ask(token="")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in answer.headers


def test_a_gateway_that_asks_before_each_call_costs_no_database(gateway: Gateway, ops_owner: sa.Engine) -> None:
    """For a while the row is answered from memory, each workflow's own; only then is it read again."""
    gateway.judged("1")
    gateway.judged("400", workflow="invoice_matching")
    asking = Gateway(gateway.engine, kept=3600.0)
    first = [asking.ask(name).json() for name in ("email_triage", "invoice_matching")]
    with ops_owner.begin() as connection:
        connection.execute(sa.text("DROP TABLE allowances"))
    assert [asking.ask(name).json() for name in ("email_triage", "invoice_matching")] == first
    assert gateway.ask().status_code == 503
