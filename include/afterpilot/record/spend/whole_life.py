"""Reads what the whole cost of a workflow is made from, besides its calls: outputs, people's time, what eval cases cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import sqlalchemy as sa

from afterpilot.domain.whole_life import OutputSum, PeopleSum
from afterpilot.domain.window import Window
from afterpilot.record.tables import eval_results

# Outputs by the records' day; what people said last of each counts, whenever they said it.
_OUTPUTS = sa.text(
    "SELECT CAST(outputs.at AT TIME ZONE 'UTC' AS date) - CAST(:first AS date) AS day, count(*) AS records, "
    "  count(*) FILTER (WHERE released AND coalesce(decision, 'accepted') = 'accepted') AS alone, "
    "  count(*) FILTER (WHERE decision = 'accepted' OR released AND decision IS NULL) AS accepted "
    "FROM gate_decisions AS outputs LEFT JOIN ("
    "  SELECT DISTINCT ON (key) key, decision FROM human_decisions "
    "  WHERE workflow = :workflow AND decided_at >= :start ORDER BY key, decided_at DESC) AS people "
    "ON people.key = outputs.key "
    "WHERE outputs.workflow = :workflow AND outputs.at >= :start AND outputs.at < :end GROUP BY 1 ORDER BY 1"
)
_PEOPLE = sa.text(
    "SELECT CAST(decided_at AT TIME ZONE 'UTC' AS date) - CAST(:first AS date) AS day, count(*) AS decisions, "
    "  count(coalesce(minutes, seconds)) AS timed, coalesce(sum(coalesce(minutes, seconds / 60)), 0) AS minutes "
    "FROM human_decisions "
    "WHERE workflow = :workflow AND decided_at >= :start AND decided_at < :end GROUP BY 1 ORDER BY 1"
)
# All calls of a run stand at the moment when it began; a reference is run/case/epoch/attempt.
_CASES = sa.text(
    "SELECT avg(cost) AS cost, min(currency) AS currency, bool_and(cost IS NOT NULL) AS known "
    "FROM usage LEFT JOIN prices ON prices.id = usage.price_id "
    "WHERE workflow = :workflow AND usage.at = :at AND kind = 'eval' AND ref LIKE :run "
    "GROUP BY regexp_replace(ref, '/[^/]*/[^/]*$', '')"
)


def outputs_by_day(connection: sa.Connection, workflow: str, window: Window) -> Sequence[OutputSum]:
    """The gate's outputs of each day (UTC) from the window's first, which is 0."""
    return [
        OutputSum(row.day, row.records, row.alone, row.accepted)
        for row in connection.execute(_OUTPUTS, _given(workflow, window))
    ]


def people_by_day(connection: sa.Connection, workflow: str, window: Window) -> Sequence[PeopleSum]:
    """What people decided on each day, and the minutes that it took where that is known."""
    return [
        PeopleSum(row.day, row.decisions, row.timed, row.minutes)
        for row in connection.execute(_PEOPLE, _given(workflow, window))
    ]


def case_costs(connection: sa.Connection, workflow: str) -> tuple[tuple[Decimal, ...], str]:
    """What an answer cost in each case of the newest valid eval run, with the currency; nothing where any cost is not known."""
    columns = (eval_results.c.run_id, eval_results.c.at)
    newest = connection.execute(
        sa.select(*columns)
        .where(eval_results.c.workflow == workflow, eval_results.c.valid)
        .order_by(eval_results.c.at.desc())
        .limit(1)
    ).first()
    if newest is None:
        return (), ""
    found = connection.execute(_CASES, {"workflow": workflow, "at": newest.at, "run": f"{newest.run_id}/%"}).all()
    if not all(row.known for row in found) or len({row.currency for row in found}) != 1:
        return (), ""
    return tuple(row.cost for row in found), found[0].currency


def _given(workflow: str, window: Window) -> dict[str, object]:
    return {"workflow": workflow, "start": window.start, "end": window.end, "first": window.start.date()}
