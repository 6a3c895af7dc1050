"""The example's production systems on a real PostgreSQL: loaded fast, repeatable, honest about what is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from afterpilot.demo.ai_app import Answer, Recording
from afterpilot.demo.asked import Asked
from afterpilot.demo.desk import CHECKS, DESK
from afterpilot.demo.mailbox import Mail
from afterpilot.demo.office import SEED, Office
from afterpilot.demo.office_hours import first_ordinal
from afterpilot.demo.papers import Mess
from afterpilot.demo.production import Added, close_handled, load_erp, load_mailbox, read_live, statuses

pytestmark = pytest.mark.integration

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
WEDNESDAY = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
OFFICE = Office()
EVERYTHING = Asked(lambda _key: True)  # is a spot check


def perfect(key: str, expected: dict[str, str]) -> Answer:
    """The answer of a model that reads everything, and copies an order from its prompt where there is none."""
    text = json.dumps({**expected, "po_number": expected["po_number"] or "PO-50418"})
    return Answer(key, text, 700, 550, 58, 2_000)


def recording(weeks: int, **other: str) -> Recording:
    """Recorded weeks; ``other`` replaces answers by ordinal, e.g. ``_7="no idea"``."""
    answers = {}
    for ordinal in range(first_ordinal(SEED, weeks)):
        invoice = OFFICE.invoice(ordinal)
        answer = perfect(invoice.answer_key, invoice.expected)
        text = other.get(f"_{ordinal}", answer.text)
        answers[answer.key] = Answer(answer.key, text, 700, 550, 58, 2_000)
    return Recording("some-model", "w", "p", answers)


class Model:
    """A live model that reads everything, but for the ordinals that it is told to fail on."""

    model = "live-model"

    def __init__(self, *failing: int) -> None:
        self.failing = set(failing)

    def answer(self, key: str, values: dict[str, str]) -> Answer:
        """A perfect answer, or a lost connection."""
        invoice = OFFICE.invoice(int(key[:6]))
        assert values == {"invoice": invoice.text}
        if invoice.ordinal in self.failing:
            raise requests.ConnectionError("https://user:hush@model.example")
        return perfect(key, invoice.expected)


def query(url: str, sql: str) -> Sequence[Any]:
    """All rows of a statement."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(sa.text(sql)).all()
    finally:
        engine.dispose()


def change(url: str, sql: str) -> None:
    """Execute a statement that changes something."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(sql))
    finally:
        engine.dispose()


def everything(url: str) -> dict[str, Sequence[Any]]:
    """Every row of every table that a load writes, in a fixed order."""
    tables = (
        "suppliers",
        "purchase_orders",
        "purchase_order_lines",
        "ai_invoice_runs",
        "ap_decisions",
        "stream_calendar",
    )
    return {
        name: query(
            url, f"SELECT * FROM {name} ORDER BY 1, 2" if name != "stream_calendar" else f"SELECT * FROM {name}"
        )
        for name in tables
    }


def test_three_recorded_weeks_become_two_complete_ones_and_this_one(empty_database: str) -> None:
    """The last recorded week is the one that runs; nothing lies in the future."""
    added = load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    weeks = query(
        empty_database,
        "SELECT CAST(date_trunc('week', received_at AT TIME ZONE 'UTC') AS date), count(*) FROM ai_invoice_runs GROUP BY 1 ORDER BY 1",
    )
    assert [str(week) for week, _ in weeks] == ["2026-11-02", "2026-11-09", "2026-11-16"]
    assert [count for _, count in weeks[:2]] == [
        first_ordinal(SEED, 1),
        first_ordinal(SEED, 2) - first_ordinal(SEED, 1),
    ]
    assert 0 < weeks[2][1] < 200
    assert added.runs == sum(count for _, count in weeks)
    latest = query(empty_database, "SELECT max(finished_at) FROM ai_invoice_runs")[0][0]
    assert WEDNESDAY - timedelta(hours=2) < latest <= WEDNESDAY


def test_a_second_load_at_once_changes_nothing(empty_database: str) -> None:
    """Whoever starts the demo twice finds the same rows."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    before = everything(empty_database)
    assert load_erp(empty_database, now=WEDNESDAY, answers=recording(3)) == Added(0, 0)
    assert everything(empty_database) == before


def test_a_load_on_a_later_day_goes_on_and_touches_nothing(empty_database: str) -> None:
    """More of the running week and more decisions come; every row that was there is there unchanged."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    before = everything(empty_database)
    added = load_erp(empty_database, now=WEDNESDAY + timedelta(days=1), answers=recording(3))
    after = everything(empty_database)
    assert added.runs > 0
    assert added.decisions > 0
    for name, rows in before.items():
        assert set(rows) <= set(after[name]), name
    assert len(after["ai_invoice_runs"]) == len(before["ai_invoice_runs"]) + added.runs


def test_two_loads_end_where_one_would(empty_database: str, postgres: Any) -> None:
    """The times follow from the calendar of the first load, not from when somebody loads."""
    postgres.create("one_load")
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    load_erp(empty_database, now=WEDNESDAY + timedelta(days=2), answers=recording(3))
    load_erp(postgres.url("one_load"), now=WEDNESDAY + timedelta(days=2), answers=recording(3))
    one, two = everything(postgres.url("one_load")), everything(empty_database)
    for name in ("ai_invoice_runs", "ap_decisions", "stream_calendar"):
        assert one[name] == two[name]


def test_an_answer_that_cannot_be_parsed_is_kept_with_nulls(empty_database: str) -> None:
    """The raw text stays; no column is guessed, and the usage is there all the same."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(1, _2='{"supplier": "Web'))
    [row] = query(empty_database, "SELECT * FROM ai_invoice_runs WHERE run_id = 'inv-000002'")
    assert row.extracted_json == '{"supplier": "Web'
    assert (row.supplier, row.invoice_no, row.po_number, row.total, row.currency) == (None,) * 5
    assert (row.model_name, row.tok_in, row.tok_cached, row.tok_out, row.latency_ms) == (
        "some-model",
        700,
        550,
        58,
        2_000,
    )


def test_an_answer_to_another_document_is_not_used(empty_database: str) -> None:
    """A recording of a former generator gives no runs, rather than wrong ones."""
    answers = {
        f"{ordinal:06d}-0123456789ab": Answer(f"{ordinal:06d}-0123456789ab", "{}", 1, 0, 1, 1) for ordinal in range(9)
    }
    added = load_erp(empty_database, now=WEDNESDAY, answers=Recording("m", "w", "p", answers))
    assert added == Added(0, 0)


def test_orders_stand_for_the_invoices_that_are_to_come(empty_database: str) -> None:
    """Each order has its lines, was placed before today, and its amount is what a clean invoice bills."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(1))
    rows = {row.po_number: row for row in query(empty_database, "SELECT * FROM purchase_orders")}
    coming = [OFFICE.invoice(ordinal) for ordinal in range(first_ordinal(SEED, 1), first_ordinal(SEED, 1) + 100)]
    for invoice in (each for each in coming if each.mess is Mess.NONE):
        assert invoice.po_number is not None
        assert rows[invoice.po_number].amount == invoice.total
    assert all(row.ordered_on < WEDNESDAY.date() for row in rows.values())
    bare = query(
        empty_database, "SELECT po_number FROM purchase_orders EXCEPT SELECT po_number FROM purchase_order_lines"
    )
    assert bare == []


def test_what_goes_to_a_person_comes_out_of_the_comparison(empty_database: str) -> None:
    """With a model that never errs, exactly the messes fail against the orders, and clerks handle them."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(2))
    load_erp(empty_database, now=WEDNESDAY + timedelta(days=12), answers=recording(2))  # when clerks are through
    failing = query(
        empty_database,
        """
        SELECT runs.run_id FROM ai_invoice_runs AS runs LEFT JOIN purchase_orders AS orders
            ON orders.po_number = runs.po_number AND orders.status = 'open' AND orders.supplier = runs.supplier
            AND orders.amount = runs.total AND orders.currency = runs.currency
        WHERE orders.po_number IS NULL
        """,
    )
    loaded = [
        OFFICE.invoice(int(run_id[4:])) for (run_id,) in query(empty_database, "SELECT run_id FROM ai_invoice_runs")
    ]
    wrong = {each.run_id for each in loaded if each.mess not in {Mess.NONE, Mess.DUPLICATE}}
    assert {run_id for (run_id,) in failing} == wrong
    assert 0.05 < len(wrong) / len(loaded) < 0.15
    long = query(empty_database, "SELECT run_id FROM ap_decisions WHERE minutes >= 4")
    assert wrong <= {run_id for (run_id,) in long}


def test_a_fresh_invoice_is_not_decided_yet(empty_database: str) -> None:
    """Clerks take hours: no decision lies in the future, and the newest messes still wait."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    [(latest, count)] = query(empty_database, "SELECT max(decided_at), count(*) FROM ap_decisions")
    assert latest <= WEDNESDAY
    waiting = query(
        empty_database,
        "SELECT run_id, finished_at FROM ai_invoice_runs WHERE run_id NOT IN (SELECT run_id FROM ap_decisions) ORDER BY 2",
    )
    messy = [at for run_id, at in waiting if OFFICE.invoice(int(run_id[4:])).mess is not Mess.NONE]
    assert count > 0
    assert all(at > WEDNESDAY - timedelta(days=2) for at in messy)


def test_live_readings_take_the_next_unread_invoices(empty_database: str) -> None:
    """Each is stored as it comes, with the live model's name and a time of now or shortly before."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(2))
    first = query(empty_database, "SELECT count(*) FROM ai_invoice_runs")[0][0]
    readings = list(read_live(empty_database, Model(), count=30, now=WEDNESDAY))
    assert [each.run_id for each in readings] == [f"inv-{first + number:06d}" for number in range(30)]
    rows = query(empty_database, "SELECT * FROM ai_invoice_runs WHERE model_name = 'live-model'")
    assert {row.run_id for row in rows} == {each.run_id for each in readings}
    late = [row for row in rows if row.finished_at < WEDNESDAY]
    assert 0 < len(late) < 10
    assert all(WEDNESDAY - row.finished_at <= timedelta(minutes=90) for row in late)


def test_a_failed_live_reading_is_told_and_taken_again(empty_database: str) -> None:
    """No run is stored, the reason holds no address or password, and the next start begins with it."""
    [lost, *rest] = read_live(empty_database, Model(0), count=3, now=WEDNESDAY)
    assert (lost.run_id, lost.error) == ("inv-000000", "the model gave no answer (ConnectionError)")
    assert not any(each.error for each in rest)
    assert [row[0] for row in query(empty_database, "SELECT run_id FROM ai_invoice_runs ORDER BY 1")] == [
        "inv-000001",
        "inv-000002",
    ]
    again = [each.run_id for each in read_live(empty_database, Model(), count=2, now=WEDNESDAY)]
    assert again == ["inv-000000", "inv-000003"]


def test_a_load_after_live_readings_keeps_them(empty_database: str) -> None:
    """An invoice that was read live is not loaded a second time from the recording; its decision comes all the same."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    live = {each.run_id for each in read_live(empty_database, Model(), count=25, now=WEDNESDAY)}
    load_erp(empty_database, now=WEDNESDAY + timedelta(days=5), answers=recording(3))
    rows = query(empty_database, "SELECT run_id FROM ai_invoice_runs WHERE model_name = 'live-model'")
    assert {run_id for (run_id,) in rows} == live
    messy = {run_id for run_id in live if OFFICE.invoice(int(run_id[4:])).mess is not Mess.NONE}
    decided = {run_id for (run_id,) in query(empty_database, "SELECT run_id FROM ap_decisions")}
    assert messy
    assert messy <= decided


def mails(count: int) -> list[Mail]:
    """Mails of alternating kinds, one a minute."""
    labels = ("discussion", "advertisement")
    return [
        Mail(
            f"mail-{n:04d}",
            datetime(2002, 8, 1, tzinfo=UTC) + timedelta(minutes=n),
            "A <a@b.example>",
            "s",
            "b",
            labels[n % 2],
        )
        for n in range(count)
    ]


def answered(given: Sequence[Mail], label: str) -> Recording:
    """A recording of a model that says the same to every mail."""
    return Recording("some-model", "w", "p", {mail.key: Answer(mail.key, label, 300, 280, 3, 500) for mail in given})


def test_mails_lie_in_their_order_over_four_weeks(empty_database: str) -> None:
    """The oldest four weeks back, the newest now, whatever order they are given in."""
    given = mails(300)
    load_mailbox(empty_database, given[::-1], now=WEDNESDAY, answers=answered(given, "discussion"))
    rows = query(empty_database, "SELECT run_id, finished_at FROM triage_runs ORDER BY 2")
    assert [run_id for run_id, _ in rows] == [mail.key for mail in given]
    assert rows[0][1] >= WEDNESDAY - timedelta(weeks=4)
    assert rows[-1][1] == WEDNESDAY


def test_people_move_what_lies_wrong_within_a_day(empty_database: str) -> None:
    """All but a few mails older than a day are sorted, and the true label stands where the model was wrong."""
    given = mails(600)
    load_mailbox(empty_database, given, now=WEDNESDAY, answers=answered(given, "discussion"))
    old = query(empty_database, f"SELECT run_id FROM triage_runs WHERE finished_at < '{WEDNESDAY - timedelta(days=1)}'")
    rows = query(empty_database, "SELECT * FROM sorted_by_people")
    sorted_old = {run_id for (run_id,) in old} & {row.run_id for row in rows}
    assert 0.95 < len(sorted_old) / len(old) < 1
    assert all((row.decision == "moved") == (row.true_label == "advertisement") for row in rows)
    assert max(row.decided_at for row in rows) <= WEDNESDAY


def test_a_mailbox_can_be_loaded_again(empty_database: str) -> None:
    """At once nothing changes; a day later the mails stand where they were and people have gone on."""
    given = mails(300)
    load_mailbox(empty_database, given, now=WEDNESDAY, answers=answered(given, "discussion"))
    before = query(empty_database, "SELECT * FROM triage_runs ORDER BY 1")
    assert load_mailbox(empty_database, given, now=WEDNESDAY, answers=answered(given, "discussion")) == Added(0, 0)
    later = load_mailbox(
        empty_database, given, now=WEDNESDAY + timedelta(days=1), answers=answered(given, "discussion")
    )
    assert later.runs == 0
    assert later.decisions > 0
    assert query(empty_database, "SELECT * FROM triage_runs ORDER BY 1") == before


def test_a_mail_without_a_recorded_answer_is_not_loaded(empty_database: str) -> None:
    """No answer is made up."""
    given = mails(20)
    assert load_mailbox(empty_database, given, now=WEDNESDAY, answers=answered(given[:5], "discussion")).runs == 5


def test_the_invoice_kpi_is_the_minutes_of_a_week_over_its_invoices(empty_database: str) -> None:
    """By ISO week, only weeks with runs; invoices that nobody touched count with 0 minutes."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    kpi = query(empty_database, (WORKFLOWS / "invoice_matching" / "kpi.sql").read_text())
    assert [str(week) for week, _ in kpi] == ["2026-11-02", "2026-11-09", "2026-11-16"]
    monday = datetime(2026, 11, 2, tzinfo=UTC)
    runs = query(
        empty_database,
        f"SELECT run_id FROM ai_invoice_runs WHERE finished_at >= '{monday}' AND finished_at < '{monday + timedelta(weeks=1)}'",
    )
    minutes = dict(query(empty_database, "SELECT run_id, sum(minutes) FROM ap_decisions GROUP BY 1"))
    expected = sum((minutes.get(run_id, Decimal(0)) for (run_id,) in runs), Decimal(0)) / len(runs)
    assert kpi[0][1] == round(expected, 3)


def test_invoices_of_the_last_two_days_are_not_in_the_kpi(empty_database: str) -> None:
    """Whether a clerk still has them is not known: 0 minutes would be a guess."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    statement = (WORKFLOWS / "invoice_matching" / "kpi.sql").read_text()
    before = query(empty_database, statement)
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "DELETE FROM ap_decisions WHERE run_id IN (SELECT run_id FROM ai_invoice_runs WHERE finished_at >= "
                "(SELECT max(finished_at) FROM ai_invoice_runs) - interval '40 hours') "
                "AND decided_at < (SELECT max(decided_at) FROM ap_decisions)"
            )
        )
    engine.dispose()
    assert query(empty_database, statement) == before


def test_a_week_without_any_noted_time_has_no_kpi(empty_database: str) -> None:
    """Unknown is not 0 minutes."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(1))
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM ap_decisions"))
    engine.dispose()
    assert [value for _, value in query(empty_database, (WORKFLOWS / "invoice_matching" / "kpi.sql").read_text())] == [
        None
    ]


def test_the_mail_kpi_is_the_share_that_people_moved(empty_database: str) -> None:
    """In percent of the mails that somebody looked at, by ISO week."""
    given = mails(600)
    load_mailbox(empty_database, given, now=WEDNESDAY, answers=answered(given, "discussion"))
    kpi = query(empty_database, (WORKFLOWS / "email_triage" / "kpi.sql").read_text())
    assert len(kpi) == 5
    assert all(40 < value < 60 for _, value in kpi)
    [(moved, all_of_them)] = query(
        empty_database, "SELECT count(*) FILTER (WHERE decision = 'moved'), count(*) FROM sorted_by_people"
    )
    assert float(sum(value for _, value in kpi)) / 5 == pytest.approx(100 * moved / all_of_them, abs=5)


def test_an_office_of_an_earlier_version_gets_the_columns_it_lacks(empty_database: str) -> None:
    """Its rows stay, and from then on clerks note what is right."""
    load_erp(empty_database, now=WEDNESDAY - timedelta(days=2), answers=recording(1))
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        for name in ("supplier", "invoice_no", "po_number", "total", "currency"):
            connection.execute(sa.text(f"ALTER TABLE ap_decisions DROP COLUMN right_{name}"))
    engine.dispose()
    before = query(empty_database, "SELECT run_id, decision FROM ap_decisions")
    load_erp(empty_database, now=WEDNESDAY + timedelta(days=3), answers=recording(1))
    assert set(before) <= set(query(empty_database, "SELECT run_id, decision FROM ap_decisions"))
    right = query(empty_database, "SELECT right_po_number FROM ap_decisions WHERE right_supplier IS NOT NULL")
    assert right


def test_invoices_wait_until_the_gate_has_spoken(empty_database: str) -> None:
    """Every row begins as waiting, however old; an office of an earlier version had used its rows already."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(1))
    list(read_live(empty_database, Model(), count=2, now=WEDNESDAY))
    before = statuses(empty_database)
    assert set(before) == {"waiting"}
    change(empty_database, "ALTER TABLE ai_invoice_runs DROP COLUMN status")
    load_erp(empty_database, now=WEDNESDAY, answers=recording(1))
    assert statuses(empty_database) == {"filed": before["waiting"]}
    list(read_live(empty_database, Model(), count=2, now=WEDNESDAY))
    assert statuses(empty_database) == {"filed": before["waiting"], "waiting": 2}


def test_what_a_clerk_has_decided_on_is_closed(empty_database: str) -> None:
    """The last decision counts; what nobody decided on stays with a clerk, and what waits for the gate is left alone."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(2))
    change(
        empty_database,
        "UPDATE ai_invoice_runs SET status = 'with_clerk' WHERE run_id IN (SELECT run_id FROM ap_decisions WHERE note <> '') "
        "OR run_id = (SELECT min(run_id) FROM ai_invoice_runs WHERE run_id NOT IN (SELECT run_id FROM ap_decisions))",
    )
    decided = dict(
        query(empty_database, "SELECT decision = 'refused', count(DISTINCT run_id) FROM ap_decisions GROUP BY 1")
    )
    waiting = statuses(empty_database)["waiting"]
    close_handled(empty_database)
    expected = {"refused": decided[True], "filed": decided[False], "with_clerk": 1, "waiting": waiting}
    assert statuses(empty_database) == expected


def test_a_handful_is_left_to_whoever_looks_at_the_queue(empty_database: str) -> None:
    """The newest five that were routed and two spot checks, none older than two days; the next loads take what has become old."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(2), asked=EVERYTHING)
    load_erp(empty_database, now=WEDNESDAY + timedelta(days=2, hours=8), answers=recording(2), asked=EVERYTHING)
    friday = WEDNESDAY + timedelta(days=2, hours=8)
    due = query(
        empty_database,
        "SELECT run_id, finished_at FROM ai_invoice_runs WHERE run_id NOT IN (SELECT run_id FROM ap_decisions)",
    )
    assert len(due) >= DESK + CHECKS
    assert all(at > friday - timedelta(days=2) for _, at in due)
    load_erp(empty_database, now=friday + timedelta(days=10), answers=recording(2), asked=EVERYTHING)
    left = query(empty_database, "SELECT 1 FROM ai_invoice_runs WHERE run_id NOT IN (SELECT run_id FROM ap_decisions)")
    assert left == []


def test_mails_that_the_gate_asks_for_are_all_looked_at(empty_database: str) -> None:
    """Those without a label as well."""
    given = mails(600)
    later = WEDNESDAY + timedelta(days=2)
    for given_to in ({"label": "discussion", "asked": EVERYTHING}, {"label": "disclaimer"}):
        label = str(given_to.pop("label"))
        for now in (WEDNESDAY, later):
            load_mailbox(empty_database, given, now=now, answers=answered(given, label), **given_to)
        assert query(empty_database, "SELECT count(*) FROM sorted_by_people")[0][0] == len(given)
        change(empty_database, "DROP TABLE sorted_by_people, triage_runs")


def test_what_is_decided_between_two_starts_is_entered_where_it_will_be_read(empty_database: str) -> None:
    """A decision that would lie in a time that was pulled already is made now; one after it keeps its time."""
    load_erp(empty_database, now=WEDNESDAY, answers=recording(3))
    known = {row.run_id for row in query(empty_database, "SELECT run_id FROM ap_decisions")}
    friday, pulled_to = WEDNESDAY + timedelta(days=2), WEDNESDAY
    load_erp(empty_database, now=friday, answers=recording(3), asked=Asked(pulled_to=pulled_to))
    new = [row for row in query(empty_database, "SELECT * FROM ap_decisions") if row.run_id not in known]
    assert {row.decided_at > pulled_to for row in new} == {True}
    assert 0 < sum(row.decided_at == friday for row in new) < len(new)
