"""The clerks' desk: decisions on what was read, as their time comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.demo import clerks, databases
from afterpilot.demo.asked import Asked
from afterpilot.demo.office import Office
from afterpilot.demo.papers import ordinal_of

DESK = 5  # invoices that were routed to clerks and that none of them has taken yet; the newest
CHECKS = 2  # spot checks that wait likewise
_ON_THE_DESK = timedelta(hours=46)  # at most: what waits for two days is something to be told of


def decide(connection: sa.Connection, office: Office, now: datetime, asked: Asked) -> int:
    """Add the decisions of clerks whose time has come, but for a few of the newest; returns how many."""
    runs, orders = databases.ai_invoice_runs.c, databases.purchase_orders.c
    placed = sa.select(orders.po_number, orders.supplier, orders.amount, orders.currency, orders.status)
    known = {number: clerks.OpenOrder(*columns) for number, *columns in connection.execute(placed)}
    columns = (
        runs.run_id,
        runs.finished_at,
        runs.supplier,
        runs.invoice_no,
        runs.po_number,
        runs.total,
        runs.currency,
    )
    waiting = sa.select(*columns).where(runs.run_id.not_in(sa.select(databases.ap_decisions.c.run_id)))
    readings = {row.run_id: clerks.Reading(*row) for row in connection.execute(waiting)}
    decided = (
        clerks.decide(each, office.invoice(ordinal_of(run_id)), known, spot_check=asked.spot_check(run_id))
        for run_id, each in readings.items()
    )
    due = [each for each in decided if each and each.decided_at <= now]
    left = _left(due, {each.run_id: readings[each.run_id].finished_at for each in due}, now)
    taken = [
        {**asdict(each), "decided_at": asked.entered(each.decided_at, now)} for each in due if each.run_id not in left
    ]
    if taken:
        connection.execute(insert(databases.ap_decisions).on_conflict_do_nothing(), taken)
    return len(taken)


def _left(due: Sequence[clerks.Decision], finished: Mapping[str, datetime], now: datetime) -> set[str]:
    """The newest ones, which lie on the desk still."""
    newest = sorted(due, key=lambda each: finished[each.run_id], reverse=True)
    fresh = [each for each in newest if finished[each.run_id] > now - _ON_THE_DESK]
    checks = [each.run_id for each in fresh if each.note == clerks.SPOT_CHECK]
    others = [each.run_id for each in fresh if each.note != clerks.SPOT_CHECK]
    return {*checks[:CHECKS], *others[:DESK]}


def close_handled(connection: sa.Connection) -> None:
    """What a clerk has decided on is with nobody any more: it is filed, or was refused."""
    connection.exec_driver_sql(
        """
        UPDATE ai_invoice_runs AS runs SET status = CASE WHEN last.decision = 'refused' THEN 'refused' ELSE 'filed' END
        FROM (SELECT DISTINCT ON (run_id) run_id, decision FROM ap_decisions ORDER BY run_id, decided_at DESC) AS last
        WHERE last.run_id = runs.run_id AND runs.status = 'with_clerk'
        """
    )
