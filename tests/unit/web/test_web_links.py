"""Addresses: of Airflow's pages, and those that came as data."""

from __future__ import annotations

import pytest

from afterpilot.web.frame import address
from afterpilot.web.links import airflow_page, safe_url

TASK = {
    "origin": "airflow",
    "dag_id": "records.hourly",
    "run_id": "manual__2026-11-20T14:00:00+00:00",
    "task_id": "g.check",
    "map_index": -1,
    "try_number": 2,
}


@pytest.mark.parametrize(
    ("base", "change", "page"),
    [
        (
            "http://a",
            {},
            "http://a/dags/records.hourly/runs/manual__2026-11-20T14%3A00%3A00%2B00%3A00/tasks/g.check?try_number=2",
        ),
        ("", {"map_index": 0, "run_id": "r"}, "/dags/records.hourly/runs/r/tasks/g.check/mapped/0?try_number=2"),
        ("/airflow", {"task_id": "", "run_id": "r"}, "/airflow/dags/records.hourly/runs/r"),
        ("", {"dag_id": "a/../b", "run_id": "r?x#y", "task_id": ""}, "/dags/a%2F..%2Fb/runs/r%3Fx%23y"),
        (None, {}, ""),
        ("http://a", {"origin": "cli"}, ""),
        ("http://a", {"dag_id": ""}, ""),
    ],
)
def test_airflow_pages(base: str | None, change: dict[str, object], page: str) -> None:
    """A run leads to its task instance as Airflow 3 addresses it; without Airflow it leads nowhere."""
    assert airflow_page(base, TASK | change) == page


@pytest.mark.parametrize("url", ["https://a.example/x?y#z", "http://localhost:8080/", "/afterpilot/runs"])
def test_addresses_that_may_be_followed(url: str) -> None:
    """Web addresses and paths of this server pass as they are."""
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "\tjavascript:x",
        "data:text/html,x",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https:x",
        "x",
        "",
        "http://[",
        "vbscript:x",
        "https://a\nb",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    """Anything that is not plainly a web address or a path here is not linked."""
    assert safe_url(url) == ""


def test_own_addresses_are_quoted() -> None:
    """Parts and values cannot break out of their place; empty values are left out."""
    made = address("/afterpilot", "runs", "a/b", "c d?", workflow="x&y", stage="", after=None)
    assert made == "/afterpilot/runs/a%2Fb/c%20d%3F?workflow=x%26y"
