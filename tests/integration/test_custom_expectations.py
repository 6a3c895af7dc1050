"""Our own expectations over real records: what each says, and that Great Expectations alone says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from ai_quality_site import SLUG, START, WINDOW, QualitySite, keys_of, same

from afterpilot.check.custom import EXPECTS
from afterpilot.check.fleet import FleetChecker
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Usage
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

WORDS = "the supplier asks when the order of last month will be paid and sends the invoice once more with kind regards"


@pytest.fixture
def quality(ops: sa.Engine, ops_owner: sa.Engine, ops_url: str) -> QualitySite:
    """An empty ops database."""
    return QualitySite(ops, ops_owner, ops_url)


@pytest.fixture
def whole(quality: QualitySite) -> QualitySite:
    """A day of 400 records with something of everything, eight weeks of history, and the tables that they refer to."""
    quality.run(
        "CREATE TABLE orders (no text PRIMARY KEY)",
        "INSERT INTO orders SELECT 'PO-' || n FROM generate_series(0, 39) n",
        "CREATE TABLE docs (id text PRIMARY KEY, updated timestamptz, state text)",
        "INSERT INTO docs SELECT 'd' || n, timestamptz '2026-11-16' - make_interval(days => n), "
        "CASE WHEN n = 3 THEN 'withdrawn' ELSE 'live' END FROM generate_series(0, 9) n",
    )
    fields: dict[str, Any] = {
        "letter": lambda n: f"Dear number {n}, {WORDS}" if n % 50 else "Sehr geehrte Damen, wo bleibt denn meine Ware?",
        "answer": lambda n: json.dumps({"total": n, "lines": [{"net": n}], "currency": "EUR" if n % 10 else 7}),
        "label": lambda n: "abc"[n % 3],
        "reviewer": lambda n: "abc"[(n + (n % 20 == 0)) % 3].upper() if n % 7 else None,
        "sources": lambda n: json.dumps([f"d{n % 12}", "d1"]) if n % 100 else "[]",
        "po": lambda n: f" PO-{n % 41} " if n % 5 else None,
        "total": lambda n: f"{n % 100}.50",
        "latency_ms": str,
        "cost": lambda n: str(n / 1000),
        "urgent": lambda n: n % 4 == 0,
        "asked_at": lambda n: f"2026-11-16T{n % 20:02d}:00:00+00:00",
    }
    for week in range(1, 9):
        start = START - timedelta(weeks=week)
        quality.put(300 + week, start=start, every=timedelta(minutes=4), prefix=f"w{week}-", **fields)
    quality.put(400, **fields)
    return quality


CASES: list[tuple[str, dict[str, Any]]] = [
    ("fresh_within", {"column": "finished_at", "max_age": "18h"}),
    ("fresh_within", {"column": "asked_at", "max_age": "1h"}),
    ("fresh_within", {"column": "total", "max_age": "1h"}),
    ("volume_between", {"min_value": 1, "max_value": 399}),
    ("volume_between", {"like_weekdays": {"weeks": 6, "at_least": "50%", "at_most": "110%"}}),
    ("volume_between", {"like_weekdays": {"weeks": 20, "at_most": "200%"}}),
    ("json_path", {"column": "answer", "path": "$.currency", "type": "string", "mostly": 0.95}),
    ("json_path", {"column": "answer", "path": "$.lines[*].net", "min_value": 0, "max_value": 398}),
    ("json_path", {"column": "answer", "path": "$.vat", "mostly": 0.5}),
    ("json_path", {"column": "answer", "path": "$.vat", "required": False, "regex": "x"}),
    ("json_path", {"column": "answer", "path": "$.currency", "value_set": ["EUR", 7]}),
    ("in_table", {"column": "po", "table": "orders", "key": "no", "mostly": 0.99}),
    ("in_table", {"column": "po", "table": "no_such_table", "key": "no"}),
    ("distribution_like", {"column": "total", "reference": "28d", "max_psi": 0.2}),
    ("distribution_like", {"column": "label", "reference": {"from": "2026-10-01", "to": "2026-11-01"}, "max_js": 0.1}),
    ("distribution_like", {"column": "urgent", "reference": "56d", "max_js": 0.1, "max_psi": 0.1}),
    ("distribution_like", {"column": "letter", "reference": "56d", "max_js": 0.1}),
    ("distribution_like", {"column": "total", "reference": "1d", "max_js": 0.1}),
    ("rows_not_repeated", {"columns": ["letter"], "threshold": 0.6, "near_rows": 50}),
    ("rows_not_repeated", {"columns": ["label", "po"], "near": False, "mostly": 0.1}),
    ("labels_agree", {"column": "label", "against": "reviewer", "min_agreement": 0.9, "min_kappa": 0.8}),
    ("labels_agree", {"column": "label", "against": "reviewer", "min_agreement": 0.96}),
    ("sources_fresh", {"column": "sources", "table": "docs", "key": "id", "mostly": 0.5}),
    (
        "sources_fresh",
        {
            "column": "sources",
            "table": "docs",
            "key": "id",
            "updated": "updated",
            "max_age": "5d",
            "status": {"column": "state", "accept": ["live"]},
        },
    ),
    ("language_is", {"column": "letter", "languages": ["en"], "mostly": 0.98}),
    ("language_is", {"column": "letter", "languages": ["en"], "mostly": 0.985}),
    ("language_is", {"column": "label", "languages": ["en"]}),
    ("length_between", {"column": "letter", "unit": "words", "min_value": 10, "max_value": 40}),
    ("length_between", {"column": "letter", "min_value": 60}),
    ("length_between", {"column": "letter", "unit": "tokens", "max_value": 30, "mostly": 0.1}),
    ("percentile_between", {"column": "latency_ms", "percentile": 95, "max_value": 379}),
    ("percentile_between", {"column": "latency_ms", "percentile": 50, "max_value": 100}),
    ("percentile_between", {"column": "label", "percentile": 50, "max_value": 100}),
]


def test_great_expectations_alone_says_the_same(whole: QualitySite) -> None:
    """The same verdict, figures and keys, or the same reason why there is none; all three verdicts occur."""
    verdicts: Counter[bool | None] = Counter()
    for expect, params in CASES:
        judged = whole.judge(expect, **{"connection": "erp", **params})
        same(judged, whole.alone(expect, **params))
        verdicts[judged.success] += 1
    assert min(verdicts[True], verdicts[False], verdicts[None]) >= 5


def test_a_schema_is_judged_alike(whole: QualitySite) -> None:
    """A declaration names a file, Great Expectations is given the schema itself."""
    schema = {"type": "object", "properties": {"total": {"maximum": 300}, "currency": {"const": "EUR"}}}
    judged = whole.judge("json_schema", column="answer", schema=schema, mostly=0.9)
    assert (judged.success, judged.failing_total, judged.failing_keys[0]) == (False, 130, "k00000")
    same(judged, whole.alone("json_schema", column="answer", json_schema=schema, mostly=0.9))


def test_every_expectation_is_tried_against_great_expectations() -> None:
    """None is left out of the comparison."""
    assert {name for name, _ in CASES} | {"json_schema"} == EXPECTS.keys()


def test_without_a_record_nothing_is_said(quality: QualitySite) -> None:
    """Each is UNKNOWN over an empty window, but for the count of rows."""
    said = {}
    for name, params in [*CASES, ("json_schema", {"column": "answer", "schema": {}})]:
        if "no_such_table" not in params.values():
            said[name] = quality.judge(name, **{"connection": "erp", **params}).success
    assert {name for name, success in said.items() if success is not None} <= {"volume_between"}
    for name in ("language_is", "percentile_between", "labels_agree", "rows_not_repeated", "json_path", "in_table"):
        params = next(params for expect, params in CASES if expect == name)
        assert quality.judge(name, **{"connection": "erp", **params}, no_rows_are_fine=True).success is True


def test_a_suite_names_them_once_they_are_registered(whole: QualitySite) -> None:
    """By the name of a declaration with expect_ before it, as a suite file has it."""
    from great_expectations import ExpectationSuite

    from afterpilot.check import custom

    custom.register()
    kwargs = {"column": "letter", "unit": "words", "min_value": 1}
    suite = ExpectationSuite("s", expectations=[{"type": "expect_length_between", "kwargs": kwargs}])
    assert [type(one).__name__ for one in suite.expectations] == ["ExpectLengthBetween"]


def test_great_expectations_is_imported_for_its_classes_only() -> None:
    """Judging in the path does not bring it in; asking for a class does."""
    program = (
        "import sys; from afterpilot.check import custom; custom.judge; "
        "print('great_expectations' in sys.modules); custom.ExpectFreshWithin; print('great_expectations' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.split() == ["False", "True"]


def test_too_little_history_is_unknown_unless_there_are_bounds(quality: QualitySite) -> None:
    """Two weeks say nothing of a weekday; the fixed bounds still hold, and the result says that they alone do."""
    for week in range(3):
        quality.put(50, start=START - timedelta(weeks=week), prefix=f"w{week}-", total="1")
    alone = quality.judge("volume_between", like_weekdays={"weeks": 8})
    assert (alone.success, alone.error.split(";")[0]) == (
        None,
        "the history of this weekday is 2 weeks long, 3 are needed",
    )
    bounded = quality.judge("volume_between", min_value=10, like_weekdays={"weeks": 8})
    assert bounded.success is True
    assert "judged by the fixed bounds alone" in bounded.observed
    assert quality.judge("volume_between", min_value=60, like_weekdays={"weeks": 8}).success is False


def test_a_weekday_is_compared_with_its_own_kind(quality: QualitySite) -> None:
    """A Monday of 50 after Mondays of 500 is too few, however few the Sundays have; an hour is held against the same hour."""
    for day in range(1, 57):
        start = START - timedelta(days=day)
        quality.put(500 if start.weekday() == 0 else 20, start=start, prefix=f"d{day}-", total="1")
    quality.put(50, total="1")
    day = quality.judge("volume_between", like_weekdays={"weeks": 8})
    assert (day.success, day.observed) == (False, "50 (10 % of the usual 500 of this weekday, 8 weeks)")
    hour = quality.judge("volume_between", window=Window(START, START + timedelta(hours=1)), like_weekdays={})
    assert (hour.success, hour.result["usual"]) == (True, 60)


def test_drift_is_told_with_what_moved(quality: QualitySite) -> None:
    """A shifted column fails, the same column does not, and the bins say where the rows went."""
    quality.put(2_000, start=START - timedelta(days=2), prefix="r", total=lambda n: str(n % 100), label="x")
    quality.put(500, total=lambda n: str(n % 100 + 30), label=lambda n: "xy"[n % 2])
    shifted = quality.judge("distribution_like", column="total", reference="7d", max_psi=0.2)
    assert shifted.success is False
    assert shifted.result["share_moved"] == pytest.approx(0.3, abs=0.02)
    assert shifted.result["psi_interval"][0] > 0.2
    new = quality.judge("distribution_like", column="label", reference="7d", max_js=0.3)
    assert (new.success, new.result["bins"][1]["bin"], new.result["bins"][1]["window"]) == (False, "(other)", 0.5)


def test_records_that_were_not_compared_are_never_taken_for_different(quality: QualitySite) -> None:
    """Half of 200 letters repeat another one nearly: 20 of them compared cannot say that 90 in 100 are different."""
    quality.put(200, letter=lambda n: f"{n // 2} {WORDS} {' '.join(f'w{n // 2}x{m}' for m in range(40))} {n % 2}")
    asked = {"columns": ["letter"], "mostly": 0.9}
    part = quality.judge("rows_not_repeated", **asked, near_rows=20)
    assert part.success is None
    assert "180 of 200 values were not judged" in part.error
    assert quality.judge("rows_not_repeated", **asked).success is False
    assert quality.judge("rows_not_repeated", **asked, near_rows=20, near=False).success is True


def test_no_more_values_are_fetched_than_have_a_bin(quality: QualitySite) -> None:
    """A column in which every value is another one holds no categories, and costs no memory to find out."""
    quality.put(1_000, start=START - timedelta(days=2), prefix="r", label=lambda n: f"value {n}")
    quality.put(1_000, label=lambda n: f"value {n}")
    fetched: list[int] = []

    def note(_connection: Any, cursor: Any, *_rest: Any) -> None:
        fetched.append(cursor.rowcount)

    sa.event.listen(sa.Engine, "after_cursor_execute", note)
    try:
        judged = quality.judge("distribution_like", column="label", reference="7d", max_js=0.3)
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", note)
    assert "holds no categories" in judged.error
    assert 0 < max(fetched) <= 20


def test_labels_are_held_against_what_people_decided(quality: QualitySite) -> None:
    """An accepted record agrees with itself, a corrected one with its correction; a rejected or open one says nothing."""
    quality.put(60, label=lambda n: "ab"[n % 2])
    for number in range(50):
        quality.decide(f"k{number:05d}", *(["corrected"] if number < 10 else ["accepted"]), **_to(number))
    quality.decide("k00050", "rejected")
    judged = quality.judge("labels_agree", column="label", against="decisions", min_agreement=0.95)
    assert (judged.success, judged.result["agreement"], judged.result["left_out"]) == (False, 0.8, 10)


def _to(number: int) -> dict[str, str]:
    return {"label": "c"} if number < 10 else {}


def test_a_cost_that_is_not_known_is_never_nothing(quality: QualitySite) -> None:
    """One unpriced call makes the percentile UNKNOWN; priced, it is a figure; so with tokens that were not reported."""
    quality.put(100, total="1", usage=lambda n: Usage("m", 100 + n, 10))
    unpriced = quality.judge("percentile_between", of="cost", percentile=95, max_value=1)
    assert unpriced.success is None
    assert "the cost of 100 of 100 records is not known" in unpriced.error
    quality.run("UPDATE usage SET cost = input_tokens * 0.01")
    priced = quality.judge("percentile_between", of="cost", percentile=95, max_value=1.9)
    assert (priced.success, priced.result["observed_value"]) == (False, pytest.approx(1.94))
    tokens = quality.judge("percentile_between", of="tokens", percentile=100, max_value=209)
    assert (tokens.success, tokens.result["observed_value"]) == (True, 209)
    quality.put(1, start=START + timedelta(hours=5), prefix="x", total="1", usage=lambda _: Usage("m", None, None))
    assert quality.judge("percentile_between", of="tokens", percentile=50, max_value=999).success is None


def test_repeated_inputs_are_named_in_pairs(quality: QualitySite) -> None:
    """The same letter but for case and blanks, and one with a word changed; different ones are left alone."""
    long = " ".join(f"word{n}" for n in range(200))
    texts = [
        long,
        f"  {long.upper()}\n",
        long.replace("word100 ", "other "),
        "Another letter entirely, about a lamp",
        None,
    ]
    quality.put(5, letter=lambda n: texts[n])
    judged = quality.judge("rows_not_repeated", columns=["letter"])
    assert (judged.success, judged.failing_total, judged.result["missing_count"]) == (False, 2, 1)
    assert keys_of(judged.result["pairs"]) == [("k00001", "k00000"), ("k00002", "k00000")]
    assert judged.result["pairs"][1]["similarity"] == pytest.approx(191 / 201, abs=0.01)
    assert quality.judge("rows_not_repeated", columns=["letter"], near=False).failing_total == 1


def test_sources_are_missing_stale_or_withdrawn(quality: QualitySite) -> None:
    """Each fault is named with its source; ids may stand in a list, as objects or apart by commas."""
    quality.run(
        "CREATE TABLE docs (id text PRIMARY KEY, updated timestamptz, state text)",
        "INSERT INTO docs VALUES ('a', '2026-11-16', 'live'), ('b', '2026-01-01', 'live'), ('c', '2026-11-16', 'gone')",
    )
    lists = ['["a"]', '["a", "b"]', '[{"id": "c"}]', "a, z", "a", "[]", None]
    quality.put(7, sources=lambda n: lists[n])
    asked = {
        "column": "sources",
        "connection": "kb",
        "table": "docs",
        "key": "id",
        "updated": "updated",
        "max_age": "30d",
    }
    judged = quality.judge("sources_fresh", **asked, status={"column": "state", "accept": ["live"]})
    assert judged.failing_keys == ("k00001", "k00002", "k00003", "k00005")
    assert judged.result["sources"] == {
        "b": "stale: 320 days old (1 records)",
        "c": "not in use: gone (1 records)",
        "z": "missing (1 records)",
    }
    assert quality.judge("sources_fresh", **{**asked, "table": "nowhere"}).success is None


HOSTILE = [
    "x" * 10_000_000,
    "[" * 100_000,
    '{"a":' * 50_000,
    "\ufffd\u2028" * 1_000,
    '"',
    "NaN",
    "1e999999999",
    " " * 99_999,
]


@pytest.mark.parametrize(
    ("expect", "params"),
    [
        ("json_path", {"column": "letter", "path": "$..a", "min_value": 1}),
        ("json_schema", {"column": "letter", "schema": {"type": "object"}}),
        ("in_table", {"column": "letter", "connection": "erp", "table": "orders", "key": "no"}),
        ("distribution_like", {"column": "letter", "reference": "7d", "max_psi": 1}),
        ("distribution_like", {"column": "total", "reference": "7d", "max_psi": 1}),
        ("rows_not_repeated", {"columns": ["letter", "total"]}),
        ("labels_agree", {"column": "letter", "against": "total", "min_kappa": 1}),
        ("sources_fresh", {"column": "letter", "connection": "erp", "table": "orders", "key": "no"}),
        ("language_is", {"column": "letter", "languages": ["en"]}),
        ("length_between", {"column": "letter", "unit": "words", "max_value": 10}),
        ("percentile_between", {"column": "total", "percentile": 99.9, "max_value": 10}),
    ],
)
def test_hostile_values_neither_hang_nor_break_it(quality: QualitySite, expect: str, params: dict[str, Any]) -> None:
    """Ten megabytes, JSON a hundred thousand levels deep, numbers beyond all bounds: never a success, and a result that can be
    stored.
    """
    quality.run("CREATE TABLE orders (no text PRIMARY KEY)")
    texts = [HOSTILE[place % len(HOSTILE)] for place in range(24)]
    quality.put(24, letter=lambda n: texts[n], total=lambda n: texts[n] if n % 2 else "NaN")
    quality.put(200, start=START - timedelta(days=1), prefix="r", letter=lambda n: f"l{n % 3}", total="Infinity")
    judged = quality.judge(expect, **params)
    assert judged.success is not True
    assert len(json.dumps(dict(judged.result), allow_nan=False)) < 20_000
    assert len(judged.error) <= 300


@pytest.mark.parametrize(
    ("expect", "params", "reason"),
    [
        ("fresh_within", {"column": "finished_at", "max_age": "soon"}, "a duration such as 6h is needed"),
        ("volume_between", {}, "min_value, max_value or like_weekdays"),
        ("volume_between", {"like_weekdays": {"weeks": 900}}, "1 to 52 can be"),
        ("json_path", {"column": "answer", "path": "$["}, "is not a JSONPath"),
        ("json_path", {"column": "answer", "path": "$.a", "type": "money"}, "type is 'money'"),
        ("json_schema", {"column": "answer"}, "has no schema"),
        ("in_table", {"column": "po", "connection": "erp", "table": "orders"}, "needs key"),
        (
            "in_table",
            {"column": "nowhere", "connection": "erp", "table": "orders", "key": "no"},
            "nowhere is not among",
        ),
        ("distribution_like", {"column": "total", "reference": "28d"}, "needs max_psi, max_js"),
        ("distribution_like", {"column": "total", "reference": {"from": "now"}, "max_js": 1}, "a time `from`"),
        ("distribution_like", {"column": "asked_at", "reference": "28d", "max_js": 1}, "is a time"),
        ("rows_not_repeated", {"columns": []}, "needs columns"),
        ("rows_not_repeated", {"columns": ["po"], "threshold": 1.5}, "threshold is '1.5', not a share"),
        ("labels_agree", {"column": "label", "against": "reviewer"}, "needs min_agreement, min_kappa"),
        ("sources_fresh", {"column": "sources", "table": "t", "key": "k", "updated": "u"}, "needs max_age"),
        ("language_is", {"column": "letter", "languages": ["klingon"]}, "'klingon' is no language"),
        ("length_between", {"column": "letter", "unit": "pages", "max_value": 1}, "unit is 'pages'"),
        ("length_between", {"column": "letter", "max_value": "long"}, "max_value is 'long', not a number"),
        ("percentile_between", {"column": "total", "percentile": 0, "max_value": 1}, "above 0 up to 100"),
        ("percentile_between", {"of": "beauty", "percentile": 50, "max_value": 1}, "of is 'beauty'"),
    ],
)
def test_a_wrong_parameter_is_unknown_with_its_reason(
    quality: QualitySite, expect: str, params: dict[str, Any], reason: str
) -> None:
    """Never a pass, never a failure of the data."""
    quality.put(30, letter="A letter about a lamp that is broken", label="a", reviewer="a", total="1", sources='["a"]')
    judged = quality.judge(expect, **params)
    assert judged.success is None
    assert reason in judged.error


def test_what_was_not_judged_is_never_green(quality: QualitySite) -> None:
    """One text too long to be read: the rest holds, so nobody can say; where enough fail anyway, it fails."""
    quality.put(10, answer=lambda n: json.dumps({"a": "x" * (2_000_000 if n == 0 else n)}))
    unsure = quality.judge("json_path", column="answer", path="$.a", type="string")
    assert (unsure.success, unsure.result["not_judged_count"]) == (None, 1)
    assert unsure.error.startswith("1 of 10 values were not judged: longer than 1,000,000 characters")
    assert quality.judge("json_path", column="answer", path="$.a", type="string", mostly=0.9).success is True
    assert quality.judge("json_path", column="answer", path="$.a", type="number").success is False


def test_the_window_is_half_open_and_others_do_not_count(quality: QualitySite) -> None:
    """A record at the window's end belongs to the next one."""
    quality.put(5, total="1")
    quality.put(7, start=WINDOW.end, prefix="next", total="9")
    judged = quality.judge("percentile_between", column="total", percentile=100, max_value=Decimal(1))
    assert (judged.success, judged.elements) == (True, 5)


def test_many_workflows_are_judged_as_each_alone(whole: QualitySite) -> None:
    """What one statement says for all of them is what each check says by itself, failing keys and severities included."""
    declared = [
        check(severity, expect, params)
        for expect, params in CASES
        if expect in {"length_between", "percentile_between", "volume_between", "fresh_within"}
        for severity in (Severity.WARNING, Severity.CRITICAL)
    ]
    many = [replace(whole.workflow(*declared), slug=slug) for slug in (SLUG, "without_records")]
    judged = FleetChecker(whole.url).judge([(one, WINDOW) for one in many])
    found = judged[SLUG]
    assert not isinstance(found, CheckError)
    for one in found[: len(declared)]:
        alone = whole.judge(one.check.expect, **one.check.params)
        assert (one.success, one.error, one.failing_keys) == (alone.success, alone.error, alone.failing_keys)
        assert dict(one.result) == dict(alone.result)
    assert [one.check.severity for one in found[:2]] == [Severity.WARNING, Severity.CRITICAL]
    empty = judged["without_records"]
    assert not isinstance(empty, CheckError)
    assert {one.check.expect for one in empty if one.success is not None} <= {"volume_between"}
    assert {one.error for one in empty if one.check.expect == "length_between"} == {"no rows"}


def check(severity: Severity, expect: str, params: dict[str, Any]) -> Check:
    """A declared check."""
    return Check(expect, severity, params)
