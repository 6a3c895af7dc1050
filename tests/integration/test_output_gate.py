"""The output gate with real reference tables and real earlier records."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.check.gate import Gate
from afterpilot.check.references import Repeated, SqlReferences
from afterpilot.check.seen import Earlier, SeenInRecords
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import CheckError, ConfigurationError, SourceError
from afterpilot.domain.record import GateDecision, Record
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Check, Workflow
from afterpilot.record.ops import Ops
from doubles.workflows import plain_source, plain_workflow

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
RUN = uuid.UUID(int=1)

TABLES = """
CREATE TABLE purchase_orders (po_number text PRIMARY KEY, supplier text, amount numeric(12,2), currency text, status text);
INSERT INTO purchase_orders VALUES ('PO-49920', 'Weber Metall GmbH', 541.25, 'USD', 'open'),
  ('PO-50000', 'Dakota Fasteners Inc.', 68.04, 'USD', 'closed');
CREATE SCHEMA finance;
CREATE TABLE finance."Accounts" (number int PRIMARY KEY, code uuid, label text);
INSERT INTO finance."Accounts" SELECT n, '00000000-0000-0000-0000-000000000001', 'a' || n FROM generate_series(1, 2500) n;
"""


class Named:
    """Connections by name; one of them has a password and leads nowhere."""

    def __init__(self, erp: str) -> None:
        self._urls = {"erp": erp, "away": "postgresql+psycopg://u:s3cr3t@127.0.0.1:1/erp", "odd": "nonsense s3cr3t"}

    def database_url(self, name: str) -> str:
        """The URL."""
        if name not in self._urls:
            raise ConfigurationError(f"there is no connection {name}")
        return self._urls[name]

    def endpoint(self, name: str) -> Endpoint:
        """None is needed here."""
        raise ConfigurationError(name)


@pytest.fixture
def references(empty_database: str) -> Iterator[SqlReferences]:
    """Purchase orders and accounts."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLES)
    engine.dispose()
    found = SqlReferences(Named(empty_database))
    yield found
    for used in found._engines.values():
        used.dispose()


def workflow_of(*checks: Check) -> Workflow:
    """A workflow whose outputs are checked like that."""
    fields = {"supplier": "text", "po_number": "text", "total": "number", "currency": "text"}
    return plain_workflow(plain_source(fields=fields), outputs=checks)


MATCH = Check(
    "match_reference",
    Severity.CRITICAL,
    {
        "name": "purchase order",
        "connection": "erp",
        "table": "purchase_orders",
        "key": {"po_number": "po_number"},
        "status": {"column": "status", "accept": ["open"]},
        "fields": {"supplier": "supplier", "total": {"column": "amount", "tolerance": 0.01}, "currency": "currency"},
    },
)
ONCE = Check("not_seen_before", Severity.CRITICAL, {"columns": ["supplier", "total"]})


def record(key: str, at: datetime = AT, **data: Any) -> Record:
    """An output; what is not given is as in a good one."""
    good = {"supplier": "Weber Metall GmbH", "po_number": "PO-49920", "total": "541.25", "currency": "USD"}
    return Record("invoice_matching", key, at, {**good, **data})


def keep(ops: sa.Engine, *records: Record) -> None:
    """Write records as a pull does."""
    with Ops(ops).begin() as unit:
        unit.records.write(records, RUN)


def test_outputs_are_held_against_their_orders_and_earlier_ones(references: SqlReferences, ops: sa.Engine) -> None:
    """Good, wrong amount, unknown order, closed order, repetition: each gets its own sentence."""
    batch = [
        record("r1"),
        record("r2", AT + timedelta(minutes=1), total="441.25"),
        record("r3", AT + timedelta(minutes=2), po_number="PO-49902", total="541.24"),
        record("r4", po_number="PO-50000", supplier="Dakota Fasteners Inc.", total="68.04"),
        record("r5", AT + timedelta(minutes=3)),
    ]
    keep(ops, *batch)
    results = Gate(references, SeenInRecords(ops)).judge(workflow_of(MATCH, ONCE), batch)
    assert [[found.text for found in discrepancies] for _, discrepancies in results] == [
        [],
        ["Total: the output says 441.25 USD, purchase order PO-49920 says 541.25 USD"],
        [
            (
                "PO number: there is no purchase order PO-49902; "
                "purchase order PO-49920 has the same supplier, total and currency"
            )
        ],
        ["PO number: purchase order PO-50000 is closed, not open"],
        ["Supplier: record r1 of 2026-11-16 has the same supplier and total (Weber Metall GmbH, 541.25)"],
    ]


def test_a_late_record_does_not_pass_because_it_is_older_than_its_double(ops: sa.Engine) -> None:
    """What was decided on already stands first, whenever it was made."""
    newer, older = record("r2"), record("r1", AT - timedelta(days=1), supplier=" WEBER METALL GMBH")
    keep(ops, newer, older)
    seen = SeenInRecords(ops)
    columns = ["supplier", "total"]
    assert seen("invoice_matching", columns, [newer, older]) == {"r2": Earlier("r1", older.at)}
    with Ops(ops).begin() as unit:
        unit.gate.write([GateDecision("invoice_matching", "r2", AT, released=True, reason="passed")], RUN)
    assert seen("invoice_matching", columns, [older]) == {"r1": Earlier("r2", AT)}


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u2003", "\x0b", "\u3000", "\x85", "\u200b", "\ufeff"])
def test_a_blank_more_is_still_the_same(ops: sa.Engine, blank: str) -> None:
    """However a blank is written, at the end or between words, and in whatever case."""
    first = record("r1", AT - timedelta(days=1))
    keep(ops, first, again := record("r2", supplier=f"WEBER{blank}{blank} metall GmbH{blank}"))
    assert SeenInRecords(ops)("invoice_matching", ["supplier"], [again]) == {"r2": Earlier("r1", first.at)}


def test_only_the_same_workflow_and_complete_values_count(ops: sa.Engine) -> None:
    """Another workflow's record, and one without a value, repeat nothing."""
    other = Record("other", "x", AT - timedelta(1), record("x").data)
    empty = record("r0", AT - timedelta(1), total=None)
    keep(ops, empty)
    keep(ops, other)
    one, same_gap = record("r1"), record("r2", total=None)
    keep(ops, one, same_gap)
    assert SeenInRecords(ops)("invoice_matching", ["supplier", "total"], [one, same_gap]) == {}


def test_an_ops_database_that_is_away_leaves_all_undecided() -> None:
    """The gate cannot say, and no password is told."""
    seen = SeenInRecords(sa.create_engine("postgresql+psycopg://u:s3cr3t@127.0.0.1:1/ops"))
    with pytest.raises(CheckError, match="earlier records cannot be read") as caught:
        seen("w", ["total"], [record("r1")])
    assert "s3cr3t" not in str(caught.value)


def test_rows_come_by_key_in_chunks_whatever_the_type_of_the_key(references: SqlReferences) -> None:
    """Text finds a number's row; what is no number, or too large for one, has none. Names in capitals and schemas work."""
    values = [*(str(number) for number in range(1, 2502)), "none", "1.5", "NaN", str(2**70)]
    rows = references.rows("erp", "finance.Accounts", "number", values, ["label"])
    assert len(rows) == 2500
    assert rows["2500"] == {"label": "a2500"}
    assert not {"none", "1.5", "NaN", "2501"} & rows.keys()


def test_a_key_of_several_rows_is_told_apart(references: SqlReferences) -> None:
    """One row cannot be taken by chance."""
    rows = references.rows("erp", "finance.Accounts", "code", ["00000000-0000-0000-0000-000000000001"], ["label"])
    assert [type(row) for row in rows.values()] == [Repeated]
    numbers = references.rows("erp", "purchase_orders", "po_number", ["PO-49920"], ["status"])
    assert [type(row) for row in numbers.values()] == [dict]


def test_numbers_beyond_measure_do_not_break_the_query(references: SqlReferences) -> None:
    """The database would refuse the whole batch for one of them."""
    values = ["1e400000000", "1e9000000000", "7"]
    assert set(references.rows("erp", "finance.Accounts", "number", values, ["label"])) == {"7"}


def test_a_key_that_is_no_uuid_has_no_row(references: SqlReferences) -> None:
    """The database is not asked to compare what it cannot."""
    assert references.rows("erp", "finance.Accounts", "code", ["hello"], ["label"]) == {}


@pytest.mark.parametrize(
    ("connection", "table", "column", "message"),
    [
        ("erp", "orders", "po_number", "erp: there is no table orders"),
        ("erp", "purchase_orders", "price", r"no column price \(columns: amount"),
        ("away", "purchase_orders", "status", "away: connection"),
        ("odd", "purchase_orders", "status", "odd: its URL cannot be used"),
    ],
)
def test_what_cannot_be_looked_up_is_an_error_without_a_secret(
    references: SqlReferences, connection: str, table: str, column: str, message: str
) -> None:
    """The message names connection, table and column, and never the password."""
    with pytest.raises(SourceError, match=message) as caught:
        references.rows(connection, table, "po_number", ["PO-1"], [column])
    assert "s3cr3t" not in str(caught.value)


def test_an_unknown_connection_is_for_the_operator(references: SqlReferences) -> None:
    """The gate says so, and decides nothing."""
    with pytest.raises(ConfigurationError):
        references.rows("elsewhere", "t", "k", ["v"], [])
    elsewhere = Check(
        "in_table", Severity.CRITICAL, {"column": "supplier", "connection": "x", "table": "t", "key": "k"}
    )
    with pytest.raises(CheckError, match="t cannot be looked up: there is no connection x"):
        Gate(references, lambda *_: {}).judge(workflow_of(elsewhere), [record("r1")])


def test_keys_of_padded_columns_are_found_without_their_blanks(references: SqlReferences, empty_database: str) -> None:
    """A CHAR(n) column gives its texts with blanks behind them."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE padded (code char(12) PRIMARY KEY, state char(9))"))
        connection.execute(sa.text("INSERT INTO padded VALUES ('PO-1', 'open'), ('PO-2', 'shut')"))
    engine.dispose()
    rows = references.rows("erp", "padded", "code", ["PO-1", "PO-2  ", "PO-3"], ["state"])
    assert rows == {"PO-1": {"state": "open"}, "PO-2  ": {"state": "shut"}}
