"""``afterpilot check table`` with expectations of our own, by both engines, which must agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.declare.expectations import OWN_QUALITY

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

START = datetime(2026, 11, 16, tzinfo=UTC)
TABLE = sa.Table(
    "replies",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("team", sa.Text),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("reply", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("queue", sa.Text),
    sa.Column("right_queue", sa.Text),
    sa.Column("chunks", sa.Text),
    sa.Column("total", sa.Float),
)
CHUNKS = sa.Table("chunks", TABLE.metadata, sa.Column("id", sa.Text, primary_key=True))
WEEK = {"time": "at", "window": {"from": "2026-11-11", "to": "2026-11-17"}}
SPAN = {"time": "at", "window": {"from": "2026-11-16", "to": "2026-11-17"}}
SUITE: list[tuple[str, dict[str, Any]]] = [
    ("fresh_within", {"column": "at", "max_age": "20h", **SPAN}),
    ("volume_between", {"min_value": 1, "max_value": 10}),
    ("volume_between", {"like_weekdays": {"weeks": 4}, **SPAN}),
    ("json_schema", {"column": "answer", "json_schema": {"type": "object"}, "mostly": 0.9}),
    ("json_path", {"column": "answer", "path": "$.n", "type": "integer", "max_value": 150, "mostly": 0.2}),
    ("in_table", {"column": "chunks", "table": "chunks", "key": "id"}),
    ("distribution_like", {"column": "total", "reference": "14d", "max_psi": 0.2, **WEEK}),
    ("distribution_like", {"column": "queue", "reference": "14d", "max_js": 0.1, **WEEK}),
    ("rows_not_repeated", {"columns": ["reply"], "near_rows": 60}),
    ("labels_agree", {"column": "queue", "against": "right_queue", "min_agreement": 0.8}),
    ("sources_fresh", {"column": "chunks", "table": "chunks", "key": "id", "mostly": 0.5}),
    ("language_is", {"column": "reply", "languages": ["en"], "mostly": 0.9}),
    ("length_between", {"column": "reply", "min_value": 10, "max_value": 70}),
    ("percentile_between", {"column": "total", "percentile": 90, "max_value": 50}),
    ("percentile_between", {"column": "queue", "percentile": 90, "max_value": 50}),
]


def fill(engine: sa.Engine) -> None:
    """Two weeks of history and a day, with faults."""
    TABLE.metadata.create_all(engine)
    rows = [
        {
            "id": number,
            "team": "ab"[number % 2],
            "at": START - timedelta(days=14) + timedelta(minutes=60 * number),
            "reply": f"Your order number {number} was sent and comes tomorrow"
            if number % 9
            else "Bestellung ist verschickt worden",
            "answer": json.dumps({"n": number}) if number % 30 else "{",
            "queue": "xyz"[number % 3],
            "right_queue": "xyz"[(number + (number % 8 == 0)) % 3],
            "chunks": f"c{number % 12}",
            "total": float(number % 60) + (30 if number > 336 else 0),
        }
        for number in range(360)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(TABLE), rows)
        connection.execute(sa.insert(CHUNKS), [{"id": f"c{number}"} for number in range(10)])


def run(url: str, folder: Path, *options: str) -> tuple[int, Any]:
    """The exit status and what was printed."""
    suite = folder / "suite.json"
    expectations = [{"type": f"expect_{name}", "kwargs": kwargs} for name, kwargs in SUITE]
    suite.write_text(json.dumps({"name": "ai", "expectations": expectations}), encoding="utf-8")
    given = ["check", "table", "--url", url, "--table", "replies", "--suite", str(suite), "--json", *options]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the tables."""
    sqlite = request.param == "sqlite"
    found = f"sqlite:///{tmp_path / 'replies.db'}" if sqlite else request.getfixturevalue("empty_database")
    engine = sa.create_engine(found)
    fill(engine)
    engine.dispose()
    return str(found)


def said(results: list[dict[str, Any]]) -> list[Any]:
    """What must be the same."""
    return [
        (one["success"], one["result"].get("unexpected_count"), one["result"].get("observed_value")) for one in results
    ]


def test_both_engines_say_the_same(url: str, tmp_path: Path) -> None:
    """Each expectation, on PostgreSQL and on SQLite; those that hold, those that fail and those that cannot say."""
    ours, theirs = (run(url, tmp_path, "--engine", engine)[1]["results"] for engine in ("single-pass", "gx"))
    assert said(ours) == said(theirs)
    assert {True, False} <= {one["success"] for one in ours}


def test_each_group_is_judged_by_itself(url: str, tmp_path: Path) -> None:
    """A team at a time."""
    status, printed = run(url, tmp_path, "--group-by", "team")
    assert status == 1
    volumes = [group["results"][1]["result"]["observed_value"] for group in printed["groups"].values()]
    assert volumes == [180, 180]


def test_every_expectation_of_ours_is_in_the_suite() -> None:
    """None is left out."""
    assert {name for name, _ in SUITE} == OWN_QUALITY.keys()
