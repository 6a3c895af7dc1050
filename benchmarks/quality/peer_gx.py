"""Great Expectations as its users run it: a query asset and one validation for each workflow.

Its default result format counts what fails, as ours does; without any counts (BOOLEAN_ONLY) it takes about half the time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import sqlalchemy as sa
from benchmarks.quality.suite import CHECKS, Peer


def run(url: str, table: str, workflows: Sequence[str]) -> Peer:
    """What the workflows took, without the import."""
    logging.disable(logging.CRITICAL)
    import great_expectations as gx
    import great_expectations.expectations as library
    from great_expectations.data_context.types.base import ProgressBarsConfig

    kinds = {name.lower(): getattr(library, name) for name in dir(library)}
    made = [kinds[f"expect_{one.expect}".replace("_", "")](**one.params) for one in CHECKS]
    begun, used = time.perf_counter(), time.process_time()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # It takes no address of a Unix socket, so the connection is made here.
    made_here = sa.create_engine(url)
    address = made_here.dialect.create_connect_args(made_here.url)
    source = context.data_sources.add_postgres(
        "bench",
        connection_string="postgresql+psycopg://bench@bench/bench",
        kwargs={"creator": lambda: made_here.dialect.connect(*address[0], **address[1])},
    )
    suite = gx.ExpectationSuite("ten", expectations=made)
    held = {}
    for workflow in workflows:
        query = f"SELECT * FROM {table} WHERE workflow = '{workflow}'"  # noqa: S608 - our own words
        asset = source.add_query_asset(workflow, query=query)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        held[workflow] = bool(batch.validate(suite).success)
    return Peer(time.perf_counter() - begun, time.process_time() - used, held)
