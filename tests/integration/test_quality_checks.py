"""Expectations judged by the real Great Expectations on the real ops database."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from quality_site import OLD, START, WINDOW, check, judge, judged_all, put, workflow_of

from afterpilot.check.fleet import FleetChecker
from afterpilot.decide.quality import judge_quality
from afterpilot.domain.errors import CheckError
from afterpilot.domain.verdict import Severity, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]


def test_expectations_are_judged_in_the_order_of_the_declaration(ops: sa.Engine, ops_url: str) -> None:
    """Passing, failing and impossible ones, each with its figures; Great Expectations itself would put errors first."""
    put(ops, 200, po=lambda n: None if n % 20 == 0 else f"PO-{n:05d}", tax="7")
    judged = judge(
        ops_url,
        check("column_values_to_be_between", column="total", min_value=0, max_value=99.5),
        check("column_values_to_not_be_null", Severity.WARNING, column="po", mostly=0.98),
        check("column_values_to_match_regex", column="po", regex="("),
        check("column_mean_to_be_between", column="total", min_value=100, max_value=100),
        check("column_values_to_be_unique", column="run_id"),
        check("column_max_to_be_between", column="finished_at", min_value="2026-11-16T03:19:00+00:00"),
        check("column_values_to_be_in_set", column="tax", value_set=[7, 19]),
        check("column_values_to_be_between", column="Due", min_value="2026-12-01", max_value="2026-12-01"),
        check("column_values_to_be_in_set", column="rush", value_set=[True]),
    )
    assert [one.success for one in judged] == [False, False, None, True, True, True, True, True, True]
    between, missing, broken, mean = judged[:4]
    assert (between.elements, between.failing_total, between.observed) == (200, 100, "100 of 200")
    assert between.failing_keys == tuple(f"k{number:04d}" for number in range(100, 200))
    assert (missing.failing_total, missing.failing_keys[:2]) == (10, ("k0000", "k0020"))
    assert "parentheses () not balanced" in broken.error
    assert mean.observed == "100"
    json.dumps([dict(one.result) for one in judged], allow_nan=False)


def test_only_the_workflow_and_the_half_open_window_are_looked_at(ops: sa.Engine, ops_url: str) -> None:
    """Other workflows, earlier records and those at the window's end do not count."""
    put(ops, 5)
    put(ops, 7, slug="other")
    put(ops, 1, start=WINDOW.end, prefix="next")
    put(ops, 1, start=WINDOW.start - timedelta(seconds=1), prefix="last")
    (rows,) = judge(ops_url, check("table_row_count_to_equal", value=5))
    assert (rows.success, rows.observed) == (True, "5")


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (check("column_values_to_be_odd", column="total"), "no expectation column_values_to_be_odd"),
        (check("column_values_to_be_between", column="totals", min_value=0), "totals is not among the columns"),
        (check("column_values_to_be_between", column="total", min_valu=0), "cannot both be missing"),
        (check("column_values_to_be_between", column="total", min_value=0, mostly=7), "a share from 0 to 1"),
        (check("column_values_to_be_between", column="nothing", min_value=0), "no values"),
        (check("column_mean_to_be_between", column="nothing", min_value=0), "no values"),
        (check("column_values_to_be_in_set", column="nothing", value_set=[1]), "no values"),
        (
            check(
                "column_values_to_be_between",
                column="total",
                min_value=0,
                row_condition={
                    "type": "comparison",
                    "column": {"name": "po"},
                    "operator": "==",
                    "parameter": "nobody",
                },
            ),
            "no record meets the row_condition",
        ),
        (check("fresh_within", column="po", max_age="6h"), "not a time"),
        (check("fresh_within", column="finished_at", max_age="soon"), "a duration such as 6h"),
        (check("volume_between"), "needs min_value"),
    ],
)
def test_what_could_not_be_checked_is_unknown_and_says_why(
    ops: sa.Engine, ops_url: str, declared: Check, reason: str
) -> None:
    """Great Expectations drops, passes or fails these; here each is unknown, and the others are judged all the same."""
    put(ops, 5)
    bad, good = judge(ops_url, declared, check("column_values_to_not_be_null", column="po"))
    assert bad.success is None
    assert reason in bad.error
    assert good.success is True


def test_one_expectation_that_ends_the_whole_validation_is_alone_with_its_trouble(
    ops: sa.Engine, ops_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the suite as a whole raises, each expectation is validated by itself."""
    from great_expectations.datasource.fluent.interfaces import Batch

    put(ops, 5)
    whole = Batch.validate

    def validate(self: Any, expect: Any, **options: Any) -> Any:
        if hasattr(expect, "expectations"):
            raise TypeError("Object of type bool is not JSON serializable")
        return whole(self, expect, **options)

    monkeypatch.setattr(Batch, "validate", validate)
    judged = judge(
        ops_url,
        check("column_values_to_not_be_null", column="po"),
        check(
            "column_quantile_values_to_be_between",
            column="total",
            quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 1]]},
        ),
        check("column_values_to_be_between", column="total", min_value=1),
    )
    assert [one.success for one in judged] == [True, False, False]


def test_values_that_are_not_of_their_declared_type_are_found(ops: sa.Engine, ops_url: str) -> None:
    """They become NULL for the other checks and are named by an own check, which nobody has to declare."""
    put(ops, 10, total=lambda n: "12,50" if n == 3 else "12.50", rush=lambda n: "perhaps" if n < 2 else False)
    results = judged_all(ops_url, workflow_of(check("column_values_to_be_between", column="total", min_value=0)))
    own = {one.check.column: one for one in results[1:]}
    assert {one.check.expect for one in results[1:]} == {"column_values_to_be_of_declared_type"}
    assert results[0].success is True
    assert (own["total"].success, own["total"].failing_total, own["total"].failing_keys) == (False, 1, ("k0003",))
    assert own["rush"].failing_keys == ("k0000", "k0001")
    assert own["Due"].success is True
    assert "nothing" not in own
    verdict = judge_quality(workflow_of(), results, window=WINDOW)
    assert "total is no number in 1 of 10 records (10 %, none allowed)" in verdict.reasons


def test_a_redacted_field_is_text_whatever_it_was(ops: sa.Engine, ops_url: str) -> None:
    """The word that stands for it is no wrong number."""
    put(ops, 3, total="[redacted]")
    results = judged_all(ops_url, workflow_of(personal=("total",)))
    assert "total" not in {one.check.column for one in results}


def test_a_window_without_records_is_unknown_and_never_a_pass(ops: sa.Engine, ops_url: str) -> None:
    """Only volume and freshness can be judged: they know what silence means."""
    put(ops, 3, start=START - timedelta(hours=5))
    checks = (
        check("column_values_to_not_be_null", column="po"),
        check("column_values_to_be_between", column="total", min_value=0),
        check("volume_between", Severity.WARNING, min_value=1),
        check("table_row_count_to_be_between", min_value=1),
        check("fresh_within", column="finished_at", max_age="6h"),
    )
    judged = judge(ops_url, *checks)
    assert [one.success for one in judged] == [None, None, False, False, False]
    assert {one.error for one in judged[:2]} == {"no rows"}
    assert judged[4].observed == "1 d 4 h old (newest 2026-11-15 19:02 UTC)"
    assert judge_quality(workflow_of(*checks), judged[:2], window=WINDOW).verdict is Verdict.UNKNOWN


def test_freshness_looks_beyond_the_window(ops: sa.Engine, ops_url: str) -> None:
    """An hour without records is fine where six hours are allowed."""
    put(ops, 3)
    window = Window(START + timedelta(hours=5), START + timedelta(hours=6))
    fresh, older, due = judge(
        ops_url,
        check("fresh_within", column="finished_at", max_age="6h"),
        check("fresh_within", column="finished_at", max_age="5h"),
        check("fresh_within", column="Due", max_age="6h"),
        window=window,
    )
    assert (fresh.success, older.success, due.success) == (True, False, True)


def test_freshness_of_a_workflow_without_any_record_is_unknown(ops_url: str) -> None:
    """Nothing is not old."""
    (fresh,) = judge(ops_url, check("fresh_within", column="finished_at", max_age="6h"))
    assert fresh.success is None


def test_more_failing_keys_than_are_kept_are_still_counted(ops: sa.Engine, ops_url: str) -> None:
    """At most 200 keys, and the full count."""
    put(ops, 450, po=None)
    (one,) = judge(ops_url, check("column_values_to_not_be_null", column="po"))
    assert (one.failing_total, len(one.failing_keys)) == (450, 200)


def test_repeated_pairs_are_named(ops: sa.Engine, ops_url: str) -> None:
    """Great Expectations counts them and names none; the keys come from our own query."""
    put(ops, 10, po=lambda n: "same" if n in {2, 7} else str(n), total="5")
    (one,) = judge(ops_url, check("compound_columns_to_be_unique", column_list=["po", "total"]))
    assert (one.success, one.failing_keys) == (False, ("k0002", "k0007"))


def test_text_that_looks_like_sql_is_only_text(ops: sa.Engine, ops_url: str) -> None:
    """A slug with quotes finds its own rows and nothing else; values may hold what they like."""
    slug = "o'k; DROP TABLE records --"
    put(ops, 4, slug=slug, po="50% off; DROP TABLE records")
    rows, values = judge(
        ops_url,
        check("table_row_count_to_equal", value=4),
        check("column_values_to_be_in_set", column="po", value_set=["50% off; DROP TABLE records"]),
        slug=slug,
    )
    assert (rows.success, values.success) == (True, True), (rows.error, values.error)


@pytest.mark.parametrize("slug", ["100%", "at :noon"])
def test_a_name_that_would_be_changed_still_finds_its_own_rows(ops: sa.Engine, ops_url: str, slug: str) -> None:
    """Great Expectations would double the percent sign or fill the colon in, find no rows and be content."""
    put(ops, 4, slug=slug, po=None)
    both = judge(
        ops_url,
        check("column_values_to_not_be_null", column="po"),
        check("column_values_to_not_be_null", column="po", row_condition='col("run_id").notnull()', **OLD),
        slug=slug,
    )
    assert [(one.success, one.failing_total, len(one.failing_keys)) for one in both] == [(False, 4, 4)] * 2


def test_no_address_and_no_log_line_leaks(
    ops: sa.Engine, ops_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Progress bars and logs are off, even when an expectation raises."""
    put(ops, 3)
    capfd.readouterr()
    with caplog.at_level(logging.INFO):
        judge(ops_url, check("column_values_to_match_regex", column="po", regex="("))
    assert not [entry for entry in caplog.records if entry.name.startswith("great_expectations")]
    assert capfd.readouterr() == ("", "")


def test_an_ops_database_that_is_away_is_an_error(postgres: object) -> None:
    """No result is not a good result, and the password is not told."""
    found = FleetChecker("postgresql+psycopg://u:s3cr3t@127.0.0.1:1/ops").judge([(workflow_of(), WINDOW)])
    error = found["invoice_matching"]
    assert isinstance(error, CheckError)
    assert "records cannot be read" in str(error)
    assert "s3cr3t" not in str(error)
