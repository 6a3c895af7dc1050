"""Neither the application nor the owner of the tables can change what is history, and nobody can drop it before its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from psycopg import errors

from afterpilot.demo.postgres import APPLICATION, OWNER, EmbeddedPostgres
from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import migrate, partitions, roles
from afterpilot.record.ops import Ops
from afterpilot.record.scratch import scratch
from afterpilot.record.standing import standing
from afterpilot.record.tables import metadata

pytestmark = pytest.mark.integration

HISTORY = sorted({*roles.APPEND_ONLY, "ledger_identity"})
NOW = datetime.now(UTC)
# What every append-only table has to stop, by what somebody might try; {t} is the table, {c} a column of it, {k} its primary key.
CHANGES = {
    "UPDATE": "UPDATE {t} SET {c} = {c}",
    "UPDATE of no row": "UPDATE {t} SET {c} = {c} WHERE false",
    "DELETE": "DELETE FROM {t}",
    "TRUNCATE": "TRUNCATE {t}",
    "TRUNCATE … CASCADE": "TRUNCATE {t} CASCADE",
    "MERGE that updates": "MERGE INTO {t} USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET {c} = {t}.{c}",
    "MERGE that deletes": "MERGE INTO {t} USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    "upsert": "INSERT INTO {t} OVERRIDING SYSTEM VALUE SELECT * FROM {t} ON CONFLICT ({k}) DO UPDATE SET {c} = excluded.{c}",
    "lock of rows": "SELECT 1 FROM {t} FOR UPDATE",
}
STRUCTURE = {
    "ALTER TABLE": "ALTER TABLE {t} ADD COLUMN added int",
    "new default": "ALTER TABLE {t} ALTER COLUMN {c} SET DEFAULT NULL",
    "DISABLE TRIGGER": "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "DROP TRIGGER": "DROP TRIGGER append_only ON {t}",
    "DROP": "DROP TABLE {t}",
    "RENAME": "ALTER TABLE {t} RENAME TO other",
    "new owner": f"ALTER TABLE {{t}} OWNER TO {APPLICATION}",
    "grant to itself": f"GRANT DELETE ON {{t}} TO {APPLICATION}; DELETE FROM {{t}}",
    "trigger": "CREATE TRIGGER mine BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "rule": "CREATE RULE mine AS ON INSERT TO {t} DO INSTEAD NOTHING",
    "index": "CREATE INDEX mine ON {t} ({c})",
    "policy": "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
    "column": "ALTER TABLE {t} DROP COLUMN {c}",
    "comment": "COMMENT ON TABLE {t} IS 'mine'",
    "schema": "ALTER TABLE {t} SET SCHEMA pg_temp",
    "lock": "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE",
}
SERVER = {
    "replica": "SET session_replication_role = replica",
    "owner": f"SET ROLE {OWNER}",
    "session": f"SET SESSION AUTHORIZATION {OWNER}",
    "function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "replaced function": "CREATE OR REPLACE FUNCTION afterpilot_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "dropped function": "DROP FUNCTION afterpilot_append_only() CASCADE",
    "table": "CREATE TABLE mine (n int)",
    "schema": "CREATE SCHEMA mine",
    "schema of ours": "DROP SCHEMA public CASCADE",
    "publication": "CREATE PUBLICATION mine FOR ALL TABLES",
    "cascade": "TRUNCATE incidents CASCADE",
    "role": "CREATE ROLE mine",
    "version": f"UPDATE {migrate.VERSION_TABLE} SET version_num = '0001'",
    "protection": "SELECT afterpilot_protect('incidents')",
    "sequence": "SELECT setval('ledger_id_seq', 1)",
    "next id": "SELECT nextval('ledger_id_seq')",
    "system catalogue": "UPDATE pg_class SET relowner = 0",
    "file": "COPY (SELECT 1) TO '/tmp/x'",
    "program": "COPY (SELECT 1) TO PROGRAM 'true'",
}


@dataclass(frozen=True)
class Target:
    """A table or partition with what statements need to name in it."""

    name: str
    column: str
    key: str

    def said(self, statement: str) -> str:
        """The statement about it."""
        return statement.format(t=self.name, c=self.column, k=self.key)


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres, new_ops: object) -> str:
    """An ops database with a row in each append-only table, in two months where it has months."""
    name = new_ops()  # type: ignore[operator]
    engine = sa.create_engine(postgres.url(name, role=APPLICATION))
    with engine.begin() as connection:
        for table in HISTORY:
            _fill(connection, table)
    engine.dispose()
    return str(name)


@pytest.fixture(scope="module")
def application(postgres: EmbeddedPostgres, database: str) -> Iterator[sa.Engine]:
    """It as the application has it."""
    engine = sa.create_engine(postgres.url(database, role=APPLICATION))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def owner(postgres: EmbeddedPostgres, database: str) -> Iterator[sa.Engine]:
    """It as the owner has it."""
    engine = sa.create_engine(postgres.url(database, role=OWNER))
    yield engine
    engine.dispose()


def _fill(connection: sa.Connection, table: str) -> None:
    """A row of made-up values, of this month; for a table by month a partition of the month before, too."""
    if table == "ledger_identity":  # the migration has put its one row there
        return
    if table in partitions.PARTITIONED:
        partitions.ensure(connection, table, [NOW, NOW.replace(day=1) - timedelta(days=1)])
    columns = [one for one in metadata.tables[table].columns if one.name not in roles.APPEND_ONLY[table]]
    values = {one.name: _made_up(one) for one in columns}
    if table == "findings":
        values["run_id"] = connection.scalar(sa.text("SELECT gen_random_uuid()"))
    connection.execute(sa.insert(metadata.tables[table]).values(values))


_WORDS = {"verdict": "PASS", "how": "dropped"}  # of columns that take some words only


def _made_up(column: sa.Column[object]) -> object:
    if column.name in _WORDS:
        return _WORDS[column.name]
    kinds = (
        (sa.DateTime, NOW),
        (sa.Date, NOW.date()),
        (sa.LargeBinary, b"x"),
        (sa.Boolean, True),
        (sa.Numeric, 1),
        (sa.Integer, 1),
        (sa.JSON, {}),
    )
    for kind, value in kinds:
        if isinstance(column.type, kind):
            return value
    if isinstance(column.type, sa.UUID):
        return "00000000-0000-4000-8000-000000000000"
    return "1"  # a text, or a number that is written as one


def _targets(engine: sa.Engine) -> list[Target]:
    with engine.connect() as connection:
        found = [one for one in roles.found(connection) if one.whole in HISTORY]
    return [
        Target(one.name, one.columns[-1], ", ".join(column.name for column in metadata.tables[one.whole].primary_key))
        for one in found
    ]


def _stopped(engine: sa.Engine, statement: str) -> str:
    """Why a statement was refused to who asked; empty where it went through. It is rolled back in any case."""
    cause: object = None
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        except sa.exc.DBAPIError as error:
            cause = error.orig
        connection.rollback()
    assert cause is None or isinstance(cause, errors.InsufficientPrivilege), f"{statement}: {cause}"
    return str(cause or "")


def test_every_name_is_a_table_of_ours(ops_owner: sa.Engine) -> None:
    """A table that is misspelt among the append-only ones would stay open, a function would not be granted."""
    assert set(roles.APPEND_ONLY) <= set(metadata.tables)
    assert set(roles.READ_ONLY) - {roles.VERSION_TABLE, *roles.VIEWS} <= set(metadata.tables)
    for table, columns in (*roles.APPEND_ONLY.items(), *roles.FIXED.items()):
        assert columns <= set(metadata.tables[table].columns.keys()), table
    assert not set(roles.FIXED) & {*roles.APPEND_ONLY, *roles.READ_ONLY}
    with ops_owner.connect() as connection:
        functions = set(connection.scalars(sa.text("SELECT proname FROM pg_proc WHERE proname LIKE 'afterpilot%'")))
        assert set(roles.VIEWS) == set(sa.inspect(connection).get_view_names())
    assert set(roles.FUNCTIONS) <= functions


@pytest.mark.parametrize("table", sorted(roles.FIXED))
def test_what_a_row_is_and_of_when_stays_as_it_was_written(
    application: sa.Engine, owner: sa.Engine, table: str
) -> None:
    """Nobody makes a row older than it is, gives it to another workflow, or changes what was measured; the rest of it goes on."""
    names = metadata.tables[table].columns.keys()
    through = {one for one in names if not _stopped(application, f'UPDATE {table} SET "{one}" = DEFAULT WHERE false')}
    assert through == set(names) - roles.FIXED[table]
    assert through, "a row that is locked while it is read needs one column"
    key = next(iter(roles.FIXED[table]))
    assert not _stopped(owner, f'UPDATE {table} SET "{key}" = DEFAULT WHERE false')


def test_all_that_is_history_is_there_to_be_attacked(owner: sa.Engine) -> None:
    """The tests below would pass on empty tables and without partitions, too."""
    names = {target.name for target in _targets(owner)}
    assert set(HISTORY) <= names
    by_month = set(HISTORY) & set(partitions.PARTITIONED)
    assert "ledger" in by_month
    for table in by_month:
        assert {f"{table}_{NOW:%Y_%m}", f"{table}_{NOW.replace(day=1) - timedelta(days=1):%Y_%m}"} <= names
    with owner.connect() as connection:
        assert [t for t in HISTORY if not connection.scalar(sa.text(f"SELECT count(*) FROM {t}"))] == []


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_the_application_changes_no_row(application: sa.Engine, what: str) -> None:
    """On no append-only table, and on no partition of one."""
    through = [target.name for target in _targets(application) if not _stopped(application, target.said(CHANGES[what]))]
    assert through == []


@pytest.mark.parametrize("what", sorted(STRUCTURE))
def test_the_application_changes_no_structure(application: sa.Engine, what: str) -> None:
    """No table, no trigger, no grant."""
    through = [
        target.name for target in _targets(application) if not _stopped(application, target.said(STRUCTURE[what]))
    ]
    assert through == []


@pytest.mark.parametrize("what", sorted(SERVER))
def test_the_application_gets_no_other_way_in(application: sa.Engine, what: str) -> None:
    """It becomes nobody else, makes nothing, and replaces no function."""
    assert _stopped(application, SERVER[what])


@pytest.mark.parametrize("statement", ["UPDATE {t} SET {c} = {c}", "DELETE FROM {t}", "TRUNCATE {t} CASCADE"])
def test_the_owner_is_stopped_by_the_triggers(owner: sa.Engine, statement: str) -> None:
    """Grants do not bind the owner: each table and partition says so itself."""
    filled = {target.name for target in _targets(owner) if _rows(owner, target.name)}
    for target in _targets(owner):
        if target.name in filled or "TRUNCATE" in statement:  # a row trigger needs a row
            assert "append-only" in _stopped(owner, target.said(statement)), target.name


def test_a_superuser_in_replica_mode_is_stopped_too(postgres: EmbeddedPostgres, database: str) -> None:
    """The triggers fire always."""
    engine = sa.create_engine(postgres.url(database))
    for name in HISTORY:
        assert "append-only" in _stopped(engine, f"SET LOCAL session_replication_role = replica; DELETE FROM {name}"), (
            name
        )
    engine.dispose()


def test_rows_come_in_by_the_table_alone(application: sa.Engine) -> None:
    """A partition takes no row, not even a right one."""
    for target in _targets(application):
        if target.name not in HISTORY:
            assert _stopped(
                application, f"INSERT INTO {target.name} OVERRIDING SYSTEM VALUE SELECT * FROM {target.name}"
            ), target.name
            assert _stopped(application, f"COPY {target.name} FROM STDIN"), target.name


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger (id, {given}) OVERRIDING SYSTEM VALUE SELECT 7, {given} FROM ledger",
        "INSERT INTO ledger (id, {given}) OVERRIDING USER VALUE SELECT 7, {given} FROM ledger",
        "INSERT INTO ledger (recorded_at, {given}) SELECT now() - interval '1 day', {given} FROM ledger",
        "INSERT INTO ledger (xid, {given}) SELECT xid, {given} FROM ledger",
        "INSERT INTO ledger OVERRIDING SYSTEM VALUE SELECT * FROM ledger",
        "COPY ledger (id, {given}) FROM STDIN",
        "COPY ledger (recorded_at, {given}) FROM STDIN",
        "COPY ledger FROM STDIN",
        "INSERT INTO ledger_identity (ledger) VALUES (gen_random_uuid())",
    ],
)
def test_number_and_time_of_an_entry_are_the_database_s_to_say(application: sa.Engine, statement: str) -> None:
    """No entry can be dated back, or put between others."""
    assert _stopped(application, statement.format(given=_GIVEN))


_GIVEN = "at, actor, action, subject, workflow, payload, payload_hash"


def test_an_entry_can_be_added_and_read(application: sa.Engine) -> None:
    """What the application needs of the ledger, it has: in one statement, or by COPY."""
    with application.connect() as connection:
        count = sa.text("SELECT count(*) FROM ledger")
        before = connection.scalar(count)
        connection.exec_driver_sql(f"INSERT INTO ledger ({_GIVEN}) SELECT {_GIVEN} FROM ledger LIMIT 1 RETURNING id")
        assert connection.scalar(count) == (before or 0) + 1
        connection.rollback()


def test_the_columns_that_can_be_said_are_these(application: sa.Engine) -> None:
    """A column that is added to the ledger has to be thought about."""
    with application.connect() as connection:
        said = connection.scalars(
            sa.text(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = 'ledger'::regclass AND attnum > 0 "
                "AND has_column_privilege(attrelid, attnum, 'INSERT') ORDER BY attnum"
            )
        ).all()
    assert ", ".join(said) == _GIVEN


def test_a_partition_of_another_table_takes_what_its_table_takes(ops: sa.Engine) -> None:
    """Calls are re-priced month by month: the application writes to partitions of ``usage``, made after the grants."""
    with ops.begin() as connection:
        partitions.ensure(connection, "usage", [NOW])
        connection.exec_driver_sql(f"UPDATE usage_{NOW:%Y_%m} SET cost = 1")
        connection.exec_driver_sql(f"DELETE FROM usage_{NOW:%Y_%m}")
    assert _stopped(ops, f"TRUNCATE usage_{NOW:%Y_%m}")
    assert _stopped(ops, f"DROP TABLE usage_{NOW:%Y_%m}")


@pytest.mark.parametrize("table", ["incidents", "runs_2026_11", "pg_class", "ledger; DROP TABLE runs", "", None])
def test_only_what_has_months_gets_a_partition(application: sa.Engine, table: str | None) -> None:
    """The owner's function makes nothing else, whatever it is given."""
    for function in ("afterpilot_partition", "afterpilot_drop_partition"):
        with application.connect() as connection, pytest.raises(sa.exc.DataError, match="no partitions by month"):
            connection.execute(sa.text(f"SELECT {function}(:table, '2026-11-01')"), {"table": table})


def test_a_table_of_the_session_s_own_deceives_no_function(ops: sa.Engine) -> None:
    """Temporary tables come first in a search path; the owner's functions look for them last."""
    month = NOW.replace(day=1) - timedelta(days=3650)
    name = f"records_{month:%Y_%m}"
    with ops.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE records (at timestamptz) PARTITION BY RANGE (at)")
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} (n int)")
        connection.exec_driver_sql("SET LOCAL search_path = pg_temp, public")
        made = sa.text("SELECT afterpilot_partition('records', CAST(:day AS date))")
        assert connection.scalar(made, {"day": month.date()}) == name
        schema = sa.text(
            "SELECT count(*) FROM pg_class WHERE relname = :name AND relnamespace = 'public'::regnamespace"
        )
        assert connection.scalar(schema, {"name": name}) == 1


@pytest.mark.parametrize("table", ["ledger", "samples", "usage"])
def test_logs_stay_for_the_legal_minimum(ops: sa.Engine, table: str) -> None:
    """A month can be dropped 183 days after its end and not before, and not by hand."""
    old, young = NOW - timedelta(days=183 + 62), NOW - timedelta(days=183 - 1)
    with ops.begin() as connection:
        partitions.ensure(connection, table, [old, young])
    drop = "SELECT afterpilot_drop_partition('{table}', '{day}')"
    why = _stopped(ops, drop.format(table=table, day=young.date()))
    assert f"{table}_{young:%Y_%m} has to be kept until" in why
    with ops.begin() as connection:
        assert connection.exec_driver_sql(drop.format(table=table, day=old.date())).scalar() is True
        assert connection.exec_driver_sql(drop.format(table=table, day=old.date())).scalar() is False
        assert f"{table}_{young:%Y_%m}" in partitions.known(connection, table)


def test_grants_that_are_too_many_are_found_and_taken_back(
    ops_url: str, ops_owner_url: str, ops: sa.Engine, ops_owner: sa.Engine
) -> None:
    """An upgrade leaves exactly what is needed, whatever was granted before."""
    with ops.connect() as connection:
        assert standing(connection).words == ""
        assert standing(connection).withheld
    with ops_owner.begin() as connection:
        for grant in _TOO_MUCH:
            connection.exec_driver_sql(grant)
        connection.exec_driver_sql("REVOKE DELETE ON incidents FROM afterpilot")
        connection.exec_driver_sql("ALTER TABLE prices DISABLE TRIGGER append_only")
        connection.exec_driver_sql("REVOKE UPDATE (state) ON outbox FROM afterpilot")
    with ops.connect() as connection:
        found = standing(connection)
    assert set(found.excess) == {
        "UPDATE on ledger",
        "INSERT of ledger.id",
        "TRUNCATE on runs",
        "TRIGGER on outbox",
        "REFERENCES on prices",
        "CREATE on the schema",
        "UPDATE of outbox.created_at",
    }
    assert found.lacking == ("DELETE on incidents", "UPDATE of outbox.state")
    assert found.unprotected == ("prices",)
    assert not found.withheld
    assert not found.sound
    migrate.upgrade(ops_owner_url, application=APPLICATION)
    migrate.upgrade(ops_owner_url, application=APPLICATION)
    with ops.connect() as connection:
        assert standing(connection) == standing(connection, APPLICATION)
        assert standing(connection).words == ""


_TOO_MUCH = (
    "GRANT UPDATE (payload) ON ledger TO PUBLIC",
    "GRANT INSERT (id) ON ledger TO afterpilot",
    "GRANT TRUNCATE ON runs TO afterpilot",
    "GRANT TRIGGER ON outbox TO PUBLIC",
    "GRANT REFERENCES (id) ON prices TO afterpilot",
    "GRANT CREATE ON SCHEMA public TO afterpilot",
    "GRANT UPDATE (created_at) ON outbox TO PUBLIC",
)


def test_an_application_that_owns_its_tables_is_said_to_hold_by_triggers_alone(empty_database: str) -> None:
    """Nothing can be withheld from it: that is said, with what to do, and is no error."""
    migrate.upgrade(empty_database)
    engine = sa.create_engine(empty_database)
    with engine.connect() as connection:
        found = standing(connection)
    engine.dispose()
    assert found.owner
    assert not found.withheld
    assert found.sound
    assert "AFTERPILOT_OWNER_URL" in found.words
    assert "\n" not in found.words


def test_a_member_of_the_owner_s_role_is_as_good_as_the_owner(postgres: EmbeddedPostgres, ops_url: str) -> None:
    """It could become the owner at any time."""
    engine = sa.create_engine(sa.make_url(ops_url).set(username="postgres"))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE member LOGIN")
        connection.exec_driver_sql(f"GRANT {OWNER} TO member WITH INHERIT FALSE")
        assert standing(connection, "member").owner
        connection.rollback()
    engine.dispose()


def test_the_owner_needs_no_right_to_make_roles(empty_database: str) -> None:
    """A role that does not exist is asked for, and nothing is migrated before."""
    with pytest.raises(ConfigurationError, match="no role 'missing'"):
        migrate.upgrade(empty_database, application="missing")
    assert migrate.current(empty_database) is None


def test_a_trial_is_made_without_the_right_to_make_schemas(ops_url: str, ops: sa.Engine) -> None:
    """In its schema the application may do all; the schema is gone afterwards, and no other can be made or dropped."""
    with scratch(ops_url) as trial:
        engine = sa.create_engine(trial)
        with Ops(engine).begin() as unit:
            partitions.ensure(unit.connection, "records", [NOW])
            assert standing(unit.connection).owner
        engine.dispose()
    with ops.connect() as connection:
        left = connection.scalars(sa.text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'afterpilot%'")).all()
    assert left == []
    for function in ("afterpilot_trial", "afterpilot_trial_over"):
        with ops.connect() as connection, pytest.raises(sa.exc.DataError, match="no name of a trial"):
            connection.exec_driver_sql(f"SELECT {function}('public')")


def test_no_table_of_a_trial_reaches_history(ops_url: str) -> None:
    """Where the application may make tables it can neither refer to history nor hang a trigger on it."""
    with scratch(ops_url) as trial:
        engine = sa.create_engine(trial)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            )
        assert _stopped(engine, "CREATE TABLE mine (v bigint REFERENCES public.prices)")
        assert _stopped(engine, "CREATE TABLE mine () INHERITS (public.prices)")
        assert _stopped(
            engine, "CREATE TRIGGER mine BEFORE INSERT ON public.ledger FOR EACH ROW EXECUTE FUNCTION mine()"
        )
        engine.dispose()


def _rows(engine: sa.Engine, name: str) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(f"SELECT EXISTS (SELECT FROM {name})")))
