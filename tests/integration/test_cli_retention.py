"""``afterpilot retention``, ``hold`` and ``erase`` on a real ops database: what they show, what they change, and how they end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from retention_site import OLD, Kept

from doubles.command_line import Cli, command_line

pytestmark = pytest.mark.integration
WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"


@pytest.fixture
def kept(ops: sa.Engine) -> Kept:
    """An ops database with a workflow that is declared."""
    made = Kept(ops)
    made.declare("invoice_matching", "400d")
    return made


@pytest.fixture
def cli(ops_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    environ = {"AFTERPILOT_DATABASE_URL": ops_url, "AFTERPILOT_WORKFLOWS": str(WORKFLOWS), "COLUMNS": "160"}
    return command_line(monkeypatch, capsys, environ)


def test_show_says_what_is_kept_how_long_since_when_and_what_goes_next(cli: Cli, kept: Kept) -> None:
    kept.record("invoice_matching", "a", OLD)
    code, out, _ = cli("retention", "show")
    assert code == 0
    (records,) = [line for line in out.splitlines() if line.strip().startswith("records ")]
    for said in ("400 days", "2020-03-10", "2020-03", "due since 2021-05-06"):
        assert said in records
    (ledger,) = [line for line in out.splitlines() if line.strip().startswith("ledger ")]
    assert "for good" in ledger
    assert "default: records, usage, samples, runs, messages, reviews, ledger" in out
    assert "at least 183 days: samples, runs, messages, reviews, ledger" in out
    assert "at least 400 days: usage" in out
    assert out.count("400 days") == len(("records", "samples", "usage", "its own")), "no rule is said twice"
    assert "invoice_matching: its records are kept for 400 days" in out
    told = json.loads(cli("retention", "show", "--json")[1])
    assert [one["class"] for one in told["classes"]] == [
        "records", "usage", "samples", "runs", "messages", "reviews", "ledger",
    ]  # fmt: skip
    assert {one["minimum_days"] for one in told["classes"]} == {0, 183, 400}


def test_show_names_no_day_for_what_stays_for_good(cli: Cli, kept: Kept) -> None:
    """A month whose workflow says what cannot be read goes at no time, and not in a hundred years."""
    kept.declare("claims", "a while")
    kept.record("claims", "a", OLD)
    out = cli("retention", "show")[1]
    (records,) = [line for line in out.splitlines() if line.strip().startswith("records ")]
    assert records.split()[4:6] == ["-", "-"], records
    assert "claims: its records are kept for good, as what it says cannot be read" in out


def test_a_dry_run_removes_nothing_and_a_run_is_reported(cli: Cli, kept: Kept) -> None:
    kept.record("invoice_matching", "a", OLD)
    assert "would go: records of 2020-03 (1 row" in cli("retention", "run", "--dry-run")[1]
    assert kept.months("records") == {"records_2020_03"}
    assert "Nothing was removed" in cli("retention", "report")[1]
    code, out, _ = cli("retention", "run")
    assert (code, kept.months("records")) == (0, set())
    assert "removed: records of 2020-03" in out
    assert "Nothing is older" in cli("retention", "run")[1]
    today = datetime.now(UTC)
    out = cli("retention", "report", "--from", f"{today - timedelta(days=1):%Y-%m-%d}", "--to", f"{today:%Y-%m-%d}")[1]
    assert "records of 2020-03  1 row," in out
    assert "by cli" in out
    assert json.loads(cli("retention", "report", "--json")[1])["removed"][0]["table_name"] == "records"
    assert cli("retention", "report", "--from", "2026-02-02", "--to", "2026-01-01")[0] == 2


def test_a_hold_is_set_listed_and_released(cli: Cli, kept: Kept) -> None:
    kept.record("invoice_matching", "a", OLD)
    by = ("--by", "Dana Ruiz", "--reason", "claim 4711")
    assert cli("hold", "add", *by)[0] == 2, "of what?"
    code, _, err = cli("hold", "add", "--workflow", "invoice_match", *by)
    assert code == 2
    assert "known: invoice_matching" in err
    code, out, _ = cli("hold", "add", "--workflow", "invoice_matching", "--to", "2021-01-01", *by)
    assert code == 0
    which = out.split("afterpilot hold release ")[1][:8]
    assert "stays: records of 2020-03: is held" in cli("retention", "run")[1]
    assert f"{which}  invoice_matching to 2021-01-01" in cli("hold", "list")[1]
    assert cli("hold", "release", which, *by)[0] == 0
    assert "was released already" in cli("hold", "release", which, *by)[1]
    assert "No hold stands." in cli("hold", "list")[1]
    assert "released" in cli("hold", "list", "--all")[1]


def test_erasing_is_previewed_asked_for_and_reported_without_names(
    cli: Cli, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.add("silences", by="Dana Ruiz", reason="x", starts_at=OLD, ends_at=OLD + timedelta(days=1))
    why = ("--by", "Sam Whitfield", "--reason", "ticket 811")
    _, out, _ = cli("erase", "person", "Dana Ruiz", "--dry-run")
    assert "1  silences.by" in out
    assert "What stays\n" in out
    assert cli("erase", "person", "Dana Ruiz")[0] == 2, "why, and by whom?"
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "dana")
    code, _, err = cli("erase", "person", "Dana Ruiz", *why)
    assert code == 2
    assert "nothing was erased" in err
    assert len(kept.rows("SELECT FROM silences WHERE by = 'Dana Ruiz'")) == 1
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "Dana Ruiz")
    assert cli("erase", "person", "Dana Ruiz", *why)[0] == 0
    assert kept.rows("SELECT FROM silences WHERE by = 'Dana Ruiz'") == []
    report = cli("retention", "report")[1]
    assert "erased: person:" in report
    assert "Dana" not in report
    (line,) = cli("erase", "list")[1].splitlines()
    assert json.loads(line)["subject"].startswith("person:")
    assert "is back" in cli("erase", "reapply")[1]


def test_an_output_is_erased_without_a_question_where_it_is_said(cli: Cli, kept: Kept, tmp_path: Path) -> None:
    kept.record("invoice_matching", "a", OLD)
    code, _, why_not = cli("erase", "output", "invoice_machting", "a", "--by", "Sam", "--reason", "x", "--yes")
    assert code == 2
    assert "there is no workflow 'invoice_machting'" in why_not
    run = kept.ran("invoice_matching", OLD)
    what = {"workflow": "invoice_matching", "stage": "check", "kind": "k", "severity": "warning", "fingerprint": "f"}
    kept.add("incidents", **what, title="Ann is missing", opened_at=OLD, last_seen_at=OLD)
    kept.add("findings", **what, run_id=run, title="Ann is missing", at=OLD)
    told = cli("erase", "output", "invoice_matching", "a", "--dry-run")[1]
    assert "1  incidents.title" in told
    assert "What quotes it and cannot be changed\n       1  findings.title" in told
    assert "are times" not in told, "it said one name, and nothing else"
    assert "runs, findings" in told
    assert "may quote a value of it, and are proven" in told
    assert "Nothing was changed." in told
    preview = json.loads(cli("erase", "output", "invoice_matching", "a", "--dry-run", "--json")[1])
    assert "the source" in preview["left"]
    why = ("--by", "Sam Whitfield", "--reason", "ticket 811", "--yes", "--json")
    done = json.loads(cli("erase", "output", "invoice_matching", "a", *why)[1])
    assert done["counts"] == {"records.data": 1, "incidents.title": 1}
    assert done["staying"] == {"findings.title": 1}
    listed = tmp_path / "erased.jsonl"
    listed.write_text(cli("erase", "list")[1])
    kept.record("invoice_matching", "a", OLD)
    assert "Erased again: output:" in cli("erase", "reapply", "--from", str(listed))[1]
