"""Our own expectations in a declaration: what is taken, and what is said of a wrong parameter.

After a change of words on purpose: ``UPDATE_GOLDEN=1 pytest tests/unit/declare``, and read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from afterpilot.check.custom import EXPECTS
from afterpilot.declare import load
from afterpilot.declare.expectations import OWN_QUALITY, QUALITY, check_flaws
from afterpilot.declare.yaml_lines import read

GOLDEN = Path(__file__).parents[2] / "golden" / "declare" / "quality_problems.txt"
LINE = "  - {expect: volume_between, min_value: 1, max_value: 900, severity: warning}\n"

GOOD = (
    "{expect: volume_between, like_weekdays: {weeks: 8, at_least: 50%, at_most: 250%}}",
    "{expect: volume_between, min_value: 1, like_weekdays: {at_least: 20%}}",
    "{expect: json_schema, column: answer, file: answer.schema.json, mostly: 0.99}",
    "{expect: json_path, column: answer, path: $.total, type: number, min_value: 0, max_value: 500}",
    "{expect: json_path, column: answer, path: '$.lines[*].currency', value_set: [EUR, NOK], required: false}",
    "{expect: in_table, column: order_no, connection: shop, table: shop.orders, key: order_no, mostly: 0.98}",
    "{expect: distribution_like, column: amount, reference: 28d, max_psi: 0.2}",
    "{expect: distribution_like, column: currency, reference: {from: 2026-01-01, to: '2026-02-01T00:00:00Z'}, max_js: 0.2}",
    "{expect: rows_not_repeated, columns: [answer], threshold: 0.8, near_rows: 10000, mostly: 0.95}",
    "{expect: rows_not_repeated, columns: [order_no, amount], near: false}",
    "{expect: labels_agree, column: currency, against: decisions, min_agreement: 0.9, min_kappa: 0.6}",
    "{expect: labels_agree, column: currency, against: order_no, min_kappa: -0.1}",
    "{expect: sources_fresh, column: answer, connection: kb, table: chunks, key: id, updated: changed_at, max_age: 30d}",
    "{expect: sources_fresh, column: answer, connection: kb, table: chunks, key: id, status: {column: s, accept: [live]}}",
    "{expect: language_is, column: answer, languages: [en, no], mostly: 0.95}",
    "{expect: length_between, column: answer, max_value: 900, no_rows_are_fine: true}",
    "{expect: length_between, column: answer, unit: tokens, min_value: 1, max_value: 800}",
    "{expect: percentile_between, column: amount, percentile: 95, max_value: 2.5}",
    "{expect: percentile_between, of: cost, percentile: 99.9, max_value: 0.05, severity: info}",
)
WRONG = (
    "{expect: volume_between}",
    "{expect: volume_between, like_weekdays: 8}",
    "{expect: volume_between, like_weekdays: {weeks: 1, at_least: 150%, at_most: 50%, most: 3}}",
    "{expect: volume_between, like_weekdays: {at_least: 0.5}}",
    "{expect: json_schema, column: answer, file: nowhere.json}",
    "{expect: json_schema, column: amount, file: answer.schema.json}",
    "{expect: json_path, column: answer}",
    "{expect: json_path, column: answer, path: total}",
    "{expect: json_path, column: answer, path: '$.total[', type: money, required: maybe}",
    "{expect: json_path, column: answer, path: $.total, min_value: 9, max_value: 2}",
    "{expect: json_path, column: answer, path: $.total, min_value: '2026-01-01', regex: '('}",
    "{expect: in_table, column: order_no, table: 'orders; drop', key: order_no}",
    "{expect: distribution_like, column: amount, reference: 28d}",
    "{expect: distribution_like, column: amount, reference: 0d, max_psi: -1, max_js: 2}",
    "{expect: distribution_like, column: amount, reference: {from: 2026-02-01, to: 2026-01-01}, max_psi: 0.2}",
    "{expect: distribution_like, column: amount, reference: {from: yesterday}, max_psi: 0.2}",
    "{expect: distribution_like, column: asked_at, reference: 28d, max_psi: 0.2}",
    "{expect: rows_not_repeated, columns: answer}",
    "{expect: rows_not_repeated, columns: [answr], threshold: 90, near: 3, near_rows: 900000}",
    "{expect: labels_agree, column: currency, against: reviewer}",
    "{expect: labels_agree, column: currency, against: decisions, min_agreement: 90, min_kappa: 3}",
    "{expect: sources_fresh, column: answer, connection: kb, table: chunks, key: id, updated: changed_at}",
    "{expect: sources_fresh, column: answer, connection: kb, table: chunks, key: id, max_age: 30 days, status: live}",
    "{expect: language_is, column: answer, languages: english}",
    "{expect: language_is, column: amount, languages: [english, en, en]}",
    "{expect: length_between, column: answer, unit: pages, max_value: 1.5}",
    "{expect: length_between, column: answer}",
    "{expect: length_between, column: answer, max_value: 900, no_rows_are_fine: perhaps}",
    "{expect: percentile_between, percentile: 95, max_value: 1}",
    "{expect: percentile_between, column: amount, of: cost, percentile: 95, max_value: 1}",
    "{expect: percentile_between, column: currency, percentile: 950, max_value: 1}",
    "{expect: percentile_between, of: beauty, percentile: 50}",
    "{expect: distribution_lik, column: amount, reference: 28d, max_psi: 0.2}",
)


def with_quality(folder: Path, check: str) -> None:
    """Put a check where another one stood."""
    path = folder / "refunds" / "workflow.yaml"
    text = path.read_text(encoding="utf-8")
    assert LINE in text
    path.write_text(text.replace(LINE, f"  - {check}\n"), encoding="utf-8")


def problems_of(folder: Path, check: str) -> str:
    """The problems that a check brings, one a line."""
    path = folder / "refunds" / "workflow.yaml"
    before = path.read_text(encoding="utf-8")
    with_quality(folder, check)
    told = "\n".join(str(problem) for problem in load(folder).problems)
    path.write_text(before, encoding="utf-8")
    return told


def golden() -> dict[str, str]:
    """The problems on file, by the check."""
    parts = GOLDEN.read_text(encoding="utf-8").split("## ")[1:] if GOLDEN.exists() else []
    return {name: body.strip() for name, body in (part.split("\n", 1) for part in parts)}


@pytest.mark.parametrize("check", GOOD)
def test_a_good_one_is_taken(good: Path, check: str) -> None:
    """Its parameters arrive as declared, fit to be kept as JSON."""
    with_quality(good, check)
    found = load(good)
    assert [str(problem) for problem in found.problems] == []
    declared = found.workflows[0].quality[1]
    assert declared.expect in EXPECTS
    assert json.loads(json.dumps(dict(declared.params))) == declared.params
    assert ("schema" in declared.params) is (declared.expect == "json_schema")


@pytest.mark.parametrize("check", WRONG)
def test_a_wrong_one_is_told_with_its_line(good: Path, check: str) -> None:
    """File, line, key, sentence and hint are exactly those on file."""
    if os.environ.get("UPDATE_GOLDEN"):
        pytest.skip("the file is being written anew")
    assert problems_of(good, check) == golden()[check]


def test_the_golden_file_is_complete(good: Path) -> None:
    """No wrong check without its text on file, and none on file that is not tried."""
    if os.environ.get("UPDATE_GOLDEN"):
        text = "".join(f"## {check}\n{problems_of(good, check)}\n\n" for check in WRONG)
        GOLDEN.write_text(text, encoding="utf-8")
    assert list(golden()) == list(WRONG)
    assert all(golden().values())


def test_what_can_be_declared_can_be_judged() -> None:
    """Every expectation of ours by name, and no other."""
    assert OWN_QUALITY.keys() == EXPECTS.keys()


def test_the_examples_of_the_documentation_can_be_copied() -> None:
    """Every expectation of ours stands in docs/quality.md, with parameters that are taken."""
    page = (Path(__file__).parents[3] / "docs" / "quality.md").read_text(encoding="utf-8")
    section = page.split("## Expectations for AI workflows", 1)[1]
    block = section.split("```yaml\n", 1)[1].split("```", 1)[0]
    checks = read(block.encode()).data["quality"]
    assert [str(flaw) for check in checks for flaw in check_flaws(check, (), QUALITY)] == []
    assert {check["expect"] for check in checks} == OWN_QUALITY.keys()
