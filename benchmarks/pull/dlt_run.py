"""dlt, in its own environment: its source ``sql_database``, its destination ``postgres``, everything else as it comes.

Arguments: URL of the office's database, URL of a database for the rows, backend, disposition, folder for its files. Prints rows and seconds.
"""

from __future__ import annotations

import json
import sys
import time
from urllib.parse import urlsplit

import dlt  # type: ignore[import-not-found]
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]


def main(source: str, target: str, backend: str, disposition: str, folder: str) -> None:
    """Load the table once."""
    table = sql_table(
        credentials=sa.create_engine(source) if backend != "connectorx" else address(source),
        table="ai_invoice_runs",
        backend=backend,
    )
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        destination=dlt.destinations.postgres(address(target)),
        dataset_name="pulled",
        pipelines_dir=folder,
    )
    began = time.perf_counter()
    pipeline.run(table, write_disposition=disposition, primary_key="run_id" if disposition == "merge" else None)
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client:
        ((rows,),) = client.execute_sql("SELECT count(*) FROM ai_invoice_runs")
    print(json.dumps({"rows": rows, "seconds": seconds}))


def address(url: str) -> str:
    """A URL of a server on a socket as dlt takes it: it wants a password and a host, and libpq the folder after all."""
    parts = urlsplit(url)
    return f"postgresql://{parts.username}:-@localhost{parts.path}?{parts.query}"


if __name__ == "__main__":
    main(*sys.argv[1:])
