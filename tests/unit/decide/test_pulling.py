"""What a pull means."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from afterpilot.decide.pulling import judge_pull
from afterpilot.domain.errors import SourceError
from afterpilot.domain.source import FilesReader, Source
from afterpilot.domain.verdict import StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

SOURCE = Source(
    "erp", "ai_invoice_runs", "run_id", "finished_at", timedelta(0), timedelta(days=28), {"total": "number"}
)
WORKFLOW = cast("Workflow", SimpleNamespace(slug="invoice_matching", source=SOURCE))
START = datetime(2026, 11, 16, tzinfo=UTC)


def decide(**given: Any) -> StageResult:
    """A pull of three records, one of them late, unless said otherwise."""
    usual: dict[str, Any] = {"pulled": 3, "late": 1, "decisions": 2, "skipped": {}, "error": None}
    return judge_pull(WORKFLOW, window=Window(START, START + timedelta(hours=1)), **{**usual, **given})


def test_a_good_pull_passes_with_its_figures() -> None:
    """New, late, and what people decided."""
    result = decide()
    assert result.verdict is Verdict.PASS
    assert result.summary == "3 new records pulled, 1 of them late; 2 decisions of people"


def test_an_hour_without_rows_is_fine_for_the_pull() -> None:
    """Whether silence is right is for freshness and volume to say."""
    assert decide(pulled=0, late=0, decisions=0).verdict is Verdict.PASS


def test_a_source_that_cannot_be_read_is_unknown_even_after_some_rows() -> None:
    """And it leaves open what it could not look at."""
    result = decide(error=SourceError("postgresql database erp: connection refused."))
    assert result.verdict is Verdict.UNKNOWN
    assert result.findings[0].kind == "pull.source_unreadable"
    assert "connection refused" in result.findings[0].detail
    assert result.summary.startswith("the source could not be read to the end; 3 new records")
    assert result.covered == ("pull.source_unreadable",)


def test_skipped_rows_are_a_warning_with_the_most_frequent_reason() -> None:
    """All reasons are in the detail."""
    result = decide(skipped={"row without run_id": 2, "decision with an unknown word 'later'": 5})
    assert result.verdict is Verdict.WARN
    (finding,) = result.findings
    assert finding.title == "7 rows could not be taken: decision with an unknown word 'later' and other reasons"
    assert "row without run_id: 2" in finding.detail


def test_what_is_only_noted_raises_no_alarm() -> None:
    """It stands in the run."""
    result = decide(noted={"total is not a finite number: kept as missing": 1})
    assert result.verdict is Verdict.PASS
    assert result.evidence["noted"] == {"total is not a finite number: kept as missing": 1}
    assert result.findings[0].kind == "pull.noted"


def test_a_source_is_named_by_its_place() -> None:
    """A table with its connection, files by their path: the finding is about that, even where there is no connection."""
    assert decide().evidence["source"] == "erp.ai_invoice_runs"
    files = dataclasses.replace(SOURCE, connection="", table="/logs/*.csv", reader=FilesReader("/logs/*.csv", "csv"))
    workflow = cast("Workflow", SimpleNamespace(slug="invoice_matching", source=files))
    window = Window(START, START + timedelta(hours=1))
    error = SourceError("there is no file /logs/*.csv")
    result = judge_pull(workflow, window=window, pulled=0, late=0, skipped={}, error=error)
    assert (result.evidence["source"], result.findings[0].about) == ("/logs/*.csv", "/logs/*.csv")
