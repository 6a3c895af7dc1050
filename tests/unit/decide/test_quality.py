"""Findings and verdict from judged expectations."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.quality import judge_quality
from afterpilot.decide.quality_words import percent
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity, StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow

START = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
WORKFLOW = cast("Workflow", SimpleNamespace(slug="invoice_matching"))

NOT_NULL = "column_values_to_not_be_null"
BETWEEN = "column_values_to_be_between"


def judged(
    expect: str = NOT_NULL,
    *,
    success: bool | None = True,
    severity: Severity = Severity.CRITICAL,
    failing: int = 0,
    of: int = 812,
    missing: int = 0,
    observed: str = "",
    error: str = "",
    **params: Any,
) -> Judged:
    """One judged expectation."""
    keys = tuple(f"r{number}" for number in range(min(failing, 200)))
    result = {"element_count": of, "missing_count": missing} if failing else {}
    return Judged(Check(expect, severity, params), success, observed, of, failing, keys, result, error)


def decide(*results: Judged) -> StageResult:
    """The stage's result."""
    return judge_quality(WORKFLOW, results, window=WINDOW)


def test_expectations_that_hold_pass() -> None:
    """With at least one that was really judged."""
    result = decide(judged(column="po"), judged(BETWEEN, column="total", min_value=0))
    assert (result.verdict, result.checked, result.findings) == (Verdict.PASS, 2, ())
    assert result.summary == "2 of 2 expectations hold"
    assert result.covered == ("quality.*",)


def test_nothing_judged_is_unknown() -> None:
    """No expectation at all is no pass, and resolves nothing."""
    result = decide()
    assert (result.verdict, result.covered) == (Verdict.UNKNOWN, ())


@pytest.mark.parametrize(
    ("severity", "verdict"),
    [(Severity.INFO, Verdict.PASS), (Severity.WARNING, Verdict.WARN), (Severity.CRITICAL, Verdict.FAIL)],
)
def test_the_declared_severity_decides(severity: Severity, verdict: Verdict) -> None:
    """The team said how grave it is."""
    assert decide(judged(success=False, failing=1, severity=severity, column="po")).verdict is verdict


def test_a_failure_names_column_counts_share_and_keys() -> None:
    """The title is a sentence with figures; the detail names the first records."""
    (finding,) = decide(judged(success=False, failing=30, of=1764, column="po", mostly=0.99)).findings
    assert finding.title == "po is missing in 30 of 1,764 records (1.7 %, at most 1 % allowed)"
    assert (finding.kind, finding.about) == ("quality.column_values_to_not_be_null", "po")
    assert finding.detail.startswith("Records: r0, r1, ")
    assert "r19, 10 more. It is over when these records" in finding.detail
    assert finding.evidence["failing_keys"] == [f"r{number}" for number in range(20)]
    assert finding.evidence["failing"] == 30
    assert finding.evidence["cost"] == "30 of 1,764 records are affected"
    assert finding.evidence["examples"] == ["record r0", "record r1", "record r2", "record r3", "record r4"]


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (
            judged(BETWEEN, success=False, failing=1, of=10, missing=6, column="total", min_value=0, max_value=5),
            "total is outside 0 to 5 in 1 of 4 records (25 %, none allowed)",
        ),
        (
            judged(BETWEEN, success=False, failing=1, of=1, column="total", min_value=0),
            "total is outside at least 0 in 1 of 1 record (100 %, none allowed)",
        ),
        (
            judged("column_values_to_be_in_set", success=False, failing=1, of=2, column="label", value_set=["a", "b"]),
            "label is none of a, b in 1 of 2 records (50 %, none allowed)",
        ),
        (
            judged("compound_columns_to_be_unique", success=False, failing=2, of=4, column_list=["supplier", "no"]),
            "supplier and no occur together more than once in 2 of 4 records (50 %, none allowed)",
        ),
        (
            judged("column_values_to_match_strftime_format", success=False, failing=1, of=2, column="day"),
            "day (column values to match strftime format) fails in 1 of 2 records (50 %, none allowed)",
        ),
        (
            judged("column_mean_to_be_between", success=False, observed="7.2", column="minutes", max_value=5),
            "minutes: the mean is 7.2; at most 5 expected",
        ),
        (
            judged("volume_between", success=False, observed="0", min_value=1, max_value=500),
            "The window holds 0 records; 1 to 500 expected",
        ),
        (
            judged("fresh_within", success=False, observed="1 d 4 h old", column="finished_at", max_age="6h"),
            "finished_at: the newest value is 1 d 4 h old; at most 6h is allowed",
        ),
        (
            judged("column_distinct_values_to_contain_set", success=False, observed="a", column="label"),
            "label: column distinct values to contain set does not hold (found: a)",
        ),
    ],
)
def test_failures_in_words(one: Judged, title: str) -> None:
    """Each kind of expectation says what is wrong and what was declared."""
    assert decide(one).reasons == (title,)


def test_a_check_that_could_not_say_is_unknown_and_keeps_its_incident() -> None:
    """Its finding has the same fingerprint as its failure would have: an open incident is not resolved by not looking."""
    failed = decide(judged(success=False, failing=1, column="po"))
    unknown = decide(judged(success=None, error="no values", column="po"), judged(BETWEEN, column="total"))
    assert unknown.verdict is Verdict.UNKNOWN
    assert unknown.findings[0].fingerprint == failed.findings[0].fingerprint
    assert unknown.reasons == ("column_values_to_not_be_null of po could not be checked: no values",)
    assert unknown.checked == 1


def test_a_window_without_records_is_one_unknown_finding() -> None:
    """Not one for each expectation; and what it hides stays open."""
    result = decide(
        judged(success=None, error="no rows", column="po"),
        judged(BETWEEN, success=None, error="no rows", column="total"),
    )
    assert result.verdict is Verdict.UNKNOWN
    assert [finding.kind for finding in result.findings] == ["quality.no_rows"]
    assert "quality.column_values_to_not_be_null" not in result.covered
    assert "quality.*" not in result.covered


@pytest.mark.parametrize(("holds", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL), (None, Verdict.UNKNOWN)])
def test_silence_is_only_fine_where_a_declared_volume_allows_it(holds: bool | None, verdict: Verdict) -> None:  # noqa: FBT001 - a table
    """A check of volume that no rows at all satisfy makes an empty window a piece of information."""
    volume = judged("volume_between", success=holds, error="" if holds is not None else "it is away", min_value=0)
    result = decide(judged(success=None, error="no rows", column="po"), volume)
    assert result.verdict is verdict
    assert result.findings


def test_fresh_enough_does_not_make_silence_fine() -> None:
    """That the last record is not too old says nothing about the rows that did not come."""
    fresh = judged("fresh_within", column="at", max_age="6h")
    assert decide(judged(success=None, error="no rows", column="po"), fresh).verdict is Verdict.UNKNOWN


def test_the_same_error_of_many_checks_is_one_trouble() -> None:
    """Great Expectations away: one finding, and no incident is resolved by it."""
    away = [judged(success=None, error="it is away", column=name) for name in "abc"]
    result = decide(*away, judged("volume_between", min_value=1))
    (finding,) = result.findings
    assert finding.title == "3 expectations could not be checked: it is away"
    assert (finding.kind, finding.severity) == ("quality.could_not_run", Severity.UNKNOWN)
    assert finding.evidence["cost"].startswith("3 expectations not judged in this window")
    assert finding.evidence["to_do"]
    assert "quality.volume_between" in result.covered
    assert "quality.column_values_to_not_be_null" not in result.covered


def test_two_checks_of_one_kind_on_one_column_are_two_troubles() -> None:
    """Their parameters tell them apart, so that both are kept."""
    result = decide(
        judged(BETWEEN, success=False, failing=1, column="total", min_value=0),
        judged(BETWEEN, success=False, failing=1, column="total", max_value=9),
        judged(BETWEEN, success=False, failing=1, column="tax", max_value=9),
    )
    assert [finding.about for finding in result.findings] == ["total (min_value 0)", "total (max_value 9)", "tax"]
    assert len({finding.fingerprint for finding in result.findings}) == 3


def test_the_evidence_is_data() -> None:
    """It can be kept as JSON, with every expectation in it."""
    result = decide(judged(success=False, failing=1, column="po"), judged(success=None, error="no values", column="x"))
    evidence = json.loads(json.dumps(dict(result.evidence)))
    assert [one["success"] for one in evidence["expectations"]] == [False, None]
    assert (evidence["judged"], evidence["failed"], evidence["could_not_say"]) == (1, 1, 1)


outcomes = st.sampled_from([True, False, None])


@given(
    st.lists(st.tuples(outcomes, st.sampled_from(list(Severity)), st.sampled_from(["no rows", "broken", "no values"])))
)
def test_a_pass_needs_every_answer_and_at_least_one(cases: list[tuple[bool | None, Severity, str]]) -> None:
    """Whatever is judged: an expectation that could not say, or a critical one that failed, never leaves a PASS."""
    results = [
        judged(success=success, severity=severity, error=error if success is None else "", column=f"c{number}")
        for number, (success, severity, error) in enumerate(cases)
    ]
    result = decide(*results)
    if result.verdict is Verdict.PASS:
        assert any(one.success is not None for one in results)
        assert all(one.success is not None for one in results)
        assert all(one.success or one.check.severity is Severity.INFO for one in results)
    fingerprints = [finding.fingerprint for finding in result.findings]
    assert len(fingerprints) == len(set(fingerprints))


@pytest.mark.parametrize(
    ("share", "text"),
    [("0", "0 %"), ("1", "100 %"), ("0.017", "1.7 %"), ("0.9999", "99.99 %"), ("0.0000001", "almost 0 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_all(share: str, text: str) -> None:
    """A tenth of a percent is not 0 %."""
    assert percent(Decimal(share)) == text
