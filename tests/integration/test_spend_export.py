"""A month's spend as FOCUS rows: the same in both formats, to the last digit what was metered, and nothing unknown as 0."""

from __future__ import annotations

import csv
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pyarrow import parquet
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.domain.errors import AnswerRefused
from afterpilot.record.history import spend
from afterpilot.record.tables import current_declarations, declarations
from afterpilot.report.focus_columns import COLUMNS
from doubles import metered_calls

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
ZONES = {"b": "America/New_York"}


@pytest.fixture
def site(ops: sa.Engine, ops_url: str, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    with ops.begin() as connection:
        metered_calls.build(connection, {"a": {}, "b": {"size": 3, "mystery": True}}, now=NOW, zones=ZONES)
    return ops


def export(output: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["spend", "export", "--month", "2026-11", "-o", str(output), *more])
    return result.exit_code, result.output


def declare(connection: sa.Connection, slug: str, document: dict[str, Any]) -> None:
    connection.execute(sa.insert(declarations).values(workflow=slug, sha256="1", usable=True, document=document))
    connection.execute(
        sa.insert(current_declarations).values(workflow=slug, sha256="1", usable_sha256="1", loaded_at=NOW)
    )


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _value(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def _value(name: str, text: str) -> Any:
    if not text:
        return None
    kinds: dict[str, Any] = {"decimal": Decimal, "count": int, "moment": datetime.fromisoformat}
    return kinds.get(COLUMNS[name], str)(text)


def metered(engine: sa.Engine) -> dict[tuple[str, str], Decimal]:
    """What the page of spend shows."""
    with engine.connect() as connection:
        rows = spend.by_workflow(connection, date(2026, 11, 1), date(2026, 11, 30))
    return {(row["workflow"], row["currency"]): row["cost"] for row in rows if row["cost"] is not None}


def summed(rows: list[dict[str, Any]], column: str = "BilledCost") -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        key = row["x_Workflow"], row["BillingCurrency"]
        found[key] = found.get(key, Decimal(0)) + row[column]
    return found


def test_both_formats_hold_the_same_rows_and_all_that_was_metered(site: sa.Engine, tmp_path: Path) -> None:
    """Read back, CSV and Parquet are equal row by row, and their sums are the meter's to the last digit, for every cost column."""
    status, said = export(tmp_path / "a.csv")
    assert (status, export(tmp_path / "a.parquet")[0]) == (1, 1), said
    rows, others = read_csv(tmp_path / "a.csv"), parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert rows == others
    assert len(rows) > 200
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert summed(rows, column) == metered(site)
    assert all(row["ContractedUnitPrice"] * row["PricingQuantity"] == row["ContractedCost"] for row in rows)


def test_calls_without_a_known_cost_are_told_and_are_in_no_row(site: sa.Engine, tmp_path: Path) -> None:
    """Standard error names workflow, count and reason; no row costs 0; the days' rows say how many calls are missing."""
    status, said = export(tmp_path / "a.csv")
    assert status == 1
    assert "Not in the file: 5 calls of b without a known cost (no price is known for nobody-knows-1)" in said
    assert "Not in the file: 5 calls of b without a known cost (the call to gpt-5 does not say how many tokens" in said
    rows = read_csv(tmp_path / "a.csv")
    assert not [row for row in rows if row["x_Model"] == "nobody-knows-1" or not row["BilledCost"]]
    missing = {row["ChargePeriodStart"].day for row in rows if row["x_UnpricedCallsOfDay"] == 2}
    assert missing == {4, 8, 12, 16, 20}


def test_days_and_months_are_those_of_the_workflows_calendar_in_utc(site: sa.Engine, tmp_path: Path) -> None:
    """Midnight in New York is five in the morning in UTC, four before the clocks change on 1 November."""
    export(tmp_path / "a.csv", "--workflow", "b")
    rows = read_csv(tmp_path / "a.csv")
    assert {row["BillingPeriodStart"] for row in rows} == {datetime(2026, 11, 1, 4, tzinfo=UTC)}
    assert {row["BillingPeriodEnd"] for row in rows} == {datetime(2026, 12, 1, 5, tzinfo=UTC)}
    first = min(rows, key=lambda row: row["ChargePeriodStart"])
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 11, 2, 5, tzinfo=UTC),
    )


def test_an_export_says_whose_the_cost_is(site: sa.Engine, tmp_path: Path) -> None:
    """Team, owner, the one billing account that is declared, and who offers the model."""
    document = {"team": "finance", "owner": {"name": "Dana Ruiz"}, "spend": {"billed": [{"account": "openai"}]}}
    with site.begin() as connection:
        declare(connection, "a", document)
    status, said = export(tmp_path / "a.csv", "--workflow", "a")
    rows = read_csv(tmp_path / "a.csv")
    assert status == 0 or "is not over" in said
    assert {row["BillingAccountId"] for row in rows} == {"openai"}
    assert {(row["x_Model"], row["ProviderName"]) for row in rows} == {
        ("gpt-5", "OpenAI"), ("gpt-5-mini", "OpenAI"), ("claude-sonnet-4-5", "Anthropic"), ("house-7b", "Unknown"),
    }  # fmt: skip
    assert all('"team": "finance", "owner": "Dana Ruiz"' in row["Tags"] for row in rows)


@pytest.mark.parametrize("month", ["9999-12", "0001-01", "2026", "2026-13", "november", "2026-11-01"])
def test_a_month_that_is_none_ends_in_one_sentence(site: sa.Engine, tmp_path: Path, month: str) -> None:
    """Nothing is written."""
    result = CliRunner().invoke(app, ["spend", "export", "--month", month, "-o", str(tmp_path / "a.csv")])
    assert result.exit_code != 0
    assert not list(tmp_path.iterdir())
    assert str(date(2026, 11, 1))[:7] in str(result.exception or result.output)


def test_nothing_but_a_file_is_ever_replaced(site: sa.Engine, tmp_path: Path) -> None:
    """A pipe, or a device, stays what it is; a link stays a link, and the file behind it holds the rows."""
    pipe, link, target = tmp_path / "pipe.csv", tmp_path / "link.csv", tmp_path / "target.csv"
    os.mkfifo(pipe)
    result = CliRunner().invoke(app, ["spend", "export", "--month", "2026-11", "-o", str(pipe)])
    assert result.exit_code != 0
    assert "no regular file" in str(result.exception)
    assert pipe.is_fifo()
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    export(link)
    assert link.is_symlink()
    assert read_csv(target)


def test_a_workflow_that_nobody_knows_is_no_month_without_spend(site: sa.Engine, tmp_path: Path) -> None:
    """A slip of the pen is an error that tells the nearest name, and no file is written; one without calls has a file and a word."""
    with site.begin() as connection:
        declare(connection, "idle", {"stage": "live"})
    month = ["spend", "export", "--month", "2026-10", "-o"]
    known, idle = (
        CliRunner().invoke(app, [*month, str(tmp_path / name), "--format", "csv", "--workflow", name])
        for name in ("a", "idle")
    )
    assert (known.exit_code, idle.exit_code) == (0, 1)
    assert "No call of a workflow 'idle'" in idle.output
    with pytest.raises(AnswerRefused, match=r"no workflow 'idel' \(did you mean idle\? known: a, b, idle\)"):
        CliRunner().invoke(app, [*month, str(tmp_path / "no.csv"), "--workflow", "idel"], catch_exceptions=False)
    assert not (tmp_path / "no.csv").exists()
