"""The ledger: entries that are only ever added, and the Merkle tree that they are sealed into."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from afterpilot.record.tables.base import metadata, text_column, time_column


class XID8(UserDefinedType[int]):
    """A transaction's number that never comes again (``xid8``)."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in PostgreSQL."""
        return "xid8"


ischema_names["xid8"] = XID8  # so that a migrated database can be compared with this

# ``id``, ``recorded_at`` and ``xid`` are the database's to say: nobody can date an entry back.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), primary_key=True),
    sa.Column("xid", XID8, server_default=sa.text("pg_current_xact_id()"), nullable=False),
    time_column("at"),  # when it happened, as whoever wrote it says
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),  # source:subject:action
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),  # canonical JSON (RFC 8785)
    sa.Column("payload_hash", sa.LargeBinary, nullable=False),  # SHA-256 of it
    sa.Index("ix_ledger_subject", "subject", sa.text("id DESC")),
    sa.Index("ix_ledger_workflow", "workflow", sa.text("id DESC")),
    sa.Index("ix_ledger_actor", "actor", sa.text("id DESC")),
    sa.Index("ix_ledger_xid", "xid"),
    postgresql_partition_by="RANGE (recorded_at)",
)

# Entries that are sealed, in the order of the tree.
ledger_leaves = sa.Table(
    "ledger_leaves",
    metadata,
    sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),  # of the entry among its workflow's, from 1, without gaps
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Index("uq_ledger_leaves_workflow_number", "workflow", "number", unique=True),
)

# Hashes of complete subtrees of 256, 65,536 … leaves (levels 8, 16, 24, 32), so that a proof reads little.
ledger_nodes = sa.Table(
    "ledger_nodes",
    metadata,
    sa.Column("level", sa.SmallInteger, primary_key=True),
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

# What the tree was at a moment, signed.
ledger_heads = sa.Table(
    "ledger_heads",
    metadata,
    sa.Column("entries", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("workflows_root", sa.LargeBinary, nullable=False),
    time_column("at"),
    sa.Column("statement", sa.Text, nullable=False),  # canonical JSON: what is signed
    text_column("key_id"),  # empty: no key was there, and nothing is signed
    sa.Column("signature", sa.LargeBinary),
    sa.Column("horizon", XID8, nullable=False),  # every transaction before it had ended
    text_column("cluster"),  # PostgreSQL's system identifier: numbers of transactions hold within one
)

ledger_keys = sa.Table(
    "ledger_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),  # raw Ed25519, 32 bytes
    time_column("since", default_now=True),
    text_column("endorsed_by"),  # the key before it; empty for the first, and for one that nobody could endorse
    sa.Column("endorsement", sa.LargeBinary),  # signature of that key over this one
)

# Where heads were told outside of this database.
ledger_publications = sa.Table(
    "ledger_publications",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("place", sa.Text, nullable=False),  # slack:#ops, file:…, s3:…
    time_column("at", default_now=True),
    text_column("reference"),
    sa.Index("ix_ledger_publications_entries", "entries"),
)

# Which ledger this is; one row.
ledger_identity = sa.Table(
    "ledger_identity",
    metadata,
    sa.Column("ledger", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    time_column("began_at", default_now=True),
)

# Whose personal values the ledger holds sealed. Erasing takes the name, the digest and the key; the id stays.
subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("kind", sa.Text, nullable=False),  # person, output
    sa.Column("name", sa.Text),
    sa.Column("digest", sa.LargeBinary, unique=True),  # SHA-256 of kind and name
    sa.Column("key", sa.LargeBinary),  # 32 bytes
    time_column("created_at", default_now=True),
    time_column("erased_at", nullable=True),
    sa.CheckConstraint("(erased_at IS NULL) = (key IS NOT NULL)", name="erased_without_key"),
)
