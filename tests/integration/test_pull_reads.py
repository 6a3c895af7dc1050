"""The hash of data that a workflow reads."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from afterpilot.domain.errors import SourceError
from afterpilot.pull.reads import digest

pytestmark = pytest.mark.integration
TWO = "SELECT * FROM (VALUES (1, 'a:b'), (2, NULL)) AS t (n, word)"


def test_the_order_of_rows_does_not_matter(empty_database: str) -> None:
    """Everything else does: a value, a row more, a row twice, NULL instead of a text."""
    same = digest(empty_database, TWO)
    assert digest(empty_database, f"{TWO} ORDER BY n DESC") == same
    others = (
        "SELECT * FROM (VALUES (1, 'a:c'), (2, NULL)) AS t (n, word)",
        "SELECT * FROM (VALUES (1, 'a:b'), (2, 'None')) AS t (n, word)",
        f"{TWO} UNION ALL SELECT 1, 'a:b'",
        f"{TWO} WHERE n = 1",
        f"{TWO} WHERE false",
    )
    assert len({same, *(digest(empty_database, sql) for sql in others)}) == len(others) + 1


def test_colons_and_percent_signs_of_a_statement_are_its_own(empty_database: str) -> None:
    """No parameter is looked for in it."""
    assert digest(empty_database, "SELECT '10:30'::text, 'a%s' LIKE 'a%'")


def test_a_query_with_too_many_rows_is_refused(empty_database: str) -> None:
    """A hash of a part would look the same after a change."""
    with pytest.raises(SourceError, match="more than 3 rows"):
        digest(empty_database, "SELECT generate_series(1, 4)", most_rows=3)


def test_nothing_can_be_written(empty_database: str) -> None:
    """The transaction is read-only, and one statement."""
    engine = sa.create_engine(empty_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (n int)")
    engine.dispose()
    for sql in ("INSERT INTO kept VALUES (1) RETURNING n", "SELECT 1; DROP TABLE kept"):
        with pytest.raises(SourceError):
            digest(empty_database, sql)
