"""The table that is checked: production calls of 1,000 workflows of very different size, made inside the database."""

from __future__ import annotations

import sqlalchemy as sa

WORKFLOWS = 1_000
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}

# 19 columns, about 200 bytes a row; one row of 10,000 is wrong in each of three columns. The sizes of workflows are skewed: the
# greatest has ten times the rows of the one in the middle and more.
_CREATE = """
CREATE UNLOGGED TABLE {table} AS
SELECT id,
       'workflow-' || lpad((1 + floor(1000 * power(spread, 1.5)))::int::text, 4, '0') AS workflow,
       timestamptz '2026-11-20 00:00:00+00' + id * interval '1 day' / {rows} AS started_at,
       timestamptz '2026-11-20 00:00:00+00' + id * interval '1 day' / {rows} + interval '1 s' * (id % 9) AS finished_at,
       (ARRAY['ok', 'routed', 'overridden', 'error'])[1 + (id % 4)::int] AS status,
       (ARRAY['small', 'large', 'vision'])[1 + (id % 3)::int] AS model,
       CASE WHEN id % 10000 = 17 THEN NULL ELSE 'ORDER-' || (100000 + id % 900000) END AS order_number,
       CASE WHEN id % 10000 = 4711 THEN -5 ELSE 200 + (id * 7919) % 3000 END AS input_tokens,
       (40 + (id * 104729) % 800)::int AS output_tokens,
       (300 + (id * 31) % 9000)::int AS latency_ms,
       round((0.0001 * (1 + id % 97))::numeric, 4) AS cost,
       round((0.5 + (id % 50) / 100.0)::numeric, 2) AS confidence,
       CASE WHEN id % 10000 = 99 THEN 'GPB' ELSE (ARRAY['EUR', 'GBP', 'USD'])[1 + (id % 3)::int] END AS currency,
       round((10 + (id * 13) % 90000 / 7.0)::numeric, 2) AS total,
       'prompt-' || (id % 12) AS prompt,
       'supplier ' || (id % 5000) AS supplier,
       (id % 3)::int AS retries,
       CASE WHEN id % 20 = 0 THEN 'clerk-' || (id % 40) END AS reviewer,
       md5(id::text) AS trace
FROM (SELECT id, random() AS spread FROM generate_series(1::bigint, {rows}) AS id) AS numbered
"""


def make(engine: sa.Engine, size: str) -> str:
    """The table's name; it is made where it is not there yet, with the indexes that one workflow's rows are found by."""
    table = f"calls_{size}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not sa.inspect(connection).has_table(table):
            unfinished = f"{table}_unfinished"
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {unfinished}")
            connection.exec_driver_sql("SELECT setseed(0.42)")
            connection.exec_driver_sql(_CREATE.format(table=unfinished, rows=SIZES[size]).replace("%", "%%"))
            connection.exec_driver_sql(f"ALTER TABLE {unfinished} ADD PRIMARY KEY (id)")
            connection.exec_driver_sql(f"CREATE INDEX ON {unfinished} (workflow)")
            connection.exec_driver_sql(f"ALTER TABLE {unfinished} RENAME TO {table}")
        connection.exec_driver_sql(f"VACUUM ANALYZE {table}")
    return table


def sample(engine: sa.Engine, table: str, wanted: int) -> list[str]:
    """Workflows at even distances in the order of their sizes, so that what is measured on them holds for all."""
    workflow = sa.column("workflow", sa.Text())
    by_size = sa.select(workflow).select_from(sa.table(table)).group_by(workflow).order_by(sa.func.count(), workflow)
    with engine.connect() as connection:
        names = list(connection.scalars(by_size))
    return [names[(2 * index + 1) * len(names) // (2 * wanted)] for index in range(wanted)]
