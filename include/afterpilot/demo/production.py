"""Fills the example's production systems: history from recorded answers, new invoices from the live model, people's decisions.

Every load may be repeated: keys follow from the stream's ordinals, what is there is never changed, and a load on a later day
goes on where the last one ended.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from itertools import count as counting
from itertools import islice
from typing import Any, Protocol

import requests
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.demo import clerks, databases, desk, rows
from afterpilot.demo.ai_app import Answer, Recording
from afterpilot.demo.asked import Asked
from afterpilot.demo.mailbox import Mail
from afterpilot.demo.office import Office, example
from afterpilot.demo.office_hours import arrival, first_ordinal, monday
from afterpilot.demo.papers import Invoice, ordinal_of

NOBODY = Asked()
STOCK = 400  # invoices ahead whose orders are placed already
_LABELS = {"discussion", "advertisement"}
MAIL_HISTORY = timedelta(weeks=4)
WRITTEN_LATE = 0.08  # of the invoices read live: the app's queue writes them 20 to 90 minutes after it read them


class Reader(Protocol):
    """The team's AI app, as :class:`~afterpilot.demo.ai_app.AiApp` is one."""

    @property
    def model(self) -> str:
        """The name of the model that it asks."""
        ...

    def answer(self, key: str, values: dict[str, str]) -> Answer:
        """The model's answer. Raises requests.RequestException."""
        ...


@dataclass(frozen=True, slots=True)
class Added:
    """How many rows a load has added."""

    runs: int
    decisions: int


@dataclass(frozen=True, slots=True)
class LiveReading:
    """One invoice that was given to the live model; ``error`` is set where it failed, and then no run was stored."""

    run_id: str
    answer: str
    error: str = ""


def load_erp(
    url: str,
    *,
    now: datetime,
    answers: Recording,
    asked: Asked = NOBODY,
    office: Office | None = None,
) -> Added:
    """Make the tables of ``erp`` where they are missing, and add what happened in the office until ``now``.

    The first load lays the recorded weeks back from ``now``: the last of them is the week that runs. Later loads keep that
    calendar. Decisions are added for all runs, read live or recorded, once their time has come; a few of the newest are left
    to whoever looks at the review queue. ``asked`` says which runs the gate has people look at all the same.
    """
    office = office or example()
    with _begin(url, databases.erp) as connection:
        _add_columns(connection)
        ready = _answered(office, answers)
        week_zero = _week_zero(connection, now, _weeks(office, ready))
        known = set(connection.scalars(sa.select(databases.ai_invoice_runs.c.run_id)))
        _place_orders(
            connection, office, week_zero, now, until=max([*ready, *map(ordinal_of, known)], default=0) + STOCK
        )
        new = [
            rows.invoice_row(invoice, answer, answers.model, finished_at=finished)
            for invoice, answer in ready.values()
            if invoice.run_id not in known and (finished := _finished(office, week_zero, invoice, answer)) <= now
        ]
        _add(connection, databases.ai_invoice_runs, new)
        decided = desk.decide(connection, office, now, asked)
        desk.close_handled(connection)
        return Added(len(new), decided)


def close_handled(url: str) -> None:
    """What a clerk has decided on is with nobody any more: it is filed, or was refused."""
    with _begin(url, databases.erp) as connection:
        desk.close_handled(connection)


def statuses(url: str) -> Mapping[str, int]:
    """How many invoices are waiting, filed, with a clerk and refused, by the word in the office's table."""
    runs = databases.ai_invoice_runs.c
    with _begin(url, databases.erp) as connection:
        counted = connection.execute(sa.select(runs.status, sa.func.count().label("invoices")).group_by(runs.status))
        return {row.status: row.invoices for row in counted}


def load_mailbox(
    url: str,
    mails: Iterable[Mail],
    *,
    now: datetime,
    answers: Recording,
    asked: Asked = NOBODY,
) -> Added:
    """Make the tables of ``mailbox`` where they are missing, and lay the answered mails over the four weeks before ``now``, but for the first hour of them.

    They lie in the order in which they were sent, the last one at ``now``. Later loads leave them where they are and add what people did since. Whatever
    the gate asks for is looked at: each spot check (``asked``), and each mail without a label.
    """
    ordered = sorted((mail for mail in mails if mail.key in answers.answers), key=lambda mail: (mail.sent_at, mail.key))
    runs = databases.triage_runs
    with _begin(url, databases.mailbox) as connection:
        known = set(connection.scalars(sa.select(runs.c.run_id)))
        step = (MAIL_HISTORY - timedelta(hours=1)) / max(len(ordered), 1)
        new = [
            rows.mail_row(
                mail, answers.answers[mail.key], answers.model, finished_at=now - step * (len(ordered) - place)
            )
            for place, mail in enumerate(ordered, start=1)
            if mail.key not in known
        ]
        _add(connection, runs, new)
        truth = {mail.key: mail.label for mail in ordered}
        decided = sa.select(databases.sorted_by_people.c.run_id)
        open_ones = sa.select(runs.c.run_id, runs.c.finished_at, runs.c.label).where(runs.c.run_id.not_in(decided))
        sorted_now = (
            clerks.sort_mail(
                run_id, finished_at, label, truth[run_id], asked=label not in _LABELS or asked.spot_check(run_id)
            )
            for run_id, finished_at, label in connection.execute(open_ones)
            if run_id in truth
        )
        decisions = [
            {**asdict(each), "decided_at": asked.entered(each.decided_at, now)}
            for each in sorted_now
            if each and each.decided_at <= now
        ]
        _add(connection, databases.sorted_by_people, decisions)
        return Added(len(new), len(decisions))


def read_live(
    url: str, app: Reader, *, count: int, now: datetime, office: Office | None = None
) -> Iterator[LiveReading]:
    """Give the next ``count`` unread invoices of the stream to the live model; each is stored before it is yielded.

    ``finished_at`` is ``now`` plus the time since the call, earlier for a few that the app writes late. A failed invoice
    stays unread and is the first to be taken the next time.
    """
    office = office or example()
    began = time.monotonic()
    engine = sa.create_engine(url)
    try:
        for ordinal in _unread(url, office, count, now):
            invoice = office.invoice(ordinal)
            try:
                answer = app.answer(invoice.answer_key, {"invoice": invoice.text})
            except (requests.RequestException, KeyError, ValueError) as error:
                yield LiveReading(invoice.run_id, "", f"the model gave no answer ({type(error).__name__})")
                continue
            finished = now + timedelta(seconds=time.monotonic() - began) - _lateness(office, ordinal)
            with engine.begin() as connection:
                row = rows.invoice_row(invoice, answer, app.model, finished_at=finished)
                _add(connection, databases.ai_invoice_runs, [row])
            yield LiveReading(invoice.run_id, answer.text)
    finally:
        engine.dispose()


@contextlib.contextmanager
def _begin(url: str, tables: sa.MetaData) -> Iterator[sa.Connection]:
    """One transaction on the database, its tables made where they are missing."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            tables.create_all(connection)
            yield connection
    finally:
        engine.dispose()


def _add_columns(connection: sa.Connection) -> None:
    """What an office that was filled by an earlier version does not have yet."""
    for column in databases.RIGHT:
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE ap_decisions ADD COLUMN IF NOT EXISTS {column.name} {kind}")
    if "status" not in {column["name"] for column in sa.inspect(connection).get_columns("ai_invoice_runs")}:
        # What lay there before was in use already.
        connection.exec_driver_sql("ALTER TABLE ai_invoice_runs ADD COLUMN status text NOT NULL DEFAULT 'filed'")
        connection.exec_driver_sql("ALTER TABLE ai_invoice_runs ALTER COLUMN status SET DEFAULT 'waiting'")


def _add(connection: sa.Connection, table: sa.Table, new: Sequence[Mapping[str, Any]]) -> None:
    if new:
        connection.execute(insert(table).on_conflict_do_nothing(), list(new))


def _answered(office: Office, answers: Recording) -> dict[int, tuple[Invoice, Answer]]:
    """The invoices that have a recorded answer, by ordinal; an answer to another document does not count."""
    pairs = ((office.invoice(int(key.partition("-")[0])), answer) for key, answer in sorted(answers.answers.items()))
    return {invoice.ordinal: (invoice, answer) for invoice, answer in pairs if invoice.answer_key == answer.key}


def _weeks(office: Office, ready: Mapping[int, object]) -> int:
    """How many weeks the recorded answers make, at least one; a few that are missing in between do not matter."""
    return max(1, next(week for week in counting() if first_ordinal(office.seed, week + 1) > len(ready)))


def _week_zero(connection: sa.Connection, now: datetime, weeks: int) -> datetime:
    """Monday 00:00 UTC of the stream's first week; settled once, by whoever asks first."""
    kept: date | None = connection.scalar(sa.select(databases.stream_calendar.c.week_zero))
    if kept is None:
        kept = monday(now) - timedelta(weeks=weeks - 1)
        connection.execute(sa.insert(databases.stream_calendar).values(week_zero=kept))
    return datetime.combine(kept, clock(0), tzinfo=UTC)


def _finished(office: Office, week_zero: datetime, invoice: Invoice, answer: Answer) -> datetime:
    return week_zero + arrival(office.seed, invoice.ordinal) + rows.reading_time(invoice, answer)


def _lateness(office: Office, ordinal: int) -> timedelta:
    rng = random.Random(f"{office.seed}/late/{ordinal}")  # noqa: S311 - an example, not a secret
    return timedelta(minutes=rng.randint(20, 90)) if rng.random() < WRITTEN_LATE else timedelta()


def _unread(url: str, office: Office, count: int, now: datetime) -> list[int]:
    """The lowest ordinals that no run has read, with the orders that their invoices refer to in place."""
    with _begin(url, databases.erp) as connection:
        known = {ordinal_of(run_id) for run_id in connection.scalars(sa.select(databases.ai_invoice_runs.c.run_id))}
        chosen = list(islice((ordinal for ordinal in counting() if ordinal not in known), count))
        week_zero = _week_zero(connection, now, weeks=1)
        _place_orders(connection, office, week_zero, now, until=max(chosen, default=0) + 1)
        return chosen


def _place_orders(connection: sa.Connection, office: Office, week_zero: datetime, now: datetime, *, until: int) -> None:
    """Suppliers, and the orders of all invoices below the ordinal ``until``; none is placed later than the day before ``now``."""
    _add(connection, databases.suppliers, rows.supplier_rows())
    known = set(connection.scalars(sa.select(databases.purchase_orders.c.po_number)))
    placed, lines = [], []
    for ordinal in range(until):
        order = office.invoice(ordinal).order
        if order is None or order.po_number in known:
            continue
        known.add(order.po_number)
        day = week_zero + arrival(office.seed, ordinal) - timedelta(days=order.days)
        placed.append(rows.order_row(order, min(day, now - timedelta(days=1)).date()))
        lines += rows.line_rows(order)
    _add(connection, databases.purchase_orders, placed)
    _add(connection, databases.purchase_order_lines, lines)
