"""ledger: entries, the Merkle tree they are sealed into, its signed heads, and whose personal values it holds

Revision: 0006
Follows: 0005
Locks: declarations, prices, gate_decisions, review_items, fingerprints and task_failures for a moment each, for their triggers; all
else is new.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from afterpilot.record import functions

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    "ledger",
    "ledger_leaves",
    "ledger_nodes",
    "ledger_heads",
    "ledger_keys",
    "ledger_publications",
    "ledger_identity",
    "subjects",
)
_APPEND_ONLY = (
    "ledger",
    "ledger_leaves",
    "ledger_nodes",
    "ledger_heads",
    "ledger_keys",
    "ledger_publications",
    "ledger_identity",
    "declarations",
    "prices",
)
# Of rows that are written anew: since when they are what they are.
_GOES_ON = {
    "fingerprints": "last_seen_at",
    "gate_decisions": "decided_at",
    "review_items": "opened_at",
    "task_failures": "at",
}


def upgrade() -> None:
    functions.install(op.get_bind(), "0006_functions.sql")
    _entries()
    _tree()
    _heads()
    _subjects()
    for table in _APPEND_ONLY:
        op.execute(f"SELECT afterpilot_protect('{table}')")
    for table, column in _GOES_ON.items():
        op.execute(
            f"CREATE TRIGGER goes_on BEFORE UPDATE ON {table} FOR EACH ROW WHEN (new.{column} < old.{column}) "
            f"EXECUTE FUNCTION afterpilot_goes_on('{column}')"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER goes_on")


def _time(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[datetime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _entries() -> None:
    op.execute(
        """
        CREATE TABLE ledger (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
            xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
            at TIMESTAMPTZ NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            workflow TEXT NOT NULL,
            payload TEXT NOT NULL,
            payload_hash BYTEA NOT NULL,
            CONSTRAINT pk_ledger PRIMARY KEY (id, recorded_at)
        ) PARTITION BY RANGE (recorded_at)
        """
    )
    for column in ("subject", "workflow", "actor"):
        op.create_index(f"ix_ledger_{column}", "ledger", [column, sa.text("id DESC")])
    op.create_index("ix_ledger_xid", "ledger", ["xid"])
    for months in range(3):
        op.execute(f"SELECT afterpilot_partition('ledger', CAST(now() + INTERVAL '{months} months' AS date))")


def _tree() -> None:
    op.create_table(
        "ledger_leaves",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name="pk_ledger_leaves"),
        sa.UniqueConstraint("entry_id", name="uq_ledger_leaves_entry_id"),
    )
    op.create_index("uq_ledger_leaves_workflow_number", "ledger_leaves", ["workflow", "number"], unique=True)
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name="pk_ledger_nodes"),
    )


def _heads() -> None:
    op.execute(
        """
        CREATE TABLE ledger_heads (
            entries BIGINT NOT NULL,
            root BYTEA NOT NULL,
            workflows_root BYTEA NOT NULL,
            at TIMESTAMPTZ NOT NULL,
            statement TEXT NOT NULL,
            key_id TEXT DEFAULT '' NOT NULL,
            signature BYTEA,
            horizon XID8 NOT NULL,
            cluster TEXT DEFAULT '' NOT NULL,
            CONSTRAINT pk_ledger_heads PRIMARY KEY (entries)
        )
        """
    )
    op.create_table(
        "ledger_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        _time("since", now=True),
        _text("endorsed_by"),
        sa.Column("endorsement", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("key_id", name="pk_ledger_keys"),
    )
    op.create_table(
        "ledger_publications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        _time("at", now=True),
        _text("reference"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_publications"),
    )
    op.create_index("ix_ledger_publications_entries", "ledger_publications", ["entries"])
    op.create_table(
        "ledger_identity",
        sa.Column("ledger", postgresql.UUID(as_uuid=True), server_default=sa.text("gen_random_uuid()"), nullable=False),
        _time("began_at", now=True),
        sa.PrimaryKeyConstraint("ledger", name="pk_ledger_identity"),
    )
    op.execute("INSERT INTO ledger_identity DEFAULT VALUES")


def _subjects() -> None:
    op.create_table(
        "subjects",
        sa.Column("id", postgresql.UUID(as_uuid=True), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("key", sa.LargeBinary()),
        _time("created_at", now=True),
        _time("erased_at", nullable=True),
        sa.CheckConstraint("(erased_at IS NULL) = (key IS NOT NULL)", name="ck_subjects_erased_without_key"),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
        sa.UniqueConstraint("digest", name="uq_subjects_digest"),
    )


def downgrade() -> None:
    functions.remove(op.get_bind())
    for table in _TABLES:
        op.drop_table(table)
