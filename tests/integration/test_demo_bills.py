"""The demo's own account: its bill agrees with the meter, but for the project that it is there to show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from path_site import SLUG, Site, pulled, trigger

from afterpilot import pipeline
from afterpilot.demo.bill_server import PROJECTS, UNOWNED, BillServer
from afterpilot.domain.verdict import Verdict
from afterpilot.pipeline.metering import meter

pytestmark = pytest.mark.integration
KEY = "sk-admin-of-the-demo"
DAY = timedelta(days=1)


@pytest.fixture
def server(ops_url: str) -> Iterator[BillServer]:
    """The account over the ops database."""
    with BillServer(ops_url, key=KEY) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, server: BillServer) -> Site:
    """An office that was billed for its invoices of a week ago and of the day before yesterday."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.now = datetime.now(UTC)
    path = made.folder / "_fleet.yaml"
    bill = "{name: openai, kind: openai, connection: openai_admin, at_least: 0.000001 USD}"
    path.write_text(path.read_text() + f"spend:\n  bills: [{bill}]\n")
    made.edit(
        f"{SLUG}/workflow.yaml", "spend: {", f"spend: {{billed: [{{account: openai, projects: [{PROJECTS[SLUG]}]}}], "
    )
    made.env["AIRFLOW_CONN_OPENAI_ADMIN"] = f"http://admin:{KEY}@{server.address.removeprefix('http://')}"
    made.invoices(range(1, 5), at=made.now - timedelta(days=7))
    made.invoices(range(11, 15), at=made.now - timedelta(days=2))
    return made


def test_the_bill_agrees_but_for_the_project_that_nobody_names(site: Site) -> None:
    """One finding, with the sum of six days, of a model that no workflow calls; no gap down to a millionth of a dollar."""
    pulled(site)
    wired = site.wired()
    meter(wired.services, wired.declarations.workflows)
    found = pipeline.bills(wired.services, wired.declarations.workflows, trigger=trigger())
    assert found is not None
    assert found.run is not None
    (standing,) = found.standings
    assert found.run.verdict is Verdict.WARN
    assert [(one.kind, one.evidence["project"]) for one in standing.findings] == [("bills.unowned", UNOWNED)]
    assert sum(bool(row.bill) for row in standing.rows) == 2
    assert {row.gap for row in standing.rows if row.gap is not None and abs(row.gap) > 1e-12} == set()
    (lost,) = standing.unowned
    assert (lost.amount, lost.first, lost.last) == (Decimal("2.4"), site.now.date() - 6 * DAY, site.now.date() - DAY)


def test_it_wants_its_key_and_knows_its_paths(server: BillServer) -> None:
    """Anything else is refused as the provider would."""
    url = f"{server.address}/organization/costs"
    header = {"Authorization": f"Bearer {KEY}"}
    assert requests.get(url, timeout=10).status_code == requests.codes.unauthorized
    assert requests.get(url, headers=header, timeout=10).status_code == requests.codes.not_found
    assert requests.get(f"{url}?start_time=x", headers=header, timeout=10).status_code == requests.codes.bad_request
    assert requests.get(f"{url}?start_time=0&limit=1", headers=header, timeout=10).json()["next_page"] == "1"
