"""``afterpilot new`` and ``afterpilot preview`` on a real table: a proposal that can be used at once, and leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.declare import load
from afterpilot.domain.errors import CheckError, SourceError
from afterpilot.pull.profile import profile
from afterpilot.record.scratch import scratch

pytestmark = pytest.mark.integration

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
PEOPLE = ["--owner", "Ana Silva <U01AAAAAAA>", "--deputy", "Ben Ito <U01BBBBBBB>"]
NEW = ["new", "refunds", "--connection", "crm", "--table", "ai_refunds", "--purpose", "Suggest refunds", *PEOPLE]

TABLE = """
CREATE TABLE ai_refunds (refund_id text PRIMARY KEY, asked_at timestamptz, finished_at timestamptz, letter text, customer_email text,
  amount numeric, currency text, answer text, order_no text, urgent boolean, model_name text, tok_in int, tok_out int)
"""
ROWS = """
INSERT INTO ai_refunds SELECT 'r' || lpad(g::text, 5, '0'), at, at + interval '5 s', repeat('Dear all, it came late. ', 1 + mod(g, 20)),
  'c' || g || '@example.com', CASE WHEN mod(g, 50) = 0 THEN NULL ELSE mod(g * 37, 300) + 0.5 END, (array['EUR', 'USD', 'GBP'])[1 + mod(g, 3)],
  '{"amount": ' || g || '}', 'ORD-' || lpad(g::text, 7, '0'), mod(g, 2) = 0, 'gpt-5-mini', 500 + mod(g, 100), 40
FROM (SELECT g, now() - interval '40 days' + g * interval '29 minutes' AS at FROM generate_series(1, 1980) AS g) AS all_of_them
"""


@pytest.fixture
def crm(empty_database: str) -> Iterator[sa.Engine]:
    """1,980 refunds of forty days; on one of them, ten days ago, eight in a currency that nobody knows."""
    engine = sa.create_engine(empty_database, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(TABLE))
        connection.execute(sa.text(ROWS))
        connection.execute(
            sa.text(
                "UPDATE ai_refunds SET currency = 'XXX', amount = 99999 WHERE refund_id BETWEEN 'r01480' AND 'r01487'"
            )
        )
    yield engine
    engine.dispose()


@pytest.fixture
def folder(tmp_path: Path, ops_url: str, crm: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workflows folder, and the variables of a shell."""
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    fleet = (WORKFLOWS / "_fleet.yaml").read_text().replace("workflow: invoice_reader_calls", 'workflow: "invoice_*"')
    (workflows / "_fleet.yaml").write_text(fleet)
    url = crm.url
    crm_connection = {
        "conn_type": "postgres",
        "host": url.host or url.query.get("host", ""),
        "login": url.username,
        "password": url.password,
        "port": url.port,
        "schema": url.database,
    }
    monkeypatch.setenv("AFTERPILOT_WORKFLOWS", str(workflows))
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(crm_connection))
    return workflows


def test_a_proposal_can_be_used_as_it_stands(folder: Path) -> None:
    """Key, time, usage, personal fields, categories without the rare ones, codes and room for numbers: each with its reason."""
    done = CliRunner().invoke(app, [*NEW, "--output", "amount", "--output", "currency"])
    assert done.exit_code == 0, done.output
    declared = load(folder)
    assert declared.problems == ()
    (workflow,) = declared.workflows
    source = workflow.source
    assert (source.key, source.time, source.personal) == ("refund_id", "finished_at", ("customer_email",))
    assert (source.usage.model, source.usage.input_tokens, source.usage.output_tokens) == (
        "model_name",
        "tok_in",
        "tok_out",
    )
    checks = {(check.expect, check.column): check.params for check in workflow.quality}
    assert checks["column_values_to_be_in_set", "currency"]["value_set"] == ["EUR", "GBP", "USD"]
    assert checks["column_values_to_match_regex", "order_no"]["regex"] == "^ORD-[0-9]{7}$"
    assert 300 < checks["column_values_to_be_between", "amount"]["max_value"] < 1000
    assert checks["column_values_to_not_be_null", "amount"]["mostly"] == pytest.approx(0.97)
    assert ("fresh_within", "finished_at") in checks
    assert {check.column for check in workflow.outputs} == {"amount", "currency"}
    text = (folder / "refunds" / "workflow.yaml").read_text()
    assert 'left out as rare: "XXX" (8)' in text
    assert "c1@example.com" not in text


def test_an_output_with_a_few_odd_values_is_still_a_category(folder: Path, crm: sa.Engine) -> None:
    """Junk that a model wrote now and then is left out, and said to be: it is what the check is for."""
    with crm.begin() as connection:
        connection.execute(
            sa.text("UPDATE ai_refunds SET currency = 'see letter ' || refund_id WHERE mod(tok_in, 50) = 7")
        )
    assert CliRunner().invoke(app, [*NEW, "--output", "currency"]).exit_code == 0
    text = (folder / "refunds" / "workflow.yaml").read_text()
    assert "value_set: [EUR, GBP, USD]}" in text
    assert "rows with other values" in text
    (workflow,) = load(folder).workflows
    quality = {(check.expect, check.column): check.params for check in workflow.quality}
    assert 0.9 < quality["column_values_to_be_in_set", "currency"]["mostly"] < 0.98


def test_a_preview_shows_the_day_on_which_something_was_wrong_and_keeps_nothing(folder: Path, ops_url: str) -> None:
    """The bad day fires, the others do not; outputs that would have gone to people are counted; the ops database is as before."""
    assert CliRunner().invoke(app, [*NEW, "--output", "amount", "--output", "currency"]).exit_code == 0
    done = CliRunner().invoke(app, ["preview", "refunds", "--windows", "14", "--json"])
    assert done.exit_code == 0, done.output
    windows = json.loads(done.stdout)
    fired = [
        sum(one["success"] is False and one["column"] == "currency" for one in window["expectations"])
        for window in windows
    ]
    assert len(windows) == 14
    assert sum(fired) == 1
    assert sum(window["records"] for window in windows) > 600
    assert sum(window["outputs"]["routed"] for window in windows) >= 8
    engine = sa.create_engine(ops_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM records")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM runs")) == 0
        assert (
            connection.scalar(sa.text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'afterpilot_trial_%'")) == 0
        )
    engine.dispose()


def test_a_trial_that_was_killed_is_swept_and_one_that_is_under_way_is_not(folder: Path, ops_url: str) -> None:
    """Its lock is gone with its process."""
    engine = sa.create_engine(ops_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT afterpilot_trial('afterpilot_trial_' || repeat('0', 32))"))
    with scratch(ops_url), scratch(ops_url), engine.connect() as connection:
        count = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'afterpilot_trial_%'"
        assert connection.scalar(sa.text(count)) == 2
    with engine.connect() as connection:
        assert connection.scalar(sa.text(count)) == 0
    engine.dispose()


def test_what_is_kept_in_another_form_is_only_held_to_be_there(crm: sa.Engine) -> None:
    """Arrays, intervals and networks; and what is infinite counts as missing, as a pull keeps it."""
    with crm.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE odd (id int PRIMARY KEY, at timestamptz, tags text[], lasted interval, host inet, share float8, until date); "
                "INSERT INTO odd SELECT g, now() - g * interval '1 hour', array['a', 'b'], interval '5 min', '10.0.0.1', "
                "CASE WHEN mod(g, 2) = 0 THEN 'NaN'::float8 ELSE g END, CASE WHEN mod(g, 4) = 0 THEN date 'infinity' ELSE date '2026-11-01' END "
                "FROM generate_series(1, 200) AS g"
            )
        )
    found = {column.name: column for column in profile(crm, "odd").columns}
    assert (found["share"].filled, found["until"].filled) == (100, 150)
    assert all(
        not (found[name].values or found[name].shape or found[name].longest) for name in ("tags", "lasted", "host")
    )


def test_a_preview_for_people_says_what_fired_and_what_would_have_gone_to_people(folder: Path) -> None:
    """A line for each expectation, a column for each window."""
    assert CliRunner().invoke(app, [*NEW, "--output", "currency"]).exit_code == 0
    shown = CliRunner().invoke(app, ["preview", "refunds", "--windows", "2", "--every", "1w"])
    assert shown.exit_code == 0, shown.output
    assert "refunds: " in shown.output
    assert "currency: be in set" in shown.output
    assert "would have gone to people" in shown.output
    assert "✓ held  ✗ would have fired\n" in shown.output


def test_a_preview_says_what_is_wrong_with_the_source_itself(folder: Path, crm: sa.Engine) -> None:
    """A column that is not there did not fail its checks: nothing could be said of it."""
    assert CliRunner().invoke(app, [*NEW, "--output", "amount"]).exit_code == 0
    with crm.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ai_refunds RENAME currency TO money"))
    done = CliRunner().invoke(app, ["preview", "refunds", "--windows", "2", "--json"])
    assert done.exit_code == 0, done.output
    for window in json.loads(done.stdout):
        assert window["noticed"] == ["ai_refunds has no column currency"]
        on_it = [one for one in window["expectations"] if one["column"] == "currency"]
        assert on_it
        assert {one["success"] for one in on_it} == {None}
    shown = CliRunner().invoke(app, ["preview", "refunds", "--windows", "1"])
    assert "ai_refunds has no column currency" in shown.output
    assert "? could not say: no records, nothing to look at, or too little history" in shown.output
    assert "? currency: be in set: could not say in 1 window: " in shown.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["new", "Refunds!", *NEW[2:]], "small letters"),
        ([*NEW[:5], "no_such_table", *NEW[6:]], "no table"),
        ([*NEW, "--output", "nothing"], "no column nothing"),
        ([*NEW, "--key", "nothing"], "no column nothing"),
        ([*NEW[:-4], "--owner", "Ana", "--deputy", "Ben Ito <U01BBBBBBB>"], "Slack id"),
    ],
)
def test_what_cannot_be_proposed_says_why_and_writes_nothing(folder: Path, arguments: list[str], says: str) -> None:
    """No folder is left behind."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert says in done.output or says in str(done.exception)
    assert [path.name for path in folder.iterdir()] == ["_fleet.yaml"]


def test_a_folder_that_is_there_is_never_touched(folder: Path) -> None:
    """Somebody may have worked on it."""
    assert CliRunner().invoke(app, NEW).exit_code == 0
    before = (folder / "refunds" / "workflow.yaml").read_bytes()
    done = CliRunner().invoke(app, NEW)
    assert isinstance(done.exception, CheckError)
    assert (folder / "refunds" / "workflow.yaml").read_bytes() == before


def test_a_table_without_rows_or_times_has_nothing_to_propose(crm: sa.Engine, folder: Path) -> None:
    """It is said, not guessed."""
    with crm.begin() as connection:
        connection.execute(sa.text("CREATE TABLE empty_one (id text PRIMARY KEY, at timestamptz)"))
        connection.execute(sa.text("CREATE TABLE timeless (id text PRIMARY KEY); INSERT INTO timeless VALUES ('a')"))
    assert profile(crm, "empty_one").rows == 0
    for table, says in (("empty_one", "no rows"), ("timeless", "no column of times")):
        done = CliRunner().invoke(app, [*NEW[:5], table, *NEW[6:]])
        assert isinstance(done.exception, CheckError)
        assert says in str(done.exception)


def test_columns_that_a_declaration_cannot_name_are_left_out_and_what_is_proposed_is_valid(
    crm: sa.Engine, folder: Path
) -> None:
    """Nobody is left with a folder that does not load; a table without any other column is said to have none."""
    with crm.begin() as connection:
        connection.execute(
            sa.text('ALTER TABLE ai_refunds ADD COLUMN "a b" text DEFAULT \'x\', ADD COLUMN "1" int DEFAULT 1')
        )
        connection.execute(sa.text('CREATE TABLE "Two Words" AS SELECT * FROM ai_refunds'))
        connection.execute(sa.text("CREATE TABLE bare (id int PRIMARY KEY, at timestamptz, answer text)"))
        connection.execute(
            sa.text("INSERT INTO bare SELECT g, now() - g * interval '1 min' FROM generate_series(1, 99) g")
        )
    for table, says in (("Two Words", "make a view"), ("bare", "no other column is filled")):
        done = CliRunner().invoke(app, [*NEW[:5], table, *NEW[6:]])
        assert isinstance(done.exception, CheckError)
        assert says in str(done.exception)
    done = CliRunner().invoke(app, NEW)
    assert done.exit_code == 0, done.output
    assert "'a b', '1'" in done.output


def test_floats_are_numbers_and_times_that_cannot_be_are_passed_over(crm: sa.Engine) -> None:
    """What lies in the future or without end is neither the newest row nor a gap."""
    with crm.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ai_refunds ADD COLUMN score float8, ADD COLUMN share real"))
        connection.execute(sa.text("UPDATE ai_refunds SET score = 0.25 + tok_in, share = 0.5"))
        for number, at in enumerate(("infinity", "-infinity", "2099-01-01")):
            connection.execute(
                sa.text("INSERT INTO ai_refunds (refund_id, finished_at) VALUES (:id, CAST(:at AS timestamptz))"),
                {"id": f"odd{number}", "at": at},
            )
    found = profile(crm, "ai_refunds")
    kinds = {column.name: (column.kind, column.low) for column in found.columns if column.name in {"score", "share"}}
    assert kinds == {"score": ("number", Decimal("500.25")), "share": ("number", Decimal("0.5"))}
    assert found.newest is not None
    assert found.newest < datetime.now(UTC)
    assert {one.length for one in found.silences} == {timedelta(minutes=29)}
    assert sum(found.days.values()) == 1980


def test_a_source_that_is_away_ends_a_preview_with_its_reason(folder: Path, crm: sa.Engine) -> None:
    """And leaves no schema behind."""
    assert CliRunner().invoke(app, NEW).exit_code == 0
    with crm.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ai_refunds RENAME TO gone"))
    done = CliRunner().invoke(app, ["preview", "refunds"])
    assert isinstance(done.exception, SourceError)
