"""The output gate, row by row, with hand-made reference tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterpilot.check import values
from afterpilot.check.gate import Gate
from afterpilot.check.references import Repeated
from afterpilot.check.seen import Earlier
from afterpilot.domain.errors import CheckError, SourceError
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check, Workflow
from doubles.workflows import plain_source, plain_workflow

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
SCHEMA = json.loads(
    (Path(__file__).parents[3] / "include/workflows/invoice_matching/output.schema.json").read_text(encoding="utf-8")
)
ORDERS = {
    "PO-49920": {"supplier": "Weber Metall GmbH", "amount": Decimal("541.25"), "currency": "USD", "status": "open"},
    "PO-49921": {"supplier": "Dakota Fasteners Inc.", "amount": Decimal("68.04"), "currency": "USD", "status": "open"},
    "PO-50000": {"supplier": "Weber Metall GmbH", "amount": None, "currency": "EUR", "status": "closed"},
}
SUPPLIERS = {"Weber Metall GmbH": {"name": "Weber Metall GmbH"}}
GOOD = {"supplier": "Weber Metall GmbH", "po_number": "PO-49920", "total": "541.25", "currency": "USD"}

REFERENCE = {
    "name": "purchase order",
    "connection": "erp",
    "table": "purchase_orders",
    "key": {"po_number": "po_number"},
    "status": {"column": "status", "accept": ["open"]},
    "fields": {"supplier": "supplier", "total": {"column": "amount", "tolerance": 0.01}, "currency": "currency"},
}


class Tables:
    """Reference tables in memory; counts how often they are asked."""

    def __init__(self, **tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.tables = tables
        self.asked: list[str] = []

    def rows(
        self,
        connection: str,  # noqa: ARG002 - the port's signature
        table: str,
        key: str,  # noqa: ARG002 - the port's signature
        values: Sequence[Any],
        columns: Sequence[str],
    ) -> Mapping[Any, Mapping[str, Any]]:
        """The rows with these keys."""
        self.asked.append(table)
        if table not in self.tables:
            raise SourceError(f"there is no table {table}")
        found = self.tables[table]
        return {
            value: type(found[value])({name: found[value][name] for name in columns})  # type: ignore[call-arg]
            for value in values
            if value in found
        }


def nothing_seen(_workflow: str, _columns: Sequence[str], _batch: Sequence[Record]) -> Mapping[str, Earlier]:
    """No earlier record."""
    return {}


def workflow_of(*checks: Check) -> Workflow:
    """A workflow whose outputs are checked like that."""
    source = plain_source(
        fields={
            "supplier": "text",
            "po_number": "text",
            "total": "number",
            "currency": "text",
            "raw": "text",
            "contact": "text",
        },
        personal=("contact",),
    )
    return plain_workflow(source, outputs=checks)


def check(expect: str, **params: Any) -> Check:
    """A declared check."""
    return Check(expect, Severity.CRITICAL, params)


def record(key: str = "r1", **data: Any) -> Record:
    """An output; what is not given is as in a good one."""
    return Record("invoice_matching", key, AT, {**GOOD, **data})


def found(one: Record, *checks: Check, tables: Tables | None = None) -> tuple[Discrepancy, ...]:
    """The discrepancies of a single output."""
    gate = Gate(tables or Tables(purchase_orders=ORDERS, suppliers=SUPPLIERS), nothing_seen)
    ((_, discrepancies),) = gate.judge(workflow_of(*checks), [one])
    return discrepancies


def texts(one: Record, *checks: Check) -> list[str]:
    """The sentences of the discrepancies."""
    return [discrepancy.text for discrepancy in found(one, *checks)]


def test_an_invoice_that_agrees_with_its_order_passes() -> None:
    """Nothing to say."""
    assert texts(record(), check("match_reference", **REFERENCE)) == []


def test_another_total_is_told_with_both_amounts_and_the_order() -> None:
    """Field, what the output says, what the order says, in words for a clerk."""
    (one,) = found(record(total="441.25"), check("match_reference", **REFERENCE, subject="the invoice"))
    assert one == Discrepancy(
        "match_reference",
        "total",
        "441.25 USD",
        "541.25 USD",
        "purchase order PO-49920",
        "Total: the invoice says 441.25 USD, purchase order PO-49920 says 541.25 USD",
    )


@pytest.mark.parametrize(("total", "fine"), [("541.26", True), ("541.24", True), ("541.27", False), (541.25, True)])
def test_the_tolerance_belongs_to_the_allowed_range(total: object, fine: bool) -> None:  # noqa: FBT001 - a table
    """A cent more or less is fine, two are not."""
    assert (texts(record(total=total), check("match_reference", **REFERENCE)) == []) is fine


def test_case_and_blanks_do_not_make_another_supplier() -> None:
    """Names are compared as people read them."""
    assert texts(record(supplier=" weber  metall GMBH"), check("match_reference", **REFERENCE)) == []


def test_an_unknown_order_is_one_discrepancy_that_names_a_near_one() -> None:
    """One slip away, and it agrees in supplier, total and currency."""
    assert texts(record(po_number="PO-49902"), check("match_reference", **REFERENCE)) == [
        "PO number: there is no purchase order PO-49902; purchase order PO-49920 has the same supplier, total and currency"
    ]


def test_a_near_order_that_does_not_agree_is_not_named() -> None:
    """A neighbour's number alone says nothing."""
    assert texts(record(po_number="PO-49929", supplier="X", total="1"), check("match_reference", **REFERENCE)) == [
        "PO number: there is no purchase order PO-49929"
    ]


def test_a_number_that_two_orders_have_is_never_compared_with_one_of_them() -> None:
    """Which of them is meant is for a person to say; nor is it named as a near one."""
    tables = Tables(purchase_orders={**ORDERS, "PO-49920": Repeated(ORDERS["PO-49920"])})
    (one,) = found(record(), check("match_reference", **REFERENCE), tables=tables)
    assert one.text == "PO number: more than one purchase order has the PO number PO-49920"
    (lost,) = found(record(po_number="PO-4992"), check("match_reference", **REFERENCE), tables=tables)
    assert "there is no purchase order PO-4992" in lost.text
    assert "PO-49920" not in lost.text


def test_a_closed_order_is_told_with_all_that_differs() -> None:
    """The status, each differing field, and what cannot be compared."""
    assert texts(record(po_number="PO-50000"), check("match_reference", **REFERENCE)) == [
        "PO number: purchase order PO-50000 is closed, not open",
        "Total: purchase order PO-50000 has nothing to compare with",
        "Currency: the output says USD, purchase order PO-50000 says EUR",
    ]


def test_a_missing_field_is_told_with_what_the_order_says() -> None:
    """A person sees what belongs there; the other check that misses it adds nothing."""
    checks = check("column_values_to_be_between", column="total", min_value=0), check("match_reference", **REFERENCE)
    assert texts(record(total=None), *checks) == ["Total is missing; purchase order PO-49920 says 541.25 USD"]


def test_a_missing_key_is_one_discrepancy() -> None:
    """Without an order number there is nothing to compare."""
    checks = check("column_values_to_not_be_null", column="po_number"), check("match_reference", **REFERENCE)
    assert texts(record(po_number=" "), *checks) == ["PO number is missing"]


def test_a_value_that_is_in_no_row_of_a_table() -> None:
    """The table is called by its name in words."""
    declared = check(
        "in_table", column="supplier", connection="erp", table="suppliers", key="name", name="supplier list"
    )
    assert texts(record(), declared) == []
    assert texts(record(supplier="Webr"), declared) == ["Supplier: 'Webr' is not in the supplier list"]
    assert texts(record(supplier=None), declared) == ["Supplier is missing"]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        ("0.01", []),
        ("250000", []),
        ("250000.01", ["Total: 250000.01 is above 250000, the most that is allowed"]),
        (0, ["Total: 0 is below 0.01, the least that is allowed"]),
        ("NaN", ["Total: 'NaN' is not a number"]),
        ("lots", ["Total: 'lots' is not a number"]),
        (None, ["Total is missing"]),
        (True, ["Total: 'true' is not a number"]),
    ],
)
def test_a_range_holds_both_bounds(total: object, expected: list[str]) -> None:
    """Outside, not a number and missing are each told as what they are."""
    declared = check("column_values_to_be_between", column="total", min_value=0.01, max_value=250000)
    assert texts(record(total=total), declared) == expected


def test_a_range_of_times() -> None:
    """Bounds that are times compare as times."""
    declared = check("column_values_to_be_between", column="raw", min_value="2026-11-01")
    assert texts(record(raw="2026-11-01T00:00:00+00:00"), declared) == []
    assert texts(record(raw="2026-10-31T23:00:00Z"), declared) == [
        "Raw: 2026-10-31T23:00:00Z is below 2026-11-01, the least that is allowed"
    ]
    assert texts(record(raw="later"), declared) == ["Raw: 'later' is not a time"]


def test_an_invented_label_is_not_in_the_set() -> None:
    """Whatever the model says, only the declared words pass."""
    declared = check("column_values_to_be_in_set", column="raw", value_set=["discussion", "advertisement"])
    assert texts(record(raw="discussion"), declared) == []
    assert texts(record(raw="disclaimer"), declared) == ["Raw: 'disclaimer' is not discussion or advertisement"]
    assert texts(record(raw=""), declared) == ["Raw is missing"]


def test_a_set_of_numbers_knows_its_decimals() -> None:
    """A number kept as text is still that number."""
    declared = check("column_values_to_be_in_set", column="total", value_set=[7, 19])
    assert texts(record(total="19.00"), declared) == []
    assert len(texts(record(total="19.01"), declared)) == 1


def test_a_form_that_does_not_match() -> None:
    """The form is shown."""
    declared = check("column_values_to_match_regex", column="po_number", regex="^PO-[0-9]{5}$")
    assert texts(record(po_number="PO-4992"), declared) == ["PO number: 'PO-4992' does not have the form ^PO-[0-9]{5}$"]


ANSWER = {
    "supplier": "Weber Metall GmbH",
    "invoice_no": "INV-3101874",
    "po_number": "PO-49920",
    "total_due": "541.25 USD",
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json.dumps(ANSWER), []),
        (json.dumps({**ANSWER, "total_due": "541.25"}), ["Total due: '541.25' is not of the form"]),
        (json.dumps({**ANSWER, "supplier": 5}), ["Supplier: '5' is not of type string"]),
        (json.dumps({"supplier": "Weber"}), ["Invoice no is missing", "PO number is missing", "Total due is missing"]),
        (json.dumps({**ANSWER, "note": "x"}), ["Raw: the answer has fields that nobody asked for: note"]),
        ('{"supplier": NaN}', ["Raw: the answer is not JSON"]),
        ("Sorry, I cannot", ["Raw: the answer is not JSON: Sorry, I cannot"]),
        ("[" * 100_000, ["Raw: the answer is not JSON"]),
        ("[]", ["Raw: '[]' is not of type object"]),
        (None, ["Raw is missing"]),
    ],
)
def test_the_raw_answer_follows_its_schema(answer: str | None, expected: list[str]) -> None:
    """What is wrong is told by field."""
    found_texts = texts(record(raw=answer), check("json_schema", column="raw", file="x.json", schema=SCHEMA))
    assert len(found_texts) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found_texts, expected, strict=True))


def test_a_line_break_at_the_end_is_part_of_an_answer() -> None:
    """Also in the name of a field: what has no known form is named, and what has one is not."""
    number = {"type": "string", "pattern": "^[0-9]+$"}
    schema = {"patternProperties": {"^n[0-9]$": number}, "additionalProperties": False}
    raw = check("json_schema", column="raw", schema=schema)
    assert texts(record(raw=json.dumps({"n1": "42"})), raw) == []
    assert len(texts(record(raw=json.dumps({"n1": "42\n"})), raw)) == 1
    (told,) = texts(record(raw=json.dumps({"n1": "42", "n2\n": "42"})), raw)
    assert "n2" in told
    assert "n1" not in told


def test_a_schema_never_fetches_another_address() -> None:
    """A reference to the outside cannot be followed: the check cannot run."""
    schema = {"$ref": "http://127.0.0.1:1/schema.json"}
    with pytest.raises(CheckError, match="cannot be used"):
        found(record(raw="{}"), check("json_schema", column="raw", schema=schema))


def test_the_second_of_two_equal_outputs_is_a_repetition() -> None:
    """The first passes; the second names it."""
    gate = Gate(Tables(), nothing_seen)
    declared = workflow_of(check("not_seen_before", columns=["supplier", "po_number"]))
    same = record("r2", supplier="WEBER metall gmbh ")
    other = record("r3", po_number="PO-1")
    results = gate.judge(declared, [record("r1"), same, other])
    assert [len(discrepancies) for _, discrepancies in results] == [0, 1, 0]
    assert results[1][1][0].text == (
        "Supplier: record r1 of 2026-11-16 has the same supplier and PO number (WEBER metall gmbh, PO-49920)"
    )


def test_what_was_seen_in_an_earlier_batch_is_a_repetition() -> None:
    """The ops database knows it."""
    gate = Gate(Tables(), lambda *_: {"r1": Earlier("r0", AT - timedelta(days=3))})
    ((_, discrepancies),) = gate.judge(workflow_of(check("not_seen_before", columns=["po_number"])), [record()])
    assert discrepancies[0].source == "record r0 of 2026-11-13"


def test_each_table_is_asked_once_for_a_batch() -> None:
    """However many records there are; near keys are one query more."""
    tables = Tables(purchase_orders=ORDERS, suppliers=SUPPLIERS)
    declared = workflow_of(
        check("match_reference", **REFERENCE),
        check("in_table", column="supplier", connection="erp", table="suppliers", key="name"),
    )
    gate = Gate(tables, nothing_seen)
    gate.judge(declared, [record(str(number)) for number in range(300)])
    assert sorted(tables.asked) == ["purchase_orders", "suppliers"]
    gate.judge(declared, [record(str(number), po_number=f"PO-{number}") for number in range(300)])
    assert len(tables.asked) == 2 + 3


def test_a_table_that_cannot_be_read_leaves_all_undecided() -> None:
    """Neither released nor routed: the gate cannot say."""
    with pytest.raises(CheckError, match="purchase_orders cannot be looked up: there is no table"):
        found(record(), check("match_reference", **REFERENCE), tables=Tables())


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (check("column_values_to_be_odd", column="total"), "no check column_values_to_be_odd"),
        (check("column_values_to_be_between", column="totals", min_value=1), "totals is not among the fields"),
        (check("column_values_to_be_between", column="total"), "needs min_value"),
        (check("column_values_to_be_in_set", column="total"), "needs a value_set"),
        (check("column_values_to_match_regex", column="raw", regex="("), "regex of raw is wrong"),
        (check("column_values_to_match_regex", column="contact", regex="@"), "contact is personal"),
        (check("json_schema", column="raw"), "has no schema"),
        (check("json_schema", column="raw", schema={"type": "nonsense"}), "schema for raw is wrong"),
        (check("in_table", column="supplier"), "lacks a parameter"),
        (check("not_seen_before"), "names no column"),
    ],
)
def test_a_check_that_cannot_run_is_an_error_and_never_a_pass(declared: Check, message: str) -> None:
    """A wrong declaration releases nothing."""
    with pytest.raises(CheckError, match=message):
        found(record(raw="{}"), declared)


def test_no_records_need_no_queries() -> None:
    """An empty batch is no work."""
    assert Gate(Tables(), nothing_seen).judge(workflow_of(check("match_reference", **REFERENCE)), []) == []


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a process is slow on a busy machine
@given(
    st.dictionaries(
        st.sampled_from(["supplier", "po_number", "total", "currency", "raw"]),
        st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2)),
    )
)
def test_no_output_breaks_the_gate(data: dict[str, Any]) -> None:
    """Whatever a model says, each output gets its answer, and every discrepancy has a sentence."""
    checks = (
        check("json_schema", column="raw", schema=SCHEMA),
        check("column_values_to_be_between", column="total", min_value=0),
        check("column_values_to_match_regex", column="currency", regex="^[A-Z]{3}$"),
        check("match_reference", **REFERENCE),
        check("not_seen_before", columns=["supplier", "total"]),
    )
    discrepancies = found(Record("invoice_matching", "r1", AT, data), *checks)
    assert discrepancies
    assert all(one.text and one.field and len(one.said) <= 140 for one in discrepancies)


HUGE = ["1e9000000000", "1e400000000", "-1e-9000000000", "0e400000000", "9" * 31, "0." + "0" * 30 + "1", "7" * 100_000]


@pytest.mark.parametrize("total", HUGE)
def test_a_number_without_measure_is_no_number(total: str) -> None:
    """It is a discrepancy of its own record, told in a short sentence; the others pass."""
    checks = (
        check("match_reference", **REFERENCE),
        check("column_values_to_be_between", column="total", min_value=0, max_value=1_000),
        check("column_values_to_be_in_set", column="total", value_set=[Decimal("541.25")]),
    )
    gate = Gate(Tables(purchase_orders=ORDERS), nothing_seen)
    (_, bad), (_, good) = gate.judge(workflow_of(*checks), [record("r1", total=total), record("r2")])
    assert {one.check for one in bad} == {one.expect for one in checks}
    assert all(len(one.text) < 500 for one in bad)
    assert good == ()


def test_thirty_digits_are_a_number_still() -> None:
    """What a database may well hold is compared to the last digit."""
    declared = check("column_values_to_be_between", column="total", min_value=0, max_value=10**40)
    assert texts(record(total="123456789012345678.901234567890"), declared) == []


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        ({"raw": "a" * 60 + "b"}, check("column_values_to_match_regex", column="raw", regex="^(a+)+$")),
        (
            {"raw": json.dumps("a" * 60 + "b")},
            check("json_schema", column="raw", schema={"pattern": "^(a+)+$"}),
        ),
        (
            {"raw": json.dumps({"a" * 60 + "b": 1})},
            check("json_schema", column="raw", schema={"patternProperties": {"^(a+)+$": {}}}),
        ),
        ({"raw": "[" * 900 + "]" * 900}, check("json_schema", column="raw", schema={"items": {"$ref": "#"}})),
    ],
)
def test_an_output_that_a_check_cannot_cope_with_goes_to_a_person(
    data: dict[str, Any], declared: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a discrepancy of that record; the next one is judged as ever."""
    monkeypatch.setattr(values._PATTERNS, "_seconds", 0.2)
    gate = Gate(Tables(), nothing_seen)
    (_, bad), (_, good) = gate.judge(workflow_of(declared), [record("r1", **data), record("r2", raw=None)])
    assert [one.text.split(":")[0] for one in bad] == ["Raw could not be checked"]
    assert [one.text for one in good] == ["Raw is missing"]


def test_what_a_discrepancy_says_can_be_stored() -> None:
    """An answer may hold, as an escape, what PostgreSQL refuses; also in a field's name."""
    schema = {"additionalProperties": {"type": "string", "pattern": "^[a-z]*$"}}
    told = found(
        record(raw='{"a\\u0000\\ud800": "b\\u0000\\ud800"}'), check("json_schema", column="raw", schema=schema)
    )
    assert [one.said for one in told] == ["b\N{SYMBOL FOR NULL}?"]
    assert told[0].field == "a\N{SYMBOL FOR NULL}?"
    assert "\x00" not in told[0].text
    assert told[0].text.encode()


def test_patterns_that_cannot_be_tried_at_all_leave_the_outputs_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """No output goes to a person, or into use, because a process of ours does not start."""

    def broken(*_args: object, **_named: object) -> bool:
        raise OSError("the process for patterns: no more processes")

    monkeypatch.setattr(values._PATTERNS, "search", broken)
    check = Check("column_values_to_match_regex", Severity.CRITICAL, {"column": "label", "regex": "^[a-z]+$"})
    with pytest.raises(CheckError, match="regular expressions cannot be tried"):
        list(values.matches(check, Record("w", "k", datetime(2026, 11, 16, tzinfo=UTC), {"label": "spam"})))


def test_a_text_on_which_the_process_dies_is_that_output_s_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are judged: the process runs again."""

    def dies_on_spam(_pattern: str, text: str) -> bool:
        if text == "spam":
            raise OSError("the process for patterns: it died")
        return True

    monkeypatch.setattr(values._PATTERNS, "search", dies_on_spam)
    check = Check("column_values_to_match_regex", Severity.CRITICAL, {"column": "label", "regex": "^[a-z]+$"})
    with pytest.raises(OSError, match="it died"):
        list(values.matches(check, Record("w", "k", datetime(2026, 11, 16, tzinfo=UTC), {"label": "spam"})))
