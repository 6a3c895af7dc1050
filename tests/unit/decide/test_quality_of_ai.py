"""What our own expectations say when they fail, in words that an owner reads."""

from __future__ import annotations

from typing import Any

import pytest

from afterpilot.decide.quality_words import in_words
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check


def failed(expect: str, observed: str, *, failing: int = 0, elements: int = 100, **params: Any) -> Judged:
    """A failed expectation."""
    result = {"element_count": elements, "missing_count": 0} if failing else {"observed_value": 1}
    check = Check(expect, Severity.CRITICAL, params)
    return Judged(
        check,
        success=False,
        observed=observed,
        elements=elements,
        failing_total=failing,
        failing_keys=(),
        result=result,
    )


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (
            failed("volume_between", "50 (10 % of the usual 500 of this weekday, 8 weeks)", like_weekdays={"weeks": 8}),
            "The window holds 50 records (10 % of the usual 500 of this weekday, 8 weeks); about as many as usual expected",
        ),
        (failed("volume_between", "50", min_value=60), "The window holds 50 records; at least 60 expected"),
        (
            failed("in_table", "", failing=3, column="po", table="orders", key="no", connection="erp"),
            "po is not in orders in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed("json_path", "", failing=3, column="answer", path="$.total", mostly=0.99),
            "answer is not as asked at $.total in 3 of 100 records (3 %, at most 1 % allowed)",
        ),
        (
            failed("json_schema", "", failing=3, column="answer", file="a.json", schema={"type": "object"}),
            "answer does not follow a.json in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed("language_is", "", failing=3, column="reply", languages=["en", "de"]),
            "reply is not in en, de in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed("length_between", "", failing=3, column="reply", max_value=80, unit="words"),
            "reply is not at most 80 words long in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed("rows_not_repeated", "", failing=3, columns=["letter", "sender"]),
            "letter and sender is that of another record again in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed("sources_fresh", "", failing=3, column="chunks"),
            "chunks names no source, or one that is missing, stale or not in use in 3 of 100 records (3 %, none allowed)",
        ),
        (
            failed(
                "percentile_between", "474 (percentile 95 of 2000)", column="latency_ms", percentile=95, max_value=400
            ),
            "latency_ms: percentile 95 is not at most 400: 474 (percentile 95 of 2000)",
        ),
        (
            failed("percentile_between", "2 (percentile 95 of 20)", of="cost", percentile=95, max_value=1),
            "cost: percentile 95 is not at most 1: 2 (percentile 95 of 20)",
        ),
        (
            failed("labels_agree", "agreement 80 %", column="queue", against="decisions", min_agreement=0.9),
            "queue: too little agreement with decisions: agreement 80 %",
        ),
        (
            failed("distribution_like", "PSI 0.4", column="total", reference="28d", max_psi=0.2),
            "total: the values are spread otherwise than in the reference: PSI 0.4",
        ),
    ],
)
def test_it_is_one_sentence_with_its_figures(judged: Judged, words: str) -> None:
    """The column, what is wrong with it, how much of it."""
    assert in_words(judged) == words
