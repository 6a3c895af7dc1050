"""A bill against the meter: what is a gap, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.bills import family
from afterpilot.domain.run import FLEET, Stage
from afterpilot.domain.verdict import Severity, Verdict
from doubles.billing import ACCOUNT, DAY, FIRST, GPT, NOW, ago, called, facts, flow, judged, line, only, tokens


def test_a_bill_that_agrees_is_a_pass_with_both_coverages() -> None:
    """It is the fleet's run, and says what share of the bill has an owner and what share of the calls a price."""
    result, standing = judged([line(10)], [called(10)])
    assert (result.workflow, result.stage, result.verdict) == (FLEET, Stage.BILLS, Verdict.PASS)
    assert (standing.owned, standing.priced) == (1, 1)
    assert result.summary == "openai: 10.00 USD billed, 35 of 35 days read, no gap, 100.0 % owned, 100.0 % priced"


@pytest.mark.parametrize(
    ("bill", "meter", "gap"),
    [
        ("102", "100", False),
        ("103", "100", True),
        ("97", "100", True),
        ("98", "100", False),
        ("1.9", "1", False),
        ("2", "1", True),
    ],
)
def test_a_gap_counts_beyond_the_tolerance_and_the_smallest_amount(bill: str, meter: str, *, gap: bool) -> None:
    """Two percent of the larger side, and one dollar, in both directions."""
    result, _ = judged([line(bill)], [called(meter)])
    assert result.verdict is (Verdict.WARN if gap else Verdict.PASS)


def test_a_gap_names_both_sides_its_day_and_its_cause() -> None:
    """What it costs, and what to do."""
    finding = only(judged([line(10), tokens(9000, 100)], [called(4)])[0])
    assert (finding.kind, finding.severity, finding.evidence["cause"]) == ("bills.gap", Severity.WARNING, "untagged")
    assert finding.title == "openai, proj_a, gpt-4o-2024-08-06: the bill is 6.00 USD above the meter on 2026-11-05"
    assert finding.detail == (
        "Likely cause: the bill counts 9,100 tokens, the meter 1,100 in 10 calls: calls that no workflow has told of."
    )
    assert finding.evidence["examples"] == ["2026-11-05: bill 10.00 USD, meter 4.00 USD"]
    assert finding.evidence["cost"] == "6.00 USD billed beyond what was metered"


def test_the_same_trouble_of_many_days_is_one_finding() -> None:
    """Its fingerprint stays when a day is added, so that it is one incident and one message."""
    days = [ago(n) for n in (10, 9, 8)]
    lines = [one for day in days for one in (line(10, day=day), tokens(9000, 100, day=day))]
    calls = [called(4, day=day) for day in days]
    first, more = (only(judged(lines[: 2 * n], calls[:n])[0]) for n in (2, 3))
    assert first.fingerprint == more.fingerprint
    assert [one["day"] for one in more.evidence["days"]] == [str(day) for day in days]


def test_the_same_trouble_of_many_projects_is_one_finding() -> None:
    """A price that is wrong everywhere makes one message, not one for each project; the largest gap comes first."""
    for projects, findings in ((5, 5), (6, 1), (40, 1)):
        flows = [flow(f"w{n}", f"proj_{n}") for n in range(projects)]
        lines = [
            one
            for n in range(projects)
            for one in (line(15 + n, project=f"proj_{n}"), tokens(1000, 100, project=f"proj_{n}"))
        ]
        calls = [called(10, workflow=f"w{n}") for n in range(projects)]
        found = judged(lines, calls, *flows)[0].findings
        assert len(found) == findings
    (joined,) = found
    assert (
        joined.title
        == "openai, gpt-4o-2024-08-06: the bill is 980.00 USD above the meter in 40 projects, up to 2026-11-05"
    )
    assert [one["project"] for one in joined.evidence["projects"][:2]] == ["proj_39", "proj_38"]
    assert joined.evidence["cause"] == "price"


def test_small_gaps_of_many_projects_that_add_up_are_one_finding() -> None:
    """As gaps of single days are."""
    days = [ago(n) for n in range(30, 8, -1)]
    flows = [flow(f"w{n}", f"proj_{n}") for n in range(8)]
    lines = [line("10.5", day=day, project=f"proj_{n}") for day in days for n in range(8)]
    calls = [called(10, day=day, workflow=f"w{n}") for day in days for n in range(8)]
    finding = only(judged(lines, calls, *flows)[0])
    assert (
        finding.title
        == "openai, gpt-4o-2024-08-06: the bill is 88.00 USD above the meter in 8 projects, up to 2026-11-07"
    )


UNTOLD = (
    "the bill tells no tokens of {}, whose usage is read for completions alone, not for embeddings, sound or images: "
    "whether calls are missing or priced otherwise cannot be told"
)
CAUSES = {
    "calls without a price": (
        [line(10)],
        [called(4), called(None, calls=7, reason="no price is known")],
        "unpriced",
        "7 calls without a known price (no price is known)",
    ),
    "a model that nobody calls": (
        [line(10), line(9, model="o3")],
        [called(10)],
        "untagged",
        "no metered call of any workflow is of o3: something calls it that nobody has declared",
    ),
    "a day without any call": (
        [line(10), line(10, day=ago(9))],
        [called(10)],
        "missing_day",
        "no call of invoice_matching was metered on 2026-11-07, and the bill has some",
    ),
    "a day that the bill has not": (
        [line(10)],
        [called(10), called(10, day=ago(9))],
        "missing_day",
        "the bill was read and has nothing for 2026-11-07",
    ),
    "a model that is not on this day's bill": (
        [line(10), line(5, model="o3"), line(9, day=ago(9))],
        [called(10), called(5, model="o3"), called(9, day=ago(9)), called(5, model="o3", day=ago(9))],
        "not_billed",
        "o3 is on other days' bills, not on that of 2026-11-07",
    ),
    "a price that has changed": (
        [line(15), tokens(1000, 100)],
        [called(10)],
        "price",
        (
            "the tokens agree (1,100) and the amounts do not: "
            "13,636.3636 on the bill, 9,090.9091 by the price list, over all tokens (USD for a million)"
        ),
    ),
    "half the price, in batch": (
        [line(5), tokens(1000, 100, item="usage, batch")],
        [called(10)],
        "tier",
        "the bill has calls of the tier batch, the meter priced none so",
    ),
    "more calls than were metered": (
        [line(20), replace(tokens(3000, 200), calls=Decimal(30))],
        [called(10)],
        "untagged",
        "the bill counts 3,200 tokens in 30 calls, the meter 1,100 in 10 calls: calls that no workflow has told of",
    ),
    "fewer calls than were metered": (
        [line(5), tokens(500, 50)],
        [called(10)],
        "overcounted",
        "the bill counts 550 tokens, the meter 1,100 in 10 calls: calls that are billed elsewhere, or were metered twice",
    ),
    "other names of the same": (
        [line(10)],
        [called(10, model="chat-large")],
        "other_names",
        "the day's total agrees: the two sides call the models or items differently",
    ),
    "an item of no model": (
        [line(10), line(4, model="", item="file search")],
        [called(10)],
        "no_model",
        "billed apart from any model: file search",
    ),
    "amounts without tokens": ([line(15)], [called(10)], "no_tokens", UNTOLD.format(GPT)),
    "a model of embeddings, by the name of the item alone": (
        [line(10), tokens(1000, 100), line(15, model="", item="text-embedding-3-small")],
        [called(10), called(10, model="text-embedding-3-small")],
        "no_tokens",
        UNTOLD.format("text-embedding-3-small"),
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_the_likely_cause_is_what_was_seen(case: str) -> None:
    """Found by evidence; where there is none, it says so."""
    lines, calls, cause, text = CAUSES[case]
    findings = {one.evidence["cause"]: one for one in judged(lines, calls)[0].findings}
    assert cause in findings
    assert findings[cause].evidence["causes"][0] == text
    assert findings[cause].evidence["to_do"]


def test_a_price_of_sound_is_no_price_of_plain_tokens() -> None:
    """The lines' tokens are not told by sort: unit prices are compared over all of them."""
    lines = [line("2.5", item=f"{GPT}, input"), line("40", item=f"{GPT}, audio input"), tokens(1_000_000, 0)]
    calls = [
        called(
            "2.5", input_tokens=Decimal(1_000_000), output_tokens=Decimal(0), rates={"input_tokens": Decimal("2.5e-6")}
        )
    ]
    text = only(judged(lines, calls)[0]).evidence["causes"][0]
    assert text.endswith("42.50 on the bill, 2.50 by the price list, over all tokens (USD for a million)")


def test_a_changed_price_is_told_by_sort_where_both_sides_have_one() -> None:
    """Output went from 10 to 15 for a million; input and cached input did not change and are not named."""
    million = 1_000_000
    lines = [
        line("2.5", item=f"{GPT}, input"),
        line("1.25", item=f"{GPT}, cached input"),
        line("15", item=f"{GPT}, output"),
        tokens(2 * million, million, cached=million),
    ]
    rates = {"input_tokens": Decimal("2.5e-6"), "cached_tokens": Decimal("1.25e-6"), "output_tokens": Decimal("1e-5")}
    calls = [called("13.75", input_tokens=Decimal(2 * million), output_tokens=Decimal(million), rates=rates)]
    text = only(judged(lines, calls)[0]).evidence["causes"][0]
    assert text.endswith("output 15.00 on the bill, 10.00 by the price list (USD for a million)")
    assert "input" not in text.partition("do not: ")[2].replace("output", "")


def test_calls_that_were_not_pulled_to_the_end_of_a_day_are_the_cause() -> None:
    """The meter's day is not whole; nothing else is blamed first."""
    upto = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=6)
    finding = only(judged([line(10)], [called(4)], pulled_to=upto)[0])
    assert finding.evidence["causes"][0] == "the calls of invoice_matching were pulled only up to 2026-11-05 06:00 UTC"


def test_another_workflow_that_calls_the_model_is_named() -> None:
    """It may use the project, and has none of its own."""
    flows = (flow("invoice_matching", "proj_a"), flow("email_triage", "proj_b"))
    lines = [line(10), line(9, model="o3"), line(5, model="o3", project="proj_b")]
    calls = [called(10), called(5, model="o3", workflow="email_triage")]
    finding = only(judged(lines, calls, *flows)[0])
    assert "invoice_matching did not call o3; email_triage did, and may use the project" in finding.detail


def test_a_project_that_no_bill_knows_is_told() -> None:
    """A slip in spend.billed would otherwise look like a provider that forgot to bill."""
    result, _ = judged([line(10, project="proj_b")], [called(10)], flow("invoice_matching", "proj_typo"))
    causes = [one.evidence.get("cause") for one in result.findings]
    assert "project_unknown" in causes


def test_currencies_that_differ_make_it_unknown() -> None:
    """On the bill against the account, and of the prices against the bill: nothing is subtracted."""
    for lines, calls in (([line(10, currency="EUR")], [called(10)]), ([line(10)], [called(10, currency="EUR")])):
        result, _ = judged(lines, calls)
        finding = only(result)
        assert (finding.kind, finding.evidence["cause"], result.verdict) == (
            "bills.incomparable",
            "currency",
            Verdict.UNKNOWN,
        )


def test_an_amount_that_the_bill_does_not_tell_makes_it_unknown() -> None:
    """Although the rest of the day agrees."""
    result, standing = judged([line(10), line(None, item=f"{GPT}, output")], [called(10)])
    assert (only(result).evidence["cause"], result.verdict) == ("no_amount", Verdict.UNKNOWN)
    assert standing.rows[0].bill is None


def test_small_gaps_of_every_day_that_add_up_are_told() -> None:
    """Each is below a dollar; thirty of them are not."""
    days = [ago(n) for n in range(34, 8, -1)]
    lines = [one for day in days for one in (line("10.5", day=day), tokens(1100, 110, day=day))]
    finding = only(judged(lines, [called(10, day=day) for day in days])[0])
    assert finding.evidence["bill"] == "273.0"
    assert "over 26 days to 2026-11-07" in finding.title
    assert finding.evidence["cause"] == "untagged"


def test_a_day_that_was_not_read_is_never_green() -> None:
    """Whatever the days around it say."""
    result, standing = judged([line(10)], [called(10), called(3, day=ago(9))], unread=[ago(9)])
    assert result.verdict is Verdict.UNKNOWN
    assert (
        only(result).title
        == "The bill of openai is not known for 2026-11-07: the newest day that was read is 2026-11-15"
    )
    assert {row.state for row in standing.rows if row.day == ago(9)} == {"unread"}


def test_a_bill_may_take_two_days() -> None:
    """Before that, a day that is not there is no news, and no green either: the run does not reach so far."""
    assert judged([line(10)], [called(10)], unread=[ago(1), ago(2)])[0].verdict is Verdict.PASS
    assert judged([line(10)], [called(10)], unread=[ago(1), ago(2), ago(3)])[0].verdict is Verdict.UNKNOWN


def test_an_account_that_was_never_read_is_unknown() -> None:
    """With the reason why it could not be read, and no coverage."""
    days = [FIRST + timedelta(days=n) for n in range(35)]
    result, standing = judged([], [called(10)], unread=days, trouble="it refuses the connection's token (401)")
    assert result.verdict is Verdict.UNKNOWN
    assert {one.kind for one in result.findings} == {"bills.unread", "bills.unreadable"}
    assert (standing.owned, result.summary) == (None, "openai: no day was read")


def test_no_account_is_no_pass() -> None:
    """Nothing was held against anything."""
    from afterpilot.decide.bills import judge_bills

    assert judge_bills(replace(facts([], []), accounts=()))[0].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("days", "state"), [(1, "open"), (2, "open"), (3, "provisional"), (5, "provisional"), (6, "final")]
)
def test_a_day_is_final_after_the_time_of_corrections(days: int, state: str) -> None:
    """Read at noon: five days after its end and later."""
    _, standing = judged([line(10, day=ago(days))], [called(10, day=ago(days))])
    assert [row.state for row in standing.rows] == [state]


def test_a_day_that_was_read_early_alone_is_never_final() -> None:
    """However old it is: nobody has looked at its corrections."""
    from afterpilot.decide.bills import judge_bills

    given_facts = facts([line(10)], [called(10)])
    early = datetime.combine(DAY + timedelta(days=1), datetime.min.time(), UTC)
    told = given_facts.accounts[0]
    changed = replace(given_facts, accounts=(replace(told, read={**told.read, DAY: early}),))
    assert [row.state for row in judge_bills(changed)[1][0].rows] == ["provisional"]


def test_of_an_open_day_only_more_bill_than_meter_is_told() -> None:
    """A bill grows for two days; one that is above the meter already will not come down."""
    assert judged([line(1, day=ago(1))], [called(10, day=ago(1))])[0].verdict is Verdict.PASS
    assert judged([line(30, day=ago(1))], [called(10, day=ago(1))])[0].verdict is Verdict.WARN
    late = NOW - timedelta(hours=20)
    assert judged([line(30, day=ago(1))], [called(10, day=ago(1))], pulled_to=late)[0].verdict is Verdict.PASS


def test_days_before_the_first_call_that_was_ever_metered_are_left_alone() -> None:
    """A bill is older than Afterpilot."""
    result, standing = judged([line(50, day=ago(20)), line(10)], [called(10)], since=ago(12))
    assert result.verdict is Verdict.PASS
    assert [row.state for row in standing.rows] == ["before", "final"]


def test_every_day_of_the_span_is_on_record() -> None:
    """Also those without anything: read and nothing, too early to say, or not read."""
    lines = [line(10), line(3, project="proj_b"), line(1, project="proj_b", currency="EUR", day=ago(8), item="x")]
    result, standing = judged(lines, [called(9)], unread=[ago(10)])
    days = {one.day: one for one in standing.days}
    assert list(days) == [FIRST + timedelta(days=n) for n in range(35)]
    assert (days[DAY].bill, days[DAY].meter, days[DAY].gap, days[DAY].unowned) == (10, 9, 1, 3)
    assert (days[ago(12)].bill, days[ago(12)].state) == (0, "final")
    assert (days[ago(10)].bill, days[ago(10)].gap, days[ago(10)].state) == (None, None, "unread")
    assert days[ago(8)].unowned is None, "dollars and euros have no sum"
    assert [days[ago(n)].state for n in (1, 2, 3, 5, 6)] == ["open", "open", "provisional", "provisional", "final"]
    (told,) = result.evidence["accounts"]
    assert len(told["days"]) == 35


def test_workflows_that_share_a_project_are_compared_as_one() -> None:
    """Nobody can say whose part of it is whose."""
    flows = (flow("invoice_matching", "proj_a"), flow("email_triage", "proj_a", "proj_b"))
    lines = [line(10), line(5, project="proj_b")]
    result, standing = judged(lines, [called(9), called(6, workflow="email_triage")], *flows)
    assert result.verdict is Verdict.PASS
    assert [row.project for row in standing.rows] == ["proj_a, proj_b"]


def test_without_projects_spend_is_compared_by_model() -> None:
    """Of all workflows that name none, over all projects that nobody names."""
    flows = (flow("invoice_matching"), flow("email_triage"))
    lines = [line(7, project="proj_x"), line(8, project="proj_y")]
    result, standing = judged(lines, [called(9), called(6, workflow="email_triage")], *flows)
    assert result.verdict is Verdict.PASS
    assert [(row.project, row.bill, row.meter) for row in standing.rows] == [("", 15, 15)]


def test_a_machine_of_ones_own_is_in_no_bill_and_no_gap() -> None:
    """What no account ever bills is told of in the evidence."""
    result, _ = judged([line(10)], [called(10), called(99, model="smollm2-135m-instruct")])
    assert result.verdict is Verdict.PASS
    assert result.evidence["in_no_bill"] == {"smollm2-135m-instruct (USD)": "99"}


@pytest.mark.parametrize(
    ("billed", "called_as"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("gpt-4-0613", "GPT-4"),
        ("gemini-2.5-pro", "vertex_ai/gemini-2.5-pro"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
    ],
)
def test_a_snapshot_and_its_alias_are_one_model(billed: str, called_as: str) -> None:
    """Bills name what answered, calls often what was asked for."""
    assert family(billed) == family(called_as)


@pytest.mark.parametrize(("one", "other"), [("gpt-4o", "gpt-4o-mini"), ("gpt-4.1", "gpt-4"), ("o3", "o3-mini")])
def test_different_models_stay_apart(one: str, other: str) -> None:
    """However alike their names are."""
    assert family(one) != family(other)


amounts = st.decimals(min_value=0, max_value=1000, places=6)


@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=8))
def test_no_cent_of_either_side_is_lost(sides: list[tuple[Decimal, Decimal]]) -> None:
    """The rows of an account add up to its bill and to its meter, whatever the gaps are; the verdict is green only without any."""
    lines = [line(bill, day=ago(10 + n)) for n, (bill, _) in enumerate(sides)]
    calls = [called(meter, day=ago(10 + n)) for n, (_, meter) in enumerate(sides)]
    result, standing = judged(lines, calls)
    assert sum(row.bill or 0 for row in standing.rows) == sum(bill for bill, _ in sides) == standing.bill
    assert sum(row.meter or 0 for row in standing.rows) == sum(meter for _, meter in sides)
    beyond = [
        abs(bill - meter) >= ACCOUNT.at_least and abs(bill - meter) > ACCOUNT.tolerance * max(bill, meter)
        for bill, meter in sides
    ]
    if any(beyond):
        assert result.verdict is Verdict.WARN
