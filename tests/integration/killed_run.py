"""A suite against the model double, and a process that runs it and may be killed at any moment.

``python killed_run.py MODEL_URL DATABASE_URL CASES CONCURRENCY``: the cases that stand in the table ``kept`` are done. Without a
database nothing is kept.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from decimal import Decimal

import sqlalchemy as sa

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.evals import Case, Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.workflow import Evals, ModelPrice, ModelTarget
from afterpilot.evaluate.client import Client
from afterpilot.evaluate.runner import Runner
from afterpilot.spend.prices import Prices

KEY = "test-key-0123456789"
MODEL = "double-1"
COST = Decimal("0.00011")  # of one call to the double: 20 fresh, 100 cached and 8 output tokens
KEPT = sa.Table(
    "kept",
    sa.MetaData(),
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("cost", sa.Numeric, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
)


class OneServer:
    """The connection to the double."""

    def __init__(self, url: str) -> None:
        self._url = url

    def database_url(self, name: str) -> str:
        """There is none."""
        raise NotImplementedError(name)

    def endpoint(self, name: str) -> Endpoint:  # noqa: ARG002 - the protocol's
        """Always the same."""
        return Endpoint(self._url, KEY)


def suite(cases: int, *, concurrency: int = 8) -> Evals:
    """So many cases, each of which wants the answer ``right``."""
    return Evals(
        target=ModelTarget("double", MODEL, Prompt("case {{ number }}")),
        cases=tuple(Case(f"c{n}", {"number": str(n)}, {"": "right"}) for n in range(cases)),
        scorers=(ScorerSpec("exact", ""),),
        epochs=1,
        max_cost=Money(Decimal(10)),
        concurrency=concurrency,
        pass_rate=Decimal(1),
        sha256="",
    )


def runner(url: str) -> Runner:
    """As the installed project builds it."""
    prices = Prices([ModelPrice.per_million(MODEL, Decimal(1), Decimal(10), Decimal("0.1"), "USD")])
    return Runner(lambda concurrency: Client(OneServer(url), concurrency=concurrency), prices)


def main(url: str, database: str, cases: int, concurrency: int) -> None:
    """Run the suite on from where it stands."""
    if not database:
        runner(url).run(suite(cases, concurrency=concurrency), keep=lambda _group: None, done={})
        return
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        rows = connection.execute(sa.select(KEPT.c.case_id, KEPT.c.cost)).all()
    done = {(row.case_id, 0): Sample(row.case_id, 0, "", (), cost=row.cost, attempts=1) for row in rows}

    def keep(group: Sequence[Sample]) -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.insert(KEPT),
                [
                    {"case_id": one.case_id, "passed": one.passed, "cost": one.cost, "said": str(one.output)}
                    for one in group
                ],
            )

    runner(url).run(suite(cases, concurrency=concurrency), keep=keep, done=done)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have none
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
