"""Corrections in the run history: which run stands in the place of which, and what a pull opened again."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import sample_data
import sqlalchemy as sa
from fastapi.testclient import TestClient
from history_site import BROWSER, mounted

from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record.ops import Unit, unit_of

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SLUG = "invoice_matching"


def correction(unit: Unit, first: uuid.UUID, at: datetime, *findings: Finding) -> uuid.UUID:
    """A check over the hour before :data:`AT` that stands in the place of the first one."""
    result = StageResult(SLUG, Stage.CHECK, "corrected, as 2 rows came late", findings=findings, checked=1)
    run_id, _ = unit.runs.add(
        result,
        window=Window(AT - timedelta(hours=1), AT),
        trigger=Trigger("airflow", f"scheduled__{at.isoformat()}"),
        versions={},
        started_at=at,
        finished_at=at,
        corrects=first,
    )
    return run_id


def test_a_run_and_its_corrections_name_each_other(ops: sa.Engine) -> None:
    """The page of each says what stands; the list marks them; the status counts the newest correction of the newest run."""
    bad = Finding(SLUG, Stage.CHECK, "quality.x", Severity.CRITICAL, "supplier is missing")
    with ops.begin() as connection:
        unit = unit_of(connection)
        older = sample_data.add_run(unit, SLUG, Stage.CHECK, AT - timedelta(hours=1))
        first = sample_data.add_run(unit, SLUG, Stage.CHECK, AT)
        second = correction(unit, first, AT + timedelta(hours=1), bad)
        third = correction(unit, first, AT + timedelta(hours=2))
        late = correction(unit, older, AT + timedelta(hours=3), bad)  # of an older window: no news of the workflow
        pull = sample_data.add_run(unit, SLUG, Stage.PULL, AT + timedelta(hours=1))
        connection.execute(
            sa.text(
                "INSERT INTO reopened_windows (workflow, window_start, window_end, rows, noticed_at, run_id, judged_by, "
                "corrected_by) VALUES (:slug, :start, :at, 2, :at, :pull, :first, :second)"
            ),
            {"slug": SLUG, "start": AT - timedelta(hours=1), "at": AT, "pull": pull, "first": first, "second": second},
        )
        standing = unit.runs.latest(SLUG, Stage.CHECK)
        assert standing is not None
        assert standing.id == third
    client = TestClient(mounted(ops))

    def page(path: str) -> str:
        response = client.get(f"/afterpilot{path}", headers=BROWSER)
        assert response.status_code == 200, response.text
        return response.text

    told = page(f"/runs/{first}")
    assert "Corrected by" in told
    assert str(third) in told
    told = page(f"/runs/{second}")
    assert all(words in told for words in ("Corrects", str(first), "corrected again by", str(third)))
    assert "corrected again by" not in page(f"/runs/{third}")
    listed = page("/runs?stage=check")
    assert (listed.count("corrected since"), listed.count(">a correction<")) == (2, 3)
    told = page(f"/runs/{pull}")
    assert all(words in told for words in ("Windows that it opened again", "2 rows came late or changed", str(second)))
    assert "Corrected by" not in told
    assert str(late) in page("/runs")
