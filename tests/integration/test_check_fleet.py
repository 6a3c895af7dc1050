"""Many workflows judged together: one statement for equal needs, nobody hurt by another, Great Expectations left alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from quality_site import START, WINDOW, check, put, workflow_of

from afterpilot.check import gx
from afterpilot.check.fleet import FleetChecker
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

TEN = (
    check("table_row_count_to_be_between", min_value=1),
    check("column_values_to_not_be_null", column="po"),
    check("column_values_to_match_regex", column="po", regex="^PO-"),
    check("column_values_to_be_between", column="total", min_value=0, max_value=90),
    check("column_mean_to_be_between", column="total", min_value=0, max_value=500),
    check("column_values_to_be_unique", column="run_id"),
)


def named(slug: str, *checks: Check) -> Workflow:
    """A workflow of that name."""
    return workflow_of(*checks, slug=slug)


@contextmanager
def statements(made: list[str]) -> Iterator[list[str]]:
    """The statements that read records meanwhile."""

    def seen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "records" in statement:
            made.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", seen)
    try:
        yield made
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", seen)


def results(found: Sequence[Judged] | CheckError) -> list[tuple[bool | None, int, tuple[str, ...]]]:
    """Verdict, number of failing records, and their keys."""
    assert not isinstance(found, CheckError), found
    return [(one.success, one.failing_total, one.failing_keys[:2]) for one in found]


def test_each_workflow_is_judged_over_its_own_window(ops: sa.Engine, ops_url: str) -> None:
    """What is said of workflows together is what is said of each alone, and the severity is each one's own."""
    slugs = [f"w{number}" for number in range(6)]
    for number, slug in enumerate(slugs):
        put(ops, 10 * number, slug=slug, po=lambda n, number=number: None if n % (number + 2) == 0 else f"PO-{n}")
        put(ops, 30, slug=slug, start=START - timedelta(days=2), prefix="old", po="nonsense")
    severities = (Severity.WARNING, Severity.CRITICAL)
    asked = [
        (
            named(slug, *(dataclasses.replace(one, severity=severities[number % 2]) for one in TEN)),
            Window(WINDOW.start + timedelta(minutes=number), WINDOW.end),
        )
        for number, slug in enumerate(slugs)
    ]
    checker = FleetChecker(ops_url)
    together = checker.judge(asked)
    assert list(together) == slugs
    for workflow, window in asked:
        alone = checker.judge([(workflow, window)])[workflow.slug]
        assert together[workflow.slug] == alone
        assert not isinstance(alone, CheckError)
        assert [one.check for one in alone[: len(TEN)]] == list(workflow.quality)
    assert results(together["w3"])[1] == (False, 5, ("k0005", "k0010"))
    assert {one.error for one in together["w0"][1:3]} == {"no rows"}  # type: ignore[index]


def test_workflows_of_equal_needs_share_a_statement(ops: sa.Engine, ops_url: str) -> None:
    """Twelve workflows that are fine cost as many statements as one; others of other needs cost theirs."""
    for number in range(12):
        put(ops, 20, slug=f"w{number}")
    checker = FleetChecker(ops_url)
    with statements([]) as one:
        checker.judge([(named("w0", *TEN), WINDOW)])
    with statements([]) as twelve:
        checker.judge([(named(f"w{number}", *TEN), WINDOW) for number in range(12)])
    with statements([]) as two_kinds:
        checker.judge([(named(f"w{number}", *TEN[number % 2 :]), WINDOW) for number in range(12)])
    own_bounds = [
        named(
            f"w{number}", *TEN[:3], check("column_values_to_be_between", column="total", min_value=number, max_value=90)
        )
        for number in range(12)
    ]
    with statements([]) as bounds:
        found = checker.judge([(workflow, WINDOW) for workflow in own_bounds])
    assert len(one) == len(twelve) >= 1
    assert len(two_kinds) == 2 * len(one)
    assert [results(found[f"w{number}"])[3][1] for number in range(12)] == list(range(12))
    # One statement for the verdicts of all, and one for the failing records of each that has any.
    assert len(bounds) <= len(one) + 11


def test_a_workflow_that_breaks_the_statement_hurts_no_other(
    ops: sa.Engine, ops_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they cannot be judged together each is judged alone, and only the broken one has an error."""
    from afterpilot.check import single_pass

    for slug in ("bad", "good"):
        put(ops, 5, slug=slug)
    whole = single_pass.judge

    def breaking(connection: Any, rows: Any, checks: Any, *, group: Any, groups: Any) -> Any:
        if "bad" in groups:
            raise sa.exc.DataError("SELECT", {}, ValueError("its rows cannot be read"))
        return whole(connection, rows, checks, group=group, groups=groups)

    monkeypatch.setattr(single_pass, "judge", breaking)
    found = FleetChecker(ops_url).judge([(named(slug, *TEN), WINDOW) for slug in ("bad", "good")])
    assert isinstance(found["bad"], CheckError)
    assert "its rows cannot be read" in str(found["bad"])
    assert [one[0] for one in results(found["good"])[: len(TEN)]] == [True] * len(TEN)


def test_no_rows_are_fine_where_the_declaration_says_so(ops_url: str) -> None:
    """Otherwise nothing was judged; Great Expectations would be content."""
    plain = [
        check("column_values_to_not_be_null", column="po"),
        check("column_mean_to_be_between", column="total", min_value=0),
        check("column_values_to_be_json_parseable", column="po"),
    ]
    fine = [dataclasses.replace(one, params={**one.params, "no_rows_are_fine": True}) for one in plain]
    found = FleetChecker(ops_url).judge([(named("w", *plain, *fine), WINDOW)])["w"]
    assert [one[0] for one in results(found)] == [None] * 3 + [True] * 3


def test_what_no_database_can_judge_is_judged_in_memory(ops: sa.Engine, ops_url: str) -> None:
    """JSON, formats of dates, and order; keys of failing records too."""
    put(ops, 6, po=lambda n: "{" if n == 4 else '{"a": 1}', total=lambda n: str(10 - n))
    checks = [
        check("column_values_to_be_json_parseable", column="po"),
        check("column_values_to_match_strftime_format", column="po", strftime_format="%Y"),
        check("column_values_to_be_decreasing", column="total"),
        check("column_values_to_be_increasing", column="total"),
    ]
    parsed, dates, falling, rising = results(
        FleetChecker(ops_url).judge([(named("invoice_matching", *checks), WINDOW)])["invoice_matching"]
    )[:4]
    assert parsed == (False, 1, ("k0004",))
    assert (dates[0], dates[1]) == (False, 6)
    assert falling[0] is True
    assert rising[0] is False


def test_more_rows_than_memory_may_hold_are_unknown(
    ops: sa.Engine, ops_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how many there are, and judges none of them."""
    put(ops, 6, po="{}")
    monkeypatch.setattr(gx, "MOST_FRAMED", 5)
    (one, *_) = FleetChecker(ops_url).judge(
        [(named("invoice_matching", check("column_values_to_be_json_parseable", column="po")), WINDOW)]
    )["invoice_matching"]  # type: ignore[misc]
    assert one.success is None
    assert "at most 5 rows; here are 6" in one.error


_PROCESS = """
import json, sys
sys.path[:0] = json.loads(sys.argv[2])
from quality_site import WINDOW, check, workflow_of
from afterpilot.check.fleet import FleetChecker
checks = (
    check("column_values_to_not_be_null", column="po"),
    check("column_values_to_be_between", column="total", min_value=0, max_value=3),
    check("column_values_to_be_unique", column="run_id"),
    check("fresh_within", column="finished_at", max_age="3d"),
    check("volume_between", min_value=1),
)
found = FleetChecker(sys.argv[1]).judge([(workflow_of(*checks), WINDOW)])["invoice_matching"]
print(json.dumps([[one.success for one in found[:5]], "great_expectations" in sys.modules, "pandas" in sys.modules]))
"""


def test_great_expectations_is_not_even_imported_where_sql_can_judge(ops: sa.Engine, ops_url: str) -> None:
    """Its import costs seconds and 230 MB; neither passing nor failing expectations that compile need it."""
    put(ops, 10)
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, ops_url, json.dumps(sys.path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[True, False, True, True, True], False, False]
