"""when an offer was answered

Revision: 0003
Follows: 0002
Locks: case_offers ACCESS EXCLUSIVE for a moment: a column that may be NULL rewrites no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_offers", sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("case_offers", "answered_at")
