"""The three workflows of the example, as they are shipped."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from afterpilot.declare import load, schedules
from afterpilot.domain.workflow import Declarations, Workflow

ROOT = Path(__file__).parents[3] / "include" / "workflows"
LABELS = {"discussion", "advertisement"}


@pytest.fixture(scope="module")
def shipped() -> Declarations:
    """The folder as it is in the repository."""
    return load(ROOT)


def workflow(declarations: Declarations, slug: str) -> Workflow:
    """One of them, which must be usable."""
    return next(one for one in declarations.workflows if one.slug == slug)


def test_all_are_in_order(shipped: Declarations) -> None:
    """No problem anywhere, and exactly these three."""
    assert [str(problem) for problem in shipped.problems] == []
    assert [one.slug for one in shipped.workflows] == ["email_triage", "invoice_matching", "invoice_reader_calls"]


def test_every_model_that_is_used_has_a_price(shipped: Declarations) -> None:
    """The self-hosted model is in no public list: without an own price its cost would be unknown for ever."""
    assert shipped.fleet is not None
    priced = {price.model: price for price in shipped.fleet.prices}
    suites = [one for one in shipped.workflows if one.evals is not None]
    assert len(suites) == 2
    for one in suites:
        assert one.evals is not None
        price = priced[one.evals.target.name]
        assert price.currency == one.spend.cap.limit.currency == one.evals.max_cost.currency
        rates = dict(price.rates)
        assert Decimal(0) < rates["cached_tokens"] < rates["input_tokens"] < rates["output_tokens"]


def test_invoice_matching_checks_what_the_example_promises(shipped: Declarations) -> None:
    """Schema, range, supplier, purchase order, and never the same invoice twice."""
    one = workflow(shipped, "invoice_matching")
    assert [check.expect for check in one.outputs] == [
        "json_schema",
        "column_values_to_be_between",
        "in_table",
        "match_reference",
        "not_seen_before",
    ]
    assert one.spot_check.share == Decimal("0.05")
    assert one.source.personal == ("supplier_contact",)


def test_the_mails_of_the_suite_are_as_the_application_sends_them(shipped: Declarations) -> None:
    """Thirty short mails, each with one of the two labels, in a mixture like that of a mailbox."""
    evals = workflow(shipped, "email_triage").evals
    assert evals is not None
    assert len(evals.cases) == 30
    assert all(len(case.vars["body"]) <= 100 and len(case.vars["subject"]) <= 90 for case in evals.cases)
    labels = [case.expected[""] for case in evals.cases]
    assert set(labels) == LABELS
    assert 10 <= labels.count("advertisement") < labels.count("discussion")
    assert len({case.vars["body"] for case in evals.cases}) == 30


def test_schedules_are_named_for_each_kind() -> None:
    """What the DAGs are made of."""
    named = schedules(ROOT)
    assert {kind: sorted(names) for kind, names in named.items()} == {
        "records": ["hourly", "nightly"],
        "evals": ["nightly"],
        "report": ["monday_morning"],
    }
