"""The ops database's migrations, on a real PostgreSQL."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from afterpilot.record import migrate

pytestmark = pytest.mark.integration


def test_the_migrated_database_is_what_the_code_declares(ops_url: str) -> None:
    """No table, column, index or constraint is missing or left over after all migrations."""
    assert migrate.differences(ops_url) == []
    assert migrate.current(ops_url) == migrate.head()


def test_an_upgrade_twice_changes_nothing(empty_database: str) -> None:
    """The second upgrade finds the database at the newest version."""
    assert migrate.current(empty_database) is None
    migrate.upgrade(empty_database)
    migrate.upgrade(empty_database)
    assert migrate.current(empty_database) == migrate.head()


def test_a_downgrade_to_the_start_leaves_nothing_behind(empty_database: str) -> None:
    """Down to base and up again gives the same tables."""
    migrate.upgrade(empty_database)
    migrate.downgrade(empty_database, "base")
    engine = sa.create_engine(empty_database)
    left = set(sa.inspect(engine).get_table_names()) - {migrate.VERSION_TABLE}
    engine.dispose()
    assert left == set()
    migrate.upgrade(empty_database)
    assert migrate.differences(empty_database) == []


def test_a_drifted_database_is_noticed(ops_url: str) -> None:
    """A column that somebody dropped by hand is reported."""
    engine = sa.create_engine(ops_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN summary")
    engine.dispose()
    assert migrate.differences(ops_url) != []
