"""What is older than its workflow keeps records is not pulled: it would be removed the next day, and pulled again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from path_site import SLUG, Site, pulled

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose records are kept for ten days."""
    made = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    made.edit(f"{SLUG}/workflow.yaml", "retention: 400d", "retention: 10d")
    made.edit(f"{SLUG}/workflow.yaml", "late_by: 2h", "late_by: 14d")
    return made


def test_the_first_pull_reaches_back_for_as_long_as_records_are_kept(site: Site) -> None:
    site.invoices([1], at=site.now - 11 * DAY)
    site.invoices([2], at=site.now - 9 * DAY)
    pulled(site)
    assert [row["key"][-1] for row in site.rows("SELECT key FROM records")] == ["2"]


def test_late_rows_are_read_again_no_further_back(site: Site) -> None:
    """However late they may come."""
    site.invoices([1], at=site.now - 9 * DAY)
    site.invoices([2], at=site.now - 7 * DAY)
    pulled(site)
    site.now += 2 * DAY
    with site.ops.begin() as connection:
        connection.exec_driver_sql("DELETE FROM records")
    pulled(site)
    assert [row["key"][-1] for row in site.rows("SELECT key FROM records")] == ["2"]
