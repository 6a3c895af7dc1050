"""``afterpilot check table`` over real tables, by one statement and by Great Expectations, which must agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from table_suite import ROWS, SUITE, calls, fill, suite_file
from typer.testing import CliRunner

from afterpilot.cli.app import app
from afterpilot.declare.expectations import OWN_QUALITY
from afterpilot.declare.gx_suite import known_types
from doubles.command_line import Cli, command_line

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

COMPARED = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "observed_value")
Run = Callable[..., tuple[int, Any]]


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the table."""
    sqlite = request.param == "sqlite"
    found = f"sqlite:///{tmp_path / 'calls.db'}" if sqlite else request.getfixturevalue("empty_database")
    engine = sa.create_engine(found)
    fill(engine)
    engine.dispose()
    return str(found)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command; its exit status and what it printed as JSON."""

    def command(url: str, *options: str, expectations: list[dict[str, Any]] | None = None) -> tuple[int, Any]:
        suite = suite_file(tmp_path, expectations)
        given = ["check", "table", "--url", url, "--table", "calls", "--suite", str(suite), "--json", *options]
        result = CliRunner().invoke(app, given, catch_exceptions=False)
        return result.exit_code, json.loads(result.stdout)

    return command


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process: exit status, output and error."""
    return command_line(monkeypatch, capsys)


def of(kind: str, **kwargs: Any) -> dict[str, Any]:
    """One expectation."""
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def test_the_suite_names_every_expectation_that_can_be_named() -> None:
    """So that none is left out of the comparison below; our own ones have a suite of theirs."""
    assert {one["type"].removeprefix("expect_") for one in SUITE} == set(known_types()) - OWN_QUALITY.keys()


@pytest.mark.parametrize("options", [(), ("--group-by", "workflow")], ids=["whole", "grouped"])
def test_the_two_engines_agree_on_every_expectation(url: str, run: Run, options: tuple[str, ...]) -> None:
    """Verdict and figures of one statement are those of Great Expectations itself."""
    status, ours = run(url, *options)
    assert (status, ours) == (1, ours)
    status, theirs = run(url, *options, "--engine", "gx")
    assert status == 1
    if options:
        assert ours["groups"].keys() == theirs["groups"].keys() == {"bills", "mails", "100% :noon's", "null"}
    else:
        ours, theirs = {"groups": {"all": ours}}, {"groups": {"all": theirs}}
    for group, said in ours["groups"].items():
        differing = [
            f"{group}: {essence(mine)} but {essence(other)} {mine['exception_info']} {other['exception_info']}"
            for mine, other in zip(said["results"], theirs["groups"][group]["results"], strict=True)
            if essence(mine) != essence(other)
        ]
        assert not differing, "\n".join(differing)
        assert said["statistics"] == theirs["groups"][group]["statistics"]


def essence(result: Mapping[str, Any]) -> Any:
    """What both engines must say, with figures to nine digits."""
    figures = {name: rounded(result["result"][name]) for name in COMPARED if name in result["result"]}
    return result["verdict"], result["success"], result["expectation_config"], figures


def rounded(value: Any) -> Any:
    """A figure without what the last digits of floats differ in."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return value


def test_the_result_has_the_shape_of_great_expectations(url: str, run: Run) -> None:
    """What a program reads that knows the results of Great Expectations."""
    status, said = run(
        url,
        expectations=[
            {**of("column_values_to_not_be_null", column="total"), "severity": "warning", "meta": {"owner": "dana"}},
            of("table_row_count_to_equal", value=ROWS),
        ],
    )
    missing, rows = said["results"]
    assert (status, said["success"], missing["success"], rows["success"]) == (1, False, False, True)
    assert missing["expectation_config"] == {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "total"},
        "severity": "warning",
        "meta": {"owner": "dana"},
    }
    assert (missing["result"]["element_count"], missing["result"]["unexpected_count"]) == (ROWS, 15)
    assert [row["id"] for row in missing["result"]["partial_unexpected_index_list"]][:3] == ["0", "17", "34"]
    assert rows["result"]["observed_value"] == ROWS
    assert rows["exception_info"]["raised_exception"] is False
    assert said["statistics"] == {
        "evaluated_expectations": 2,
        "successful_expectations": 1,
        "unsuccessful_expectations": 1,
        "success_percent": 50.0,
    }


@pytest.mark.parametrize("most", [0, 3, 20])
def test_as_many_failing_rows_are_named_as_are_asked_for(url: str, run: Run, most: int) -> None:
    """In the order of their keys, for each group."""
    wanted = [
        of("column_values_to_be_in_set", column="status", value_set=["ok", "routed"]),
        of("column_values_to_be_unique", column="tokens"),
    ]
    _, said = run(url, "--group-by", "workflow", "--failing", str(most), expectations=wanted)
    named = said["groups"]["mails"]["results"]
    assert [len(one["result"].get("partial_unexpected_index_list", [])) for one in named] == [most, most]
    if most:
        assert named[0]["result"]["partial_unexpected_index_list"][0] == {"id": "3"}


@pytest.mark.parametrize("engine", ["single-pass", "gx"])
def test_no_rows_are_unknown_unless_they_are_said_to_be_fine(url: str, run: Run, engine: str) -> None:
    """Great Expectations passes an empty table; here nothing was judged, and the exit status is 2."""
    other = sa.create_engine(url)
    with other.begin() as connection:
        connection.execute(sa.delete(calls))
    other.dispose()
    checks = [
        of("column_values_to_not_be_null", column="total"),
        of("column_values_to_be_json_parseable", column="answer"),
    ]
    status, said = run(url, "--engine", engine, expectations=checks)
    assert (status, {one["verdict"] for one in said["results"]}, said["success"]) == (2, {"UNKNOWN"}, False)
    assert {one["exception_info"]["exception_message"] for one in said["results"]} == {"no rows"}
    fine = [{**one, "meta": {"no_rows_are_fine": True}} for one in checks]
    status, said = run(url, "--engine", engine, expectations=fine)
    assert (status, said["success"]) == (0, True)


@pytest.mark.parametrize("engine", ["single-pass", "gx"])
def test_what_cannot_be_judged_is_unknown_and_hurts_no_other(url: str, run: Run, engine: str) -> None:
    """A column that is not there, and a regular expression that is none."""
    status, said = run(
        url,
        "--engine",
        engine,
        expectations=[
            of("column_values_to_not_be_null", column="nowhere"),
            of("column_values_to_match_regex", column="day", regex="("),
            of("column_values_to_not_be_null", column="id"),
        ],
    )
    assert (status, [one["verdict"] for one in said["results"]]) == (2, ["UNKNOWN", "UNKNOWN", "PASS"])


@pytest.mark.parametrize("engine", ["single-pass", "gx"])
def test_a_group_of_lists_and_an_error_of_ours_never_say_that_a_check_has_found_something(
    empty_database: str, tmp_path: Path, cli: Cli, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2: nothing was judged."""
    made = sa.create_engine(empty_database)
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE odd (id int, tags int[], said jsonb)"))
        connection.execute(sa.text("INSERT INTO odd VALUES (1, '{1}', '[1]')"))
    made.dispose()
    suite = suite_file(tmp_path, [of("column_values_to_not_be_null", column="id")])
    told = ["check", "table", "--url", empty_database, "--table", "odd", "--suite", str(suite), "--engine", engine]
    for column in ("tags", "said"):
        status, _, error = cli(*told, "--group-by", column)
        assert (status, "name no group" in error) == (2, True)
    monkeypatch.setattr("afterpilot.cli.check.connect", lambda _url: {}["no such thing"])
    status, _, error = cli(*told)
    assert (status, "no such thing" in error) == (2, True)


@pytest.mark.parametrize("engine", ["single-pass", "gx"])
def test_whether_a_column_exists_is_known_without_rows(empty_database: str, tmp_path: Path, engine: str) -> None:
    """Both engines say so."""
    made = sa.create_engine(empty_database)
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE bare (id int)"))
    made.dispose()
    suite = suite_file(tmp_path, [of("column_to_exist", column="id"), of("column_to_exist", column="no")])
    given = ["check", "table", "--url", empty_database, "--table", "bare", "--suite", str(suite), "--json"]
    said = json.loads(CliRunner().invoke(app, [*given, "--engine", engine]).stdout)
    assert [one["verdict"] for one in said["results"]] == ["PASS", "FAIL"]


def test_a_suite_with_a_slip_is_refused_before_anything_is_read(tmp_path: Path, cli: Cli) -> None:
    """With the place, and exit status 2."""
    suite = suite_file(tmp_path, [of("column_values_to_not_be_nul", column="id")])
    status, _, error = cli("check", "table", "--url", "sqlite:///none.db", "--table", "t", "--suite", str(suite))
    assert status == 2
    assert "expectations[0].type" in error
    assert "expect_column_values_to_not_be_null" in error


@pytest.mark.parametrize(
    ("given", "variables", "said"),
    [
        ("postgresql://u:s3cr3t@127.0.0.1:1/db", {}, "the table cannot be read"),
        ("AIRFLOW_CONN_ERP", {"AIRFLOW_CONN_ERP": "postgres://u:s3cr3t@127.0.0.1:1/db"}, "the table cannot be read"),
        ("erp", {"AIRFLOW_CONN_ERP": "postgres://u:s3cr3t@127.0.0.1:1/db"}, "the table cannot be read"),
        ("PRODUCTION", {"PRODUCTION": "nonsense://u:s3cr3t@h/db"}, "names no database that can be used"),
        ("nowhere", {}, "AIRFLOW_CONN_NOWHERE"),
    ],
)
def test_the_password_of_a_database_is_never_told(
    tmp_path: Path, cli: Cli, given: str, variables: dict[str, str], said: str
) -> None:
    """Wherever the URL comes from; what cannot be read is exit status 2."""
    suite = suite_file(tmp_path, [of("table_row_count_to_equal", value=1)])
    status, out, error = cli("check", "table", "--url", given, "--table", "t", "--suite", str(suite), **variables)
    assert status == 2
    assert said in error
    assert "s3cr3t" not in out + error


def test_people_read_each_verdict_in_words(url: str, tmp_path: Path) -> None:
    """Groups that hold are counted and named, the others are told with their reasons and rows; --all shows all of each."""
    suite = suite_file(tmp_path, [of("column_values_to_not_be_in_set", column="status", value_set=["bad"])])
    given = ["check", "table", "--url", url, "--table", "calls", "--suite", str(suite)]
    whole = CliRunner().invoke(app, given)
    assert "status is one of bad in 40 of 240 records" in whole.stdout
    grouped = CliRunner().invoke(app, [*given, "--group-by", "workflow"])
    assert "4 groups, 1 expectation: 3 PASS, 1 FAIL" in grouped.stdout
    assert "rows 3, 9, 15" in grouped.stdout
    assert "3 groups: 100% :noon's, (no value), bills; --all shows each" in grouped.stdout
    assert "bills: 1 of 1" not in grouped.stdout
    every = CliRunner().invoke(app, [*given, "--group-by", "workflow", "--all"])
    assert "bills: 1 of 1 expectation holds" in every.stdout


@pytest.mark.parametrize("option", ["--group-by", "--key", "--table"])
def test_a_name_that_is_not_there_is_told_with_the_nearest(url: str, tmp_path: Path, cli: Cli, option: str) -> None:
    """A slip in a column's or table's name."""
    suite = suite_file(tmp_path, [of("table_row_count_to_equal", value=1)])
    table = [] if option == "--table" else ["--table", "calls"]
    name = "cals" if option == "--table" else "workflw" if option == "--group-by" else "idd"
    status, _, error = cli("check", "table", "--url", url, *table, "--suite", str(suite), option, name)
    assert status == 2
    assert "did you mean" in error
