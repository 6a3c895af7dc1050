"""Pulling from a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from afterpilot.domain.errors import SourceError
from afterpilot.domain.record import HumanDecision, Usage
from afterpilot.domain.source import Decisions, Source, UsageColumns
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Kpi, Workflow
from afterpilot.pull.sql import SqlSource
from doubles.workflows import plain_workflow

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 16, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))

TABLES = """
CREATE TABLE ai_invoice_runs (run_id text, finished_at timestamptz, document text, supplier_contact text, "Total" numeric(12,2),
  share double precision, rush boolean, due timestamp, model_name text, tok_in int, tok_cached int, tok_out int, secret text);
CREATE TABLE ap_decisions (run_id text, decided_at timestamptz, decision text, minutes numeric(6,2), note text);
CREATE TABLE weekly (week date, value numeric);
INSERT INTO weekly VALUES ('2026-11-02', 6.1), ('2026-11-09', 5.5), ('2026-11-16', NULL);
"""

SOURCE = Source(
    connection="erp",
    table="ai_invoice_runs",
    key="run_id",
    time="finished_at",
    late_by=timedelta(hours=2),
    history=timedelta(days=60),
    fields={"document": "text", "Total": "number", "share": "number", "rush": "boolean", "due": "time"},
    personal=(),
    usage=UsageColumns(model="model_name", input_tokens="tok_in", output_tokens="tok_out", cached_tokens="tok_cached"),
    decisions=Decisions(
        table="ap_decisions",
        key="run_id",
        time="decided_at",
        decision="decision",
        minutes="minutes",
        note="note",
        accepted=("ok",),
        corrected=("fixed",),
        rejected=("refused",),
    ),
)


def workflow_of(source: Source = SOURCE, *, kpi_sql: str = "SELECT week, value FROM weekly") -> Workflow:
    """A workflow with that source."""
    return plain_workflow(source, kpi=Kpi("minutes", "speed", Decimal(6), Decimal(1), "lower", "min", kpi_sql))


@pytest.fixture
def erp(empty_database: str) -> Iterator[sa.Engine]:
    """A production database whose own time zone is not UTC."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        for statement in TABLES.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        name = connection.scalar(sa.text("SELECT current_database()"))
        connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'")
    engine.dispose()
    yield engine
    engine.dispose()


def add(erp: sa.Engine, **values: object) -> None:
    """Insert one run; what is not given has a plain value."""
    row = {
        "run_id": "r1",
        "finished_at": START,
        "document": "Total due 5.00",
        "Total": Decimal("441.25"),
        "share": 0.1,
        "rush": True,
        "due": datetime(2026, 12, 1, 9),  # noqa: DTZ001 - a column without a zone
        "model_name": "smollm2",
        "tok_in": 410,
        "tok_cached": 400,
        "tok_out": 60,
        **values,
    }
    table = sa.table("ai_invoice_runs", *(sa.column(name) for name in row))
    with erp.begin() as connection:
        connection.execute(sa.insert(table).values(row))


def test_a_row_becomes_a_record_without_losing_cents(erp: sa.Engine) -> None:
    """Values are kept exactly, times in UTC, and only the declared columns are there."""
    add(erp)
    (record,) = SqlSource(erp, workflow_of()).records(WINDOW)
    assert (record.workflow, record.key, record.at) == ("invoice_matching", "r1", START)
    assert record.data == {
        "document": "Total due 5.00",
        "Total": "441.25",
        "share": "0.1",
        "rush": True,
        "due": "2026-12-01T09:00:00+00:00",
    }
    assert record.usage == Usage("smollm2", 410, 60, 400)


def test_the_window_is_half_open_and_in_order_of_time(erp: sa.Engine) -> None:
    """A row at the start belongs to the window, one at its end to the next."""
    for key, at in (("c", WINDOW.end), ("b", START + timedelta(minutes=5)), ("a", START), ("z", START - timedelta(1))):
        add(erp, run_id=key, finished_at=at)
    assert [record.key for record in SqlSource(erp, workflow_of()).records(WINDOW)] == ["a", "b"]


def test_keys_are_said_as_records_have_them(erp: sa.Engine) -> None:
    """Else a row whose key is padded would count as vanished."""
    with erp.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE padded (id char(5) PRIMARY KEY, finished_at timestamptz)")
        connection.execute(sa.text("INSERT INTO padded VALUES ('a', :at), ('b', :at)"), {"at": START})
    found = SqlSource(
        erp, workflow_of(Source("erp", "padded", "id", "finished_at", timedelta(), timedelta(days=1), {}))
    )
    keys = {record.key for record in found.records(WINDOW)}
    assert keys == set(found.keys(WINDOW)) == {"a    ", "b    "}
    assert found.elsewhere(["a    ", "c    "]) == {"a    "}


@pytest.mark.parametrize("kind", ["numeric(9,3)", "float8", "real", "bigint"])
def test_numbers_of_any_width_are_of_one_type(erp: sa.Engine, kind: str) -> None:
    """So that another width is no changed type."""
    with erp.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE ai_invoice_runs ALTER COLUMN share TYPE {kind}")
    assert SqlSource(erp, workflow_of()).columns().types["share"] == "number"


def test_a_time_without_a_zone_is_utc_whatever_the_database_says(erp: sa.Engine) -> None:
    """The database stands in Tokyo; its naive times are still read as UTC."""
    add(erp, due=START.replace(tzinfo=None) + timedelta(minutes=59))
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, time="due", fields={"document": "text"})))
    (record,) = source.records(WINDOW)
    assert record.at == START + timedelta(minutes=59)


@pytest.mark.parametrize(("column", "value"), [("Total", Decimal("NaN")), ("share", float("inf")), ("due", "infinity")])
def test_a_value_that_is_not_finite_is_missing_and_noted(erp: sa.Engine, column: str, value: object) -> None:
    """NaN and infinity are kept as missing, and counted."""
    add(erp)
    with erp.begin() as connection:
        cast = {"Total": "numeric", "share": "float8", "due": "timestamp"}[column]
        connection.exec_driver_sql(f"UPDATE ai_invoice_runs SET \"{column}\" = '{value}'::{cast}")
    source = SqlSource(erp, workflow_of())
    (record,) = source.records(WINDOW)
    assert record.data[column] is None
    assert sum(source.noted.values()) == 1
    assert not source.skipped


def test_rows_without_key_or_time_never_break_the_pull(erp: sa.Engine) -> None:
    """They are counted, and the others come through."""
    add(erp, run_id=None)
    add(erp, run_id=" ")
    add(erp, run_id="unfinished", finished_at=None)
    add(erp, run_id="good")
    source = SqlSource(erp, workflow_of())
    assert [record.key for record in source.records(WINDOW)] == ["good"]
    assert source.skipped == {"row without run_id": 2}
    assert source.noted == {"rows of ai_invoice_runs without finished_at lie in no window": 1}


def test_usage_that_was_not_reported_is_none_and_never_0(erp: sa.Engine) -> None:
    """NULL and negative counts are unknown."""
    add(erp, tok_in=None, tok_out=-1, tok_cached=None, model_name=None)
    (record,) = SqlSource(erp, workflow_of()).records(WINDOW)
    assert record.usage == Usage("", None, None, 0)


def test_a_workflow_without_usage_columns_has_no_usage(erp: sa.Engine) -> None:
    """No columns declared: the usage is unknown."""
    add(erp)
    (record,) = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, usage=UsageColumns()))).records(WINDOW)
    assert record.usage is None


def test_a_missing_column_is_named_with_the_nearest(erp: sa.Engine) -> None:
    """The message says which column is missing, which one was meant, and which exist."""
    add(erp)
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, fields={"documents": "text"})))
    assert re.match(r"did you mean document\? \(columns: .*Total", source.columns().missing["documents"])
    assert {record.data["documents"] for record in source.records(WINDOW)} == {None}
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, key="run")))
    with pytest.raises(SourceError, match=r"no column run; did you mean run_id\? \(columns: .*Total"):
        list(source.records(WINDOW))


def test_a_missing_table_is_named_with_the_nearest(erp: sa.Engine) -> None:
    """The message says which tables exist."""
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, table="ai_invoice_run")))
    with pytest.raises(SourceError, match=r"no table ai_invoice_run; did you mean ai_invoice_runs\?"):
        list(source.records(WINDOW))


def test_a_time_column_that_holds_no_times_is_refused(erp: sa.Engine) -> None:
    """A window over text would compare letters."""
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, time="document")))
    with pytest.raises(SourceError, match="document holds no times"):
        list(source.records(WINDOW))


def test_names_are_quoted_and_never_sql(erp: sa.Engine) -> None:
    """A column name with a quote in it is only a name that does not exist."""
    source = SqlSource(erp, workflow_of(dataclasses.replace(SOURCE, fields={'x"; DROP TABLE weekly; --': "text"})))
    add(erp)
    assert [set(record.data.values()) for record in source.records(WINDOW)] == [{None}]
    assert len(list(SqlSource(erp, workflow_of()).kpi(START - timedelta(days=30)))) == 2  # the table stands


def test_a_refused_connection_shows_no_password(postgres: object) -> None:
    """The error tells what failed and hides the password."""
    url = "postgresql+psycopg://clerk:s3cr3t%2Fword@127.0.0.1:1/erp?connect_timeout=2"
    with pytest.raises(SourceError, match="postgresql database erp") as caught:
        list(SqlSource(url, workflow_of()).records(WINDOW))
    assert "s3cr3t" not in str(caught.value)


def test_the_source_is_only_read(erp: sa.Engine) -> None:
    """A KPI that writes is refused by the database."""
    source = SqlSource(erp, workflow_of(kpi_sql="DELETE FROM weekly RETURNING week, value"))
    with pytest.raises(SourceError, match="read-only"):
        source.kpi(START)
    with erp.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM weekly")) == 3


def test_sql_cannot_leave_its_read_only_transaction(erp: sa.Engine) -> None:
    """Several statements in one, however hidden, are refused: the first could end the transaction, the next write."""
    hidden = "SELECT CAST('2026-11-16' AS date), length($$'$$); COMMIT; DELETE FROM weekly; SELECT current_date, length($$'$$)"
    url = erp.url.render_as_string(hide_password=False)
    with pytest.raises(SourceError):
        SqlSource(url, workflow_of(kpi_sql=hidden)).kpi(START)
    with erp.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM weekly")) == 3


def test_a_slow_query_is_cut_off(erp: sa.Engine) -> None:
    """The database ends a statement that takes too long."""
    source = SqlSource(erp, workflow_of(kpi_sql="SELECT now()::date, pg_sleep(60)::text"), timeout_seconds=1)
    with pytest.raises(SourceError, match="statement timeout"):
        source.kpi(START)


def test_kpi_values_come_by_week_and_a_missing_one_is_left_out(erp: sa.Engine) -> None:
    """Weeks before the given time and weeks without a value are not there."""
    source = SqlSource(erp, workflow_of())
    assert source.kpi(datetime(2026, 11, 9, tzinfo=UTC)) == [(datetime(2026, 11, 9, tzinfo=UTC), Decimal("5.5"))]


def test_kpi_sql_may_use_since(erp: sa.Engine) -> None:
    """The parameter reaches the database."""
    source = SqlSource(
        erp, workflow_of(kpi_sql="SELECT week, value FROM weekly WHERE week >= :since AND value < '100%'")
    )
    with pytest.raises(SourceError, match="invalid input syntax"):  # a percent sign stays what it is
        source.kpi(START)
    source = SqlSource(erp, workflow_of(kpi_sql="SELECT week, value FROM weekly WHERE week >= :since"))
    assert len(source.kpi(datetime(2026, 11, 1, tzinfo=UTC))) == 2


def test_kpi_sql_with_the_wrong_columns_is_an_error(erp: sa.Engine) -> None:
    """Something else than a week and a number is refused."""
    with pytest.raises(SourceError, match="two columns"):
        SqlSource(erp, workflow_of(kpi_sql="SELECT 1")).kpi(START)
    with pytest.raises(SourceError, match="a date and a number"):
        SqlSource(erp, workflow_of(kpi_sql="SELECT 'soon', 'many'")).kpi(START)


def test_decisions_get_their_meaning_and_unknown_words_are_counted(erp: sa.Engine) -> None:
    """The production system's words are mapped, personal data in the note is masked, what cannot be mapped is skipped."""
    rows = [
        ("r1", START, "OK ", Decimal("1.50"), "asked ann@example.com"),
        ("r2", START, "fixed", Decimal(-1), None),
        ("r3", START, "escalated", None, None),
        ("r4", START, None, None, None),
        ("r5", WINDOW.end, "ok", None, None),
    ]
    with erp.begin() as connection:
        for row in rows:
            connection.exec_driver_sql("INSERT INTO ap_decisions VALUES (%s, %s, %s, %s, %s)", row)
    source = SqlSource(erp, workflow_of())
    assert list(source.decisions(WINDOW)) == [
        HumanDecision("invoice_matching", "r1", START, "accepted", Decimal("1.50"), "asked [e-mail]"),
        HumanDecision("invoice_matching", "r2", START, "corrected", None, ""),
    ]
    assert source.skipped == {
        "decision with an unknown word 'escalated'": 1,
        "decision without run_id, decided_at or decision": 1,
    }


def test_rows_come_in_batches_through_a_cursor_on_the_server(erp: sa.Engine) -> None:
    """The first record is there before the last row was read, and closing early is fine."""
    with erp.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ai_invoice_runs (run_id, finished_at, document) "
            f"SELECT i, '{START}', 'd' FROM generate_series(1, 5000) i"
        )
    seen: list[str] = []
    sa.event.listen(erp, "before_cursor_execute", lambda _c, cursor, *_rest: seen.append(type(cursor).__name__))
    stream = SqlSource(erp, workflow_of()).records(WINDOW)
    assert isinstance(stream, Iterator)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert seen[-1] == "ServerCursor"
    assert len(list(SqlSource(erp, workflow_of()).records(WINDOW))) == 5000
