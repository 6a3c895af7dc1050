"""retention: holds, what was removed, what the database itself refuses to drop; and what lists of the log are narrowed by

Revision: 0008
Follows: 0007
Locks: the tables of the log for a moment each, for their triggers; incidents and outbox for writers while three indexes each are
made; all else is new.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from afterpilot.record import functions

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Tables of the log without months: what a row is dated by, and whose it is.
_LOG = {
    "cap_raises": "'period_end', 'workflow'",
    "eval_results": "'at', 'workflow'",
    "fingerprints": "'last_seen_at', 'workflow'",
    "gate_decisions": "'decided_at', 'workflow'",
    "human_decisions": "'decided_at', 'workflow'",
    "incident_events": "'at'",
    "incidents": "'resolved_at', 'workflow'",
    "judgements": "'at', 'workflow'",
    "outbox": "'created_at', 'workflow'",
    "releases": "'decided_at', 'workflow'",
    "reopened_windows": "'noticed_at', 'workflow'",
    "reports": "'created_at', 'workflow'",
    "review_items": "'decided_at', 'workflow'",
    "silences": "'ends_at', 'workflow'",
    "spot_check_rates": "'period', 'workflow'",
    "task_failures": "'at', ''",
    "write_backs": "'decided_at', 'workflow'",
}


# What the lists of incidents and messages are narrowed by; each row is found by one comparison of the column, the time and the id.
_LISTS = (("incidents", "opened_at", ("state", "severity")), ("outbox", "created_at", ("kind", "state")))


def upgrade() -> None:
    _holds()
    _removals()
    functions.install(op.get_bind(), "0008_retention.sql")
    op.execute("SELECT afterpilot_protect('removals')")
    for table, given in _LOG.items():
        row_kept = f"FOR EACH ROW EXECUTE FUNCTION afterpilot_row_kept({given})"
        op.execute(f"CREATE TRIGGER row_kept BEFORE DELETE ON {table} {row_kept}")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER row_kept")
    for table, at, columns in _LISTS:
        op.drop_index(f"ix_{table}_workflow", table)
        for column in ("workflow", *columns):
            op.create_index(f"ix_{table}_{column}", table, [column, at, "id"])


def _time(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[datetime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", postgresql.UUID(as_uuid=True), server_default=sa.text("gen_random_uuid()"), nullable=False),
        _text("workflow"),
        _time("from_at", nullable=True),
        _time("to_at", nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        _time("set_at", now=True),
        _time("ended_at", nullable=True),
        _text("ended_by"),
        _text("ended_reason"),
        sa.CheckConstraint("to_at > from_at", name="ck_holds_ends_after_start"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )


def _removals() -> None:
    op.create_table(
        "removals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _time("at", now=True),
        sa.Column("how", sa.Text(), nullable=False),
        _text("data_class"),
        _text("table_name"),
        sa.Column("month", sa.Date()),
        _text("workflow"),
        _time("before", nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger()),
        _text("subject"),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("how IN ('dropped', 'deleted', 'erased')", name="ck_removals_how"),
        sa.PrimaryKeyConstraint("id", name="pk_removals"),
    )
    op.create_index("ix_removals_at", "removals", ["at"])
    op.create_index(
        "ix_removals_table_name", "removals", ["table_name", "month"], postgresql_where=sa.text("how = 'dropped'")
    )


def downgrade() -> None:
    for table, at, columns in _LISTS:
        for column in ("workflow", *columns):
            op.drop_index(f"ix_{table}_{column}", table)
        op.create_index(f"ix_{table}_workflow", table, ["workflow", sa.text(f"{at} DESC"), "id"])
    functions.install(op.get_bind(), "0008_undone.sql")
    op.execute("DROP FUNCTION afterpilot_kept(text, date)")
    op.execute("DROP TABLE holds, removals")
    op.execute("DROP FUNCTION afterpilot_hold_ends()")
    op.execute("DROP FUNCTION afterpilot_row_kept() CASCADE")
    op.execute("DROP FUNCTION afterpilot_subject_erased() CASCADE")
